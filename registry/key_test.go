package registry

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestScopedRequest(t *testing.T) {
	tests := []struct {
		name   string
		scopes []string
		want   Request
	}{
		{"none", nil, Request{}},
		{"pull", []string{"repository:team/app:pull"}, Request{Repository: "team/app"}},
		{"push", []string{"repository:team/app:pull,push"}, Request{Repository: "team/app", Push: true}},
		{"all", []string{"repository:team/app:*"}, Request{Repository: "team/app", Push: true}},
		{"mount from elsewhere", []string{"repository:base:pull", "repository:app:pull,push"}, Request{Repository: "app", Push: true}},
		{"mount, the other way round", []string{"repository:app:pull,push repository:base:pull"}, Request{Repository: "app", Push: true}},
		{"port in the name", []string{"repository:mirror:5000/app:pull"}, Request{Repository: "mirror:5000/app"}},
		{"not a repository", []string{"registry:catalog:*", "x", "repository:"}, Request{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.Host = "a.example"
			if diff := cmp.Diff(tt.want, ScopedRequest("a.example", tt.scopes)); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

// The keys of one file, as podman, Kubernetes and docker have them.
func TestMatching(t *testing.T) {
	keys := map[string]bool{
		"registry.example":               true,
		"registry.example/team":          true,
		"registry.example/team/app":      true,
		"*.registry.example":             true,
		"*.registry.example/team":        true,
		"eu.registry.example":            true,
		"registry.example:5000":          true,
		"*.registry.example:8443":        true,
		"r?gion.example":                 true,
		"https://old.example/v1/":        true,
		"HTTP://UPPER.example/v2":        true,
		"https://index.docker.io/v1/":    true,
		"docker.io/acme":                 true,
		"index.docker.io":                true,
		"only.example/a":                 true,
		"only.example/b":                 true,
		"[::1]:5000":                     true,
		"*":                              true,
		"https://path.example/team/app/": true,
	}
	tests := []struct {
		name  string
		r     Request
		loose bool
		want  []string
	}{
		{"host", Request{Host: "registry.example", Repository: "other/app"}, false, []string{"registry.example"}},
		{"repository", Request{Host: "registry.example", Repository: "team/app"}, false, []string{"registry.example/team/app", "registry.example/team", "registry.example"}},
		{"below a repository", Request{Host: "registry.example", Repository: "team/app/cache"}, false, []string{"registry.example/team/app", "registry.example/team", "registry.example"}},
		{"namespace", Request{Host: "registry.example", Repository: "team/other"}, false, []string{"registry.example/team", "registry.example"}},
		{"longer name is another one", Request{Host: "registry.example", Repository: "team-b/app"}, false, []string{"registry.example"}},
		{"unknown repository", Request{Host: "registry.example"}, false, []string{"registry.example", "registry.example/team", "registry.example/team/app"}},
		{"wildcard", Request{Host: "us.registry.example", Repository: "app"}, false, []string{"*.registry.example"}},
		{"wildcard with a path", Request{Host: "us.registry.example", Repository: "team/app"}, false, []string{"*.registry.example/team", "*.registry.example"}},
		{"name before wildcard", Request{Host: "eu.registry.example", Repository: "app"}, false, []string{"eu.registry.example", "*.registry.example"}},
		{"wildcard is one part", Request{Host: "a.b.registry.example", Repository: "app"}, false, []string{}},
		{"wildcard is no suffix", Request{Host: "us.registry.example.evil.example", Repository: "app"}, false, []string{}},
		{"wildcard is no part of a name", Request{Host: "evil-registry.example", Repository: "app"}, false, []string{}},
		{"wildcard and port", Request{Host: "us.registry.example:8443", Repository: "app"}, false, []string{"*.registry.example:8443"}},
		{"wildcard and another port", Request{Host: "us.registry.example:9", Repository: "app"}, false, []string{}},
		{"one letter", Request{Host: "region.example", Repository: "app"}, false, []string{"r?gion.example"}},
		{"one letter is no dot", Request{Host: "r.gion.example", Repository: "app"}, false, []string{}},
		{"port", Request{Host: "registry.example:5000", Repository: "app"}, false, []string{"registry.example:5000"}},
		{"other port", Request{Host: "registry.example:5001", Repository: "app"}, false, []string{}},
		{"suffix of a name", Request{Host: "my-registry.example", Repository: "app"}, false, []string{}},
		{"longer name", Request{Host: "registry.example.evil.example", Repository: "app"}, false, []string{}},
		{"url", Request{Host: "old.example", Repository: "app"}, false, []string{"https://old.example/v1/"}},
		{"letters of either case", Request{Host: "upper.EXAMPLE", Repository: "app"}, false, []string{"HTTP://UPPER.example/v2"}},
		{"Docker Hub", Request{Host: "registry-1.docker.io", Repository: "library/alpine"}, false, []string{"https://index.docker.io/v1/", "index.docker.io"}},
		{"Docker Hub, namespace", Request{Host: "registry-1.docker.io", Repository: "acme/app"}, false, []string{"docker.io/acme", "https://index.docker.io/v1/", "index.docker.io"}},
		{"IPv6", Request{Host: "[::1]:5000", Repository: "app"}, false, []string{"[::1]:5000"}},
		{"IPv6, other port", Request{Host: "[::1]:5001", Repository: "app"}, false, []string{}},
		{"IPv6, one word", Request{Host: "[fd00::1]", Repository: "app"}, false, []string{"*"}},
		{"one word", Request{Host: "localhost", Repository: "app"}, false, []string{"*"}},
		{"other repository", Request{Host: "only.example", Repository: "c"}, false, []string{}},
		{"other repository, docker's way", Request{Host: "only.example", Repository: "c"}, true, []string{"only.example/a", "only.example/b"}},
		{"right repository, docker's way", Request{Host: "only.example", Repository: "b"}, true, []string{"only.example/b", "only.example/a"}},
		{"only paths", Request{Host: "only.example"}, false, []string{"only.example/a", "only.example/b"}},
		{"url with a path", Request{Host: "path.example", Repository: "team/app"}, false, []string{"https://path.example/team/app/"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, matching(keys, tt.r, tt.loose)); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzParseKey(f *testing.F) {
	for _, key := range []string{"https://index.docker.io/v1/", "*.a.example:5000/team", "[::1]:5000", "[", "a//b/", "://"} {
		f.Add(key, "a.example", "team/app")
	}
	f.Fuzz(func(t *testing.T, key, host, repository string) {
		k := parseKey(key)
		if k.serves(Request{Host: host, Repository: repository}, false) && repository != "" && !k.covers(repository) {
			t.Errorf("%q serves %q of %q", key, repository, host)
		}
	})
}
