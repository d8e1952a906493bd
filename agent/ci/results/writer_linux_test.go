package results

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// noted collects what a writer says.
type noted struct {
	warnings, commands []string
	calls              []string
	failure            error // of programs
}

func (n *noted) places(system string, v Variables) Places {
	return Places{
		System: system, Variables: v,
		Warn:    func(message string) { n.warnings = append(n.warnings, message) },
		Command: func(line string) { n.commands = append(n.commands, line) },
		Run: func(_ context.Context, program string, args []string, _ string) error {
			n.calls = append(n.calls, program+" "+strings.Join(args, " "))
			return n.failure
		},
	}
}

// write opens and writes.
func write(t *testing.T, places Places, r Results) error {
	t.Helper()
	w, err := Open(places)
	if err != nil {
		t.Fatal(err)
	}
	return w.Write(t.Context(), r)
}

func TestGitHubFiles(t *testing.T) {
	for name, before := range map[string]string{"empty": "", "with an output": "a=1\n", "without a line end": "a=1"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			v := GitHub{Output: put(t, filepath.Join(dir, "output"), before), StepSummary: put(t, filepath.Join(dir, "summary"), "# Mine")}
			n := &noted{}
			if err := write(t, n.places("github", Variables{GitHub: v}), built()); err != nil || n.warnings != nil {
				t.Fatal(err, n.warnings)
			}
			got, err := readGitHub(read(t, v.Output))
			if err != nil || got["digest"] != digest || before != "" && got["a"] != "1" {
				t.Errorf("%q, %v", got, err)
			}
			if text := read(t, v.StepSummary); !strings.HasPrefix(text, "# Mine\n### Image build succeeded\n") {
				t.Error(text)
			}
		})
	}
}

// A runner that makes its files when something is written to them.
func TestGitHubFileIsMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "output")
	n := &noted{}
	if err := write(t, n.places("gitea", Variables{GitHub: GitHub{Output: path}}), built()); err != nil || n.warnings != nil {
		t.Fatal(err, n.warnings)
	}
	if got, err := readGitHub(read(t, path)); err != nil || got["digest"] != digest {
		t.Errorf("%q, %v", got, err)
	}
}

// What cannot be written is said before the build, and does not fail it.
func TestGitHubFilesThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	secret := put(t, filepath.Join(dir, "secret"), "")
	link, pipe := filepath.Join(dir, "link"), filepath.Join(dir, "pipe")
	if err := errors.Join(os.Symlink(secret, link), unix.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	for path, why := range map[string]string{
		filepath.Join(dir, "none", "output"): "no such file or directory",
		dir:                                  "is no regular file",
		link:                                 "is a symbolic link",
		pipe:                                 "is no regular file",
		"/dev/full":                          "is no regular file",
		readOnly(t):                          "",
	} {
		n := &noted{}
		v := Variables{GitHub: GitHub{Output: path, StepSummary: path}}
		if err := write(t, n.places("github", v), built()); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if len(n.warnings) != 2 || !strings.HasPrefix(n.warnings[0], "GITHUB_OUTPUT: ") || !strings.Contains(n.warnings[0], why) || !strings.HasSuffix(n.warnings[0], ": the outputs digest, imageid, metadata and tags will not be written") ||
			!strings.HasPrefix(n.warnings[1], "GITHUB_STEP_SUMMARY: ") {
			t.Errorf("%s: %q", path, n.warnings)
		}
	}
	if read(t, secret) != "" {
		t.Error("a link was followed")
	}
	n := &noted{}
	if err := write(t, n.places("github", Variables{}), built()); err != nil || n.warnings != nil {
		t.Errorf("without files: %v, %q", err, n.warnings)
	}
}

