package output

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	fstypes "github.com/tonistiigi/fsutil/types"

	"github.com/slipway-build/slipway/agent/solve/job"
	"github.com/slipway-build/slipway/internal/target"
)

// What would be written outside is refused.
func TestExportStaysInside(t *testing.T) {
	outside := t.TempDir()
	write(t, outside, attrs("victim", "untouched"))
	link := &fstypes.Stat{Mode: uint32(fs.ModeSymlink | 0o777), Linkname: outside}
	for name, list := range map[string][]*fstypes.Stat{
		"upwards":            {{Path: "../x", Mode: 0o644}},
		"absolute":           {{Path: outside + "/victim", Mode: 0o644}},
		"through a link":     {{Path: "l", Mode: link.Mode, Linkname: link.Linkname}, {Path: "l/victim", Mode: 0o644}},
		"a link to anything": {{Path: "h", Mode: 0o644, Linkname: outside + "/victim"}},
		"a directory that is a link": {
			{Path: "l", Mode: link.Mode, Linkname: link.Linkname},
			{Path: "l", Mode: uint32(fs.ModeDir | 0o755)}, {Path: "l/victim", Mode: 0o644},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := &treeReceiver{dir: t.TempDir(), files: map[uint32]*incomingFile{}, deny: func(string, fs.FileMode) {}}
			var err error
			for _, stat := range list {
				err = errors.Join(err, r.listed(stat))
			}
			if err == nil {
				t.Error("it was taken")
			}
			wantTree(t, outside, attrs("victim", "untouched"))
		})
	}
	// One stream's link cannot take the place of another's directory.
	dir := t.TempDir()
	one := &treeReceiver{dir: dir, deny: func(string, fs.FileMode) {}}
	other := &treeReceiver{dir: dir, deny: func(string, fs.FileMode) {}}
	must(t, one.listed(&fstypes.Stat{Path: "l", Mode: uint32(fs.ModeDir | 0o755)}))
	if err := other.listed(&fstypes.Stat{Path: "l", Mode: link.Mode, Linkname: link.Linkname}); err == nil {
		t.Error("a link has taken the place of a directory")
	}
	// Nor does a file that is one by now give its mode to what the link is to.
	one.files = map[uint32]*incomingFile{}
	must(t, one.listed(&fstypes.Stat{Path: "m", Mode: 0o777}))
	must(t, other.listed(&fstypes.Stat{Path: "m", Mode: link.Mode, Linkname: outside + "/victim"}))
	one.files[1] = &incomingFile{waitingFile: one.queue[0], dir: dir} // it was asked for
	if err := one.data(1, nil); err == nil {
		t.Error("the mode of a link was changed")
	}
	info, err := os.Stat(filepath.Join(outside, "victim"))
	must(t, err)
	if info.Mode().Perm() == 0o777 {
		t.Error("the mode of a file outside was changed")
	}
}

// TestPermissions runs as an ordinary user: when the tests run as root, in a
// second process of the test binary.
func TestPermissions(t *testing.T) {
	if os.Geteuid() == 0 {
		runUnprivileged(t)
		return
	}
	dir := t.TempDir()
	t.Chdir(dir)
	// A commit that cannot succeed moves nothing at all.
	write(t, dir, attrs("out/locked/old", "x"))
	p, err := outputPlan(t, filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	produce(t, p, true, attrs("a", "new", "locked/new", "y"))
	if err := os.Chmod("out/locked", 0o555); err != nil {
		t.Fatal(err)
	}
	if err := publish(t, p); err == nil || !strings.Contains(err.Error(), "locked is not writable") {
		t.Errorf("Commit = %v", err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	wantTree(t, filepath.Join(dir, "out"), attrs("locked/old", "x"))

	// Read-only directories of an export can be moved and removed.
	p, err = outputPlan(t, filepath.Join(dir, "new"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, attrs("new/d/x", "old"))
	outputs, err := p.Begin(job.Job{})
	if err != nil {
		t.Fatal(err)
	}
	write(t, outputs.receivers.entries()[0].OutputDir, attrs("d/y", "1", "r/z", "2"))
	for _, name := range []string{"d", "r"} {
		if err := os.Chmod(filepath.Join(outputs.receivers.entries()[0].OutputDir, name), 0o555); err != nil {
			t.Fatal(err)
		}
	}
	if err := outputs.End(nil, true); err != nil {
		t.Fatal(err)
	}
	if err := publish(t, p); err != nil {
		t.Error(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	wantTree(t, filepath.Join(dir, "new"), attrs("d/x", "old", "d/y", "1", "r/z", "2"))
	for _, name := range []string{"out/locked", "new/d", "new/r"} {
		if err := os.Chmod(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// RemoveTree removes trees that are deeper than the process may open files.
func TestRemoveDeepTree(t *testing.T) {
	if !again(t, func(*exec.Cmd) {}) {
		return
	}
	dir := t.TempDir()
	deep := filepath.Join(dir, "t", strings.Repeat("d/", 100))
	must(t, os.MkdirAll(deep, 0o755), os.WriteFile(filepath.Join(deep, "f"), nil, 0o644), os.Chmod(deep, 0o555))
	spare, err := os.Open(dir)
	must(t, err)
	release := takeDescriptors(t)
	must(t, spare.Close())
	err = target.RemoveTree(filepath.Join(dir, "t"))
	release()
	if entries, readErr := os.ReadDir(dir); err != nil || readErr != nil || len(entries) > 0 {
		t.Errorf("%v, %v is left", err, entries)
	}
}
