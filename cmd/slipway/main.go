// Slipway builds container images and files on BuildKit in Kubernetes,
// natively for every CPU architecture.
package main

import "os"

func main() {
	os.Exit(profiled(func() int { return runAs(calledAs(os.Args[0]), os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}) }))
}
