package event

import "testing"

func TestIsInstruction(t *testing.T) {
	for name, want := range map[string]bool{
		"[2/3] RUN make":                   true,
		"[linux/arm64 build 2/3] RUN make": true,
		"[linux/amd64->arm64 3/3] COPY":    true,
		"[1/3] FROM alpine":                false,
		"[build 1/2] FROM alpine":          false,
		"[internal] load metadata":         false,
		"exporting to image":               false,
		"RUN [2/3] x":                      false,
	} {
		if got := IsInstruction(name); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
}
