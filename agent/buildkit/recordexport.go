package buildkit

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/content/proxy"
	"github.com/containerd/containerd/v2/core/images/archive"
	"github.com/containerd/platforms"
	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/util/contentutil"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/protobuf/proto"
)

// The types and annotations of a .dockerbuild archive
// (https://github.com/docker/buildx/blob/v0.38.2/util/desktop/bundle/export.go).
const (
	recordMediaType     = "application/vnd.buildkit.historyrecord.v0"
	resultTypeNote      = "vnd.export-build.descriptor.mediatype"
	recordReferenceNote = "vnd.buildkit.history.reference"
)

// ExportedRecord is a record to export, and what is kept of its build on this side.
type ExportedRecord struct {
	Daemon *Daemon
	Record BuildRecord
	// Platform is the default one of the node, such as "linux/amd64"; empty is the
	// daemon's own.
	Platform string
	// LocalState is docker buildx's file of the build as JSON; nil where there is
	// none.
	LocalState json.RawMessage
}

// HasTrace reports whether the daemon has completed the record with its trace.
func (r BuildRecord) HasTrace() bool { return r.record.GetTrace() != nil }

// ExportRecords writes a .dockerbuild archive, which Docker Desktop imports: a
// compressed OCI layout of the records, their logs, traces, attestations and errors.
// What commands in traces have of tokens is taken out, and all that a cache import
// has but scope and ref.
func ExportRecords(ctx context.Context, out io.Writer, records []ExportedRecord) error {
	e := exporter{blobs: contentutil.NewMultiProvider(nil)}
	var manifests []ocispecs.Descriptor
	for _, r := range records {
		desc, err := e.record(ctx, r)
		if err != nil {
			return explainRequest(ctx, "export build "+r.Record.Ref, err)
		}
		manifests = append(manifests, desc)
	}
	if len(manifests) == 0 {
		return errors.New("there is no build to export")
	}
	root := manifests[0]
	if len(manifests) > 1 {
		for i := range manifests {
			manifests[i].Annotations = map[string]string{recordReferenceNote: records[i].Record.Ref}
		}
		var err error
		if root, err = e.json(ctx, ocispecs.MediaTypeImageIndex, ocispecs.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispecs.MediaTypeImageIndex, Manifests: manifests}); err != nil {
			return err
		}
	}
	compressed := gzip.NewWriter(out)
	if err := archive.Export(ctx, e.blobs, compressed, archive.WithManifest(root), archive.WithSkipDockerManifest()); err != nil {
		return explainRequest(ctx, "export the history", err)
	}
	return compressed.Close()
}

// exporter gathers the blobs of an archive.
type exporter struct {
	blobs *contentutil.MultiProvider
}

// record returns the manifest of a record.
func (e *exporter) record(ctx context.Context, r ExportedRecord) (ocispecs.Descriptor, error) {
	record := proto.CloneOf(r.Record.record)
	store := proxy.NewContentStore(r.Daemon.client.ContentClient())
	layers := layers{store: store, blobs: e.blobs, seen: map[string]bool{}}
	if record.Trace != nil {
		desc, err := e.trace(ctx, store, descriptorOf(record.Trace))
		if err != nil {
			return desc, fmt.Errorf("its trace: %w", err)
		}
		record.Trace.Digest, record.Trace.Size = desc.Digest.String(), desc.Size
		layers.list = append(layers.list, desc)
	}
	config, err := e.json(ctx, recordMediaType, struct {
		*control.BuildHistoryRecord
		DefaultPlatform string
		LocalState      json.RawMessage `json:"localState,omitempty"`
	}{record, cmp.Or(r.Platform, platformName(r.Daemon)), r.LocalState})
	if err != nil {
		return config, err
	}
	if err := layers.addAll(ctx, record); err != nil {
		return config, err
	}
	return e.json(ctx, ocispecs.MediaTypeImageManifest, ocispecs.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispecs.MediaTypeImageManifest, Config: config, Layers: layers.list,
	})
}

func platformName(d *Daemon) string {
	if len(d.platforms) == 0 {
		return ""
	}
	return platforms.FormatAll(d.platforms[0])
}

// json adds a value as a blob.
func (e *exporter) json(ctx context.Context, mediaType string, value any) (ocispecs.Descriptor, error) {
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return ocispecs.Descriptor{}, err
	}
	return e.add(ctx, mediaType, data)
}

func (e *exporter) add(ctx context.Context, mediaType string, data []byte) (ocispecs.Descriptor, error) {
	desc := ocispecs.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	buffer := contentutil.NewBuffer()
	if err := content.WriteBlob(ctx, buffer, desc.Digest.String(), bytes.NewReader(data), desc); err != nil {
		return desc, err
	}
	e.blobs.Add(desc.Digest, buffer)
	return desc, nil
}

