// Command kubectl is a binary of its own: scenarios start it hundreds of times,
// and all Kubernetes programs in one take twice as long to start.
package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
)

func main() { os.Exit(cli.Run(cmd.NewDefaultKubectlCommand())) }