// A file that could be written to before the build, and cannot after it, is an error:
// the next step would read nothing.
func TestGitHubOutputFailsLate(t *testing.T) {
	dir := t.TempDir()
	v := Variables{GitHub: GitHub{Output: put(t, filepath.Join(dir, "output"), "a=1\n"), StepSummary: put(t, filepath.Join(dir, "summary"), "")}}
	n := &noted{}
	w, err := Open(n.places("github", v))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{v.GitHub.Output, v.GitHub.StepSummary} {
		if err := errors.Join(os.Remove(path), os.Symlink("elsewhere", path)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Write(t.Context(), built()); err == nil || !strings.HasPrefix(err.Error(), "GITHUB_OUTPUT: ") {
		t.Errorf("%v", err)
	}
	if len(n.warnings) != 1 || !strings.HasPrefix(n.warnings[0], "the job summary is not written: GITHUB_STEP_SUMMARY: ") {
		t.Errorf("%q", n.warnings)
	}
	if _, err := os.Lstat(filepath.Join(dir, "elsewhere")); err == nil {
		t.Error("a link was followed")
	}
}

// On a disk that is full nothing is left of what did not fit.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	path := put(t, filepath.Join(dir, "output"), "a=1\n")
	err := appendTo(path, []byte(strings.Repeat("x", 1<<20)))
	if !errors.Is(err, syscall.ENOSPC) || read(t, path) != "a=1\n" {
		t.Errorf("%v, %d bytes", err, len(read(t, path)))
	}
}

// A summary has no room beside what is in the file.
func TestSummaryHasNoRoom(t *testing.T) {
	path := put(t, filepath.Join(t.TempDir(), "summary"), strings.Repeat("x", maxGitHub-10))
	n := &noted{}
	if err := write(t, n.places("github", Variables{GitHub: GitHub{StepSummary: path}}), built()); err != nil {
		t.Fatal(err)
	}
	if len(n.warnings) != 1 || !strings.HasPrefix(n.warnings[0], "GITHUB_STEP_SUMMARY: the job summary is not written: ") || len(read(t, path)) != maxGitHub-10 {
		t.Errorf("%q", n.warnings)
	}
}

// TestDirectory has the files of each system.
func TestDirectory(t *testing.T) {
	for system, want := range map[string]string{
		"":          "slipway.env slipway.json slipway.properties",
		"none":      "slipway.env slipway.json slipway.properties",
		"drone":     "slipway.env slipway.json slipway.properties",
		"gitlab":    "gl-annotations.json gl-code-quality-report.json slipway.env slipway.json slipway.properties",
		"jenkins":   "slipway.env slipway.json slipway.properties warnings-ng.log",
		"argo":      "digest image imageid slipway.env slipway.json slipway.properties status tags",
		"buildkite": "slipway.env slipway.json slipway.properties",
	} {
		dir := filepath.Join(t.TempDir(), "made", "ci")
		places := (&noted{}).places(system, Variables{})
		places.Dir = dir
		w, err := Open(places)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Error("the directory is there before there is something in it")
		}
		if err := w.Write(t.Context(), built()); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(names(t, dir), " "); got != want {
			t.Errorf("%s: %s, want %s", system, got, want)
		}
		var r Results
		if err := json.Unmarshal([]byte(read(t, filepath.Join(dir, "slipway.json"))), &r); err != nil || r.Digest != digest || r.Warnings == nil {
			t.Errorf("%v", err)
		}
		if system == "argo" && read(t, filepath.Join(dir, "digest")) != digest {
			t.Error("a parameter with a line end")
		}
		// The next build fails: nothing of this one stays.
		if err := write(t, places, broken()); err != nil {
			t.Fatal(err)
		}
		for _, name := range names(t, dir) {
			if strings.Contains(read(t, filepath.Join(dir, name)), digest) {
				t.Errorf("%s has the digest of an earlier build", name)
			}
		}
	}
}

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		all = append(all, entry.Name())
	}
	return all
}

// A directory that was asked for has to be writable before the build, and nothing in it
// is removed when it is not.
func TestDirectoryThatCannotBeWritten(t *testing.T) {
	root := t.TempDir()
	work, out := filepath.Join(root, "work"), filepath.Join(root, "out")
	dir := filepath.Join(work, "dir")
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, "slipway.json"), 0o755), os.Mkdir(out, 0o755), os.Symlink(out, filepath.Join(work, "link"))); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "slipway.env"), "A=b\n")
	put(t, filepath.Join(work, "file"), "")
	for path, why := range map[string]string{
		dir:                         "is a directory",
		filepath.Join(work, "file"): "not a directory",
		filepath.Join(work, "link"): "leads out of the working directory",
	} {
		places := (&noted{}).places("", Variables{})
		places.Dir, places.WorkDir = path, work
		if _, err := Open(places); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if read(t, filepath.Join(dir, "slipway.env")) == "" {
		t.Error("something was removed")
	}
}

