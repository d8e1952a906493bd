package builders

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	contentlocal "github.com/containerd/containerd/v2/plugins/content/local"
	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rs/zerolog"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

func TestParseBuildRef(t *testing.T) {
	for text, want := range map[string]BuildRef{
		"":                    {},
		"abc":                 {ID: "abc"},
		"^0":                  {},
		"^12":                 {Offset: 12},
		"kube/kube0/8roqkfvg": {Builder: "kube", Node: "kube0", ID: "8roqkfvg"},
	} {
		want.text = text
		if got, err := ParseBuildRef(text); err != nil || got != want || got.String() != text {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"^", "^-1", "^x", "^99999999999", "kube/abc", "a/b/c/d", "//abc", "kube//abc", "kube/kube0/", "a b", "a\nb"} {
		if got, err := ParseBuildRef(text); err == nil {
			t.Errorf("%q is taken: %+v", text, got)
		}
	}
}

func FuzzParseBuildRef(f *testing.F) {
	for _, text := range []string{"", "^1", "a/b/c", "abc", "^-1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseBuildRef(text)
		if err == nil && (r.Offset < 0 || r.Offset > 0 && r.ID != "" || (r.Builder == "") != (r.Node == "")) {
			t.Errorf("%q: %+v", text, r)
		}
	})
}

// built is a record that began so long before fleettest.Now and took a second.
func built(id string, before time.Duration) *control.BuildHistoryRecord {
	at := fleettest.Now.Add(-before)
	return &control.BuildHistoryRecord{Ref: id, CreatedAt: timestamppb.New(at), CompletedAt: timestamppb.New(at.Add(time.Second))}
}

func running(r *control.BuildHistoryRecord) *control.BuildHistoryRecord {
	r.CompletedAt = nil
	return r
}

// history is that of two nodes, and of one that does not answer if gone.
func history(t *testing.T, gone bool) (h History, a, z *fleettest.Daemon) {
	t.Helper()
	a = &fleettest.Daemon{Records: []*control.BuildHistoryRecord{built("a3", 3*time.Minute), running(built("a1", time.Minute))}}
	z = &fleettest.Daemon{Records: []*control.BuildHistoryRecord{built("z0", time.Second), built("z2", 2*time.Minute), built("same", 5*time.Minute)}}
	a.Records = append(a.Records, built("same", 5*time.Minute))
	d := configmap.Definition{Name: "far", Nodes: []configmap.Node{remote(t, "a", a), remote(t, "z", z)}}
	if gone {
		d.Nodes = append(d.Nodes, configmap.Node{Name: "gone", Remote: &configmap.Remote{Address: "unix:///nowhere", Timeout: listTimeout}})
	}
	return History{Definition: d, Timeout: listTimeout, Log: zerolog.Nop()}, a, z
}

func refsOf(builds []PodBuild) (refs []string) {
	for _, b := range builds {
		refs = append(refs, b.FullRef())
	}
	return refs
}

func TestHistoryList(t *testing.T) {
	h, _, _ := history(t, false)
	list, err := h.List(t.Context(), buildkit.RecordFilter{})
	want := []string{"far/a/a1", "far/z/z0", "far/z/z2", "far/a/a3", "far/a/same", "far/z/same"}
	if got := refsOf(list); err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	if took, known := list[0].Duration(); took != time.Minute || !known {
		t.Errorf("the running build takes %s, %v", took, known)
	}
	filter, err := buildkit.ParseRecordFilter([]string{"status=completed", "ref=z"}, fleettest.Now)
	if err != nil {
		t.Fatal(err)
	}
	if list, err = h.List(t.Context(), filter); err != nil || !slices.Equal(refsOf(list), []string{"far/z/z0", "far/z/z2"}) {
		t.Errorf("%q, %v", refsOf(list), err)
	}
	h, _, _ = history(t, true)
	if list, err = h.List(t.Context(), buildkit.RecordFilter{}); len(list) != 6 || fault.ClassOf(err) != fault.ClassCluster {
		t.Errorf("one node does not answer: %q, %v", refsOf(list), err)
	}
	large := built("large", time.Minute)
	large.FrontendAttrs = map[string]string{"build-arg:A": strings.Repeat("x", 14<<20)}
	h.Definition.Nodes = []configmap.Node{remote(t, "large", &fleettest.Daemon{Records: slices.Repeat([]*control.BuildHistoryRecord{large}, 5)})}
	if _, err = h.List(t.Context(), buildkit.RecordFilter{}); err == nil || !strings.Contains(err.Error(), "its history is larger than 64 MiB") {
		t.Errorf("a history without end: %v", err)
	}
	h.Definition = configmap.Definition{Name: "none"}
	if _, err = h.List(t.Context(), buildkit.RecordFilter{}); err == nil || fault.ClassOf(err) != fault.ClassCluster {
		t.Errorf("of nothing: %v", err)
	}
}

