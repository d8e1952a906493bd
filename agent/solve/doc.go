// Package solve turns a build request into BuildKit solves: contexts,
// Dockerfile, secrets and outputs are checked and opened first, without any
// network; then one solve per node runs on a connection made elsewhere.
package solve