func TestTektonFiles(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "IMAGE_DIGEST"), "sha256:of-an-earlier-build")
	put(t, filepath.Join(dir, "other"), strings.Repeat("x", 3680))
	n := &noted{}
	fresh, err := Open(n.places("tekton", Variables{}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(tektonDir); err != nil {
		if len(n.warnings) != 1 || !strings.HasPrefix(n.warnings[0], "the results IMAGE_DIGEST, IMAGE_URL, IMAGES will not be written: ") {
			t.Errorf("without a directory: %q", n.warnings)
		}
	}
	n.warnings = nil
	own := tekton{dir}
	fresh.teller = own
	own.open(fresh)
	if _, err := os.Stat(filepath.Join(dir, "IMAGE_DIGEST")); err == nil {
		t.Error("the digest of an earlier build is there")
	}
	if err := fresh.Write(t.Context(), built()); err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(dir, "IMAGE_DIGEST")); got != digest {
		t.Errorf("%q", got)
	}
	if len(n.warnings) != 2 || !strings.HasPrefix(n.warnings[0], "the results of Tekton: not written: IMAGE_URL (") {
		t.Errorf("%q", n.warnings)
	}
}

func TestAzureTellsByCommands(t *testing.T) {
	n := &noted{}
	if err := write(t, n.places("azure", Variables{}), broken()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"##vso[task.setvariable variable=SLIPWAY_STATUS;isOutput=true]failed"}, n.commands); diff != "" {
		t.Error(diff)
	}
}

func TestBuildkiteTellsByItsAgent(t *testing.T) {
	for _, tt := range []struct {
		failure         error
		status          string
		calls, warnings int
	}{
		{nil, Succeeded, 6, 0},
		{nil, Cancelled, 0, 0},
		{&exec.Error{Name: buildkiteAgent, Err: exec.ErrNotFound}, Succeeded, 1, 0},
		{errors.New("exit status 1"), Succeeded, 1, 1},
	} {
		n := &noted{failure: tt.failure}
		r := built()
		r.Status = tt.status
		if err := write(t, n.places("buildkite", Variables{}), r); err != nil || len(n.calls) != tt.calls || len(n.warnings) != tt.warnings {
			t.Errorf("%v, %s: %v, %q, %q", tt.failure, tt.status, err, n.calls, n.warnings)
		}
	}
}

// Secrets are in no file, in none of the forms that a file has them in.
func TestResultsAreMasked(t *testing.T) {
	const secret = "s3cr\"et"
	r := broken()
	r.Error.Message += " " + secret
	r.Error.Excerpt, r.Error.Hints[0] = secret, secret
	r.Error.Place.Message, r.Error.Place.File = secret, secret
	r.Warnings[0].Message, r.Warnings[0].URL = secret, "https://user:password@host/?token="+secret
	r.Tags, r.Digest, r.ImageID, r.Builder = []string{secret}, secret, secret, secret
	r.Platforms[0] = Platform{Platform: secret, Node: secret, Pod: secret, Digest: secret}
	r.Metadata = json.RawMessage(`{"a":` + quoted(secret) + `}`)
	mask := func(text string) string {
		return strings.NewReplacer(secret, "***", strings.Trim(quoted(secret), `"`), "***").Replace(text)
	}
	for _, system := range []string{"github", "gitlab", "jenkins", "argo", "azure"} {
		dir := t.TempDir()
		n := &noted{}
		places := n.places(system, Variables{GitHub: GitHub{Output: put(t, filepath.Join(dir, "output"), ""), StepSummary: put(t, filepath.Join(dir, "summary"), "")}})
		places.Dir, places.Mask = dir, mask
		if err := write(t, places, r); err != nil {
			t.Fatal(err)
		}
		all := strings.Join(n.commands, "\n")
		for _, name := range names(t, dir) {
			all += read(t, filepath.Join(dir, name))
		}
		if strings.Contains(all, "s3cr") || strings.Contains(all, "password") {
			t.Errorf("%s:\n%s", system, all)
		}
	}
}
