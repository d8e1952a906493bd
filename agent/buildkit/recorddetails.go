package buildkit

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/content/proxy"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/errdefs"
	"github.com/containerd/platforms"
	control "github.com/moby/buildkit/api/services/control"
	solvererr "github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/llbsolver/provenance/types"
	"github.com/moby/buildkit/util/grpcerrors"
	"github.com/moby/buildkit/util/stack"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// RecordDetails is what a daemon has of a build beside its record.
type RecordDetails struct {
	// Platform is the daemon's own, such as "linux/amd64".
	Platform    string
	Attachments []Attachment
	// Materials are what the build was made of, by its provenance.
	Materials []Material
	// Failure is nil where the daemon kept no more than the message of the error.
	Failure *RecordFailure
}

// Attachment is what a daemon keeps of a build's result.
type Attachment struct {
	Digest string
	// Platform is empty where the result is not divided by platform.
	Platform string
	// Type is the type of an attestation's predicate, else a media type.
	Type string

	desc ocispecs.Descriptor
}

// Material is an image, a repository or a file that a build was made of. Digests are
// as "sha256:…".
type Material struct {
	URI     string
	Digests []string
}

// RecordFailure is where a build has failed.
type RecordFailure struct {
	// Step is the name of the failed step, Logs the last lines of its log; both are
	// empty where the error is not that of a step.
	Step string
	Logs []string
	// Sources shows the lines of the Dockerfile, as BuildKit prints them.
	Sources []byte
	// Stack is the daemon's stack.
	Stack []byte
}

// What is read of a record into memory at most: bytes of an error and of an index,
// attachments, and how deep indexes may be in each other.
const (
	maxRecordBlob  = 4 << 20
	maxAttachments = 1000
	maxIndexDepth  = 4
)

// failureLines is how many lines of a failed step's log are kept, as docker buildx
// history inspect does.
const failureLines = 16

// RecordDetails reads what the daemon has of a build. r is a record that it has
// returned.
func (d *Daemon) RecordDetails(ctx context.Context, r BuildRecord) (RecordDetails, error) {
	const doing = "read the record of the build"
	var out RecordDetails
	if len(d.platforms) > 0 {
		out.Platform = platforms.FormatAll(d.platforms[0])
	}
	store := proxy.NewContentStore(d.client.ContentClient())
	var err error
	if out.Failure, err = d.recordFailure(ctx, store, r); err != nil {
		return out, explainRequest(ctx, doing, err)
	}
	out.Attachments = attachments(ctx, store, r.record)
	if out.Materials, err = materials(ctx, store, out.Attachments); err != nil {
		return out, explainRequest(ctx, doing, err)
	}
	return out, nil
}

func descriptorOf(d *control.Descriptor) ocispecs.Descriptor {
	return ocispecs.Descriptor{MediaType: d.MediaType, Digest: digest.Digest(d.Digest), Size: d.Size, Annotations: d.Annotations}
}

// typeOf is what buildx calls the type of an attachment.
func typeOf(d ocispecs.Descriptor) string {
	return cmp.Or(d.Annotations[predicateAnnotation], d.MediaType)
}

