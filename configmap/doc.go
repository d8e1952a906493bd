// Package configmap reads builder definitions: the schema, the search order,
// the quirks of a mounted ConfigMap, validation and selection. It knows files
// and Kubernetes' data types, but no Kubernetes client.
package configmap
