// Package sanitize makes text that came from outside safe to print: to a
// terminal, and to the log of a CI system, which takes some of what it reads
// for commands. What is outside is everything that this program did not write
// itself: output of builds, messages of Kubernetes and of registries, names,
// labels, annotations.
//
// Text that may go on for long passes through a Filter or a Writer; a value
// that is a part of a line passes through Line, or through Fprintf.
package sanitize
