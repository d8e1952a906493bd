package solve

import "github.com/slipway-build/slipway/internal/filetest"

// The helpers of these tests.
var (
	attrs       = filetest.Map
	manyFiles   = filetest.Many
	mixedTree   = filetest.Mixed
	must        = filetest.Must
	mustRead    = filetest.Read
	snapshot    = filetest.Snapshot
	stagingDirs = filetest.Staging
	tarball     = filetest.Tarball
	tree        = filetest.Tree
	wantClean   = filetest.WantClean
	wantTree    = filetest.WantTree
	write       = filetest.Write
)
