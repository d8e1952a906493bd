package solve

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// repository is a git work tree in a directory of its own.
func repository(t *testing.T, commit bool) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Fatalf("the tests of git's facts need git: %v", err)
	}
	// Nothing of the machine's own settings.
	t.Setenv("GIT_CONFIG_GLOBAL", "/dev/null")
	t.Setenv("GIT_CONFIG_SYSTEM", "/dev/null")
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, attrs("Dockerfile", "FROM scratch", "sub/Dockerfile", "FROM scratch", "sub/f", "x", ".gitignore", "ignored"))
	inGit(t, dir, "init", "-q", "-b", "main")
	if commit {
		inGit(t, dir, "add", ".")
		inGit(t, dir, "-c", "user.name=n", "-c", "user.email=e@x", "commit", "-q", "-m", "m")
	}
	return dir
}

func inGit(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestGitFacts(t *testing.T) {
	const url = "https://example.test/a/b.git"
	tests := []struct {
		name     string
		env      []string
		noCommit bool
		prepare  func(t *testing.T, dir string)
		context  string
		file     string
		want     map[string]string // HEAD stands for the commit
	}{
		{
			name: "root", prepare: func(t *testing.T, dir string) { inGit(t, dir, "remote", "add", "origin", url) },
			want: attrs("vcs:revision", "HEAD", "vcs:source", url, "vcs:localdir:context", ".", "vcs:localdir:dockerfile", "."),
		},
		{
			name: "below the root", context: "sub", file: "Dockerfile",
			want: attrs("vcs:revision", "HEAD", "vcs:localdir:context", "sub", "vcs:localdir:dockerfile", "."),
		},
		{name: "no commit yet", noCommit: true, want: attrs("vcs:localdir:context", ".", "vcs:localdir:dockerfile", ".")},
		{
			name: "credentials", prepare: func(t *testing.T, dir string) {
				inGit(t, dir, "remote", "add", "origin", "https://ci:sekret@example.test/a/b.git")
			},
			want: attrs("vcs:revision", "HEAD", "vcs:source", url, "vcs:localdir:context", ".", "vcs:localdir:dockerfile", "."),
		},
		{
			name: "the branch's own remote", prepare: func(t *testing.T, dir string) {
				inGit(t, dir, "remote", "add", "origin", "https://other.test/x")
				inGit(t, dir, "remote", "add", "fork", url)
				inGit(t, dir, "config", "branch.main.remote", "fork")
				inGit(t, dir, "config", "branch.main.merge", "refs/heads/main")
			},
			want: attrs("vcs:revision", "HEAD", "vcs:source", url, "vcs:localdir:context", ".", "vcs:localdir:dockerfile", "."),
		},
		{
			name: "detached, as CI systems check out", prepare: func(t *testing.T, dir string) {
				inGit(t, dir, "remote", "add", "upstream", url)
				inGit(t, dir, "checkout", "-q", "--detach")
			},
			want: attrs("vcs:revision", "HEAD", "vcs:source", url, "vcs:localdir:context", ".", "vcs:localdir:dockerfile", "."),
		},
		{
			name: "labels", env: []string{"BUILDX_GIT_LABELS", "1"}, context: "sub",
			prepare: func(t *testing.T, dir string) { inGit(t, dir, "remote", "add", "origin", url) },
			want: attrs("vcs:revision", "HEAD", "vcs:source", url, "vcs:localdir:context", "sub", "vcs:localdir:dockerfile", "sub",
				"label:org.opencontainers.image.revision", "HEAD", "label:org.opencontainers.image.source", url, "label:com.docker.image.source.entrypoint", "sub/Dockerfile"),
		},
		{
			name: "labels only", env: []string{"BUILDX_GIT_LABELS", "full", "BUILDX_GIT_INFO", "false"},
			want: attrs("label:org.opencontainers.image.revision", "HEAD", "label:com.docker.image.source.entrypoint", "Dockerfile"),
		},
		{name: "nothing wanted", env: []string{"BUILDX_GIT_INFO", "0"}, want: attrs()},
		{
			name: "clean", env: []string{"BUILDX_GIT_CHECK_DIRTY", "true"},
			want: attrs("vcs:revision", "HEAD", "vcs:localdir:context", ".", "vcs:localdir:dockerfile", "."),
		},
		{
			name: "changed", env: []string{"BUILDX_GIT_CHECK_DIRTY", "true"}, prepare: func(t *testing.T, dir string) { write(t, dir, attrs("sub/f", "y")) },
			want: attrs("vcs:revision", "HEAD-dirty", "vcs:localdir:context", ".", "vcs:localdir:dockerfile", "."),
		},
		{
			name: "ignored files count", env: []string{"BUILDX_GIT_CHECK_DIRTY", "true"}, prepare: func(t *testing.T, dir string) { write(t, dir, attrs("ignored", "y")) },
			want: attrs("vcs:revision", "HEAD-dirty", "vcs:localdir:context", ".", "vcs:localdir:dockerfile", "."),
		},
		{
			name: "changed, but not asked", prepare: func(t *testing.T, dir string) { write(t, dir, attrs("sub/f", "y")) },
			want: attrs("vcs:revision", "HEAD", "vcs:localdir:context", ".", "vcs:localdir:dockerfile", "."),
		},
		{
			name: "the clone of another user", prepare: func(t *testing.T, dir string) {
				if os.Getuid() != 0 {
					t.Skip("only root can give files away")
				}
				for _, path := range []string{"", ".git"} {
					if err := os.Chown(filepath.Join(dir, path), 4711, 4711); err != nil {
						t.Fatal(err)
					}
				}
			},
			want: attrs("vcs:revision", "HEAD", "vcs:localdir:context", ".", "vcs:localdir:dockerfile", "."),
		},
		{
			name: "no git", prepare: func(t *testing.T, _ string) { t.Setenv("PATH", t.TempDir()) }, want: attrs(),
		},
		{
			name: "not a repository after all", prepare: func(t *testing.T, dir string) {
				if err := os.RemoveAll(filepath.Join(dir, ".git")); err != nil {
					t.Fatal(err)
				}
				write(t, dir, attrs(".git", "gitdir: nowhere"))
			},
			want: attrs(),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := repository(t, !tt.noCommit)
			head := ""
			if !tt.noCommit {
				head = inGit(t, dir, "rev-parse", "HEAD")
			}
			if tt.prepare != nil {
				tt.prepare(t, dir)
			}
			r := Request{Context: filepath.Join(dir, tt.context), Lookup: env(tt.env...)}
			if tt.file != "" {
				r.Dockerfile = filepath.Join(dir, tt.file)
			}
			p, err := Prepare(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = p.Close() }()
			got := p.resolved().Attrs
			delete(got, attrFilename)
			want := attrs()
			for key, value := range tt.want {
				want[key] = strings.Replace(value, "HEAD", head, 1)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("attributes (-want +got):\n%s", diff)
			}
			if _, ok := p.inputs.Attrs["vcs:revision"]; ok {
				t.Error("the plan's inputs were changed")
			}
		})
	}
}

