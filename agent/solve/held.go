package solve

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/errdefs"
	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/identity"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/solve/job"
	"github.com/slipway-build/slipway/agent/solve/layout"
	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/internal/fault"
)

// HeldImage is an image that builders have made and whose layers they hold. It can be
// exported again without its Dockerfile, context and secrets: builders are given its
// manifests and configurations, and find the layers in their own stores.
type HeldImage struct {
	// Affinity is that of the build, see Plan.Affinity.
	Affinity string
	// Dir is a directory with the manifests and configurations, as blobs of an OCI image
	// layout.
	Dir string
	// Parts are the images of the platforms.
	Parts []HeldPart
}

// HeldPart is the image of one platform.
type HeldPart struct {
	Platform ocispecs.Platform
	// Node and Pod are where it was built. Pod is empty with the remote driver.
	Node, Pod string
	// Manifest describes its manifest.
	Manifest ocispecs.Descriptor
	// ConfigDigest is its ID.
	ConfigDigest digest.Digest
	// AtBuilder says that the configuration is with the layers, and not in HeldImage.Dir: it
	// holds what must not be kept on the agent.
	AtBuilder bool
	// Sources are the images that it was built from, NAME@DIGEST. A builder that has not
	// needed their layers gets them from there.
	Sources []string
}

// check compares what a builder has exported with what was built. Nothing was tagged yet.
func (p HeldPart) check(response map[string]string) error {
	if got := response[exptypes.ExporterImageConfigDigestKey]; got != p.ConfigDigest.String() {
		return &fault.Builder{What: "the builder has exported another image", Err: fmt.Errorf("its ID is %q, and %s was built", got, p.ConfigDigest)}
	}
	return nil
}

// part returns the part that a job exports.
func (h *HeldImage) part(of job.Job) (HeldPart, error) {
	for _, part := range h.Parts {
		if len(of.Platforms) == 1 && platforms.FormatAll(part.Platform) == platforms.FormatAll(of.Platforms[0]) {
			return part, nil
		}
	}
	return HeldPart{}, fmt.Errorf("the image has no part for node %s", of.Node)
}

// heldStore is the name of the content store that has a held image.
const heldStore = "held"

// exportHeld exports the part of a held image that is the job's, and fails where the
// result would be another one.
func (p *Plan) exportHeld(ctx context.Context, cancel context.CancelCauseFunc, d *buildkit.Daemon, job job.Job, outputs *output.Attempt, feed *feed) (*Result, error) {
	part, err := p.request.Held.part(job)
	if err != nil {
		return nil, err
	}
	store := &heldContent{Store: layout.Store{Dir: p.request.Held.Dir}}
	manifest, err := store.manifest(ctx, part)
	if err != nil {
		return nil, err
	}
	config, err := store.config(ctx, d, part, manifest)
	if err != nil {
		return nil, err
	}
	missing, err := d.Missing(ctx, layersOf(manifest))
	if err != nil {
		return nil, err
	}
	// It is no build, and would take the place of one in the daemon's history.
	opt := client.SolveOpt{Ref: identity.NewID(), Exports: outputs.Entries(), Internal: true, FrontendAttrs: map[string]string{}}
	parts, err := p.attach(ctx, d, &opt, feed)
	if err != nil {
		return nil, buildkit.Explain(ctx, err)
	}
	opt.OCIStores = map[string]content.Store{heldStore: store}
	exports, end, err := openSession(ctx, cancel, d.Client(), &opt, outputs)
	if err != nil {
		return nil, buildkit.Explain(ctx, err)
	}
	response, err := d.Client().Build(ctx, opt, "slipway", func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		if len(missing) > 0 {
			fetchSources(ctx, c, part)
		}
		return heldResult(ctx, c, part, config)
	}, feed.start())
	endErr := end()
	incomplete := exports.End()
	switch {
	case err != nil && endErr != nil:
		err = endErr
	case err == nil:
		err = incomplete
	}
	if asked := store.unknown(); err != nil && len(asked) > 0 && ctx.Err() == nil {
		return nil, &NotHeldError{ID: part.ConfigDigest, Layers: asked}
	}
	if err != nil {
		return nil, parts.explain(ctx, notDecoded(withoutPrefix(err)))
	}
	if err := part.check(response.ExporterResponse); err != nil {
		return nil, err
	}
	return &Result{Job: job, Ref: opt.Ref, Response: response.ExporterResponse}, nil
}

// solveHeld loads an image of the held store.
func solveHeld(ctx context.Context, c gateway.Client, part HeldPart) (gateway.Reference, error) {
	state := llb.OCILayout("slipway.invalid/"+heldStore+"@"+part.Manifest.Digest.String(),
		llb.OCIStore(c.BuildOpts().SessionID, heldStore), llb.Platform(part.Platform),
		llb.WithCustomName("image "+part.ConfigDigest.String()))
	def, err := state.Marshal(ctx, llb.Platform(part.Platform))
	if err != nil {
		return nil, err
	}
	solved, err := c.Solve(ctx, gateway.SolveRequest{Definition: def.ToPB()})
	if err != nil {
		return nil, err
	}
	return solved.SingleRef()
}

// heldResult is the result of a build that is an image of the held store.
func heldResult(ctx context.Context, c gateway.Client, part HeldPart, config []byte) (*gateway.Result, error) {
	id := platforms.FormatAll(part.Platform)
	list, err := json.Marshal(exptypes.Platforms{Platforms: []exptypes.Platform{{ID: id, Platform: part.Platform}}})
	if err != nil {
		return nil, err
	}
	ref, err := solveHeld(ctx, c, part)
	if err != nil {
		return nil, err
	}
	result := gateway.NewResult()
	result.SetRef(ref)
	result.AddMeta(exptypes.ExporterImageConfigKey, config)
	result.AddMeta(exptypes.ExporterPlatformsKey, list)
	return result, nil
}

