// Package registry is everything that speaks OCI distribution on the agent:
// the keychain that answers BuildKit's requests for credentials, the client
// that reads and writes images, and the making of image indexes.
package registry
