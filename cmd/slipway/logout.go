package main

import (
	"github.com/slipway-build/slipway/internal/sanitize"
	"github.com/slipway-build/slipway/registry"
)

type logoutCmd struct {
	Server string `arg:"" optional:"" help:"The registry (default: Docker Hub)."`
}

// Help is shown by --help.
func (c *logoutCmd) Help() string {
	return "Removes what slipway login or docker login has stored. Credentials from elsewhere, such as the CI system's, stay in use: slipway auth shows them."
}

// Run removes the stored credential.
func (c *logoutCmd) Run(in *invocation) error {
	server, err := registry.ParseServer(c.Server)
	if err != nil {
		return &usageError{err: err}
	}
	erased, err := registry.EraseLogin(in.ctx, in.env.dockerDir(), server)
	if err != nil {
		return storeError(err)
	}
	message := "Not logged in to"
	if erased {
		message = "Removing login credentials for"
	}
	_, err = sanitize.Fprintln(in.out, message, server.Key)
	return err
}
