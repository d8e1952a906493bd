package proc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Entry is the hidden first argument under which the testbed's own program
// becomes a daemon: see Become.
const Entry = "become-daemon"

// Daemon is a program that outlives the one that starts it.
type Daemon struct {
	Name string   `json:"name"`
	Argv []string `json:"argv"` // the program's full path first
	// Env is the whole environment: what is set where the testbed is called, a
	// proxy or a credential, is none of the cluster's business.
	Env []string `json:"env"`
	// CgroupProcs are the cgroup.procs files that the daemon joins, so that
	// whatever it starts can be told from everybody else's processes.
	CgroupProcs []string `json:"cgroupProcs"`
	// Dir is where the daemon's files are: its specification, the identity
	// that it writes, and its log.
	Dir string `json:"dir"`
}

// LogPath is the file that holds what the daemon writes to its terminal.
func (d Daemon) LogPath() string { return filepath.Join(d.Dir, d.Name+".log") }

func (d Daemon) specPath() string { return filepath.Join(d.Dir, d.Name+".spec.json") }
func (d Daemon) idPath() string   { return filepath.Join(d.Dir, d.Name+".pid.json") }

// Launch starts the daemon in a session of its own. The new process writes its
// own identity before it becomes the daemon, so there is no instant at which a
// killed testbed leaves a daemon behind that nobody knows.
func (d Daemon) Launch(ctx context.Context) error {
	if err := os.MkdirAll(d.Dir, 0o755); err != nil {
		return fmt.Errorf("make the folder of %s: %w", d.Name, err)
	}
	spec, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return fmt.Errorf("describe %s: %w", d.Name, err)
	}
	if err := os.WriteFile(d.specPath(), spec, 0o600); err != nil {
		return fmt.Errorf("write the specification of %s: %w", d.Name, err)
	}
	if err := os.Remove(d.idPath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forget the last %s: %w", d.Name, err)
	}
	log, err := os.OpenFile(d.LogPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", d.Name, err)
	}
	defer func() { _ = log.Close() }()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("start %s: %w", d.Name, err)
	}
	// Not bound to the context: the daemon must outlive this program. Its
	// file is opened by its inode, so it works after `go run` removed it.
	cmd := exec.Command("/proc/self/exe", Entry, d.specPath())
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = "/" // whatever folder the caller is in must stay removable
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", d.Name, err)
	}
	if err := cmd.Process.Release(); err != nil {
		return fmt.Errorf("let go of %s: %w", d.Name, err)
	}
	return nil
}

// Become turns this process into the daemon that the specification at path
// describes. It returns only if it fails.
func Become(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the daemon's specification: %w", err)
	}
	var d Daemon
	if err := json.Unmarshal(text, &d); err != nil {
		return fmt.Errorf("daemon specification %s: %w", path, err)
	}
	for _, procs := range d.CgroupProcs {
		if err := os.WriteFile(procs, []byte("0"), 0o644); err != nil {
			return fmt.Errorf("join the cgroup of %s: %w", d.Name, err)
		}
	}
	id, err := Of(os.Getpid())
	if err != nil {
		return err
	}
	record, err := json.Marshal(id)
	if err != nil {
		return fmt.Errorf("describe the identity of %s: %w", d.Name, err)
	}
	if err := WriteFile(d.idPath(), record, 0o644); err != nil {
		return err
	}
	if err := syscall.Exec(d.Argv[0], d.Argv, d.Env); err != nil {
		return fmt.Errorf("run %s: %w", d.Argv[0], err)
	}
	return nil
}

// ID is the identity that the daemon wrote down; ok is false while it has not.
func (d Daemon) ID() (id ID, ok bool) {
	text, err := os.ReadFile(d.idPath())
	if err != nil || json.Unmarshal(text, &id) != nil {
		return ID{}, false
	}
	return id, true
}

// Running tells whether the daemon runs.
func (d Daemon) Running() bool {
	id, ok := d.ID()
	return ok && id.Alive()
}

// Ended tells that the daemon did start and runs no longer.
func (d Daemon) Ended() bool {
	id, ok := d.ID()
	return ok && !id.Alive()
}

// End stops the daemon and forgets it.
func (d Daemon) End(ctx context.Context, grace time.Duration) error {
	if id, ok := d.ID(); ok {
		if err := End(ctx, id, grace); err != nil {
			return fmt.Errorf("end %s: %w", d.Name, err)
		}
	}
	if err := os.Remove(d.idPath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forget %s: %w", d.Name, err)
	}
	return nil
}

// LogTail returns the last lines that the daemon wrote.
func (d Daemon) LogTail(lines int) string {
	text, err := os.ReadFile(d.LogPath())
	if err != nil {
		return ""
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
