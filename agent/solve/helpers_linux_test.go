package solve

import "github.com/slipway-build/slipway/internal/filetest"

var (
	again           = filetest.Again
	mountBind       = filetest.MountBind
	mountTmpfs      = filetest.MountTmpfs
	ordinary        = filetest.Ordinary
	ownMounts       = filetest.OwnMounts
	runUnprivileged = filetest.Unprivileged
	takeDescriptors = filetest.TakeDescriptors
)