// A directory that looks like a bare repository is the user's files: its
// settings can name programs, which must not run on the agent.
func TestGitIgnoresPlantedRepository(t *testing.T) {
	dir := repository(t, true)
	planted := filepath.Join(dir, "planted")
	if err := os.Mkdir(planted, 0o755); err != nil {
		t.Fatal(err)
	}
	inGit(t, planted, "init", "-q", "--bare", ".")
	inGit(t, planted, "remote", "add", "origin", "https://evil.test/x")
	write(t, planted, attrs("Dockerfile", "FROM scratch"))
	got := askGit(t.Context(), gitQuestion{dir: planted, info: true, timeout: gitTimeout, environ: os.Environ()}).attrs
	if got["vcs:source"] != "" {
		t.Errorf("facts of the planted repository: %v", got)
	}
}

// Nothing that the settings of a repository name runs on the agent.
func TestGitRunsNoProgramOfTheRepository(t *testing.T) {
	marker := filepath.Join(t.TempDir(), "ran")
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho \"$0 $*\" >>"+marker+"\ncat\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	hooks := t.TempDir()
	for _, hook := range []string{"post-index-change", "fsmonitor-watchman", "reference-transaction", "post-checkout"} {
		if err := os.Symlink(program, filepath.Join(hooks, hook)); err != nil {
			t.Fatal(err)
		}
	}
	hostile := func(t *testing.T, dir string) {
		t.Helper()
		for _, key := range []string{
			"core.fsmonitor", "core.sshCommand", "core.gitProxy", "core.pager", "core.editor", "core.askPass", "core.alternateRefsCommand",
			"diff.external", "diff.evil.textconv", "diff.evil.command", "filter.evil.clean", "filter.evil.smudge", "filter.two.dots.clean", "filter.long.process",
			"gpg.program", "uploadpack.packObjectsHook", "remote.origin.uploadpack", "sequence.editor", "interactive.diffFilter",
		} {
			inGit(t, dir, "config", key, program)
		}
		for key, value := range map[string]string{
			"core.hooksPath": hooks, "credential.helper": "!" + program, "alias.status": "!" + program, "alias.config": "!" + program,
			"log.showSignature": "true", "status.submoduleSummary": "true", "protocol.ext.allow": "always",
			"remote.origin.url": "ext::" + program + " %S", "remote.origin.promisor": "true", "extensions.partialClone": "origin",
			"filter.evil.required": "true", "core.repositoryFormatVersion": "1",
		} {
			inGit(t, dir, "config", key, value)
		}
		write(t, dir, attrs(".git/info/attributes", "f filter=evil diff=evil\nDockerfile filter=long\n.gitignore filter=two.dots\n"))
		// Files that differ from the index as far as git can tell without
		// reading them.
		old := time.Unix(1e9, 0)
		for _, name := range []string{"sub/f", "Dockerfile", ".gitignore"} {
			if err := os.Chtimes(filepath.Join(dir, name), old, old); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
	}
	dir := repository(t, true)
	module := filepath.Join(dir, "module")
	inGit(t, dir, "init", "-q", module)
	write(t, module, attrs("Dockerfile", "FROM scratch"))
	inGit(t, module, "add", ".")
	commit := []string{"-c", "user.name=n", "-c", "user.email=e@x", "commit", "-q", "-m", "m"}
	inGit(t, module, commit...)
	inGit(t, dir, "add", "module")
	inGit(t, dir, commit...)
	// Only now: what prepares the test runs programs.
	modulesGit, hostileModule := filepath.Join(module, ".git"), filepath.Join(t.TempDir(), "module")
	if err := os.Rename(modulesGit, hostileModule); err != nil {
		t.Fatal(err)
	}
	write(t, module, attrs(".git", "gitdir: "+hostileModule))
	head := inGit(t, dir, "rev-parse", "HEAD")
	hostile(t, dir)
	hostileConfig, err := os.ReadFile(filepath.Join(dir, ".git", "config"))
	if err != nil {
		t.Fatal(err)
	}
	// Git passes settings on to the git of a submodule, so its own filter counts.
	write(t, hostileModule, attrs("config", strings.ReplaceAll(string(hostileConfig), `"evil"`, `"own"`), "info/attributes", "Dockerfile filter=own\n"))
	old := time.Unix(1e9, 0)
	if err := os.Chtimes(filepath.Join(module, "Dockerfile"), old, old); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(marker); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}

	q := newGitQuestion(env("BUILDX_GIT_CHECK_DIRTY", "1", "BUILDX_GIT_LABELS", "full"))
	q.environ = os.Environ()
	q.dir, q.key = dir, true
	facts := askGit(t.Context(), q)
	if ran, err := os.ReadFile(marker); err == nil {
		t.Errorf("programs of the repository ran:\n%s", ran)
	}
	if facts.attrs["vcs:revision"] != head {
		t.Errorf("revision %q, want %q", facts.attrs["vcs:revision"], head)
	}

	// A commit that is missing is not fetched either.
	object := filepath.Join(dir, ".git", "objects", head[:2], head[2:])
	if err := os.Remove(object); err != nil {
		t.Fatal(err)
	}
	askGit(t.Context(), q)
	if ran, err := os.ReadFile(marker); err == nil {
		t.Errorf("programs of the repository ran:\n%s", ran)
	}
}

