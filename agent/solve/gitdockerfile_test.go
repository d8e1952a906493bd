package solve

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGitDockerfile has contexts and Dockerfiles of every kind; the empty GitDockerfile
// is one that is not in a repository.
func TestGitDockerfile(t *testing.T) {
	dir := t.TempDir()
	local := filepath.Join(dir, "Dockerfile")
	if err := os.WriteFile(local, []byte("FROM scratch\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const remote = "https://git.example/team/app.git"
	for _, tt := range []struct {
		context, file string
		want          GitDockerfile
	}{
		{remote, "", GitDockerfile{remote, "Dockerfile", "Dockerfile"}},
		{remote + "#main", "docker/app.Dockerfile", GitDockerfile{remote, "docker/app.Dockerfile", "docker/app.Dockerfile"}},
		{remote + "#main:sub/dir", "app.Dockerfile", GitDockerfile{remote, "sub/dir/app.Dockerfile", "app.Dockerfile"}},
		{remote + "#:sub", "", GitDockerfile{remote, "sub/Dockerfile", "Dockerfile"}},
		{remote + "?ref=main&subdir=sub", "", GitDockerfile{remote, "sub/Dockerfile", "Dockerfile"}},
		{remote + "#main:/sub/../a/", "../Dockerfile", GitDockerfile{remote, "a/Dockerfile", "../Dockerfile"}},
		{"github.com/team/app", "", GitDockerfile{"https://github.com/team/app", "Dockerfile", "Dockerfile"}},
		{remote, local, GitDockerfile{}},
		{remote, "https://git.example/Dockerfile", GitDockerfile{}},
		{"https://git.example/context.tar.gz", "", GitDockerfile{}},
		{dir, "", GitDockerfile{}},
	} {
		plan, err := Prepare(t.Context(), Request{Context: tt.context, Dockerfile: tt.file, WorkDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		got, ok := plan.GitDockerfile()
		if err := plan.Close(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || ok != (tt.want != GitDockerfile{}) {
			t.Errorf("%s -f %q (-want +got):\n%s", tt.context, tt.file, diff)
		}
	}
}