func TestHistoryFind(t *testing.T) {
	for _, tt := range []struct {
		ref       string
		completed bool
		gone      bool
		want      []string
		fails     string
		class     fault.Class
	}{
		{ref: "", want: []string{"far/z/z0"}},
		{ref: "^1", want: []string{"far/a/a1"}},
		{ref: "^1", completed: true, want: []string{"far/z/z2"}},
		{ref: "z2", want: []string{"far/z/z2"}},
		{ref: "same", want: []string{"far/a/same", "far/z/same"}},
		{ref: "far/z/same", want: []string{"far/z/same"}},
		{ref: "far/a/z2", fails: `build far/a/z2: is not in the history of builder "far"`, class: fault.ClassUsage},
		{ref: "nope", fails: `build nope: is not in the history`, class: fault.ClassUsage},
		{ref: "a1", completed: true, fails: `build a1: is not in the history`, class: fault.ClassUsage},
		{ref: "^99", fails: "build ^99: is not", class: fault.ClassUsage},
		{ref: "near/a/a1", fails: `is one of builder "near", not of "far"`, class: fault.ClassUsage},
		{ref: "far/b/a1", fails: `builder "far" has no node "b"`, class: fault.ClassUsage},
		// A build that was found is that build; which is the latest, and that there is
		// none, only all can tell.
		{ref: "z2", gone: true, want: []string{"far/z/z2"}},
		{ref: "", gone: true, fails: "node gone: ", class: fault.ClassCluster},
		{ref: "nope", gone: true, fails: "node gone: ", class: fault.ClassCluster},
	} {
		h, _, _ := history(t, tt.gone)
		ref, err := ParseBuildRef(tt.ref)
		if err != nil {
			t.Fatal(err)
		}
		builds, err := h.find(t.Context(), ref, tt.completed)
		if tt.fails == "" && (err != nil || !slices.Equal(refsOf(builds), tt.want)) {
			t.Errorf("%+v: %q, %v", tt, refsOf(builds), err)
		}
		if tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails) || fault.ClassOf(err) != tt.class) {
			t.Errorf("%+v: error %v", tt, err)
		}
	}
}

func TestHistoryRemove(t *testing.T) {
	parse := func(texts ...string) (refs []BuildRef) {
		for _, text := range texts {
			ref, err := ParseBuildRef(text)
			if err != nil {
				t.Fatal(err)
			}
			refs = append(refs, ref)
		}
		return refs
	}
	h, a, z := history(t, false)
	if err := h.Remove(t.Context(), parse("z2", "nope")); err == nil || len(z.Kept()) != 3 {
		t.Errorf("one is unknown: %v, kept %q", err, z.Kept())
	}
	// ^0 is counted before any is removed.
	if err := h.Remove(t.Context(), parse("z2", "^0", "far/a/same", "z2")); err != nil || !slices.Equal(z.Kept(), []string{"same"}) || !slices.Equal(a.Kept(), []string{"a3", "a1"}) {
		t.Errorf("%v, kept %q and %q", err, a.Kept(), z.Kept())
	}
	if err := h.RemoveAll(t.Context()); err != nil || len(z.Kept()) > 0 || !slices.Equal(a.Kept(), []string{"a1"}) {
		t.Errorf("%v, kept %q and %q", err, a.Kept(), z.Kept())
	}
	h.Definition = configmap.Definition{Name: "none"}
	if err := h.RemoveAll(t.Context()); fault.ClassOf(err) != fault.ClassCluster {
		t.Errorf("of nothing: %v", err)
	}
}

