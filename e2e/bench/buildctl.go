package main

// buildctl is BuildKit's own client on a plain TCP connection to the pod: no
// Kubernetes, no TLS, nothing to find out. It is the floor for what has to go
// through BuildKit.
var buildctl = tool{
	name:    "buildctl",
	version: []string{"buildctl", "--version"},
	bare:    true,
	build: func(b build, at place) []string {
		command := []string{
			"buildctl", "--addr=tcp://" + at.Daemon, "build", "--progress=plain", "--frontend=dockerfile.v0",
			"--local=context=" + b.context, "--local=dockerfile=" + b.context, "--opt=platform=" + b.platforms,
		}
		if b.output != "" {
			command = append(command, "--output="+b.output)
		}
		if b.base {
			command = append(command, "--oci-layout=base="+at.Layout, "--opt=context:base=oci-layout://base@"+at.Digest)
		}
		return command
	},
}
