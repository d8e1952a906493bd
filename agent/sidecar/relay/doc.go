// Package relay passes the calls of a client of BuildKit on to a buildkitd: the
// bytes of messages as they are, but for the first message of calls that are
// checked. A client's session is a gRPC server inside of a call, which the daemon
// asks for files, secrets and credentials; relay ends it on this side, so that it
// can answer some of these questions itself.
package relay
