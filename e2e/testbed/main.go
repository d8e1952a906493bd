// Command testbed starts and stops a real Kubernetes of two nodes, linux/amd64
// and linux/arm64, on this machine, with everything that Slipway's scenarios
// and benchmarks need. Run it in the e2e folder: go run ./testbed up
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/slipway-build/slipway/e2e/testbed/internal/proc"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == proc.Entry {
		fmt.Fprintln(os.Stderr, "error:", proc.Become(os.Args[2])) // returns only if it fails
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
