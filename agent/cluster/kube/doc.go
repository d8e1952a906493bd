// Package kube is the connection to one API server: who Slipway is to it, the
// typed clients, watches, and what its answers and its silence mean as an Error
// with hints. It knows pods and their conditions, but neither the objects of a
// node nor certificates.
package kube
