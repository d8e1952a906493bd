// Package gateway is the TLS side of a sidecar that serves builders over TCP: it knows
// clients by their certificates, and nodes by the TLS server name that a client asks for.
package gateway
