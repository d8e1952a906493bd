package agent

import "testing"

func TestPlatformOf(t *testing.T) {
	for step, want := range map[string]string{
		"[linux/arm64 2/3] RUN make":                     "linux/arm64",
		"[linux/arm/v7 build 2/3] RUN make":              "linux/arm/v7",
		"[linux/amd64->arm64 build 2/3] RUN make":        "linux/arm64",
		"[linux/amd64->arm/v7 build 2/3] RUN make":       "linux/arm/v7",
		"[internal] load build definition of Dockerfile": "internal]",
		"": "",
	} {
		if got := platformOf(step); got != want {
			t.Errorf("%q: %q, want %q", step, got, want)
		}
	}
}