// blobs is a daemon's content.
type blobs struct {
	content.Store
	t   *testing.T
	dir string
}

func newBlobs(t *testing.T) blobs {
	t.Helper()
	dir := t.TempDir()
	store, err := contentlocal.NewStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	return blobs{store, t, dir}
}

func (b blobs) add(mediaType string, data []byte, annotations map[string]string) *control.Descriptor {
	b.t.Helper()
	desc := ocispecs.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	if err := content.WriteBlob(b.t.Context(), b.Store, desc.Digest.String(), bytes.NewReader(data), desc); err != nil {
		b.t.Fatal(err)
	}
	return &control.Descriptor{MediaType: mediaType, Digest: desc.Digest.String(), Size: desc.Size, Annotations: annotations}
}

// TestHistoryAttachmentIsVerified has a daemon whose content is not what it says.
func TestHistoryAttachmentIsVerified(t *testing.T) {
	store := newBlobs(t)
	desc := store.add("application/vnd.in-toto+json", []byte(provenanceV1), nil)
	path := filepath.Join(store.dir, "blobs", "sha256", digest.Digest(desc.Digest).Encoded())
	if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, []byte(strings.ToUpper(provenanceV1)), 0o600)); err != nil {
		t.Fatal(err)
	}
	d := &fleettest.Daemon{Records: []*control.BuildHistoryRecord{built("x", time.Minute)}, Content: store.Store}
	h := History{Definition: configmap.Definition{Name: "far", Nodes: []configmap.Node{remote(t, "a", d)}}, Timeout: listTimeout, Log: zerolog.Nop()}
	err := h.Attachment(t.Context(), BuildRef{}, buildkit.WantedAttachment{Digest: desc.Digest}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "what the builder sent is not that") || fault.ClassOf(err) != fault.ClassCluster {
		t.Errorf("error %v", err)
	}
}

const provenanceV1 = `{"buildDefinition":{"buildType":"t","externalParameters":{"configSource":{},"request":{}},"internalParameters":{},"resolvedDependencies":[{"uri":"pkg:docker/base@1","digest":{"sha256":"ff"}}]},"runDetails":{"builder":{"id":"b"},"metadata":{}}}`

// failedBuild is a history with one build; gone says that one of its results is no
// longer there.
func failedBuild(t *testing.T, gone bool) History {
	t.Helper()
	store := newBlobs(t)
	step := digest.FromString("step")
	err := errdefs.WithSource(errdefs.WrapVertex(errors.New("exit code: 7"), step), &errdefs.Source{
		Info:   &pb.SourceInfo{Filename: "Dockerfile", Data: []byte("FROM x\nRUN false\n")},
		Ranges: []*pb.Range{{Start: &pb.Position{Line: 2}, End: &pb.Position{Line: 2}}},
	})
	failure, ok := grpcerrors.AsGRPCStatus(grpcerrors.ToGRPC(t.Context(), err))
	if !ok {
		t.Fatal("the error has no status")
	}
	text, err := proto.Marshal(failure.Proto())
	if err != nil {
		t.Fatal(err)
	}
	record := built("failed", time.Minute)
	record.Error = failure.Proto()
	record.ExternalError = store.add("application/vnd.googleapis.google.rpc.status+proto", text, nil)
	record.Logs = store.add("application/vnd.buildkit.status.v0", []byte("log"), nil)
	record.Trace = store.add("application/vnd.buildkit.otlp.json.v0", []byte(`{"Name":"RUN login --token=hunter2 now","N":18446744073709551615}`), nil)
	record.FrontendAttrs = map[string]string{"cache-imports": `[{"Type":"s3","Attrs":{"ref":"r","secret_access_key":"hunter2"}}]`}
	record.Results = map[string]*control.BuildResultInfo{"linux/amd64": {
		Attestations: []*control.Descriptor{store.add("application/vnd.in-toto+json", []byte(provenanceV1), map[string]string{"in-toto.io/predicate-type": "https://slsa.dev/provenance/v1"})},
		Results:      map[int64]*control.Descriptor{0: store.add(ocispecs.MediaTypeImageManifest, []byte(`{}`), nil)},
	}}
	if gone {
		record.Results["linux/amd64"].Results[1] = &control.Descriptor{MediaType: ocispecs.MediaTypeImageManifest, Digest: digest.FromString("gone").String(), Size: 4}
	}
	now := timestamppb.New(fleettest.Now)
	d := &fleettest.Daemon{Records: []*control.BuildHistoryRecord{record}, Content: store.Store, Reports: []*control.StatusResponse{
		{Vertexes: []*control.Vertex{{Digest: step.String(), Name: "[2/2] RUN false", Started: now}}},
		{Logs: []*control.VertexLog{{Vertex: step.String(), Stream: 1, Msg: []byte("one\ntw"), Timestamp: now}, {Vertex: "sha256:other", Msg: []byte("not this\n"), Timestamp: now}}},
		{Logs: []*control.VertexLog{{Vertex: step.String(), Stream: 2, Msg: []byte("between\n"), Timestamp: now}, {Vertex: step.String(), Stream: 1, Msg: []byte("o\n\nthree"), Timestamp: now}}},
		{Vertexes: []*control.Vertex{{Digest: step.String(), Name: "[2/2] RUN false", Started: now, Completed: now, Error: "exit code: 7"}}},
	}}
	return History{Definition: configmap.Definition{Name: "far", Nodes: []configmap.Node{remote(t, "a", d)}}, Timeout: listTimeout, Log: zerolog.Nop()}
}