// maxTrace bounds a trace, which is read into memory, in bytes.
const maxTrace = 64 << 20

// trace adds a trace without the tokens in it.
func (e *exporter) trace(ctx context.Context, store content.Store, desc ocispecs.Descriptor) (ocispecs.Descriptor, error) {
	data, err := ReadBlob(ctx, store, desc, maxTrace)
	if err != nil {
		return desc, err
	}
	clean, err := withoutTokens(data)
	if err != nil {
		return desc, err
	}
	return e.add(ctx, desc.MediaType, clean)
}

// layers are the blobs of a record.
type layers struct {
	store content.Store
	blobs *contentutil.MultiProvider
	seen  map[string]bool
	list  []ocispecs.Descriptor
}

func (l *layers) addAll(ctx context.Context, record *control.BuildHistoryRecord) error {
	if err := l.add(ctx, record.Logs, "its log", false); err != nil {
		return err
	}
	if err := l.result(ctx, record.Result); err != nil {
		return err
	}
	if err := l.add(ctx, record.ExternalError, "its error", false); err != nil {
		return err
	}
	for _, platform := range slices.Sorted(maps.Keys(record.Results)) {
		if err := l.result(ctx, record.Results[platform]); err != nil {
			return err
		}
	}
	return nil
}

func (l *layers) result(ctx context.Context, result *control.BuildResultInfo) error {
	for _, a := range result.GetAttestations() {
		if err := l.add(ctx, a, "an attestation", false); err != nil {
			return err
		}
	}
	for _, r := range result.GetResults() {
		if err := l.add(ctx, r, "a result", true); err != nil {
			return err
		}
	}
	return nil
}

// add adds a blob of the daemon, once. A result has its type in an annotation: the
// archive has none of what an image or an index refers to.
func (l *layers) add(ctx context.Context, d *control.Descriptor, what string, result bool) error {
	if d == nil || l.seen[d.Digest] {
		return nil
	}
	l.seen[d.Digest] = true
	desc := descriptorOf(d)
	if err := desc.Digest.Validate(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if _, err := l.store.Info(ctx, desc.Digest); err != nil {
		return fmt.Errorf("%s %s: %w", what, desc.Digest, err)
	}
	if result {
		desc.Annotations = maps.Clone(desc.Annotations)
		if desc.Annotations == nil {
			desc.Annotations = map[string]string{}
		}
		desc.Annotations[resultTypeNote], desc.MediaType = desc.MediaType, "application/json"
	}
	l.blobs.Add(desc.Digest, l.store)
	l.list = append(l.list, desc)
	return nil
}

// withoutCacheSecrets keeps type, scope and ref of cache imports: their other
// attributes may be credentials. It is empty for what is no list of them.
func withoutCacheSecrets(text string) string {
	var list []struct {
		Type  string            `json:"Type"`
		Attrs map[string]string `json:"Attrs"`
	}
	if json.Unmarshal([]byte(text), &list) != nil {
		return ""
	}
	for i := range list {
		maps.DeleteFunc(list[i].Attrs, func(key, _ string) bool { return key != "scope" && key != "ref" })
	}
	data, err := json.Marshal(list)
	if err != nil {
		return ""
	}
	return string(data)
}

// withoutTokens replaces tokens in the texts of a stream of JSON values.
func withoutTokens(data []byte) ([]byte, error) {
	// Made only here, for it is seldom needed.
	assigned := regexp.MustCompile(`(?i)(ghtoken|token|access_key_id|secret_access_key|session_token)=[^ ,]+`)
	known := regexp.MustCompile(`(?:ghu|ghs)_[A-Za-z0-9]{36}|github_pat_\w{82}`)
	clean := func(s string) string {
		return known.ReplaceAllString(assigned.ReplaceAllString(s, "${1}=xxxxx"), "xxxxx")
	}
	from := json.NewDecoder(bytes.NewReader(data))
	from.UseNumber()
	var out bytes.Buffer
	to := json.NewEncoder(&out)
	to.SetIndent("", "  ")
	for {
		var value any
		if err := from.Decode(&value); errors.Is(err, io.EOF) {
			return out.Bytes(), nil
		} else if err != nil {
			return nil, err
		}
		if err := to.Encode(eachText(value, clean)); err != nil {
			return nil, err
		}
	}
}

// eachText applies a function to the texts of a JSON value, but for keys.
func eachText(value any, f func(string) string) any {
	switch v := value.(type) {
	case string:
		return f(v)
	case []any:
		for i := range v {
			v[i] = eachText(v[i], f)
		}
	case map[string]any:
		for key := range v {
			v[key] = eachText(v[key], f)
		}
	}
	return value
}
