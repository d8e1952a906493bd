// Package localdaemon starts the buildkitd of a node of the driver local, shares it
// between the commands that use one directory, and stops it with the last of them.
//
// The directory has two lock files. "start.lock" is held while a daemon is started
// or stopped. "use.lock" is held, shared, by every command that uses the daemon: who
// gets it alone was the last. Both are released by the kernel when a process ends
// in whatever way, so none is ever stale. A command that is killed leaves its daemon
// running; the next one takes it over and stops it.
package localdaemon
