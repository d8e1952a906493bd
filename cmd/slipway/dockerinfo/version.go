// Package dockerinfo answers what scripts ask docker about itself and its engine:
// version, info, context. It asks nobody.
package dockerinfo

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/slipway-build/slipway/internal/format"
)

// The versions of docker whose command line is taken and of its API. Scripts compare
// them to learn whether docker is new enough.
const (
	DockerVersion = "29.5.3"
	apiVersion    = "1.54"
	minAPIVersion = "1.44"
)

// Program is the running program.
type Program struct {
	// Version is that of Slipway, Commit of its sources; Commit may be empty.
	Version, Commit string
	// Go is the compiler's version, OS and Arch what it compiled for.
	Go, OS, Arch string
	// Buildx is the version of buildx whose commands are taken, Path where the program
	// is, as it was called.
	Buildx, Path string
}

// platform is the product in docker's version.
type platform struct{ Name string }

type clientVersion struct {
	Platform          platform
	Version           string
	APIVersion        string `json:"ApiVersion"`
	DefaultAPIVersion string `json:"DefaultAPIVersion"`
	GitCommit         string
	GoVersion         string
	Os                string
	Arch              string
	BuildTime         string `json:",omitempty"`
	Context           string
}

type serverVersion struct {
	Platform      platform
	Version       string
	APIVersion    string `json:"ApiVersion"`
	MinAPIVersion string
	Os            string
	Arch          string
	GitCommit     string
	GoVersion     string
	KernelVersion string `json:",omitempty"`
	Experimental  bool
	BuildTime     string `json:",omitempty"`
}

// versions are docker's fields, name for name
// (https://github.com/docker/cli/blob/v29.5.3/cli/command/system/version.go).
type versions struct {
	Client clientVersion
	Server *serverVersion
}

func versionsOf(p Program) versions {
	return versions{
		Client: clientVersion{
			Platform: platform{Name: "Slipway " + p.Version}, Version: DockerVersion,
			APIVersion: apiVersion, DefaultAPIVersion: apiVersion,
			GitCommit: p.Commit, GoVersion: p.Go, Os: p.OS, Arch: p.Arch, Context: DefaultContext,
		},
		Server: &serverVersion{
			Platform: platform{Name: noEngine}, Version: DockerVersion,
			APIVersion: apiVersion, MinAPIVersion: minAPIVersion,
			GitCommit: p.Commit, GoVersion: p.Go, Os: p.OS, Arch: p.Arch,
		},
	}
}

// versionText is what docker prints without --format, laid out as docker does, for
// scripts that look for its lines.
const versionText = `Client: %[1]s
 Version:           %[2]s
 API version:       %[3]s
 Go version:        %[4]s
 Git commit:        %[5]s
 OS/Arch:           %[6]s/%[7]s
 Context:           %[8]s

Server: %[9]s
 Engine:
  Version:          %[2]s
  API version:      %[3]s (minimum version %[10]s)
  OS/Arch:          %[6]s/%[7]s
`

// WriteVersion writes docker version, by a template or "json" where format is not empty.
func WriteVersion(w io.Writer, p Program, template string) error {
	v := versionsOf(p)
	if template != "" {
		return write(w, template, v)
	}
	_, err := fmt.Fprintf(w, versionText, v.Client.Platform.Name, v.Client.Version, v.Client.APIVersion, v.Client.GoVersion, v.Client.GitCommit, v.Client.Os, v.Client.Arch, v.Client.Context, v.Server.Platform.Name, v.Server.MinAPIVersion)
	return err
}

// WriteVersionLine writes docker --version.
func WriteVersionLine(w io.Writer) error {
	_, err := fmt.Fprintf(w, "Docker version %s, build slipway\n", DockerVersion)
	return err
}

// FormatError is a mistake in a value of --format.
type FormatError struct {
	value  string
	reason error
}

// Error implements error.
func (e *FormatError) Error() string { return fmt.Sprintf("--format %q: %v", e.value, e.reason) }

// Unwrap returns the reason.
func (e *FormatError) Unwrap() error { return e.reason }

// write writes a value by a template, or as JSON. A template without an action is
// written as it is, as docker does.
func write(w io.Writer, template string, value any) error {
	if template == "json" {
		return format.JSONLine(w, value)
	}
	parsed, err := format.Parse(template, value)
	switch {
	case errors.Is(err, format.ErrNoTemplate):
		_, err = fmt.Fprintln(w, strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(template))
		return err
	case err != nil:
		return &FormatError{template, err}
	}
	err = parsed.Write(w, nil, []any{value})
	if failed := (*format.ExecError)(nil); errors.As(err, &failed) {
		return &FormatError{template, failed}
	}
	return err
}
