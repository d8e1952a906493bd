// Package debian gets what the testbed needs from Debian's packages.
package debian

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/slipway-build/slipway/e2e/testbed/internal/run"
)

// Need is a package that must be installed on the machine, and how to tell
// that it is.
type Need struct {
	Package string
	// Program is on the search path where the package is installed.
	Program string
	// PkgConfig is known to pkg-config where the package is installed.
	PkgConfig string
	// File exists where the package is installed.
	File string
}

// Needs is what must be installed; everything else is unpacked into the cache,
// because installing a daemon's package would start the daemon.
var Needs = []Need{
	{Package: "gcc", Program: "gcc"},
	{Package: "libc6-dev", File: "/usr/include/stdlib.h"},
	{Package: "pkg-config", Program: "pkg-config"},
	{Package: "libseccomp-dev", PkgConfig: "libseccomp"},
	{Package: "iproute2", Program: "ip"},
	{Package: "iptables", Program: "iptables"},
	{Package: "git", Program: "git"},
	{Package: "ca-certificates", File: "/etc/ssl/certs/ca-certificates.crt"},
	// The completion scripts are tried in these.
	{Package: "zsh", Program: "zsh"},
	{Package: "fish", Program: "fish"},
}

func (n Need) met(ctx context.Context) bool {
	if n.Program != "" {
		_, err := exec.LookPath(n.Program)
		return err == nil
	}
	if n.PkgConfig != "" {
		return run.Quiet(ctx, "pkg-config", "--exists", n.PkgConfig) == nil
	}
	_, err := os.Stat(n.File)
	return err == nil
}

// Install installs what is missing and returns its names. The package lists
// are only refreshed where something is.
func Install(ctx context.Context, needs []Need) ([]string, error) {
	var missing []string
	for _, need := range needs {
		if !need.met(ctx) {
			missing = append(missing, need.Package)
		}
	}
	if len(missing) == 0 {
		return nil, nil
	}
	if err := run.Quiet(ctx, "apt-get", "update"); err != nil {
		return missing, fmt.Errorf("refresh Debian's package lists: %w", err)
	}
	install := run.Command{
		Name: "apt-get",
		Args: append([]string{"install", "-y", "--no-install-recommends"}, missing...),
		Env:  []string{"DEBIAN_FRONTEND=noninteractive"},
	}
	if _, err := install.Output(ctx); err != nil {
		return missing, fmt.Errorf("install %v: %w", missing, err)
	}
	return missing, nil
}

// Unpack downloads packages of one architecture and unpacks them into folder,
// with nothing installed and none of the machine's own lists touched: that is
// what makes a foreign architecture's packages as easy as the machine's own.
func Unpack(ctx context.Context, folder, architecture string, packages ...string) error {
	work, err := os.MkdirTemp("", "slipway-apt-*")
	if err != nil {
		return fmt.Errorf("make a folder for package lists: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	for _, dir := range []string{"state/lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(work, dir), 0o755); err != nil {
			return fmt.Errorf("make a folder for package lists: %w", err)
		}
	}
	options := []string{
		"-q",
		"-o", "Dir::State=" + filepath.Join(work, "state"),
		"-o", "Dir::State::status=/dev/null",
		"-o", "Dir::Cache=" + filepath.Join(work, "cache"),
		"-o", "APT::Architecture=" + architecture,
		"-o", "APT::Architectures::=" + architecture,
		"-o", "APT::Sandbox::User=root", // its own user cannot write below a private folder
	}
	update := run.Command{Name: "apt-get", Args: append(options[:len(options):len(options)], "update")}
	if _, err := update.Output(ctx); err != nil {
		return fmt.Errorf("get Debian's package lists for %s: %w", architecture, err)
	}
	download := run.Command{Name: "apt-get", Dir: work, Args: append(append(options[:len(options):len(options)], "download"), packages...)}
	if _, err := download.Output(ctx); err != nil {
		return fmt.Errorf("download %v for %s: %w", packages, architecture, err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("make a folder for packages: %w", err)
	}
	archives, err := filepath.Glob(filepath.Join(work, "*.deb"))
	if err != nil {
		return fmt.Errorf("list the downloaded packages: %w", err)
	}
	for _, archive := range archives {
		if err := run.Quiet(ctx, "dpkg", "-x", archive, folder); err != nil {
			return fmt.Errorf("unpack %s: %w", filepath.Base(archive), err)
		}
	}
	return nil
}
