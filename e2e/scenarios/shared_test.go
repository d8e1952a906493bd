package scenarios

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/slipway-build/slipway/e2e/kubectl"
	"github.com/slipway-build/slipway/e2e/registrytest"
)

// shared is the namespace of builders, one for each architecture, at which scenarios build
// side by side, as the jobs of a CI system do: a builder of its own costs a scenario more
// than a few builds. It is for scenarios that look at what comes out of a build only. Those
// that look into builders, stop or change them, cancel builds before their base is loaded,
// or count what is cached have their own.
var shared struct {
	sync.Mutex
	kubectl.Namespace // without a name until the first scenario needs it
}

// sharedNamespace returns the namespace of the shared builders, in which the service
// accounts of all namespaces may build and start builders. The first build starts them.
func sharedNamespace(t *testing.T) kubectl.Namespace {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.Name != "" {
		return shared.Namespace
	}
	one := kubectl.Namespace{Bed: bed(t), Name: fmt.Sprintf("shared-%d", time.Now().UnixNano()%1e6)}
	objects := fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n", one.Name)
	for _, role := range []string{"slipway-build", "slipway-manage"} {
		objects += fmt.Sprintf(`---
%[1]s
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: %[2]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: %[2]s}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:serviceaccounts"}]
`, demoRole(t, role), role)
	}
	spaces.add(one)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := one.Run(ctx, objects, "create", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	shared.Namespace = one
	return one
}

// newSharedSpace makes a space whose definition names the shared builders, of both
// architectures or of those that are given. They trust the testbed's registry.
func newSharedSpace(t *testing.T, architectures ...string) *space {
	t.Helper()
	s := newSpace(t)
	builders := sharedNamespace(t)
	files, err := registrytest.BuilderFiles(s.Bed.Registry)
	if err != nil {
		t.Fatal(err)
	}
	if len(architectures) == 0 {
		architectures = []string{"amd64", "arm64"}
	}
	var nodes []node
	for _, arch := range architectures {
		one := s.builderNode(arch, "namespace="+builders.Name)
		one.Files = files
		nodes = append(nodes, one)
	}
	s.define(nodes...)
	return s
}

// newSharedShop is newShop with the shared builders and the testbed's registry.
func newSharedShop(t *testing.T) *shop {
	t.Helper()
	s := newSharedSpace(t)
	shop := openShop(s, s.Bed.Images.Agent, s.Bed.Registry)
	config, err := registrytest.DockerConfigFor(s.Bed.Registry)
	if err != nil {
		t.Fatal(err)
	}
	shop.write("/root/.docker/config.json", config)
	return shop
}