func TestGitDirty(t *testing.T) {
	q := newGitQuestion(env("BUILDX_GIT_CHECK_DIRTY", "1"))
	q.environ = os.Environ()
	q.dir = repository(t, true)
	head := inGit(t, q.dir, "rev-parse", "HEAD")
	dirty := func() bool {
		t.Helper()
		switch revision := askGit(t.Context(), q).attrs["vcs:revision"]; revision {
		case head:
			return false
		case head + "-dirty":
			return true
		default:
			t.Fatalf("revision %q", revision)
			return false
		}
	}
	module := filepath.Join(q.dir, "module")
	inGit(t, q.dir, "init", "-q", module)
	write(t, module, attrs("f", "x"))
	commit := []string{"-c", "user.name=n", "-c", "user.email=e@x", "commit", "-q", "-m", "m"}
	inGit(t, module, "add", ".")
	inGit(t, module, commit...)
	inGit(t, q.dir, "add", "module")
	inGit(t, q.dir, commit...)
	head = inGit(t, q.dir, "rev-parse", "HEAD")
	if dirty() {
		t.Error("a clean work tree with a submodule is dirty")
	}
	q.dir = filepath.Join(q.dir, "sub")
	write(t, module, attrs("f", "changed"))
	if !dirty() {
		t.Error("a changed submodule beside the context is clean")
	}
	write(t, module, attrs("f", "x"))
	if dirty() {
		t.Error("a submodule that is as it was is dirty")
	}
	// A filter of the repository that cannot be named may be anything.
	inGit(t, module, "config", "filter.a=b.clean", "cat")
	if !dirty() {
		t.Error("a filter that cannot be switched off counts as clean")
	}
}