// fetchSources makes the daemon fetch all layers of the images that a held image was
// built from: a step that only adds files leaves those below it in the registry. What
// cannot be fetched is found missing by the export.
func fetchSources(ctx context.Context, c gateway.Client, part HeldPart) {
	for _, source := range part.Sources {
		named, err := reference.ParseNormalizedNamed(source)
		if err != nil {
			continue
		}
		def, err := llb.Image(named.String(), llb.Platform(part.Platform)).Marshal(ctx, llb.Platform(part.Platform))
		if err != nil {
			continue
		}
		solved, err := c.Solve(ctx, gateway.SolveRequest{Definition: def.ToPB(), Evaluate: true})
		if err != nil {
			continue
		}
		if ref, err := solved.SingleRef(); err == nil && ref != nil {
			_, _ = ref.ReadDir(ctx, gateway.ReadDirRequest{Path: "/", IncludePattern: "*"})
		}
	}
}

// heldContent is the content store of a held image. It remembers what it was asked for
// and does not have: layers that the daemon does not have either.
type heldContent struct {
	layout.Store
	memory map[digest.Digest][]byte // before what is in the layout

	mu      sync.Mutex
	missing []digest.Digest
}

// manifest returns that of a part.
func (s *heldContent) manifest(ctx context.Context, part HeldPart) (manifest ocispecs.Manifest, err error) {
	data, err := buildkit.ReadBlob(ctx, s.Store, part.Manifest, maxHeld)
	if err == nil {
		err = json.Unmarshal(data, &manifest)
	}
	if err == nil && manifest.Config.Digest != part.ConfigDigest {
		err = fmt.Errorf("it is that of image %s", manifest.Config.Digest)
	}
	if err != nil {
		return manifest, fmt.Errorf("image %s: read its manifest: %w", part.ConfigDigest, err)
	}
	return manifest, nil
}

// config returns the configuration of a part.
func (s *heldContent) config(ctx context.Context, d *buildkit.Daemon, part HeldPart, manifest ocispecs.Manifest) ([]byte, error) {
	if !part.AtBuilder {
		config, err := buildkit.ReadBlob(ctx, s.Store, manifest.Config, maxHeld)
		if err != nil {
			return nil, fmt.Errorf("image %s: read its configuration: %w", part.ConfigDigest, err)
		}
		return config, nil
	}
	missing, err := d.Missing(ctx, []digest.Digest{part.ConfigDigest})
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		return nil, &NotHeldError{ID: part.ConfigDigest, Layers: missing}
	}
	config, err := d.Blob(ctx, manifest.Config)
	if err != nil {
		return nil, err
	}
	s.memory = map[digest.Digest][]byte{part.ConfigDigest: config}
	return config, nil
}

// layersOf are the digests of the layers of a manifest.
func layersOf(manifest ocispecs.Manifest) []digest.Digest {
	var layers []digest.Digest
	for _, layer := range manifest.Layers {
		layers = append(layers, layer.Digest)
	}
	return layers
}

// maxHeld bounds the manifests and configurations that are read, in bytes.
const maxHeld = 4 << 20

// miss remembers what an error says is not there.
func (s *heldContent) miss(d digest.Digest, err error) error {
	if !errdefs.IsNotFound(err) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.missing, d) {
		s.missing = append(s.missing, d)
	}
	return err
}

// unknown are the blobs that were asked for and are not there.
func (s *heldContent) unknown() []digest.Digest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.missing)
}

// Info implements content.InfoProvider.
func (s *heldContent) Info(ctx context.Context, d digest.Digest) (content.Info, error) {
	if data, ok := s.memory[d]; ok {
		return content.Info{Digest: d, Size: int64(len(data))}, nil
	}
	info, err := s.Store.Info(ctx, d)
	return info, s.miss(d, err)
}

// ReaderAt implements content.Provider.
func (s *heldContent) ReaderAt(ctx context.Context, desc ocispecs.Descriptor) (content.ReaderAt, error) {
	if data, ok := s.memory[desc.Digest]; ok {
		return inMemory{bytes.NewReader(data)}, nil
	}
	at, err := s.Store.ReaderAt(ctx, desc)
	return at, s.miss(desc.Digest, err)
}

// inMemory is a content.ReaderAt, which is to be closed.
type inMemory struct{ *bytes.Reader }

// Close implements io.Closer.
func (inMemory) Close() error { return nil }

// NotHeldError is a held image of which the builder has lost layers.
type NotHeldError struct {
	// ID is the digest of the image's configuration.
	ID digest.Digest
	// Layers are those that the builder does not have.
	Layers []digest.Digest
}

// Error implements error.
func (e *NotHeldError) Error() string {
	names := make([]string, len(e.Layers))
	for i, layer := range e.Layers {
		names[i] = layer.String()
	}
	return fmt.Sprintf("image %s: the builder no longer holds %s: its cache was pruned, or the pod is another one", e.ID, strings.Join(names, ", "))
}

// Hints says what to do about the error.
func (e *NotHeldError) Hints() []string {
	return []string{"build the image again before it is pushed or saved, or do both in one step: docker build --push, docker build --output type=docker,dest=FILE"}
}
