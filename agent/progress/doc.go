// Package progress is the display of a build and the only writer to the
// terminal while solves run: BuildKit's own display, fed by all nodes at once
// and by the steps that come before a solve.
package progress
