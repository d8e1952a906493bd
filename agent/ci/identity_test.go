package ci

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestIdentify(t *testing.T) {
	tests := []struct {
		name string
		vars Variables
		want Identity // empty for none
	}{
		{name: "nowhere"},
		{"GitHub", Variables{GitHub: GitHub{ServerURL: "https://github.com", Repository: "Team/App", Workspace: "/runner/_work/App/App"}}, Identity{"github.com/Team/App", "/runner/_work/App/App"}},
		{"GitHub's kin on a port", Variables{GitHub: GitHub{ServerURL: "http://forge.example:3000/", Repository: "team/app", Workspace: "/w"}}, Identity{"forge.example:3000/team/app", "/w"}},
		{"GitLab", Variables{GitLab: GitLab{ServerURL: "https://GitLab.example", ProjectPath: "group/sub/app", ProjectDir: "/builds/group/sub/app"}}, Identity{"gitlab.example/group/sub/app", "/builds/group/sub/app"}},
		{"GitLab below a path", Variables{GitLab: GitLab{ServerURL: "https://example.com/gitlab", ProjectPath: "g/a", ProjectDir: "/builds/x"}}, Identity{"example.com/gitlab/g/a", "/builds/x"}},
		{"Azure", Variables{Azure: Azure{RepositoryURI: "https://org@dev.azure.com/org/p/_git/app", SourcesDirectory: "/agent/_work/1/s"}}, Identity{"dev.azure.com/org/p/_git/app", "/agent/_work/1/s"}},
		{"Bitbucket", Variables{Bitbucket: Bitbucket{HTTPOrigin: "http://bitbucket.org/team/app", CloneDir: "/opt/atlassian/pipelines/agent/build"}}, Identity{"bitbucket.org/team/app", "/opt/atlassian/pipelines/agent/build"}},
		{"Buildkite", Variables{Buildkite: Buildkite{Repo: "git@github.com:team/app.git", CheckoutPath: "/b"}}, Identity{"github.com/team/app", "/b"}},
		{"CircleCI", Variables{CircleCI: CircleCI{RepositoryURL: "git@github.com:team/app.git", WorkingDirectory: "~/project", Home: "/root"}}, Identity{"github.com/team/app", "/root/project"}},
		{"Jenkins", Variables{Jenkins: Jenkins{URL: "https://jenkins.example/", GitURL: "https://user:token@git.example/team/app.git", Workspace: "/ws/job"}}, Identity{"git.example/team/app", "/ws/job"}},
		{"Woodpecker", Variables{Woodpecker: Woodpecker{CI: "woodpecker", CloneURL: "https://git.example/team/app.git", Workspace: "/woodpecker/src"}}, Identity{"git.example/team/app", "/woodpecker/src"}},
		{"Drone", Variables{Drone: Drone{CloneURL: "https://git.example/team/app.git", Workspace: "/drone/src"}}, Identity{"git.example/team/app", "/drone/src"}},
		{name: "variables like those of Woodpecker", vars: Variables{Woodpecker: Woodpecker{CI: "true", CloneURL: "https://git.example/app", Workspace: "/ws"}}},
		{name: "variables like those of Jenkins", vars: Variables{Jenkins: Jenkins{GitURL: "https://git.example/app", Workspace: "/ws"}}},
		{name: "Jenkins without the git plugin", vars: Variables{Jenkins: Jenkins{URL: "https://jenkins.example/", GitURL: "", Workspace: "/ws/job"}}},
		{name: "no workspace", vars: Variables{GitLab: GitLab{ServerURL: "https://gitlab.example", ProjectPath: "g/a", ProjectDir: ""}}},
		{name: "a relative workspace", vars: Variables{GitLab: GitLab{ServerURL: "https://gitlab.example", ProjectPath: "g/a", ProjectDir: "builds"}}},
		{name: "no server", vars: Variables{GitHub: GitHub{ServerURL: "", Repository: "team/app", Workspace: "/w"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := tt.vars.Identify()
			if got != tt.want || ok != (tt.want != Identity{}) {
				t.Errorf("Identify = %+v, %v, want %+v", got, ok, tt.want)
			}
		})
	}
}

func TestPath(t *testing.T) {
	base := t.TempDir()
	for _, dir := range []string{"ws/sub/deep", "ws2", "outside"} {
		if err := os.MkdirAll(filepath.Join(base, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"link": "ws", "ws/out": "../outside"} {
		if err := os.Symlink(target, filepath.Join(base, link)); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct{ workspace, dir, want string }{
		{"ws", "ws", "git.example/app//."},
		{"ws", "ws/sub", "git.example/app//sub"},
		{"ws", "ws/sub/deep", "git.example/app//sub/deep"},
		{"link", "ws/sub", "git.example/app//sub"},
		{"ws", "link/sub", "git.example/app//sub"},
		{"ws", "ws2", ""},
		{"ws", "ws/out", ""},
		{"ws", ".", ""},
		{"ws", "missing", ""},
		{"missing", "ws", ""},
	}
	for _, tt := range tests {
		id := Identity{Repository: "git.example/app", Workspace: filepath.Join(base, tt.workspace)}
		got, ok := id.Path(filepath.Join(base, tt.dir))
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("workspace %s: Path(%s) = %q, %v, want %q", tt.workspace, tt.dir, got, ok, tt.want)
		}
	}
	if got, ok := (Identity{}).Path(base); ok {
		t.Errorf("without an identity: %q", got)
	}
}

func TestRemote(t *testing.T) {
	tests := []struct{ address, want string }{
		{"https://host/team/app.git", "host/team/app"},
		{"https://host/team/app/", "host/team/app"},
		{"https://HOST:443/Team/App.git", "host/Team/App"},
		{"https://host:8443/app", "host:8443/app"},
		{"https://gitlab-ci-token:s3cret@host/app", "host/app"},
		{"ssh://git@host:22/team/app", "host/team/app"},
		{"ssh://git@host:2222/team/app", "host:2222/team/app"},
		{"git@host:team/app.git", "host/team/app"},
		{"host:app", "host/app"},
		{"git@host:/srv/app.git", "host/srv/app"},
		{"https://[::1]:8080/app", "[::1]:8080/app"},
		{" https://host/app\n", "host/app"},
		{"", ""}, {"/srv/app.git", ""}, {"./a:b", ""}, {"https://host", ""}, {"https://host/", ""}, {"file:///srv/app", ""}, {"https://%zz/app", ""},
	}
	for _, tt := range tests {
		if got := remote(tt.address); got != tt.want {
			t.Errorf("remote(%q) = %q, want %q", tt.address, got, tt.want)
		}
	}
}

// FuzzRemote holds that a credential in an address never gets into an
// identity, which is printed by some.
func FuzzRemote(f *testing.F) {
	f.Add("https", "host", "team/app.git")
	f.Add("ssh", "host:22", "a@b:c")
	f.Fuzz(func(t *testing.T, scheme, host, path string) {
		const secret = "s3cret-canary"
		if got := remote(scheme + "://user:" + secret + "@" + host + "/" + path); strings.Contains(got, secret) &&
			!strings.Contains(scheme+host+path, "@") && !strings.ContainsAny(scheme+host, ":/?#") {
			t.Errorf("the identity %q holds the credential", got)
		}
	})
}
