package cluster

import (
	"slices"
	"testing"
)

func TestMountsBelow(t *testing.T) {
	text := `1 0 8:1 / / rw - ext4 /dev/a rw
2 1 0:1 / /s rw - tmpfs t rw
3 2 0:2 / /s/a\040b rw - tmpfs t rw
4 1 0:3 / /state rw - tmpfs t rw
5 2 0:2 / /s/a\040b/c rw - tmpfs t rw
`
	want := []string{"/s/a b/c", "/s/a b", "/s"}
	if got := mountsBelow(text, "/s"); !slices.Equal(got, want) {
		t.Errorf("mountsBelow = %q, want %q", got, want)
	}
}
