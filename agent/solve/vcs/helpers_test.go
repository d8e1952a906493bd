package vcs

import (
	"github.com/slipway-build/slipway/agent/solve/vcs/vcstest"
	"github.com/slipway-build/slipway/internal/filetest"
	"github.com/slipway-build/slipway/internal/source/sourcetest"
)

// The helpers of these tests.
var (
	attrs      = filetest.Map
	env        = sourcetest.Env
	inGit      = vcstest.Git
	repository = vcstest.Repository
	write      = filetest.Write
)
