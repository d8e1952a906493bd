package layout

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseLayout(t *testing.T) {
	const digest = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	tests := []struct {
		value string
		want  Image
	}{
		{"oci-layout:///p/l", Image{Dir: "/p/l", Tag: "latest"}},
		{"oci-layout:///p/l:1.3", Image{Dir: "/p/l", Tag: "1.3"}},
		{"oci-layout:///p/l@" + digest, Image{Dir: "/p/l", Digest: digest}},
		{"oci-layout:///p/l:1@" + digest, Image{Dir: "/p/l", Tag: "1", Digest: digest}},
		{"oci-layout:///p/@/l", Image{Dir: "/p/@/l", Tag: "latest"}},
		{"oci-layout://rel:x", Image{Dir: "rel", Tag: "x"}},
		{"oci-layout:///p:1/l", Image{Dir: "/p:1/l", Tag: "latest"}},
	}
	for _, tt := range tests {
		t.Run(tt.value, func(t *testing.T) {
			got, err := Parse(tt.value)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("layout (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := Parse("oci-layout://"); err == nil {
		t.Error("no error for an empty directory")
	}
}

func TestTagged(t *testing.T) {
	const a, b = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	two := `{"manifests":[
		{"digest":"` + a + `","annotations":{"org.opencontainers.image.ref.name":"1"}},
		{"digest":"` + b + `","annotations":{"org.opencontainers.image.ref.name":"2","io.containerd.image.name":"1"}}]}`
	tests := []struct{ name, index, tag, want, fails string }{
		{name: "ref name", index: two, tag: "2", want: b},
		{name: "image name goes first", index: two, tag: "1", want: b},
		{name: "single needs no tag", index: `{"manifests":[{"digest":"` + a + `"}]}`, tag: "latest", want: a},
		{name: "no such tag", index: two, tag: "3", fails: `no image is tagged "3"`},
		{name: "empty", index: `{}`, tag: "1", fails: "no image is tagged"},
		{name: "not json", index: `{`, tag: "1", fails: "is not valid"},
		{name: "bad digest", index: `{"manifests":[{"digest":"sha256:zz"}]}`, tag: "1", fails: "invalid checksum"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tagged([]byte(tt.index), tt.tag)
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("error %v does not say %q", err, tt.fails)
				}
			} else if err != nil || string(got) != tt.want {
				t.Errorf("tagged = %s, %v; want %s", got, err, tt.want)
			}
		})
	}
}
