package output

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/images/archive"
	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/solve/job"
	"github.com/slipway-build/slipway/agent/solve/layout"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry/imageindex"
)

// dockerManifestFile is what docker load reads in an archive.
const dockerManifestFile = "manifest.json"

// archiveOutput is the sink of type=oci and type=docker.
//
// One solve whose archive is wanted as a file is taken as it comes. All else
// is unpacked while it comes, into one layout in staging that all solves
// share, and put together from there.
type archiveOutput struct {
	output Output
	env    Env
	names  []string // normalized
	dest   destination
	// layout says that the destination is a directory, tar=false.
	layout  bool
	staging staging

	mu     sync.Mutex
	blobs  string // the layout in staging
	file   string // the archive of a solve that was taken as it came
	images []received
	merged *imageindex.Manifest
	ready  string // what to place
	size   int64  // of the file to place, in bytes
}

// received is the image that one solve has sent.
type received struct {
	job  int // its place among the jobs of the build
	root ocispecs.Descriptor
}

func (a *archiveOutput) traits() traits { return a.dest.traits() }

// direct reports whether BuildKit makes the archive that is wanted. Its
// docker exporter takes a single image only; the list that a build of several
// platforms makes, and one with attestations, it refuses or writes without
// what docker load reads.
func (a *archiveOutput) direct(of job.Job) bool {
	switch {
	case a.layout, of.Several():
		return false
	case a.output.Type == client.ExporterDocker:
		return of.Single && !a.env.MultiPlatform && !a.env.Attested
	}
	return true
}

func (a *archiveOutput) entry(of job.Job) (client.ExportEntry, error) {
	attrs, err := imageAttrs(a.output, of)
	if err != nil {
		return client.ExportEntry{}, err
	}
	delete(attrs, attrTar) // it always comes as a stream
	entry := client.ExportEntry{Type: a.output.Type, Attrs: attrs}
	if !a.direct(of) {
		// With the attributes of type=docker this makes the same images:
		// media types are OCI's by default in both since BuildKit v0.31, and
		// Docker reads them all.
		entry.Type = client.ExporterOCI
	}
	setOCIArtifact(entry, a.env)
	return entry, nil
}

func (a *archiveOutput) begin(of job.Job) (receiver, error) {
	entry, err := a.entry(of)
	if err != nil {
		return receiver{}, err
	}
	if a.direct(of) {
		return a.beginFile(entry)
	}
	return a.beginLayout(entry, of)
}

