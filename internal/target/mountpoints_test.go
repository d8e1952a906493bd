package target

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseMountPoints(t *testing.T) {
	got := parseMountPoints(strings.NewReader(`22 1 8:1 / / rw,relatime - ext4 /dev/root rw
30 22 0:26 / /work\040space/out rw,nosuid shared:7 - tmpfs tmpfs rw
31 22 8:1 /x /back\134slash\0 rw - ext4 /dev/root rw

broken
`))
	if diff := cmp.Diff(MountPoints{"/": true, "/work space/out": true, `/back\slash\0`: true}, got); diff != "" {
		t.Errorf("mount points (-want +got):\n%s", diff)
	}
	if got.Below("/work space") != "/work space/out" || got.Below("/work space/out") != "" || got.Below("/work") != "" {
		t.Error("Below finds others")
	}
}
