package contextfs

import "github.com/slipway-build/slipway/internal/filetest"

// The helpers of these tests.
var (
	age       = filetest.Age
	attrs     = filetest.Map
	manyFiles = filetest.Many
	mixedTree = filetest.Mixed
	must      = filetest.Must
	mustRead  = filetest.Read
	snapshot  = filetest.Snapshot
	write     = filetest.Write
)
