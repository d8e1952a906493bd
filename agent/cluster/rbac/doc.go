// Package rbac knows the rights that Slipway needs in Kubernetes: the rules of
// its roles, which of them a build on a workload takes, and the role that holds
// a right which the API server has said is missing. It is pure: it asks nobody.
package rbac
