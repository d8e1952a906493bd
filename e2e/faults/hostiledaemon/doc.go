// Package hostiledaemon is a buildkitd that lies. It speaks BuildKit's control
// API on loopback, without TLS, and does what a test says where an honest one
// would build.
package hostiledaemon
