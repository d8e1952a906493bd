package debian

import (
	"os"
	"path/filepath"
	"testing"
)

// TestOnlyWhatIsMissingIsFetched holds that a program that a cluster may run
// stays as it is when the list grows.
func TestOnlyWhatIsMissingIsFetched(t *testing.T) {
	folder := t.TempDir()
	for _, file := range unpacked[:len(unpacked)-1] {
		path := filepath.Join(folder, file.to)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	last := unpacked[len(unpacked)-1]
	if got, err := missing(folder); err != nil || len(got) != 1 || got[0] != last {
		t.Errorf("missing: %v %v, want %v", got, err, last)
	}
	if got, err := missing(filepath.Join(folder, "nowhere")); err != nil || len(got) != len(unpacked) {
		t.Errorf("missing in no folder: %d of %d, %v", len(got), len(unpacked), err)
	}
}
