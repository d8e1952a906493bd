package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// unpacked is what the testbed takes out of packages: from which package of
// which architecture, which file, under which name.
var unpacked = []struct{ architecture, name, from, to string }{
	{"amd64", "etcd-server", "usr/bin/etcd", "bin/etcd"},
	{"amd64", "qemu-user-static", "usr/bin/qemu-aarch64-static", "bin/qemu-aarch64-static"},
	{"amd64", "containernetworking-plugins", "usr/lib/cni/ptp", "cni/ptp"},
	{"amd64", "containernetworking-plugins", "usr/lib/cni/host-local", "cni/host-local"},
	{"amd64", "containernetworking-plugins", "usr/lib/cni/portmap", "cni/portmap"},
	{"amd64", "containernetworking-plugins", "usr/lib/cni/loopback", "cni/loopback"},
	{"amd64", "busybox-static", "bin/busybox", "busybox/busybox-amd64"},
	{"arm64", "busybox-static", "bin/busybox", "busybox/busybox-arm64"},
}

// Files puts the programs that come from Debian below folder. A folder that is
// there is complete; delete it to get Debian's current versions. The caller holds
// a lock.
func Files(ctx context.Context, folder string) error {
	if _, err := os.Stat(folder); err == nil {
		return nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("look for the programs from Debian: %w", err)
	}
	work := folder + ".unfinished" // one that is there was left by a killed start
	if err := os.RemoveAll(work); err != nil {
		return fmt.Errorf("clear a folder in the cache: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	packages := map[string][]string{}
	for _, file := range unpacked {
		if have := packages[file.architecture]; len(have) == 0 || have[len(have)-1] != file.name {
			packages[file.architecture] = append(have, file.name)
		}
	}
	for architecture, names := range packages {
		if err := Unpack(ctx, filepath.Join(work, "unpacked", architecture), architecture, names...); err != nil {
			return err
		}
	}
	for _, file := range unpacked {
		from := filepath.Join(work, "unpacked", file.architecture, file.from)
		if err := copyFile(from, filepath.Join(work, "files", file.to)); err != nil {
			return fmt.Errorf("take %s out of Debian's %s (%s): %w", file.from, file.name, file.architecture, err)
		}
	}
	if err := os.Rename(filepath.Join(work, "files"), folder); err != nil {
		return fmt.Errorf("keep the programs from Debian: %w", err)
	}
	return nil
}

// Names lists the packages that are unpacked, for people.
func Names() string {
	var names []string
	for _, file := range unpacked {
		name := file.name
		if file.architecture != "amd64" {
			name += ":" + file.architecture
		}
		if len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

func copyFile(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(target, source); err != nil {
		_ = target.Close()
		return err
	}
	return target.Close()
}
