//go:build tools

// Package argo holds the module graph of Argo Workflows, which the testbed compiles on
// demand.
package argo

import (
	_ "github.com/argoproj/argo-workflows/v4/cmd/argoexec"
	_ "github.com/argoproj/argo-workflows/v4/cmd/workflow-controller"
)
