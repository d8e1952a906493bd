// Package registry finds the credential for a request to an image registry: it
// knows the names of registries, the places where credentials stand, and the
// order in which these are asked. Its packages speak to registries: remote is
// the client, imageindex makes indexes, imagetools copies and shows images.
//
// It also stores and erases credentials as docker login and docker logout do.
package registry
