package registry

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAlike(t *testing.T) {
	known := []string{"docker.io", "gitlab.example", "r.example:5000", "r.example", "other.example", "hub.docker.com", "r.example.evil.example", "[fd00::1]:5000", "[fd00::2]:5000"}
	for host, want := range map[string][]string{
		"r.example:443":           {"r.example", "r.example:5000"},
		"r.example":               {"r.example:5000"},
		"registry.gitlab.example": {"gitlab.example"},
		"docker.io":               {"hub.docker.com"},
		"ghcr.io":                 nil,
		"[fd00::1]:443":           {"[fd00::1]:5000"},
		"[fd00::3]:5000":          nil,
		"xgitlab.example":         nil,
	} {
		if diff := cmp.Diff(want, alike(host, known)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", host, diff)
		}
	}
}
