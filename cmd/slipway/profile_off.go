//go:build !pprof

package main

// profiled runs the program. With the build tag pprof it can be profiled.
func profiled(program func() int) int { return program() }
