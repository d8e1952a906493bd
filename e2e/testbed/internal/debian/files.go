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

// debianFile is a file of a package of an architecture, and its name here.
type debianFile struct{ architecture, name, from, to string }

// unpacked is what the testbed takes out of packages: from which package of
// which architecture, which file, under which name.
var unpacked = []debianFile{
	{"amd64", "etcd-server", "usr/bin/etcd", "bin/etcd"},
	{"amd64", "qemu-user-static", "usr/bin/qemu-aarch64-static", "bin/qemu-aarch64-static"},
	{"amd64", "containernetworking-plugins", "usr/lib/cni/ptp", "cni/ptp"},
	{"amd64", "containernetworking-plugins", "usr/lib/cni/host-local", "cni/host-local"},
	{"amd64", "busybox-static", "bin/busybox", "busybox/busybox-amd64"},
	{"arm64", "busybox-static", "bin/busybox", "busybox/busybox-arm64"},
	{"amd64", "rootlesskit", "usr/bin/rootlesskit", "rootless/rootlesskit"},
	{"amd64", "uidmap", "usr/bin/newuidmap", "rootless/newuidmap"},
	{"amd64", "uidmap", "usr/bin/newgidmap", "rootless/newgidmap"},
}

// Files puts the programs that come from Debian below folder, those that are
// not there yet: what is there stays, for a cluster may run it. Delete the
// folder to get Debian's current versions. The caller holds a lock.
func Files(ctx context.Context, folder string) error {
	lacking, err := missing(folder)
	if err != nil || len(lacking) == 0 {
		return err
	}
	work := folder + ".unfinished" // one that is there was left by a killed start
	if err := os.RemoveAll(work); err != nil {
		return fmt.Errorf("clear a folder in the cache: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	packages := map[string][]string{}
	for _, file := range lacking {
		if have := packages[file.architecture]; len(have) == 0 || have[len(have)-1] != file.name {
			packages[file.architecture] = append(have, file.name)
		}
	}
	for architecture, names := range packages {
		if err := Unpack(ctx, filepath.Join(work, "unpacked", architecture), architecture, names...); err != nil {
			return err
		}
	}
	for _, file := range lacking {
		from := filepath.Join(work, "unpacked", file.architecture, file.from)
		whole := filepath.Join(work, "files", file.to)
		if err := copyFile(from, whole); err != nil {
			return fmt.Errorf("take %s out of Debian's %s (%s): %w", file.from, file.name, file.architecture, err)
		}
		to := filepath.Join(folder, file.to)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return fmt.Errorf("make a folder in the cache: %w", err)
		}
		if err := os.Rename(whole, to); err != nil {
			return fmt.Errorf("keep %s of Debian's %s: %w", file.from, file.name, err)
		}
	}
	return nil
}

// missing are the files that folder lacks.
func missing(folder string) ([]debianFile, error) {
	var all []debianFile
	for _, file := range unpacked {
		_, err := os.Stat(filepath.Join(folder, file.to))
		if errors.Is(err, os.ErrNotExist) {
			all = append(all, file)
		} else if err != nil {
			return nil, fmt.Errorf("look for the programs from Debian: %w", err)
		}
	}
	return all, nil
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
