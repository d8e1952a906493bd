// Package onfailure gets files out of the step of a build that has failed: it reads the
// file system of the step through BuildKit's gateway and writes what matches into a
// directory on the agent. Nothing is started on the builder.
package onfailure
