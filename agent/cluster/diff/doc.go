// Package diff says what lies between the workload that there is and the one
// that its definition describes: the fields, files and claims that differ, what
// an update has to write and which pods it replaces. It is pure: the caller
// reads and writes.
package diff
