package solve

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/agent/solve/vcs"
)

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

// A plan that is closed leaves no git behind, even one that does not end.
func TestCloseEndsGit(t *testing.T) {
	dir := repository(t, true)
	bin := t.TempDir()
	write(t, bin, attrs("git", "#!/bin/sh\nexec sleep 600\n"))
	if err := os.Chmod(filepath.Join(bin, "git"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	q := vcs.NewQuery(env())
	q.Environ = os.Environ()
	q.Dir, q.Timeout = dir, time.Hour
	p := &Plan{git: vcs.Start(t.Context(), q)}
	if err := p.Close(); err != nil { // waits for git
		t.Fatal(err)
	}
	if got := p.git.Wait(); len(got.Attrs) > 0 {
		t.Errorf("facts %v", got)
	}
}
