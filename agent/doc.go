// Package agent is the work done on a CI agent: the recipe "definition ->
// cluster -> builders -> solve per node -> report". It ties together its
// sub-packages, which do not know each other.
package agent
