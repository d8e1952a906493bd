package main

import (
	"context"
	"fmt"
	"runtime"

	"github.com/slipway-build/slipway/e2e/testbed/state"
)

// env prints what a shell needs to use the cluster, for eval.
func (t testbed) env(context.Context) error {
	s, err := state.Load()
	if err != nil {
		return err
	}
	for _, v := range []struct{ name, value string }{
		{"KUBECONFIG", s.Kubeconfig},
		{"TESTBED_BUILDKIT_IMAGE", s.Images.BuildKit},
		{"TESTBED_NEXT_BUILDKIT_IMAGE", s.Images.NextBuildKit},
		{"TESTBED_ROOTLESS_IMAGE", s.Images.Rootless},
		{"TESTBED_AGENT_IMAGE", s.Images.Agent},
		{"TESTBED_PEER_IMAGE", s.Images.Peer},
		{"TESTBED_BASE_LAYOUT", s.Base.Layout},
		{"TESTBED_BASE_TAG", s.Base.Tag},
		{"TESTBED_BUSYBOX", s.Base.Busybox[runtime.GOARCH]},
		{"TESTBED_REGISTRY", s.Registry.Address},
		{"TESTBED_REGISTRY_CA", s.Registry.CA},
		{"TESTBED_REGISTRY_USERNAME", s.Registry.Username},
		{"TESTBED_REGISTRY_PASSWORD_FILE", s.Registry.PasswordFile},
	} {
		fmt.Printf("export %s='%s'\n", v.name, v.value)
	}
	if s.BinDir != "" {
		fmt.Printf("export PATH='%s':\"$PATH\"\n", s.BinDir)
	}
	return nil
}
