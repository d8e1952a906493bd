package main

import (
	"context"
	"maps"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-build/slipway/e2e/testbed/internal/image"
	"github.com/slipway-build/slipway/e2e/testbed/pki"
	"github.com/slipway-build/slipway/e2e/testbed/state"
)

// push brings the indexes into a registry, under their paths and tags.
func (t testbed) push(ctx context.Context, r state.Registry, indexes map[string]v1.ImageIndex) error {
	roots, err := pki.Pool(r.CA)
	if err != nil {
		return err
	}
	// The description of a cluster that only starts was made before its passwords.
	if err := r.ReadPasswords(); err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Keys(indexes)) {
		reference := r.Address + "/" + path
		done, err := image.Push(ctx, reference, indexes[path], roots, r.Username, r.Password)
		if err != nil {
			return err
		}
		if done {
			t.out.Line("pushed %s", reference)
		}
	}
	return nil
}
