package output

import "github.com/slipway-build/slipway/internal/filetest"

var (
	again           = filetest.Again
	mountBind       = filetest.MountBind
	mountTmpfs      = filetest.MountTmpfs
	mustRead        = filetest.Read
	ownMounts       = filetest.OwnMounts
	runUnprivileged = filetest.Unprivileged
	takeDescriptors = filetest.TakeDescriptors
)
