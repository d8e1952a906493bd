package solve

import "github.com/slipway-build/slipway/internal/filetest"

var (
	again           = filetest.Again
	mountTmpfs      = filetest.MountTmpfs
	ordinary        = filetest.Ordinary
	runUnprivileged = filetest.Unprivileged
	takeDescriptors = filetest.TakeDescriptors
)