// beginFile receives an archive as it is.
func (a *archiveOutput) beginFile(entry client.ExportEntry) (receiver, error) {
	path, err := a.staging.next()
	if err != nil {
		return receiver{}, a.output.unwritable(err, a.staging.where())
	}
	in := &fileReceiver{output: a.output, path: path}
	entry.Output = in.open
	end := func(_ map[string]string, keep bool) error {
		if err := in.end(keep); err != nil || !keep {
			return err
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.file = path
		return nil
	}
	return receiver{entry: entry, failed: in.failed, end: end}, nil
}

// beginLayout unpacks an archive into the layout in staging.
func (a *archiveOutput) beginLayout(entry client.ExportEntry, of job.Job) (receiver, error) {
	dir, err := a.blobDir()
	if err != nil {
		return receiver{}, a.output.unwritable(err, a.staging.where())
	}
	in := &imageReceiver{output: a.output, dir: dir}
	entry.Output = in.open
	end := func(_ map[string]string, keep bool) error {
		if !keep {
			// Its blobs stay until the end: another solve may have them in
			// its image. What no image refers to is not placed.
			in.wait()
			return nil
		}
		root, err := in.finish()
		if err != nil {
			return err
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.images = append(a.images, received{of.Place(), root})
		return nil
	}
	return receiver{entry: entry, failed: in.failed, end: end}, nil
}

func (a *archiveOutput) blobDir() (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.blobs != "" {
		return a.blobs, nil
	}
	dir, err := a.staging.next()
	if err != nil {
		return "", err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	a.blobs = dir
	return dir, nil
}

func (a *archiveOutput) seal(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == "" && len(a.images) == 0 {
		return nil
	}
	if err := a.dest.check(); err != nil {
		return a.output.unwritable(err, a.staging.where())
	}
	if a.file != "" {
		a.ready, a.size = a.file, fileSize(a.file)
		return nil
	}
	root, err := a.assemble(ctx)
	if err != nil {
		return err
	}
	path, err := a.staging.next()
	if err != nil {
		return a.output.unwritable(err, a.staging.where())
	}
	if a.layout {
		err = buildLayout(ctx, a.blobs, path, root, a.names)
	} else {
		err = a.write(ctx, path, root)
	}
	if ctx.Err() != nil {
		return &buildkit.CancelledError{Cause: context.Cause(ctx)}
	}
	if err != nil {
		return a.output.unwritable(err, path)
	}
	a.ready, a.size = path, fileSize(path)
	return nil
}

// assemble makes one image of those of all solves.
func (a *archiveOutput) assemble(ctx context.Context) (ocispecs.Descriptor, error) {
	slices.SortFunc(a.images, func(x, y received) int { return x.job - y.job })
	if len(a.images) == 1 {
		return a.images[0].root, nil
	}
	store := layout.Store{Dir: a.blobs}
	sources := make([]imageindex.Manifest, len(a.images))
	for i, img := range a.images {
		data, err := buildkit.ReadBlob(ctx, store, img.root, imageindex.MaxManifest)
		if err != nil {
			return ocispecs.Descriptor{}, fmt.Errorf("output %s: read the image of a platform: %w", a.output, err)
		}
		sources[i] = imageindex.Manifest{Descriptor: withoutAnnotations(img.root), Content: data}
	}
	index, err := imageindex.Assemble(sources, annotationsAt(a.output, imageindex.LevelIndex))
	if err != nil {
		return ocispecs.Descriptor{}, fmt.Errorf("output %s: %w", a.output, err)
	}
	path, err := store.Path(index.Descriptor.Digest)
	if err == nil {
		err = os.WriteFile(path, index.Content, 0o444)
	}
	if err != nil && !os.IsExist(err) {
		return ocispecs.Descriptor{}, a.output.unwritable(err, a.blobs)
	}
	a.merged = &index
	root := index.Descriptor
	root.Annotations = map[string]string{ocispecs.AnnotationCreated: created(a.images)}
	for _, annotation := range annotationsAt(a.output, imageindex.LevelIndexDescriptor) {
		root.Annotations[annotation.Key] = annotation.Value
	}
	return root, nil
}

// withoutAnnotations is a descriptor without what only index.json says of it.
func withoutAnnotations(d ocispecs.Descriptor) ocispecs.Descriptor {
	d.Annotations = nil
	return d
}

// created is when the newest of the images was made: the builders' clocks, or
// the epoch that was asked for.
func created(list []received) string {
	var newest time.Time
	for _, img := range list {
		if at, err := time.Parse(time.RFC3339, img.root.Annotations[ocispecs.AnnotationCreated]); err == nil && at.After(newest) {
			newest = at
		}
	}
	if newest.IsZero() {
		newest = time.Now()
	}
	return newest.UTC().Format(time.RFC3339)
}

// write writes an archive of the shape that BuildKit's exporter has.
//
// For type=docker it also holds manifest.json, for engines that know no
// index: containerd's exporter lists there the one image that suits best, and
// the engine runs on the agent, so that is the agent's architecture, or the
// first of the build where there is none. Engines that know an index read
// index.json, which has all platforms and their attestations.
func (a *archiveOutput) write(ctx context.Context, path string, root ocispecs.Descriptor) (err error) {
	opts := []archive.ExportOpt{archive.WithManifest(root, a.names...), archive.WithAllPlatforms()}
	if a.output.Type == client.ExporterDocker {
		list, err := members(ctx, layout.Store{Dir: a.blobs}, root)
		if err != nil {
			return err
		}
		opts = append(opts, archive.WithPlatform(dockerOrder(runtime.GOARCH, list)))
	} else {
		opts = append(opts, archive.WithSkipDockerManifest())
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	if err := archive.Export(ctx, layout.Store{Dir: a.blobs}, contextWriter{ctx, f}, opts...); err != nil {
		closeQuietly(f)
		return err
	}
	return f.Close()
}

// contextWriter fails when its context has ended.
type contextWriter struct {
	ctx context.Context
	out io.Writer
}

// Write implements io.Writer.
func (w contextWriter) Write(p []byte) (int, error) {
	if w.ctx.Err() != nil {
		return 0, context.Cause(w.ctx)
	}
	return w.out.Write(p)
}

// members are the manifests of an index; none of a single image.
func members(ctx context.Context, store content.Provider, root ocispecs.Descriptor) ([]ocispecs.Descriptor, error) {
	if !images.IsIndexType(root.MediaType) {
		return nil, nil
	}
	data, err := buildkit.ReadBlob(ctx, store, root, imageindex.MaxManifest)
	if err != nil {
		return nil, err
	}
	var index ocispecs.Index
	err = json.Unmarshal(data, &index)
	return index.Manifests, err
}

// dockerOrder says which image an engine of an architecture wants: its own
// if there is one, else the first. Attestations are none.
func dockerOrder(architecture string, manifests []ocispecs.Descriptor) platforms.MatchComparer {
	order := []ocispecs.Platform{platforms.Normalize(ocispecs.Platform{OS: "linux", Architecture: architecture})}
	for _, m := range manifests {
		if m.Platform != nil && m.Platform.OS != "unknown" {
			order = append(order, *m.Platform)
		}
	}
	return platforms.Ordered(order...)
}

func (a *archiveOutput) commit(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ready == "" {
		return nil
	}
	if err := a.dest.place(ctx, a.ready); err != nil {
		return notPlaced(ctx, a.output, err)
	}
	a.ready = ""
	return nil
}

func (a *archiveOutput) close() error { return a.staging.close() }

func (a *archiveOutput) written() Written {
	a.mu.Lock()
	defer a.mu.Unlock()
	w := Written{Type: a.output.Type, Dest: a.output.Dest, Names: a.names, Bytes: a.size}
	_, w.Loaded = a.dest.(*engine)
	return w
}

// published implements publisher.
func (a *archiveOutput) published() (published, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.merged == nil {
		return published{}, false
	}
	desc := a.merged.Descriptor
	return published{descriptor: &desc, index: *a.merged, names: a.names}, true
}

// newArchive opens an archive output whose destination is a file.
func newArchive(o Output, env Env, dest destination) *archiveOutput {
	return &archiveOutput{output: o, env: env, names: normalizedNames(o.Attrs[attrName]), dest: dest, staging: staging{parent: dest.parent}}
}

// openArchive opens what type=oci and type=docker with a dest share.
func openArchive(o Output, env Env) (sink, *fault.Usage) {
	if isFalse(o.Attrs[attrTar]) {
		dest, problem := openLayoutDir(o, env.WorkDir)
		if problem != nil {
			return nil, problem
		}
		a := newArchive(o, env, dest)
		a.layout = true
		return a, nil
	}
	dest, problem := openDestination(o, env)
	if problem != nil {
		return nil, problem
	}
	return newArchive(o, env, dest), nil
}

// checkArchive finds mistakes in a type=oci or type=docker output.
func checkArchive(o Output, more ...attribute) (problem, hint string) {
	if problem, hint := checkAttrs(o, imageAttributes, archiveAttributes, more); problem != "" {
		return problem, hint
	}
	if isFalse(o.Attrs[attrTar]) {
		switch filepath.Clean(o.Dest) {
		case ".":
			if o.Dest == "" {
				return "dest is missing", "tar=false needs a directory: add dest=DIR"
			}
		case stdoutDest:
			return "a directory cannot go to stdout", "give a directory, dest=DIR, or leave tar=false out"
		}
	}
	return checkImageAttrs(o)
}
