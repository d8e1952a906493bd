package output

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/agent/solve/job"
)

// outputPlan opens one output in the working directory of the test.
func outputPlan(t *testing.T, value string, allow ...string) (*Set, error) {
	t.Helper()
	o, err := Parse(value)
	if err != nil {
		t.Fatal(err)
	}
	workdir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return opened(t, []Output{o}, Env{WorkDir: workdir, AllowDelete: slices.Contains(allow, EntitlementLocalDelete)})
}

// publish is the end of a build whose solves have all succeeded.
func publish(t *testing.T, p *Set) error {
	t.Helper()
	if err := p.Seal(t.Context()); err != nil {
		return err
	}
	_, err := p.Commit(t.Context())
	return err
}

// produce plays a solve that writes files and succeeds or not.
func produce(t *testing.T, p *Set, succeeds bool, files map[string]string) {
	t.Helper()
	outputs, err := p.Begin(job.Job{})
	if err != nil {
		t.Fatal(err)
	}
	write(t, outputs.receivers.entries()[0].OutputDir, files)
	if err := outputs.End(nil, succeeds); err != nil {
		t.Fatal(err)
	}
}

func TestOutputAppearsWhole(t *testing.T) {
	tests := []struct {
		name   string
		before map[string]string // nil: dest does not exist
		solves []map[string]string
		attrs  string
		want   map[string]string
	}{
		{
			name:   "new directory",
			solves: []map[string]string{attrs("a", "1", "d/b", "2", "l", "->a", "empty/", "")},
			want:   attrs("a", "1", "d/b", "2", "l", "->a", "empty/", ""),
		},
		{
			name:   "new directory of two nodes",
			solves: []map[string]string{attrs("linux_amd64/a", "1"), attrs("linux_arm64/a", "2")},
			want:   attrs("linux_amd64/a", "1", "linux_arm64/a", "2"),
		},
		{
			name:   "existing files are replaced or stay",
			before: attrs("a", "old", "keep", "me", "d/keep", "too", "d/b", "old"),
			solves: []map[string]string{attrs("a", "1", "d/b", "2", "d/e/c", "3")},
			want:   attrs("a", "1", "keep", "me", "d/keep", "too", "d/b", "2", "d/e/c", "3"),
		},
		{
			name:   "kinds change",
			before: attrs("file", "x", "dir/x", "y", "link", "->keep", "keep", "k", "dirlink", "->target", "target/t", "t"),
			solves: []map[string]string{attrs("file/now", "dir", "dir", "now file", "link", "now file", "dirlink/in", "real")},
			want:   attrs("file/now", "dir", "dir", "now file", "link", "now file", "keep", "k", "dirlink/in", "real", "target/t", "t"),
		},
		{
			name:   "two nodes into an existing directory",
			before: attrs("linux_amd64/old", "x"),
			solves: []map[string]string{attrs("linux_amd64/a", "1"), attrs("linux_arm64/a", "2")},
			want:   attrs("linux_amd64/old", "x", "linux_amd64/a", "1", "linux_arm64/a", "2"),
		},
		{
			name:   "mode=delete",
			before: attrs("a", "old", "gone", "x", "d/gone", "y", "d/b", "old", "e/gone", "z", ".slipway-staging-other/x", "of another build"),
			solves: []map[string]string{attrs("a", "1", "d/b", "2")},
			attrs:  ",mode=delete",
			want:   attrs("a", "1", "d/b", "2", ".slipway-staging-other/x", "of another build"),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			parent := t.TempDir()
			dest := filepath.Join(parent, "x", "out")
			if tt.before != nil {
				write(t, dest, tt.before)
			}
			beforeAll := tree(t, parent)
			p, err := outputPlan(t, "type=local,dest="+dest+tt.attrs, EntitlementLocalDelete)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(beforeAll, tree(t, parent)); diff != "" {
				t.Errorf("Open left a trace (-before +after):\n%s", diff)
			}
			produce(t, p, false, attrs("partial", "of a try that failed"))
			for _, files := range tt.solves {
				produce(t, p, true, files)
			}
			if err := publish(t, p); err != nil {
				t.Fatal(err)
			}
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			wantTree(t, dest, tt.want)
			if tt.before == nil {
				info, err := os.Stat(dest)
				if err != nil || info.Mode().Perm() != 0o700 {
					t.Errorf("mode of the new directory: %v, %v; want 0700 as from BuildKit", info.Mode(), err)
				}
			}
			if entries, err := os.ReadDir(filepath.Join(parent, "x")); err != nil || len(entries) != 1 {
				t.Errorf("beside the output: %v, %v", entries, err)
			}
		})
	}
}

