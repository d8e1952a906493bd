// Package output receives what the solves of a build produce and puts it where
// the user wants it: directories, tars, image archives and layouts, a Docker
// engine, registries. Parse reads --output; Open checks all outputs of a build
// without leaving a trace; each solve is one Attempt, whose Server receives the
// streams of the daemon into staging directories; Seal makes everything ready and
// Commit makes it appear, each whole. Nothing appears before all solves have
// succeeded.
//
// One file per exporter (local, tar, archive for oci and docker, image,
// cacheonly) holds its sink; types.go is the table of them. A new exporter is a
// row there and a file of its own.
package output

import "io"

// closeQuietly closes what was only read and may be closed already.
func closeQuietly(c io.Closer) { _ = c.Close() }
