// Package cluster is all that Slipway knows of Kubernetes: identity, the
// workload of a node as a manifest, making sure that it exists, waiting for a
// ready pod with reasons, choosing a pod and opening a connection to the
// buildkitd in it.
package cluster
