package registry

import "testing"

func TestSplitLayout(t *testing.T) {
	const d = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	for _, tt := range []struct{ ref, repository, what, whole string }{
		{"oci-layout:///p/l", "oci-layout:///p/l", "latest", "oci-layout:///p/l:latest"},
		{"oci-layout://rel:1.3", "oci-layout://rel", "1.3", "oci-layout://rel:1.3"},
		{"oci-layout:///p/l@" + d, "oci-layout:///p/l", d, "oci-layout:///p/l@" + d},
		{"oci-layout:///p/l:1@" + d, "oci-layout:///p/l", d, "oci-layout:///p/l:1@" + d},
		{"oci-layout:///p/@/l", "oci-layout:///p/@/l", "latest", "oci-layout:///p/@/l:latest"},
		{"oci-layout:///p:1/l", "oci-layout:///p:1/l", "latest", "oci-layout:///p:1/l:latest"},
		{"oci-layout://.", "oci-layout://.", "latest", "oci-layout://.:latest"},
		{"oci-layout://", "", "", ""},
		{"oci-layout://:1", "", "", ""},
		{"oci-layout://x@sha256:12", "oci-layout://x@sha256", "12", "oci-layout://x@sha256:12"},
	} {
		repository, what, err := SplitReference(tt.ref)
		whole, _ := NormalizeLayout(tt.ref)
		if repository != tt.repository || what != tt.what || whole != tt.whole || (err == nil) != (tt.repository != "") {
			t.Errorf("%s: %q, %q, %q, %v; want %q, %q, %q", tt.ref, repository, what, whole, err, tt.repository, tt.what, tt.whole)
		}
	}
}
