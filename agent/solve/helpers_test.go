package solve

import (
	"os"
	"testing"

	"github.com/slipway-build/slipway/agent/solve/vcs/vcstest"
	"github.com/slipway-build/slipway/internal/filetest"
)

// The helpers of these tests.
var (
	attrs       = filetest.Map
	inGit       = vcstest.Git
	manyFiles   = filetest.Many
	mixedTree   = filetest.Mixed
	must        = filetest.Must
	mustRead    = filetest.Read
	repository  = vcstest.Repository
	snapshot    = filetest.Snapshot
	stagingDirs = filetest.Staging
	tarball     = filetest.Tarball
	tree        = filetest.Tree
	wantClean   = filetest.WantClean
	wantTree    = filetest.WantTree
	write       = filetest.Write
)

// here is a request from the working directory of the test.
func here(t *testing.T, r Request) Request {
	t.Helper()
	if r.WorkDir == "" {
		var err error
		if r.WorkDir, err = os.Getwd(); err != nil {
			t.Fatal(err)
		}
	}
	return r
}
