package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAdaptArgo(t *testing.T) {
	got := adaptArgo(`kind: ClusterRoleBinding
subjects:
- kind: ServiceAccount
  name: argo
---
kind: RoleBinding
metadata:
  name: argo-binding
subjects:
  - kind: ServiceAccount
    name: argo
---
      containers:
        - name: workflow-controller
          image: quay.io/argoproj/workflow-controller:latest
          args: [ ]
`, "argo:1")
	want := `kind: ClusterRoleBinding
subjects:
- kind: ServiceAccount
  name: argo
  namespace: argo
---
kind: RoleBinding
metadata:
  name: argo-binding
subjects:
  - kind: ServiceAccount
    name: argo
    namespace: argo
---
      containers:
        - name: workflow-controller
          image: argo:1
          args: [--executor-image, argo:1]
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the manifest (-want +got):\n%s", diff)
	}
}
