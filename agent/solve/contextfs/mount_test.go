package contextfs

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/internal/target"
)

func TestMountHidesStaging(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, attrs("a", "1", target.StagingPrefix+"1/x", "y", "out/"+target.StagingPrefix+"2/x", "y", "out/b", "2", target.StagingPrefix+"file", "a file of the user"))
	mount, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = mount.Walk(t.Context(), "", func(path string, _ os.DirEntry, err error) error {
		got = append(got, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{target.StagingPrefix + "file", "a", "out", "out/b"}, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}
