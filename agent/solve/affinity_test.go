package solve

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/slipway-build/slipway/agent/solve/output"
)

func TestAffinity(t *testing.T) {
	affinity := func(r Request) string {
		t.Helper()
		r.Outputs = []output.Output{{Type: "cacheonly"}}
		p, err := Prepare(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}()
		return p.Affinity()
	}
	dir := func() string {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch AS test\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	identify := func(string) (string, bool) { return "gitlab.example/team/app", true }
	one := affinity(Request{Context: dir(), Identify: identify})
	if other := affinity(Request{Context: dir(), Identify: identify}); other != one {
		t.Error("two clones of one repository differ")
	}
	for name, r := range map[string]Request{
		"another target":      {Context: dir(), Identify: identify, Target: "test"},
		"no identity":         {Context: dir()},
		"a key of its own":    {Context: dir(), Identify: identify, ContextKey: "mine"},
		"a remote repository": {Context: "https://example.com/team/app.git"},
	} {
		if affinity(r) == one {
			t.Errorf("%s makes no difference", name)
		}
	}
}
