package main

// buildx is docker buildx, without docker, with its kubernetes driver and its
// defaults (sticky choice of pods).
var buildx = tool{
	name:    "buildx",
	version: []string{"buildx", "version"},
	build:   func(b build, at place) []string { return buildxWords("buildx", b, at) },
}

// buildxWords is a build in buildx's words, which are Slipway's too.
func buildxWords(program string, b build, at place) []string {
	command := []string{program, "build", "--progress=plain", "--builder=" + b.builder, "--platform=" + b.platforms}
	if b.output != "" {
		command = append(command, "--output="+b.output)
	} else {
		command = append(command, "--output=type=cacheonly")
	}
	if b.base {
		command = append(command, "--build-context=base=oci-layout://"+at.Layout+":"+at.Tag)
	}
	return append(command, b.context)
}
