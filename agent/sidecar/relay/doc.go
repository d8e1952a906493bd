// Package relay passes the calls of a client of BuildKit on to a buildkitd: the
// bytes of messages as they are, but for the first message of calls that are
// checked. A client's session is an HTTP/2 connection inside of a call, over which the
// daemon asks for files, secrets and credentials; relay passes its frames on, and
// takes out the calls that it answers itself.
package relay
