package sidecar

import (
	"errors"
	"testing"

	"github.com/slipway-build/slipway/agent/sidecar/api"
	"github.com/slipway-build/slipway/agent/sidecar/policy"
	"github.com/slipway-build/slipway/registry"
)

// TestTokensFollowThePolicy tests that a token to push with is only for what the policy
// lets a job push, too, unless it is a dry run.
func TestTokensFollowThePolicy(t *testing.T) {
	rules, err := policy.Parse("p", []byte("push: [registry.example/team/app]"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dryRun := range []bool{false, true} {
		credentials, _ := newCredentials(t, "registry.example/team/**")
		r := start(t, func(s *Sidecar) { s.Credentials, s.Policy, s.PolicyDryRun = credentials, rules, dryRun })
		client := api.NewClient(r.dir)
		for repository, refused := range map[string]bool{"team/app": false, "team/other": !dryRun} {
			_, err := client.Find(t.Context(), registry.Request{Host: "registry.example", Repository: repository, Push: true})
			if passedOver := (*registry.PassedOver)(nil); errors.As(err, &passedOver) != refused || (err != nil) != refused {
				t.Errorf("dry run %t: %s: %v", dryRun, repository, err)
			}
		}
		if _, err := client.Find(t.Context(), registry.Request{Host: "registry.example", Repository: "base/image"}); err != nil {
			t.Errorf("a token to pull with: %v", err)
		}
	}
}
