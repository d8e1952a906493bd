// Package transport connects to the buildkitd in a pod: directly, by a port that
// the API server forwards, or by exec. It picks the transport, fetches the
// client's certificates, and says why there is no connection. Which pods there
// are is for the caller to know.
package transport
