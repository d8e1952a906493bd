package onfailure

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/slipway-build/slipway/internal/fault"
)

// UnavailableError says why a failed build has no files to give.
type UnavailableError struct{ Reason string }

// Error implements error.
func (e *UnavailableError) Error() string { return e.Reason }

// Supported reports whether a builder can give files of a failed step: BuildKit can
// since v0.27.
func Supported(c gateway.Client) bool {
	caps := c.BuildOpts().Caps
	return caps.Supports(gatewaypb.CapGatewayExecFilesystem) == nil
}

// TooOld says that a builder cannot give files of a failed step.
func TooOld() error {
	return &UnavailableError{"it needs BuildKit v0.27 or newer: update the builder's image"}
}

// files is what is read of a container.
type files interface {
	ReadFile(ctx context.Context, req gateway.ReadContainerRequest) ([]byte, error)
	ReadDir(ctx context.Context, req gateway.ReadDirContainerRequest) ([]*types.Stat, error)
}

// Step is the file system that a failed step has left behind: that of the stage, and
// what its RUN had mounted of other stages and contexts. Caches, secrets and tmpfs are
// not in it.
type Step struct {
	// Name is the step's name, Platform the one that it was run on.
	Name     string
	Platform *pb.Platform
	// Dir is its working directory: absolute, clean, with slashes.
	Dir string

	files   files
	mounts  []mount // the longest path first
	release func() error
}

// mount is a part of the file system, by its index in the container.
type mount struct {
	dest     string // absolute and clean
	selector string // what of the mounted files is at dest
	index    int
}

// Open opens the file system of the step that a solve has failed at, in which err is
// what the gateway's client has returned. The error is an *UnavailableError where it
// cannot be had.
func Open(ctx context.Context, c gateway.Client, err error) (*Step, error) {
	var failed *errdefs.SolveError
	if !errors.As(err, &failed) || failed.Solve == nil {
		return nil, &UnavailableError{"no step of the build has failed"}
	}
	exec := failed.Op.GetExec()
	if exec == nil {
		return nil, &UnavailableError{"the step that has failed is no RUN"}
	}
	step := &Step{Name: failed.Description["llb.customname"], Platform: failed.Op.GetPlatform(), Dir: path.Join("/", exec.Meta.GetCwd())}
	var request gateway.NewContainerRequest
	for i, m := range exec.Mounts {
		if m.MountType != pb.MountType_BIND || i >= len(failed.MountIDs) || failed.MountIDs[i] == "" {
			continue
		}
		dest := m.Dest
		if !path.IsAbs(dest) {
			dest = path.Join(step.Dir, dest)
		}
		dest = path.Clean(dest)
		step.mounts = append(step.mounts, mount{dest: dest, selector: path.Join("/", m.Selector), index: len(request.Mounts)})
		request.Mounts = append(request.Mounts, gateway.Mount{Dest: dest, ResultID: failed.MountIDs[i], Readonly: dest != pb.RootMount, MountType: pb.MountType_BIND})
	}
	if !slices.ContainsFunc(step.mounts, func(m mount) bool { return m.dest == pb.RootMount }) {
		return nil, &UnavailableError{"the step has failed before it could begin"}
	}
	slices.SortStableFunc(step.mounts, func(a, b mount) int { return len(b.dest) - len(a.dest) })
	container, err := c.NewContainer(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("open the files of the step: %w", err)
	}
	step.files = container
	step.release = func() error { return container.Release(context.WithoutCancel(ctx)) }
	return step, nil
}

// Close releases the file system on the builder.
func (s *Step) Close() error {
	if s.release == nil {
		return nil
	}
	return s.release()
}

// find returns where a path is: the mount, and the path in it.
func (s *Step) find(name string) (mount, string) {
	for _, m := range s.mounts {
		if rest, ok := under(m.dest, name); ok {
			return m, path.Join(m.selector, rest)
		}
	}
	return mount{}, name // there is one at the root
}

// under returns the rest of a path that is dir or below it.
func under(dir, name string) (rest string, ok bool) {
	if dir == "/" {
		return strings.TrimPrefix(name, "/"), true
	}
	rest, ok = strings.CutPrefix(name, dir)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	return strings.TrimPrefix(rest, "/"), true
}

// entry is a file, a directory or something else of the step.
type entry struct {
	path string // absolute
	stat *types.Stat
}

func (e entry) mode() fs.FileMode { return fs.FileMode(e.stat.Mode) }

// errTooLong is a directory whose list is larger than an answer may be, 16 MiB.
var errTooLong = errors.New("it has too many entries to be listed")

// list returns what is in a directory, in the order of names.
func (s *Step) list(ctx context.Context, dir string) ([]entry, error) {
	m, inside := s.find(dir)
	request := gateway.ReadDirContainerRequest{MountIndex: m.index}
	request.Path = inside
	found, err := s.files.ReadDir(ctx, request)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case status.Code(err) == codes.ResourceExhausted: // gRPC bounds an answer
		return nil, errTooLong
	case err != nil:
		return nil, err
	}
	byName := make(map[string]entry, len(found))
	for _, stat := range found {
		name := stat.GetPath()
		if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
			return nil, &fault.Builder{What: "the builder has sent a list that is not valid", Err: fmt.Errorf("%s has an entry %q", dir, name)}
		}
		byName[name] = entry{path.Join(dir, name), stat}
	}
	// A mount hides what is below it, and its directory may have gone with the step.
	for _, m := range s.mounts {
		rest, ok := under(dir, m.dest)
		if !ok || rest == "" {
			continue
		}
		name, below, _ := strings.Cut(rest, "/")
		if known, ok := byName[name]; ok && (below != "" || known.mode().IsDir()) {
			continue
		}
		byName[name] = entry{path.Join(dir, name), &types.Stat{Path: name, Mode: uint32(fs.ModeDir | 0o755)}}
	}
	entries := make([]entry, 0, len(byName))
	for _, e := range byName {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.path, b.path) })
	return entries, nil
}

// readRange is how much of a file is asked for at a time, in bytes: well below what
// BuildKit puts into one answer, which is 16 MiB.
const readRange = 4 << 20

// read returns a part of a file.
func (s *Step) read(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	m, inside := s.find(name)
	request := gateway.ReadContainerRequest{MountIndex: m.index}
	request.Filename = inside
	request.Range = &gateway.FileRange{Offset: int(offset), Length: int(length)}
	return s.files.ReadFile(ctx, request)
}
