package output

import (
	"github.com/slipway-build/slipway/internal/fault/faulttest"
	"github.com/slipway-build/slipway/internal/filetest"
	"github.com/slipway-build/slipway/internal/source/sourcetest"
)

// The helpers of these tests.
var (
	attrs       = filetest.Map
	env         = sourcetest.Env
	must        = filetest.Must
	stagingDirs = filetest.Staging
	tarball     = filetest.Tarball
	tree        = filetest.Tree
	wantClean   = filetest.WantClean
	wantTree    = filetest.WantTree
	wantUsage   = faulttest.WantUsage
	write       = filetest.Write
)
