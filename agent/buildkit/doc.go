// Package buildkit is a connection to one buildkitd, and what can be asked of
// it besides solves: its worker, its cache (DiskUsage, Prune), its history
// (Active, Activity, Provenance) and how fast it is (Measure). It also tells
// a lost connection and a cancelled request from other failures (Explain,
// IsLost). Package solve solves over a Daemon; how bytes reach a pod is package
// cluster's part.
package buildkit
