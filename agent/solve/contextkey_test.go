package solve

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/agent/solve/contextfs"
)

func TestContextKeys(t *testing.T) {
	repo := repository(t, true) // with a remote
	remote := "https://git.test/app.git"
	inGit(t, repo, "remote", "add", "origin", "https://token@git.test/app.git")
	write(t, repo, attrs("app/Dockerfile", "FROM scratch", "lib/x", "x", "kept/Dockerfile", "FROM a\nRUN --mount=type=cache,target=/obj make\n"))
	bare := t.TempDir()
	write(t, bare, attrs("Dockerfile", "FROM scratch", "lib/x", "x"))
	identify := func(dir string) (string, bool) {
		rel, err := filepath.Rel(repo, dir)
		return "gitlab.example/team/app//" + rel, err == nil && filepath.IsLocal(rel)
	}
	lib := func(dir string) []BuildContext { return []BuildContext{{"lib", dir}} }
	tests := []struct {
		name       string
		request    Request
		main, libs []string // parts of the keys
	}{
		{"nothing is known", Request{Context: bare, Contexts: lib(bare + "/lib")}, []string{bare, "content"}, []string{bare + "/lib", "content"}},
		{"git", Request{Context: repo + "/app", Contexts: lib(repo + "/lib")}, []string{remote, "app", "content"}, []string{remote, "lib", "content"}},
		{"git without facts for the provenance", Request{Context: repo + "/app", Lookup: env("BUILDX_GIT_INFO", "false")}, []string{remote, "app", "content"}, nil},
		{"git for one of them", Request{Context: bare, Contexts: lib(repo + "/lib")}, []string{bare, "content"}, []string{remote, "lib", "content"}},
		{"the CI system", Request{Context: repo + "/app", Contexts: lib(repo + "/lib"), Identify: identify}, []string{"gitlab.example/team/app//app", "content"}, []string{"gitlab.example/team/app//lib", "content"}},
		{"the CI system for one of them", Request{Context: repo + "/app", Contexts: lib(bare), Identify: identify}, []string{"gitlab.example/team/app//app", "content"}, []string{bare, "content"}},
		{"a given key", Request{Context: repo + "/app", Contexts: lib(bare), Identify: identify, ContextKey: "mine"}, []string{"mine", "", "content"}, []string{"mine", "lib", "content"}},
		{"kept times", Request{Context: repo + "/kept", Identify: identify}, []string{"gitlab.example/team/app//kept"}, nil},
		{"kept times by git", Request{Context: repo + "/app", Mtime: contextfs.MtimeKeep}, []string{remote, "app"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Prepare(t.Context(), tt.request)
			must(t, err)
			defer func() { must(t, p.Close()) }()
			in := p.resolved()
			if want := contextfs.SharedKey(tt.main...); in.SharedKey != want {
				t.Errorf("the key is not that of %q", tt.main)
			}
			if want := contextfs.SharedKey(tt.libs...); tt.libs != nil && in.Attrs["sharedkey:localdir:lib"] != want {
				t.Errorf("the key of the named context is not that of %q", tt.libs)
			}
			if strings.Contains(in.SharedKey, "mine") {
				t.Error("the key can be read")
			}
		})
	}
}
