// Package remote is a client of image registries that speaks the protocol of
// the OCI distribution specification: credentials and token services, retries
// and limits in time and size, which addresses a registry may refer to, and
// answers that differ from the specification.
package remote