func TestHistoryInspect(t *testing.T) {
	h := failedBuild(t, true)
	details, err := h.Inspect(t.Context(), BuildRef{})
	if err != nil {
		t.Fatal(err)
	}
	if f := details.Failure; f == nil || f.Step != "[2/2] RUN false" || !slices.Equal(f.Logs, []string{"one", "two", "between", "three"}) || !strings.Contains(string(f.Sources), ">>> RUN false") {
		t.Errorf("failure %+v", details.Failure)
	}
	if len(details.Attachments) != 2 || details.Attachments[0].Type != ocispecs.MediaTypeImageManifest || details.Attachments[1].Type != "https://slsa.dev/provenance/v1" || details.Attachments[1].Platform != "linux/amd64" {
		t.Errorf("attachments %+v", details.Attachments)
	}
	if len(details.Materials) != 1 || details.Materials[0].URI != "pkg:docker/base@1" || !slices.Equal(details.Materials[0].Digests, []string{"sha256:ff"}) {
		t.Errorf("materials %+v", details.Materials)
	}
	if strings.Contains(details.Attrs["cache-imports"], "hunter2") {
		t.Errorf("a secret is shown: %s", details.Attrs["cache-imports"])
	}
	for want, expected := range map[buildkit.WantedAttachment]string{
		{Type: "provenance"}:                               provenanceV1,
		{Type: "provenance", Platform: "linux/amd64"}:      provenanceV1,
		{Digest: digest.FromString(provenanceV1).String()}: provenanceV1,
		{Type: "manifest"}:                                 "{}",
	} {
		var out bytes.Buffer
		if err := h.Attachment(t.Context(), BuildRef{}, want, &out); err != nil || out.String() != expected {
			t.Errorf("%+v: %q, %v", want, out.String(), err)
		}
	}
	for _, want := range []buildkit.WantedAttachment{{Type: "sbom"}, {Type: "provenance", Platform: "linux/arm64"}, {Digest: digest.FromString("gone").String()}} {
		if err := h.Attachment(t.Context(), BuildRef{}, want, io.Discard); !errors.Is(err, buildkit.ErrNoAttachment) {
			t.Errorf("%+v: %v", want, err)
		}
	}
}

func TestHistoryLogs(t *testing.T) {
	var shown bytes.Buffer
	if err := failedBuild(t, false).Logs(t.Context(), BuildRef{ID: "failed"}, progress.NewTerminal(&shown, nil), progress.Plain); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"[2/2] RUN false\n", " one\n", " three\n", "ERROR: exit code: 7\n"} {
		if !strings.Contains(shown.String(), line) {
			t.Errorf("the log lacks %q:\n%s", line, shown.String())
		}
	}
}

