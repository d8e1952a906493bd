//go:build pprof

package main

import (
	"fmt"
	"os"
	"runtime/pprof"
)

// profiled runs the program and writes a CPU profile of it to the file that
// SLIPWAY_CPUPROFILE names, and one of its heap to that of SLIPWAY_HEAPPROFILE.
func profiled(program func() int) int {
	if path := os.Getenv("SLIPWAY_CPUPROFILE"); path != "" {
		f, err := os.Create(path)
		if err == nil {
			err = pprof.StartCPUProfile(f)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "error: profile:", err)
			return exitUsage
		}
		defer func() {
			pprof.StopCPUProfile()
			if err := f.Close(); err != nil {
				fmt.Fprintln(os.Stderr, "error: profile:", err)
			}
		}()
	}
	code := program()
	if path := os.Getenv("SLIPWAY_HEAPPROFILE"); path != "" {
		f, err := os.Create(path)
		if err == nil {
			err = pprof.WriteHeapProfile(f)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "error: profile:", err)
		}
	}
	return code
}
