package main

import "slices"

// tool is one of those that are measured. Each has builders, agent pods and a
// namespace of its own.
type tool struct {
	// name is what tables say, and part of the names of its objects.
	name string
	// version is a command that prints it and ends; its first word is the
	// tool's program in the agent image.
	version []string
	// build returns the command that builds b.
	build func(b build, at place) []string
	// bare means that the tool creates no builders: a pod that runs buildkitd
	// is made for it.
	bare bool
	// daemonless means that it builds without a builder, and takes part in rows that
	// name it only.
	daemonless bool
	// agent means that slipway agent serves the tool in its agent pods.
	agent bool
}

// place is what commands need to know of the cluster.
type place struct {
	// Layout is the base image's layout in the agent image, Tag its tag there
	// and Digest its digest.
	Layout, Tag, Digest string
	// Daemon is the address of the bare buildkitd, host and port.
	Daemon string
	// Base is the base image in the registry, Repository where jobs push to.
	Base, Repository string
}

// build is one build, whichever tool does it.
type build struct {
	builder   string
	platforms string // comma-separated
	context   string
	output    string // as in --output; empty to leave the result in the cache
	base      bool   // the Dockerfile starts from "base"
}

// The table of tools. The first is the one that the others are compared with.
var tools = []tool{slipway, buildx, buildctl, sidecar}

// columns are the tools of a table: that of tools, and those that a row names besides.
func columns(rows []measured) []tool {
	if slices.ContainsFunc(rows, func(m measured) bool { return m.measures(kaniko) }) {
		return append(slices.Clone(tools), kaniko)
	}
	return tools
}
