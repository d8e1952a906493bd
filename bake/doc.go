// Package bake reads bake files: several builds in one file, in HCL, JSON or as the
// services of a compose file, as docker buildx bake takes them. It knows neither
// BuildKit nor Kubernetes; what it returns are strings, as flags of a build have them.
//
// The format is that of https://docs.docker.com/build/bake/reference/. Expressions,
// variables and functions are evaluated by buildx's own parser; what becomes of them
// is compared with buildx's own answers in e2e.
package bake
