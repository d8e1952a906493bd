package report

import (
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/event"
)

// metadata is the file's content after a round through JSON, as its readers
// see it.
func metadata(t *testing.T, r Report, warnings bool) map[string]any {
	t.Helper()
	raw, err := json.Marshal(r.Metadata(warnings))
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestMetadataOfOneNode(t *testing.T) {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	descriptor := ocispecs.Descriptor{MediaType: ocispecs.MediaTypeImageManifest, Digest: "sha256:aa", Size: 3}
	encoded := base64.StdEncoding.EncodeToString([]byte(`{"mediaType":"x","digest":"sha256:aa","size":3}`))
	r := Report{
		Builder: "kube",
		Outcome: event.Published{Image: &descriptor, ConfigDigest: "sha256:cc", Names: []string{"r/a:1", "r/b:2"}},
		Parts: []Part{{
			Node: "amd", Pod: "amd-1",
			Platforms: []string{"linux/amd64"},
			Result: event.Solved{
				Response: map[string]string{"containerimage.descriptor": encoded, "other": "plain", "list": base64.StdEncoding.EncodeToString([]byte(`[{"a":1}]`))},
				Ref:      "ref1",
				Image:    &descriptor,
				Started:  began, Completed: began.Add(1500 * time.Millisecond),
			},
			Provenance: map[string]json.RawMessage{"": json.RawMessage(`{"p":1}`)},
		}},
	}
	object := map[string]any{"mediaType": ocispecs.MediaTypeImageManifest, "digest": "sha256:aa", "size": 3.0}
	want := map[string]any{
		"containerimage.digest":        "sha256:aa",
		"containerimage.config.digest": "sha256:cc",
		"containerimage.descriptor":    object,
		"image.name":                   "r/a:1,r/b:2",
		"other":                        "plain",
		"list":                         []any{map[string]any{"a": 1.0}},
		"buildx.build.ref":             "kube/amd/ref1",
		"buildx.build.provenance":      map[string]any{"p": 1.0},
		"slipway.platforms": map[string]any{"linux/amd64": map[string]any{
			"digest": "sha256:aa", "descriptor": object, "node": "amd", "pod": "amd-1", "ref": "ref1",
			"started": "2026-01-02T03:04:05Z", "completed": "2026-01-02T03:04:06.5Z", "duration": 1.5,
		}},
	}
	if diff := cmp.Diff(want, metadata(t, r, true)); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	if got := r.ImageID(); got != "sha256:cc" {
		t.Errorf("ImageID = %s", got)
	}
}

func TestMetadataOfTwoNodes(t *testing.T) {
	index := ocispecs.Descriptor{MediaType: ocispecs.MediaTypeImageIndex, Digest: "sha256:ii", Size: 9}
	part := func(arch, digest string) Part {
		return Part{
			Node:      arch,
			Platforms: []string{"linux/" + arch},
			Result: event.Solved{
				Response: map[string]string{"containerimage.digest": digest},
				Ref:      "ref-" + arch,
				Image:    &ocispecs.Descriptor{Digest: "sha256:own-index"},
			},
			Warnings:   []event.Warning{{Short: []byte("of " + arch)}, {Short: []byte("of both")}},
			Provenance: map[string]json.RawMessage{"": json.RawMessage(`{"of":"` + arch + `"}`)},
		}
	}
	r := Report{
		Builder: "kube",
		Outcome: event.Published{Image: &index, Images: map[string]ocispecs.Descriptor{
			"linux/amd64": {Digest: "sha256:a"}, "linux/arm64": {Digest: "sha256:b"},
		}},
		Parts: []Part{part("amd64", "sha256:own-index"), part("arm64", "sha256:own-index")},
	}
	got := metadata(t, r, false)
	for key, want := range map[string]any{
		"containerimage.digest":               "sha256:ii",
		"buildx.build.ref":                    "kube/amd64/ref-amd64",
		"buildx.build.provenance/linux/amd64": map[string]any{"of": "amd64"},
		"buildx.build.provenance/linux/arm64": map[string]any{"of": "arm64"},
		"buildx.build.warnings":               nil,
	} {
		if diff := cmp.Diff(want, got[key]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", key, diff)
		}
	}
	byPlatform, _ := got["slipway.platforms"].(map[string]any)
	arm, _ := byPlatform["linux/arm64"].(map[string]any)
	if arm["digest"] != "sha256:b" || arm["node"] != "arm64" || len(byPlatform) != 2 {
		t.Errorf("slipway.platforms = %v", byPlatform)
	}
	if found, _ := metadata(t, r, true)["buildx.build.warnings"].([]any); len(found) != 3 {
		t.Errorf("warnings = %v, want three", found)
	}
	if got := r.ImageID(); got != "sha256:ii" {
		t.Errorf("ImageID = %s, want the index", got)
	}
}

// TestMetadataWithoutPlatform tests that a build without --platform is reported
// under the platform of its node.
func TestMetadataWithoutPlatform(t *testing.T) {
	image := ocispecs.Descriptor{Digest: "sha256:aa"}
	r := Report{Builder: "kube", Parts: []Part{{
		Node: "arm", Platform: "linux/arm64",
		Result: event.Solved{Ref: "ref", Image: &image},
	}}}
	byPlatform, _ := metadata(t, r, false)["slipway.platforms"].(map[string]any)
	arm, _ := byPlatform["linux/arm64"].(map[string]any)
	if len(byPlatform) != 1 || arm["node"] != "arm" || arm["digest"] != "sha256:aa" {
		t.Errorf("slipway.platforms = %v", byPlatform)
	}
}

func TestMetadataWithoutImage(t *testing.T) {
	r := Report{Builder: "kube", Parts: []Part{{Node: "n", Platforms: []string{"linux/amd64"}, Result: event.Solved{Ref: "x"}}}}
	got := metadata(t, r, true)
	if _, ok := got["containerimage.digest"]; ok || r.ImageID() != "" {
		t.Errorf("a local output has digest %v and image ID %q", got["containerimage.digest"], r.ImageID())
	}
}

// TestCollect has the events of a build on two nodes, one of which has lost its
// builder.
func TestCollect(t *testing.T) {
	stream := event.NewStream()
	c := &Collector{}
	sub := stream.Subscribe("report", c)
	e := stream.Emitter()
	e.Emit(event.Event{Assigned: &event.Assigned{Builder: "kube", Nodes: []event.Assignment{{Node: "amd", Platforms: []string{"linux/amd64"}}, {Node: "arm", Platforms: []string{"linux/arm64"}}}}})
	amd, arm := e.Node("amd", "linux/amd64").Pod("amd-1"), e.Node("arm", "linux/arm64").Pod("arm-1")
	warn := func(short string) event.Event {
		return event.Event{Progress: &event.Progress{Warnings: []*event.Warning{{Short: []byte(short)}}}}
	}
	arm.Emit(event.Event{SolveBegun: &event.SolveBegun{}})
	arm.Emit(warn("of a builder that was lost"))
	arm.Emit(event.Event{BuilderLost: &event.BuilderLost{Error: "EOF", Try: 2, Tries: 3}})
	arm = arm.Pod("arm-2")
	arm.Emit(event.Event{SolveBegun: &event.SolveBegun{}})
	amd.Emit(event.Event{SolveBegun: &event.SolveBegun{}})
	arm.Emit(warn("of arm"))
	amd.Emit(warn("of amd"))
	arm.Emit(event.Event{Solved: &event.Solved{Ref: "r2"}})
	arm.Emit(event.Event{Recorded: &event.Recorded{Provenance: map[string]json.RawMessage{"": json.RawMessage("{}")}}})
	amd.Emit(warn("of amd as well"))
	amd.Emit(event.Event{Solved: &event.Solved{Ref: "r1"}})
	e.Emit(event.Event{Published: &event.Published{Names: []string{"r/a:1"}}})
	if err := sub.End(); err != nil {
		t.Fatal(err)
	}
	want := Report{
		Builder: "kube",
		Outcome: event.Published{Names: []string{"r/a:1"}},
		Parts: []Part{
			{Node: "amd", Pod: "amd-1", Platforms: []string{"linux/amd64"}, Result: event.Solved{Ref: "r1"}, Warnings: []event.Warning{{Short: []byte("of amd")}, {Short: []byte("of amd as well")}}},
			{
				Node: "arm", Pod: "arm-2", Platforms: []string{"linux/arm64"}, Result: event.Solved{Ref: "r2"}, Warnings: []event.Warning{{Short: []byte("of arm")}},
				Provenance: map[string]json.RawMessage{"": json.RawMessage("{}")},
			},
		},
	}
	if diff := cmp.Diff(want, *c.Report()); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}
