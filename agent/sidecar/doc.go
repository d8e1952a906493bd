// Package sidecar serves builders to the other containers of an agent's pod: on a
// unix socket for each node, which speaks BuildKit's API, so that a job needs no
// rights in the cluster, no network rule and no credential of a registry. Beside
// the sockets lie definitions of the driver remote, by which slipway and docker
// buildx find them.
package sidecar
