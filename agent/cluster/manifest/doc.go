// Package manifest describes the Kubernetes objects of a node: its workload with
// the pod template, the ConfigMaps and Secrets with its files, the names and
// labels by which all of them are found again. It is pure: the same definition
// gives the same bytes everywhere. Nothing here asks the API server.
package manifest
