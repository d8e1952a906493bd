// Package kaniko translates command lines of kaniko's executor into those of slipway
// build. The flags, their defaults and what they mean are those of the last release:
//
//	https://github.com/GoogleContainerTools/kaniko/blob/v1.24.0/cmd/executor/cmd/root.go
//
// What a build needs of the machine (files, network, registries) is for the caller: a
// Plan says what comes before the build and after it.
package kaniko

// Release is the release of kaniko whose command line is translated.
const Release = "v1.24.0"

// DefaultDir is where kaniko's image has its files and credentials.
const DefaultDir = "/kaniko"
