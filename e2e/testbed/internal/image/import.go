package image

import (
	"context"
	"fmt"
	"io"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-build/slipway/e2e/testbed/internal/run"
)

// Named is an image under its reference.
type Named struct {
	Reference string
	Image     v1.Image
}

// Import brings images into a containerd, those that it does not have.
func Import(ctx context.Context, ctr, socket string, images ...Named) error {
	listing, err := run.Output(ctx, ctr, "--address", socket, "--namespace", "k8s.io", "images", "list")
	if err != nil {
		return fmt.Errorf("list the images of %s: %w", socket, err)
	}
	have := digests(listing)
	for _, image := range images {
		digest, err := image.Image.Digest()
		if err != nil {
			return fmt.Errorf("digest of %s: %w", image.Reference, err)
		}
		if have[image.Reference] == digest.String() {
			continue
		}
		if err := importOne(ctx, ctr, socket, image); err != nil {
			return fmt.Errorf("import %s into %s: %w", image.Reference, socket, err)
		}
	}
	return nil
}

func importOne(ctx context.Context, ctr, socket string, image Named) error {
	group, ctx := errgroup.WithContext(ctx)
	reader, writer := io.Pipe()
	group.Go(func() error {
		err := WriteArchive(writer, image.Reference, image.Image)
		_ = writer.CloseWithError(err) // never fails
		return err
	})
	group.Go(func() error {
		command := run.Command{
			Name:  ctr,
			Args:  []string{"--address", socket, "--namespace", "k8s.io", "images", "import", "-"},
			Stdin: reader,
		}
		_, err := command.Output(ctx)
		_ = reader.CloseWithError(err) // never fails; the writer must not wait for a dead reader
		return err
	})
	return group.Wait()
}

// digests reads the table of `ctr images list`: the reference, the type and the
// digest come first.
func digests(listing string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(listing) {
		if fields := strings.Fields(line); len(fields) > 2 && strings.HasPrefix(fields[2], "sha256:") {
			all[fields[0]] = fields[2]
		}
	}
	return all
}
