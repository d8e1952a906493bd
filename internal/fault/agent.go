package fault

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"syscall"
)

// agentFaults are the errors of the system that are the fault of the agent and
// its disks, neither of the build nor of the builder, and what to do about them.
var agentFaults = []struct {
	errno syscall.Errno
	hint  string
}{
	{syscall.EMFILE, "the agent may not open more files at a time: raise the limit (ulimit -n) of the container or shell that it runs in"},
	{syscall.ENFILE, "no more files can be open on the machine of the agent: raise its limit, fs.file-max"},
	{syscall.ENOSPC, "make room on that disk of the agent; temporary files go to TMPDIR"},
	{syscall.EFBIG, "the agent may not write a file of that size: raise the limit (ulimit -f) of the container or shell that it runs in"},
	{syscall.EDQUOT, "make room in the quota of the agent's user; temporary files go to TMPDIR"},
	{syscall.EROFS, "that file system of the agent is read-only: mount a volume there or choose another place; temporary files go to TMPDIR"},
	{syscall.EIO, "a disk or network file system of the agent does not work: its kernel's log says more"},
}

// Agent is a failure of the agent or its disks that no more special error
// explains.
type Agent struct {
	// Err is what failed.
	Err error
	// Hint says what to do about it.
	Hint string
}

// Error implements error.
func (e *Agent) Error() string { return "on the agent: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Agent) Unwrap() error { return e.Err }

// Hints says what to do about the error.
func (e *Agent) Hints() []string { return []string{e.Hint} }

// AgentHint says what to do about an error of the agent's file systems; empty
// when it is none.
func AgentHint(err error) string {
	// What a connection fails with is about the way to the builder, unless the
	// agent has no descriptor for it.
	if network := (*net.OpError)(nil); errors.As(err, &network) && !outOfFiles(err) {
		return ""
	}
	file, link, call := (*fs.PathError)(nil), (*os.LinkError)(nil), (*os.SyscallError)(nil)
	if !errors.As(err, &file) && !errors.As(err, &link) && !errors.As(err, &call) {
		return ""
	}
	for _, f := range agentFaults {
		if errors.Is(err, f.errno) {
			return f.hint
		}
	}
	return ""
}

// ExplainAgent gives an error of the agent's file systems its hint, unless it
// has one.
func ExplainAgent(err error) error {
	var hinted interface{ Hints() []string }
	if hint := AgentHint(err); hint != "" && !errors.As(err, &hinted) {
		return &Agent{err, hint}
	}
	return err
}

// outOfFiles reports whether the agent could open neither another file nor
// another connection.
func outOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// OutOfFiles returns a failed connect as what it is when the agent had no
// descriptor for it, which says nothing of the builder; nil for all others.
func OutOfFiles(err error) error {
	hint := AgentHint(err)
	if hint == "" || !outOfFiles(err) {
		return nil
	}
	return &Agent{err, hint}
}
