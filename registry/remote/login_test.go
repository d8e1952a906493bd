package remote

import (
	"errors"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/registrytest"
)

func TestClientLogin(t *testing.T) {
	for _, tt := range []struct {
		name, user, password, want string
		basic                      bool
	}{
		{"tokens", "ci", "s3cret", "", false},
		{"tokens, wrong", "ci", "wr0ng", "answered 401 Unauthorized: incorrect username or password", false},
		{"basic", "ci", "s3cret", "", true},
		{"basic, wrong", "ci", "wr0ng", "answered 401 Unauthorized", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := registrytest.NewServer(t)
			s.Fail((&bearerAuth{realm: s.URL + "/token", user: "ci", password: "s3cret"}).fault)
			if tt.basic {
				s.Fail(basicAuth)
			}
			err := testClient(t, Options{Keychain: registry.Fixed{Username: tt.user, Password: tt.password}}).Login(t.Context(), registry.Server{Host: s.Host})
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			known := (*Error)(nil)
			if !errors.As(err, &known) || err.Error() != "log in to "+s.Host+": "+s.Host+" "+tt.want {
				t.Fatalf("error %v", err)
			}
			if hints := strings.Join(known.Hints(), ""); !strings.Contains(hints, "access token") || strings.Contains(hints+err.Error(), tt.password) {
				t.Errorf("hints %q", hints)
			}
		})
	}
}
