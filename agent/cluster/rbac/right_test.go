package rbac

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/agent/cluster/clustertest"
)

func TestForbiddenHint(t *testing.T) {
	cases := map[string]string{
		"exec": `pods "builder-0" is forbidden: User "system:serviceaccount:agents:jenkins" cannot create resource "pods/exec" in API group "" in the namespace "ci"`,
		// of a person, not a service account
		"create":           `deployments.apps is forbidden: User "jane@example.com" cannot create resource "deployments" in API group "apps" in the namespace "ci"`,
		"secret":           `secrets is forbidden: User "system:serviceaccount:ci:agent" cannot create resource "secrets" in API group "" in the namespace "ci"`,
		"certificate":      `secrets "b-tls-client" is forbidden: User "system:serviceaccount:ci:agent" cannot get resource "secrets" in API group "" in the namespace "ci"`,
		"all-certificates": `secrets "b-tls" is forbidden: User "system:serviceaccount:ci:agent" cannot get resource "secrets" in API group "" in the namespace "ci"`,
		"wake":             `deployments.apps "b" is forbidden: User "system:serviceaccount:ci:agent" cannot patch resource "deployments/scale" in API group "apps" in the namespace "ci"`,
		"unknown":          `widgets.example.com is forbidden: User "system:serviceaccount:ci:agent" cannot get resource "widgets" in API group "example.com" in the namespace "ci"`,
	}
	for name, message := range cases {
		t.Run(name, func(t *testing.T) {
			m, ok := ParseForbidden(message)
			if !ok {
				t.Fatal("not parsed")
			}
			clustertest.Golden(t, filepath.Join("testdata", "forbidden", name+".txt"), strings.Join(m.Hints(SecretNames{"b-tls", "b-tls-client"}), "\n")+"\n")
		})
	}
}

func FuzzParseForbidden(f *testing.F) {
	f.Add(`User "system:serviceaccount:ci:agent" cannot get resource "pods" in API group "" in the namespace "ci"`)
	f.Add("User \"system\x00\x01ervi\xff\x7faccount:\" cannot x resource \"\" in API group \"\" in the namespace \"\"")
	f.Add(`User "system:serviceaccount:" cannot x resource "" in API group "" in the namespace ""`)
	f.Fuzz(func(t *testing.T, message string) {
		m, ok := ParseForbidden(message)
		if !ok {
			return
		}
		hints := m.Hints(SecretNames{"b-tls", "b-tls-client"})
		if hint := hints[len(hints)-1]; !strings.Contains(hint, "kind: RoleBinding") {
			t.Errorf("hint for %q lacks the binding:\n%s", message, hint)
		}
	})
}
