// Package enforce holds the calls of clients against a policy while they pass through
// the sidecar: it knows which sessions and builds are whose, queues builds and ends those
// that take too long.
package enforce