func TestHistoryExport(t *testing.T) {
	export := HistoryExport{Finalize: true, LocalState: func(PodBuild) json.RawMessage { return json.RawMessage(`{"Target":"default"}`) }}
	export.History = failedBuild(t, false)
	export.Definition.Nodes[0].Platforms = []ocispecs.Platform{{OS: "linux", Architecture: "arm64"}}
	export.Refs = []BuildRef{{ID: "failed"}, {}} // the same one
	var out bytes.Buffer
	if err := export.Run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	files := filesOf(t, out.Bytes())
	var index ocispecs.Index
	var manifest ocispecs.Manifest
	parse := func(name string, to any) {
		t.Helper()
		if err := json.Unmarshal([]byte(files[name]), to); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	blob := func(d digest.Digest) string { return "blobs/sha256/" + d.Encoded() }
	parse("index.json", &index)
	parse(blob(index.Manifests[0].Digest), &manifest)
	var types []string
	for _, l := range manifest.Layers {
		types = append(types, l.MediaType)
		if _, ok := files[blob(l.Digest)]; !ok || l.Digest != digest.FromString(files[blob(l.Digest)]) {
			t.Errorf("layer %s is not there", l.Digest)
		}
	}
	if want := []string{"application/vnd.buildkit.otlp.json.v0", "application/vnd.buildkit.status.v0", "application/vnd.googleapis.google.rpc.status+proto", "application/vnd.in-toto+json", "application/json"}; !slices.Equal(types, want) || manifest.Config.MediaType != "application/vnd.buildkit.historyrecord.v0" {
		t.Errorf("layers %q, want %q, and the record is %s", types, want, manifest.Config.MediaType)
	}
	if original := manifest.Layers[4].Annotations["vnd.export-build.descriptor.mediatype"]; original != ocispecs.MediaTypeImageManifest {
		t.Errorf("the result was %q", original)
	}
	var record struct {
		Ref, DefaultPlatform string
		FrontendAttrs        map[string]string
		Trace                struct{ Digest digest.Digest }
		LocalState           struct{ Target string }
	}
	parse(blob(manifest.Config.Digest), &record)
	if record.Ref != "failed" || record.DefaultPlatform != "linux/arm64" || record.LocalState.Target != "default" || record.FrontendAttrs["cache-imports"] != `[{"Type":"s3","Attrs":{"ref":"r"}}]` {
		t.Errorf("record %+v", record)
	}
	if trace := files[blob(record.Trace.Digest)]; !strings.Contains(trace, `"RUN login --token=xxxxx now"`) || !strings.Contains(trace, "18446744073709551615") {
		t.Errorf("trace %s", trace)
	}
	for name, text := range files {
		if strings.Contains(text, "hunter2") {
			t.Errorf("%s has a secret: %s", name, text)
		}
	}

	// Several are in an index.
	h, _, _ := history(t, false)
	all := HistoryExport{History: h, All: true, LocalState: func(PodBuild) json.RawMessage { return nil }}
	out.Reset()
	if err := all.Run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	files = filesOf(t, out.Bytes())
	parse("index.json", &index)
	parse(blob(index.Manifests[0].Digest), &index)
	var refs []string
	for _, m := range index.Manifests {
		refs = append(refs, m.Annotations["vnd.buildkit.history.reference"])
	}
	if want := []string{"z0", "z2", "a3", "same", "same"}; !slices.Equal(refs, want) {
		t.Errorf("exported %q, want %q", refs, want)
	}

	// What its builder no longer has is not left out unsaid.
	export.History = failedBuild(t, true)
	if err := export.Run(t.Context(), io.Discard); err == nil || !strings.Contains(err.Error(), "export build failed: a result sha256:") || fault.ClassOf(err) != fault.ClassCluster {
		t.Errorf("a result is gone: %v", err)
	}
	export.Refs = []BuildRef{{ID: "nope"}}
	if err := export.Run(t.Context(), io.Discard); fault.ClassOf(err) != fault.ClassUsage {
		t.Errorf("no such build: %v", err)
	}
}

// filesOf are those of a .dockerbuild file.
func filesOf(t *testing.T, data []byte) map[string]string {
	t.Helper()
	compressed, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for archive := tar.NewReader(compressed); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = string(text)
	}
}
