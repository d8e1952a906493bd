// Package registry is everything that speaks OCI distribution on the agent:
// for now the keychain that answers BuildKit's requests for credentials.
package registry
