// Package progress is the display of a build and the only writer to the
// terminal while solves run.
package progress
