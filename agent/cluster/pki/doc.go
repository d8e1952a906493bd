// Package pki makes the certificates of a workload's buildkitd and of its
// clients, reads them back from the data of Secrets and judges what they are
// good for. It reads no files and knows no Kubernetes: storing and renewing is
// agent/cluster's, connecting is agent/cluster/transport's.
package pki
