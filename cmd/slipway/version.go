package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/slipway-build/slipway/internal/sanitize"
)

// version and commit are set by the linker. A build without a version is a
// development build; one without a commit may know it from the go command.
var (
	version = "dev"
	commit  = ""
)

// buildkitModule is the library whose version decides which features of
// buildkitd the client knows.
const buildkitModule = "github.com/moby/buildkit"

// buildxVersion is the version of docker buildx whose commands and flags Slipway
// takes: the one that it is tested beside. Scripts and actions look for it in the
// first line of docker buildx version, to learn which flags there are.
const buildxVersion = "v0.38.2"

type versionCmd struct {
	Format string `enum:"text,json" default:"text" help:"Output format (${enum})."`
}

type versionInfo struct {
	// Version is that of Slipway.
	Version string `json:"version"`
	// Commit is the revision of the sources as git names it, with "-dirty" where
	// they had changes; empty text when it is not known.
	Commit string `json:"commit"`
	// BuildKitClient is the version of BuildKit whose client is in it, GoVersion that of
	// the compiler; Platform is what it was compiled for, as in "linux/amd64".
	BuildKitClient string `json:"buildkitClient"`
	GoVersion      string `json:"go"`
	Platform       string `json:"platform"`
}

func currentVersion() versionInfo {
	v := versionInfo{Version: version, Commit: commit, GoVersion: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == buildkitModule {
				v.BuildKitClient = dep.Version
			}
		}
		v.Commit = cmp.Or(v.Commit, vcsCommit(info.Settings))
	}
	return v
}

// vcsCommit returns the commit that the go command has recorded, empty if none.
func vcsCommit(settings []debug.BuildSetting) string {
	values := map[string]string{}
	for _, s := range settings {
		values[s.Key] = s.Value
	}
	revision := values["vcs.revision"]
	if revision != "" && values["vcs.modified"] == "true" {
		revision += "-dirty"
	}
	return revision
}

func versionLine() string { return currentVersion().line() }

// line is the version in one line, without a commit that is not known.
func (v versionInfo) line() string {
	parts := []string{v.GoVersion, "BuildKit client " + v.BuildKitClient}
	if v.Commit != "" {
		parts = slices.Insert(parts, 0, "commit "+v.Commit)
	}
	return fmt.Sprintf("slipway %s %s (%s)", v.Version, v.Platform, strings.Join(parts, ", "))
}

// buildxLine is the version as docker buildx has it: its package, a semantic
// version and the revision. What runs is in the version's build metadata.
func (v versionInfo) buildxLine() string {
	return strings.TrimSpace("github.com/docker/buildx " + v.buildxVersion() + " " + v.Commit)
}

// buildxVersion is the version of buildx whose commands are taken, with what runs.
func (v versionInfo) buildxVersion() string { return buildxVersion + "+slipway." + v.Version }

// Run prints the version.
func (c *versionCmd) Run(in *invocation) error {
	if c.Format == "json" {
		return json.NewEncoder(in.output(formatJSON)).Encode(currentVersion())
	}
	if in.called.docker() {
		if _, err := sanitize.Fprintln(in.out, currentVersion().buildxLine()); err != nil {
			return err
		}
	}
	_, err := sanitize.Fprintln(in.out, versionLine())
	return err
}
