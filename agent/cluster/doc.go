// Package cluster looks after the workloads of nodes in Kubernetes. It is one
// state machine: a workload is made where there is none (ensure), woken and
// brought up to its definition (reconcile), waited for until a pod is ready
// (wait), scaled to zero and removed again. Beside it are the questions that the
// doctor asks (probe_*.go).
//
// What needs no state is in packages below, none of which knows this one:
//
//   - transport connects to buildkitd in a pod.
//   - judge says what pods and events amount to, diff what lies between a
//     workload and its definition. Both are pure.
//   - manifest makes the objects of a definition, pki the certificates.
//   - kube is the connection to the API server and its errors, rbac the rights.
package cluster
