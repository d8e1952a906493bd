// Package contextfs sends the directories of a build context to a builder. Mount
// is a directory that the builder may read; Server is the part of a session that
// sends it, one transfer for each time that the builder asks. Files get times that
// are derived from their content (contenttime.go), so that a file is sent once
// whichever clone it comes from; Sums reads each file once for all builders, and
// keeps the digests for the next build of the same workspace. What changes while it
// is sent fails the transfer: the error is a *FileError.
package contextfs

import "io"

// closeQuietly closes what was only read and may be closed already.
func closeQuietly(c io.Closer) { _ = c.Close() }
