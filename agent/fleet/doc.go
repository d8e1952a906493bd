// Package fleet is the nodes of a builder as a command uses them: which node
// builds for which platform (Assign), connections to their buildkitds that are
// made when first needed and kept (Connector, Fleet), the choice among pods, a
// question to every pod (EveryPod), and where the time goes (Timing).
//
// It reaches pods through package cluster and hands out connections in the terms
// of BuildKit; what is done over them is for its callers.
package fleet
