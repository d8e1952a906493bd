package image

import (
	"context"
	_ "embed" // for the scanner's program
	"fmt"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Where things are in the agent image.
const (
	// AgentBase is the base image's layout.
	AgentBase = "/opt/base"
	// BaseTag is the base image's tag in its layout.
	BaseTag = "latest"
)

const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Architectures are those that the base image is made for.
var Architectures = []string{"amd64", "arm64"}

// Maker assembles the images from what was compiled and unpacked.
type Maker struct {
	// Programs holds what was compiled, Debian what came from packages.
	Programs, Debian string
}

func (m Maker) busybox(architecture string) string {
	return filepath.Join(m.Debian, "busybox", "busybox-"+architecture)
}

// Busyboxes are the paths of the static busyboxes by architecture.
func (m Maker) Busyboxes() map[string]string {
	all := map[string]string{}
	for _, architecture := range Architectures {
		all[architecture] = m.busybox(architecture)
	}
	return all
}

// Pause is the image of pod sandboxes.
func (m Maker) Pause() (v1.Image, error) {
	tree := &Tree{}
	if err := tree.Host("pause", filepath.Join(m.Programs, "pause")); err != nil {
		return nil, err
	}
	return assemble("amd64", v1.Config{Entrypoint: []string{"/pause"}}, tree)
}

// Base is a small userland of one architecture.
func (m Maker) Base(ctx context.Context, architecture string) (v1.Image, error) {
	tree, err := Busybox(ctx, m.busybox(architecture), m.busybox("amd64"))
	if err != nil {
		return nil, err
	}
	return assemble(architecture, v1.Config{Env: []string{searchPath}, Cmd: []string{"sh"}}, tree)
}

//go:embed scan.sh
var scan []byte

// Scanner is a scanner for --sbom, of one architecture.
func (m Maker) Scanner(ctx context.Context, architecture string) (v1.Image, error) {
	userland, err := Busybox(ctx, m.busybox(architecture), m.busybox("amd64"))
	if err != nil {
		return nil, err
	}
	program := &Tree{}
	program.File("scan", 0o755, scan)
	return assemble(architecture, v1.Config{Env: []string{searchPath}, Entrypoint: []string{"/scan"}}, userland, program)
}

// Both makes an image for each architecture, and an index of them.
func Both(ctx context.Context, make func(ctx context.Context, architecture string) (v1.Image, error)) (map[string]v1.Image, v1.ImageIndex, error) {
	images := map[string]v1.Image{}
	for _, architecture := range Architectures {
		made, err := make(ctx, architecture)
		if err != nil {
			return nil, nil, err
		}
		images[architecture] = made
	}
	return images, Index(images, Architectures...), nil
}

// shellAndGit are the layers that every amd64 image with a shell begins with.
func (m Maker) shellAndGit(ctx context.Context) ([]*Tree, error) {
	userland, err := Busybox(ctx, m.busybox("amd64"), m.busybox("amd64"))
	if err != nil {
		return nil, err
	}
	git, err := Git(ctx)
	if err != nil {
		return nil, err
	}
	return []*Tree{userland, git}, nil
}

// BuildKit is BuildKit as its own project ships it, with git and a shell. It is
// of one architecture: on the arm64 node too, buildkitd is an amd64 program, which
// finds the emulator in the kernel and reports linux/arm64 by itself. What a
// build runs there is arm64; an emulated buildkitd would only be slow.
func (m Maker) BuildKit(ctx context.Context) (v1.Image, error) {
	trees, err := m.shellAndGit(ctx)
	if err != nil {
		return nil, err
	}
	programs, err := m.buildkitPrograms()
	if err != nil {
		return nil, err
	}
	return assemble("amd64", v1.Config{
		Env:        []string{searchPath, "BUILDKIT_SETUP_CGROUPV2_ROOT=1"},
		Entrypoint: []string{"buildkitd"},
		// A folder of its own where the pod brings none: overlayfs does not
		// work on the overlayfs of a container.
		Volumes: map[string]struct{}{"/var/lib/buildkit": {}},
	}, append(trees, programs)...)
}

func (m Maker) buildkitPrograms() (*Tree, error) {
	programs := &Tree{}
	for name, program := range map[string]string{"buildkitd": "buildkitd", "buildctl": "buildctl", "buildkit-runc": "runc"} {
		if err := programs.Host("usr/bin/"+name, filepath.Join(m.Programs, program)); err != nil {
			return nil, err
		}
	}
	return programs, nil
}

// Agent is what a CI job runs in. What changes most is the last layer; slipway
// is the path of the product's binary, empty where there is none yet, and extra
// are more programs by their names.
func (m Maker) Agent(ctx context.Context, base, slipway string, extra map[string]string) (v1.Image, error) {
	trees, err := m.shellAndGit(ctx)
	if err != nil {
		return nil, err
	}
	bases := &Tree{}
	if err := bases.Host(AgentBase[1:], base); err != nil {
		return nil, err
	}
	for _, architecture := range Architectures {
		if err := bases.Host("opt/busybox/busybox-"+architecture, m.busybox(architecture)); err != nil {
			return nil, err
		}
	}
	trees = append(trees, bases)
	if len(extra) > 0 {
		programs := &Tree{}
		for name, program := range extra {
			if err := programs.Host("usr/local/bin/"+name, program); err != nil {
				return nil, err
			}
		}
		trees = append(trees, programs)
	}
	if slipway != "" {
		product := &Tree{}
		if err := product.Host("usr/local/bin/slipway", slipway); err != nil {
			return nil, err
		}
		trees = append(trees, product)
	}
	return assemble("amd64", v1.Config{Env: []string{searchPath}, Cmd: []string{"sh"}, WorkingDir: "/root"}, trees...)
}

// Tekton holds the programs of Tekton's pipelines, where those of its own images are.
func (m Maker) Tekton(programs []string) (v1.Image, error) {
	tree := &Tree{}
	for _, name := range programs {
		if err := tree.Host("ko-app/"+name, filepath.Join(m.Programs, name)); err != nil {
			return nil, err
		}
	}
	// The user is that of its own images.
	return assemble("amd64", v1.Config{Env: []string{searchPath}, User: "65532:65532"}, tree)
}

// Argo holds the programs of Argo Workflows, where those of its own images are.
func (m Maker) Argo(programs []string) (v1.Image, error) {
	tree := &Tree{}
	for _, name := range programs {
		if err := tree.Host("bin/"+name, filepath.Join(m.Programs, name)); err != nil {
			return nil, err
		}
	}
	// The user is that of its own images.
	return assemble("amd64", v1.Config{Env: []string{searchPath}, User: "8737"}, tree)
}

func assemble(architecture string, config v1.Config, trees ...*Tree) (v1.Image, error) {
	var layers []v1.Layer
	for _, tree := range trees {
		layer, err := tree.Layer()
		if err != nil {
			return nil, fmt.Errorf("make a layer: %w", err)
		}
		layers = append(layers, layer)
	}
	return New(architecture, config, layers...)
}