func TestOutputOfFailedBuildLeavesNothing(t *testing.T) {
	for _, before := range []map[string]string{nil, attrs("a", "old")} {
		parent := t.TempDir()
		dest := filepath.Join(parent, "out")
		if before != nil {
			write(t, dest, before)
		}
		want := tree(t, parent)
		p, err := outputPlan(t, dest)
		if err != nil {
			t.Fatal(err)
		}
		produce(t, p, true, attrs("a", "new", "b", "new"))
		produce(t, p, false, attrs("c", "partial"))
		outputs, err := p.Begin(job.Job{}) // a solve that never ended
		if err != nil {
			t.Fatal(err)
		}
		write(t, outputs.receivers.entries()[0].OutputDir, attrs("ro/x", "y"))
		if err := os.Chmod(filepath.Join(outputs.receivers.entries()[0].OutputDir, "ro"), 0o500); err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, tree(t, parent)); diff != "" {
			t.Errorf("the failed build left (-before +after):\n%s", diff)
		}
	}
}

func TestOutputClash(t *testing.T) {
	dest := filepath.Join(t.TempDir(), "out")
	p, err := outputPlan(t, "type=local,dest="+dest+",platform-split=false")
	if err != nil {
		t.Fatal(err)
	}
	produce(t, p, true, attrs("d/same", "1", "d/own1", "1"))
	produce(t, p, true, attrs("d/same", "2", "d/own2", "2"))
	wantUsage(t, publish(t, p), "--output", "several platforms produced d/same")
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dest); !os.IsNotExist(err) {
		t.Errorf("the output appeared: %v", err)
	}
}

func TestOutputKeepsModesAndTimes(t *testing.T) {
	dest := filepath.Join(t.TempDir(), "out")
	write(t, dest, attrs("d/old", "x"))
	p, err := outputPlan(t, dest)
	if err != nil {
		t.Fatal(err)
	}
	outputs, err := p.Begin(job.Job{})
	if err != nil {
		t.Fatal(err)
	}
	stage := outputs.receivers.entries()[0].OutputDir
	write(t, stage, attrs("d/new", "x", "ro/f", "x"))
	when := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	for _, dir := range []string{"d", "ro"} {
		if err := os.Chmod(filepath.Join(stage, dir), 0o555); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(stage, dir), when, when); err != nil {
			t.Fatal(err)
		}
	}
	if err := outputs.End(nil, true); err != nil {
		t.Fatal(err)
	}
	if err := publish(t, p); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"d", "ro"} {
		info, err := os.Stat(filepath.Join(dest, dir))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o555 || !info.ModTime().Equal(when) {
			t.Errorf("%s: %s %s, want 0555 and %s", dir, info.Mode(), info.ModTime(), when)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	wantTree(t, dest, attrs("d/old", "x", "d/new", "x", "ro/f", "x"))
}

func TestOutputThroughSymlink(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, attrs("real/keep", "x", "link", "->real"))
	p, err := outputPlan(t, filepath.Join(dir, "link"))
	if err != nil {
		t.Fatal(err)
	}
	produce(t, p, true, attrs("new", "y"))
	if err := publish(t, p); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	wantTree(t, dir, attrs("real/keep", "x", "real/new", "y", "link", "->real"))
}

func TestOutputDestination(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, attrs("file", "x", "dangling", "->nowhere", "d/f", "x"))
	t.Chdir(dir)
	tests := []struct{ value, want string }{
		{"file", "is not a directory"},
		{"file/sub", "not a directory"},
		{"dangling", "symbolic link to nothing"},
		{"dangling/sub", "symbolic link to nothing"},
		{"type=local,dest=.,mode=delete", "not below the working directory"},
		{"type=local,dest=..,mode=delete", "not below the working directory"},
		{"type=local,dest=/,mode=delete", "not below the working directory"},
	}
	for _, tt := range tests {
		t.Run(tt.value, func(t *testing.T) {
			_, err := outputPlan(t, tt.value)
			wantUsage(t, err, "--output", tt.want)
		})
	}
	p, err := outputPlan(t, "type=local,dest=d,mode=delete")
	if err != nil {
		t.Errorf("mode=delete below the working directory: %v", err)
	} else if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestAppearBesideConcurrentBuild(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, attrs("tree/a", "mine", "dest/b", "of the other build"))
	if err := placeNew(filepath.Join(dir, "tree"), filepath.Join(dir, "dest")); err != nil {
		t.Fatal(err)
	}
	wantTree(t, filepath.Join(dir, "dest"), attrs("a", "mine", "b", "of the other build"))
}
