// Package solve turns a build request into BuildKit solves. A Spec, what a user
// asks for as strings, becomes a Request of parsed values; Prepare makes a Plan
// of it: sources, Dockerfile, secrets, caches and outputs are checked and opened,
// without any network; then one solve per node runs on a connection made
// elsewhere (package buildkit).
//
// What is sent of a context is package contextfs, what git says of it package vcs,
// what else a builder is served package session, caches are package cache, and what
// receives the results is package output. None of them knows this package.
package solve
