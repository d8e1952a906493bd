package localdaemon

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Error is a daemon that could not be started, or that ended while it was used.
type Error struct {
	err   error
	hints []string
}

// Error implements error.
func (e *Error) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.err }

// Hints says what to do about the error.
func (e *Error) Hints() []string { return e.hints }

func hinted(err error, hints ...string) error { return &Error{err: err, hints: hints} }

// settings are what keeps a daemon from starting: all of the words in its log, and
// what to change. The first that fits counts. The words are those of rootlesskit
// (pkg/parent), of newuidmap, and of buildkitd (cmd/buildkitd).
var settings = []struct {
	words []string
	hint  string
}{
	{[]string{"newuidmap", "executable file not found"}, "install newuidmap and newgidmap: package uidmap (Debian, Ubuntu) or shadow-utils (Fedora, Alpine: shadow-uidmap)"},
	{[]string{"no subuid ranges found"}, "give the user subordinate IDs: add a line such as NAME:100000:65536 to /etc/subuid and to /etc/subgid"},
	{[]string{"no subgid ranges found"}, "give the user subordinate IDs: add a line such as NAME:100000:65536 to /etc/subuid and to /etc/subgid"},
	{[]string{"newuidmap", "operation not permitted"}, "newuidmap must have the setuid bit or the file capability cap_setuid, and no_new_privs must be off; in a pod: allowPrivilegeEscalation: true"},
	{[]string{"newgidmap", "operation not permitted"}, "newgidmap must have the setuid bit or the file capability cap_setgid, and no_new_privs must be off; in a pod: allowPrivilegeEscalation: true"},
	{[]string{"unknown userid"}, "the user needs a line in /etc/passwd, and one such as NAME:100000:65536 in /etc/subuid and in /etc/subgid"},
	{[]string{"/proc/self/exe", "no space left on device"}, "the kernel has no user namespace left for the user: raise sysctl user.max_user_namespaces"},
	{[]string{"/proc/self/exe", "operation not permitted"}, "the system does not let the user make a user namespace: set sysctl kernel.unprivileged_userns_clone=1 (Debian) or kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu); in a container: seccomp and AppArmor profiles that allow it (in a pod: Unconfined)"},
	{[]string{"/proc/self/exe", "permission denied"}, "the system does not let the user make a user namespace: set sysctl kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu); in a container: an AppArmor profile that allows it (in a pod: Unconfined)"},
	{[]string{"no worker found"}, "put runc beside buildkitd into PATH"},
	{[]string{"another instance running"}, "another buildkitd uses the directory: stop it, or choose another one with driver-opt root=DIR"},
	{[]string{"no space left on device"}, "the disk of the directory is full: free some of it, or choose another one with driver-opt root=DIR"},
	{[]string{"read-only file system"}, "the directory cannot be written: choose another one with driver-opt root=DIR"},
}

// noMounts is the hint where root may not make a mount namespace, as in a container
// without privileges.
const noMounts = "root may not mount here, as in a container without privileges: run the container privileged (docker run --privileged; in a pod: securityContext.privileged: true), or build as an ordinary user with rootlesskit"

// hintOf says what to change so that a daemon with this log starts; empty where the
// log does not tell. The words stand in one line.
func hintOf(log string) string {
	lines := strings.Split(strings.ToLower(log), "\n")
	for _, s := range settings {
		for _, line := range lines {
			if !slices.ContainsFunc(s.words, func(word string) bool { return !strings.Contains(line, word) }) {
				return s.hint
			}
		}
	}
	return ""
}

// slowSnapshotter is what buildkitd has in its log where it copies whole layers
// because there is no overlay.
const slowSnapshotter = "buildkit.worker.snapshotter:native"

// The size of the end of a log that is read, in bytes, and what is shown of it: lines,
// and bytes of each.
const (
	maxTail   = 16 << 10
	tailLines = 5
	maxLine   = 300
)

// readTail returns the last bytes of a log; empty where there is none.
func readTail(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }() // it is only read
	if info, err := file.Stat(); err == nil && info.Size() > maxTail {
		if _, err := file.Seek(-maxTail, io.SeekEnd); err != nil {
			return ""
		}
	}
	data, _ := io.ReadAll(io.LimitReader(file, maxTail)) // what was read is shown
	return string(data)
}

// lastLines are the last lines of a log that may tell why it ends, in one line:
// without empty ones, and those that buildkitd logs when all is well.
func lastLines(log string) string {
	var lines []string
	for line := range strings.Lines(log) {
		line = strings.TrimSpace(line)
		if line == "" || strings.Contains(line, " level=info ") || strings.Contains(line, " level=debug ") {
			continue
		}
		if len(line) > maxLine {
			line = strings.ToValidUTF8(line[:maxLine], "") + "…"
		}
		lines = append(lines, line)
	}
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	return strings.Join(lines, " | ")
}

// failure is the error about a daemon, with the end of its log.
func failure(root, what string) error {
	path := filepath.Join(root, logName)
	log := readTail(path)
	hints := []string{"all it has said is in " + path}
	if hint := hintOf(log); hint != "" {
		hints = append([]string{hint}, hints...)
	}
	if last := lastLines(log); last != "" {
		return hinted(fmt.Errorf("buildkitd %s; its last lines: %s", what, last), hints...)
	}
	return hinted(fmt.Errorf("buildkitd %s, and has not said why", what), hints...)
}
