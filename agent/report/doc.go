// Package report is what a build has produced and how, by node and platform, and
// what is written of it: the image ID and the metadata file.
package report
