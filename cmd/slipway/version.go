package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/slipway-build/slipway/internal/sanitize"
)

// version is set by the linker; a build without it is a development build.
var version = "dev"

// buildkitModule is the library whose version decides which features of
// buildkitd the client knows.
const buildkitModule = "github.com/moby/buildkit"

type versionCmd struct {
	Format string `enum:"text,json" default:"text" help:"Output format (${enum})."`
}

type versionInfo struct {
	Version        string `json:"version"`
	BuildKitClient string `json:"buildkitClient"`
	Go             string `json:"go"`
	Platform       string `json:"platform"`
}

func currentVersion() versionInfo {
	v := versionInfo{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == buildkitModule {
				v.BuildKitClient = dep.Version
			}
		}
	}
	return v
}

func versionLine() string {
	v := currentVersion()
	return fmt.Sprintf("slipway %s %s (%s, BuildKit client %s)", v.Version, v.Platform, v.Go, v.BuildKitClient)
}

// Run prints the version.
func (c *versionCmd) Run(in *invocation) error {
	if c.Format == "json" {
		return json.NewEncoder(in.output(formatJSON)).Encode(currentVersion())
	}
	_, err := sanitize.Fprintln(in.out, versionLine())
	return err
}