func (d *Daemon) recordFailure(ctx context.Context, store content.Store, r BuildRecord) (*RecordFailure, error) {
	if r.record.ExternalError == nil {
		return nil, nil
	}
	data, err := ReadBlob(ctx, store, descriptorOf(r.record.ExternalError), maxRecordBlob)
	if err != nil {
		return nil, fmt.Errorf("the error: %w", err)
	}
	told := status.New(codes.Unknown, "").Proto()
	if err := proto.Unmarshal(data, told); err != nil {
		return nil, fmt.Errorf("the error: %w", err)
	}
	failed := grpcerrors.FromGRPC(status.ErrorProto(told))
	var sources bytes.Buffer
	for _, s := range solvererr.Sources(failed) {
		_ = s.Print(&sources) // a buffer takes everything
		sources.WriteByte('\n')
	}
	out := &RecordFailure{Sources: sources.Bytes(), Stack: fmt.Appendf(nil, "%+v", stack.Formatter(failed))}
	if step := (*solvererr.VertexError)(nil); errors.As(failed, &step) {
		if out.Step, out.Logs, err = d.stepLog(ctx, r.Ref, digest.Digest(step.Digest), failureLines); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// stepLog is the name of a step and the last lines of its log.
func (d *Daemon) stepLog(ctx context.Context, ref string, step digest.Digest, last int) (name string, lines []string, err error) {
	tail := tail{last: last}
	for report, err := range d.RecordProgress(ctx, ref) {
		if err != nil {
			return "", nil, err
		}
		for _, v := range report.Vertexes {
			if v.Digest == step {
				name = v.Name
			}
		}
		for _, l := range report.Logs {
			if l.Vertex == step {
				tail.write(l.Stream, l.Data)
			}
		}
	}
	return name, tail.lines(), nil
}

// maxTailLine bounds the lines of a tail, in bytes.
const maxTailLine = 64 << 10

// tail keeps the last lines of a log, whose streams come in pieces, without empty
// ones.
type tail struct {
	last int
	kept []*[]byte
	open map[int]*[]byte // lines of streams that have not ended
}

func (t *tail) write(stream int, data []byte) {
	for piece := range bytes.Lines(data) {
		text, ended := bytes.CutSuffix(piece, []byte("\n"))
		line := t.open[stream]
		if line == nil && len(text) > 0 {
			line = new([]byte)
			t.kept = append(t.kept, line)
			if len(t.kept) > 4*t.last { // seldom, rather than for each line
				t.kept = slices.Clone(t.kept[len(t.kept)-t.last:])
			}
		}
		if line != nil {
			*line = append(*line, text[:min(len(text), maxTailLine-len(*line))]...)
		}
		if t.open == nil {
			t.open = map[int]*[]byte{}
		}
		if t.open[stream] = line; ended {
			delete(t.open, stream)
		}
	}
}

func (t *tail) lines() []string {
	var out []string
	for _, line := range t.kept[max(len(t.kept)-t.last, 0):] {
		out = append(out, string(*line))
	}
	return out
}

// attachments are sorted by platform and type.
func attachments(ctx context.Context, store content.Store, record *control.BuildHistoryRecord) []Attachment {
	w := walk{store: store}
	results := map[string]*control.BuildResultInfo{}
	for platform, result := range record.Results {
		results[platform] = result
	}
	if record.Result != nil {
		results[""] = record.Result
	}
	for key, result := range results {
		if p, err := platforms.Parse(key); err == nil {
			key = platforms.FormatAll(p)
		}
		for _, a := range result.GetAttestations() {
			w.add(descriptorOf(a), key)
		}
		for _, r := range result.GetResults() {
			w.image(ctx, descriptorOf(r), key, 0)
		}
	}
	slices.SortFunc(w.found, func(a, b Attachment) int {
		return cmp.Or(cmp.Compare(a.Platform, b.Platform), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Digest, b.Digest))
	})
	return w.found
}

// walk finds what of a result is in a store.
type walk struct {
	store content.Store
	found []Attachment
}

func (w *walk) add(desc ocispecs.Descriptor, platform string) {
	if len(w.found) < maxAttachments {
		w.found = append(w.found, Attachment{Digest: desc.Digest.String(), Platform: platform, Type: typeOf(desc), desc: desc})
	}
}

// image adds an image or an index, and what is in it. What the store no longer has
// is left out: it keeps no image that was not exported to it.
func (w *walk) image(ctx context.Context, desc ocispecs.Descriptor, platform string, depth int) {
	if desc.Digest.Validate() != nil || depth > maxIndexDepth || len(w.found) >= maxAttachments {
		return
	}
	if _, err := w.store.Info(ctx, desc.Digest); err != nil {
		return
	}
	if desc.Annotations["vnd.docker.reference.type"] != "attestation-manifest" {
		w.add(desc, platform)
	}
	if desc.MediaType != ocispecs.MediaTypeImageIndex && desc.MediaType != images.MediaTypeDockerSchema2ManifestList {
		return
	}
	data, err := ReadBlob(ctx, w.store, desc, maxRecordBlob)
	if err != nil {
		return
	}
	var index ocispecs.Index
	if json.Unmarshal(data, &index) != nil {
		return
	}
	for _, m := range index.Manifests {
		of := platform
		if m.Platform != nil {
			of = platforms.FormatAll(*m.Platform)
		}
		w.image(ctx, m, of, depth+1)
	}
}

// materials are those of the first provenance.
func materials(ctx context.Context, store content.Store, list []Attachment) ([]Material, error) {
	at := slices.IndexFunc(list, func(a Attachment) bool { return strings.HasPrefix(a.Type, slsaPrefix) })
	if at < 0 {
		return nil, nil
	}
	data, err := ReadBlob(ctx, store, list[at].desc, maxProvenance)
	if err == nil && CountValues(data) > maxProvenanceValues {
		err = errors.New("it is too large")
	}
	var out []Material
	if err == nil {
		out, err = parseMaterials(data, list[at].Type)
	}
	if err != nil {
		return nil, fmt.Errorf("the provenance %s: %w", list[at].Digest, err)
	}
	return out, nil
}

// parseMaterials parses a provenance of either version.
func parseMaterials(data []byte, kind string) ([]Material, error) {
	var current *types.ProvenancePredicateSLSA1
	if kind != slsaV1 {
		var old *types.ProvenancePredicateSLSA02
		if err := json.Unmarshal(data, &old); err != nil {
			return nil, err
		}
		if old != nil {
			current = old.ConvertToSLSA1()
		}
	} else if err := json.Unmarshal(data, &current); err != nil {
		return nil, err
	}
	if current == nil {
		return nil, nil
	}
	var out []Material
	for _, m := range current.BuildDefinition.ResolvedDependencies {
		material := Material{URI: m.URI}
		for algorithm, value := range m.Digest {
			material.Digests = append(material.Digests, algorithm+":"+value)
		}
		slices.Sort(material.Digests)
		out = append(out, material)
	}
	return out, nil
}

// WantedAttachment chooses an attachment; empty fields choose any.
type WantedAttachment struct {
	Digest   string
	Platform string
	// Type is index, manifest, image, provenance, sbom or a type as Attachment has it.
	Type string
}

// attachmentTypes are the short names of types, as docker buildx has them.
var attachmentTypes = map[string][]string{
	"index":      {ocispecs.MediaTypeImageIndex},
	"manifest":   {ocispecs.MediaTypeImageManifest},
	"image":      {ocispecs.MediaTypeImageConfig},
	"provenance": {slsaV1, slsaPrefix + "v0.2"},
	"sbom":       {"https://spdx.dev/Document"},
}

func (w WantedAttachment) is(a Attachment) bool {
	if w.Digest != "" && w.Digest != a.Digest || w.Platform != "" && w.Platform != a.Platform {
		return false
	}
	return w.Type == "" || w.Type == a.Type || slices.Contains(attachmentTypes[w.Type], a.Type)
}

// ErrNoAttachment says that a build has no attachment that is wanted.
var ErrNoAttachment = errors.New("the build has no such attachment")

// CopyAttachment writes the first attachment that is wanted to out. A digest may be
// that of any content of the daemon, such as a layer of an attachment.
func (d *Daemon) CopyAttachment(ctx context.Context, r BuildRecord, want WantedAttachment, out io.Writer) error {
	store := proxy.NewContentStore(d.client.ContentClient())
	desc := ocispecs.Descriptor{Digest: digest.Digest(want.Digest)}
	if want.Digest == "" {
		list := attachments(ctx, store, r.record)
		at := slices.IndexFunc(list, want.is)
		if at < 0 {
			return ErrNoAttachment
		}
		desc = list[at].desc
	}
	doing := "read " + desc.Digest.String()
	if err := desc.Digest.Validate(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	at, err := store.ReaderAt(ctx, desc)
	if err != nil {
		if errdefs.IsNotFound(err) {
			return ErrNoAttachment
		}
		return explainRequest(ctx, doing, err)
	}
	defer func() { _ = at.Close() }() // it was only read
	verifier := desc.Digest.Verifier()
	if _, err := io.CopyBuffer(io.MultiWriter(out, verifier), io.NewSectionReader(at, 0, at.Size()), make([]byte, blobBuffer)); err != nil {
		return explainRequest(ctx, doing, err)
	}
	if !verifier.Verified() {
		return fmt.Errorf("%s: what the builder sent is not that", doing)
	}
	return nil
}
