// Package registrytest is a registry in memory that can be made to fail, and
// images to put into it. It is for tests only.
package registrytest
