// Command registry is the distribution project's registry with what the testbed
// uses of it: files as storage, and authentication by password.
// The drivers for clouds that its own main has bring half a gigabyte of modules
// and some minutes of compiling.
package main

import (
	"os"

	"github.com/distribution/distribution/v3/registry"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

func main() {
	if err := registry.RootCmd.Execute(); err != nil {
		os.Exit(1) // it has said why
	}
}
