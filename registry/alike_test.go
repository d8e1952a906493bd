package registry

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAlike(t *testing.T) {
	known := []string{"docker.io", "gitlab.example", "r.example:5000", "r.example", "other.example", "hub.docker.com", "r.example.evil.example"}
	for host, want := range map[string][]string{
		"r.example:443":           {"r.example", "r.example:5000"},
		"r.example":               {"r.example:5000"},
		"registry.gitlab.example": {"gitlab.example"},
		"docker.io":               {"hub.docker.com"},
		"ghcr.io":                 nil,
		"xgitlab.example":         nil,
	} {
		if diff := cmp.Diff(want, alike(host, known)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", host, diff)
		}
	}
}
