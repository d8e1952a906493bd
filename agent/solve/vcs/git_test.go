package vcs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

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
	got := ask(t.Context(), Query{Dir: planted, Info: true, Timeout: Timeout, Environ: os.Environ()}).Attrs
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

	q := NewQuery(env("BUILDX_GIT_CHECK_DIRTY", "1", "BUILDX_GIT_LABELS", "full"))
	q.Environ = os.Environ()
	q.Dir, q.Key = dir, true
	facts := ask(t.Context(), q)
	if ran, err := os.ReadFile(marker); err == nil {
		t.Errorf("programs of the repository ran:\n%s", ran)
	}
	if facts.Attrs["vcs:revision"] != head {
		t.Errorf("revision %q, want %q", facts.Attrs["vcs:revision"], head)
	}

	// A commit that is missing is not fetched either.
	object := filepath.Join(dir, ".git", "objects", head[:2], head[2:])
	if err := os.Remove(object); err != nil {
		t.Fatal(err)
	}
	ask(t.Context(), q)
	if ran, err := os.ReadFile(marker); err == nil {
		t.Errorf("programs of the repository ran:\n%s", ran)
	}
}

func TestGitDirty(t *testing.T) {
	q := NewQuery(env("BUILDX_GIT_CHECK_DIRTY", "1"))
	q.Environ = os.Environ()
	q.Dir = repository(t, true)
	head := inGit(t, q.Dir, "rev-parse", "HEAD")
	dirty := func() bool {
		t.Helper()
		switch revision := ask(t.Context(), q).Attrs["vcs:revision"]; revision {
		case head:
			return false
		case head + "-dirty":
			return true
		default:
			t.Fatalf("revision %q", revision)
			return false
		}
	}
	module := filepath.Join(q.Dir, "module")
	inGit(t, q.Dir, "init", "-q", module)
	write(t, module, attrs("f", "x"))
	commit := []string{"-c", "user.name=n", "-c", "user.email=e@x", "commit", "-q", "-m", "m"}
	inGit(t, module, "add", ".")
	inGit(t, module, commit...)
	inGit(t, q.Dir, "add", "module")
	inGit(t, q.Dir, commit...)
	head = inGit(t, q.Dir, "rev-parse", "HEAD")
	if dirty() {
		t.Error("a clean work tree with a submodule is dirty")
	}
	q.Dir = filepath.Join(q.Dir, "sub")
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