func TestGitEnvironment(t *testing.T) {
	got := gitEnvironment([]string{"HOME=/h", "GIT_CONFIG_COUNT=1"})
	for _, want := range []string{"HOME=/h", "GIT_CONFIG_COUNT=1", "GIT_ALLOW_PROTOCOL=none", "GIT_OPTIONAL_LOCKS=0"} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is missing in %q", want, got)
		}
	}
}

func TestWithoutCredentials(t *testing.T) {
	for address, want := range map[string]string{
		"https://h/a.git":          "https://h/a.git",
		"https://tok@h/a.git":      "https://h/a.git",
		"https://u:p@h:8443/a.git": "https://h:8443/a.git",
		"ssh://git@h/a.git":        "ssh://git@h/a.git",
		"ssh://git:p@h/a.git":      "ssh://git@h/a.git",
		"git@h:a/b.git":            "git@h:a/b.git",
		"/srv/a.git":               "/srv/a.git",
		"https://%zz:p@h/a":        "",
	} {
		if got := withoutCredentials(address); got != want {
			t.Errorf("withoutCredentials(%q) = %q, want %q", address, got, want)
		}
	}
}

// A plan that is closed leaves no git behind, even one that does not end.
func TestCloseEndsGit(t *testing.T) {
	dir := repository(t, true)
	bin := t.TempDir()
	write(t, bin, attrs("git", "#!/bin/sh\nexec sleep 600\n"))
	if err := os.Chmod(filepath.Join(bin, "git"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	q := newGitQuestion(env())
	q.environ = os.Environ()
	q.dir, q.timeout = dir, time.Hour
	p := &Plan{git: startGit(t.Context(), q)}
	if err := p.Close(); err != nil { // waits for git
		t.Fatal(err)
	}
	if got := p.git.wait(); len(got.attrs) > 0 {
		t.Errorf("facts %v", got)
	}
}
