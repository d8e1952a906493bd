package main

import (
	"fmt"

	"github.com/alecthomas/kong"
)

// refuse ends the command when a flag was given that docker buildx has and
// Slipway does not do. Such flags are declared, with a tag `refused:"…"` that
// says what to do instead, so that none is ever ignored.
func refuse(parsed *kong.Context) error {
	for _, flag := range parsed.Flags() {
		if instead := flag.Tag.Get("refused"); instead != "" && flag.Set {
			return &usageError{
				err:   fmt.Errorf("--%s is not supported by slipway %s", flag.Name, parsed.Selected().Name),
				hints: []string{instead},
			}
		}
	}
	return nil
}
