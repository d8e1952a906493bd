// Slipway builds container images and files on BuildKit in Kubernetes,
// natively for every CPU architecture.
package main

import (
	"os"

	"github.com/slipway-build/slipway/cmd/slipway/process"
)

func main() {
	process.KeepStderr()
	os.Exit(profiled(func() int { return runAs(calledAs(os.Args[0]), os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}) }))
}
