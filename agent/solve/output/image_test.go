package output

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry/imageindex"
	"github.com/slipway-build/slipway/registry/remote"
)

// memoryRegistry is a registry in memory: what nodes have pushed, and what is done.
type memoryRegistry struct {
	blobs map[string][]byte
	log   []string
	fails string // the call that fails
}

func (s *memoryRegistry) do(what string) error {
	s.log = append(s.log, what)
	if s.fails != "" && strings.HasPrefix(what, s.fails) {
		return errors.New("denied")
	}
	return nil
}

func (s *memoryRegistry) Fetch(_ context.Context, repo string, d ocispecs.Descriptor) (imageindex.Manifest, error) {
	data, ok := s.blobs[d.Digest.String()]
	if !ok {
		return imageindex.Manifest{}, fmt.Errorf("%s is not there", d.Digest)
	}
	return imageindex.Manifest{Descriptor: d, Content: data}, s.do("fetch " + repo)
}

func (s *memoryRegistry) Push(_ context.Context, repo string, m imageindex.Manifest) error {
	s.blobs[m.Descriptor.Digest.String()] = m.Content
	return s.do("push " + repo)
}

func (s *memoryRegistry) Tag(_ context.Context, ref string, _ imageindex.Manifest) error {
	return s.do("tag " + ref)
}

// pushedBy is the daemon's answer when it has pushed an image.
func (s *memoryRegistry) pushedBy(t *testing.T, i image) map[string]string {
	t.Helper()
	for d, data := range i.blobs {
		s.blobs[d.String()] = data
	}
	return i.metadata(t)
}

func TestPushOfSeveralNodes(t *testing.T) {
	tests := []struct {
		name  string
		value string
		tags  []string
		fails string
		sent  string // name attribute of the nodes
		log   []string
	}{
		{
			name: "tags move last", value: "type=registry,name-canonical=true", tags: []string{"docker.io/library/x:1", "example.com/y:2", "docker.io/library/x:2"},
			sent: "docker.io/library/x,example.com/y",
			log: []string{"fetch docker.io/library/x", "fetch docker.io/library/x", "push docker.io/library/x", "push example.com/y",
				"tag docker.io/library/x:1", "tag example.com/y:2", "tag docker.io/library/x:2"},
		},
		{name: "a short name", value: "type=image,push=true,name=x", sent: "docker.io/library/x", log: []string{"fetch docker.io/library/x", "fetch docker.io/library/x", "push docker.io/library/x", "tag docker.io/library/x:latest"}},
		{name: "by digest only", value: "type=registry,push-by-digest=true,name=x", sent: "docker.io/library/x", log: []string{"fetch docker.io/library/x", "fetch docker.io/library/x", "push docker.io/library/x"}},
		{name: "refused", value: "type=registry,name=x", fails: "push", sent: "docker.io/library/x", log: []string{"fetch docker.io/library/x", "fetch docker.io/library/x", "push docker.io/library/x"}},
		{name: "refused at the tag", value: "type=registry,name=x", fails: "tag", sent: "docker.io/library/x", log: []string{"fetch docker.io/library/x", "fetch docker.io/library/x", "push docker.io/library/x", "tag docker.io/library/x:latest"}},
		{name: "not pushed", value: "type=image,name=x", sent: "x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &memoryRegistry{blobs: map[string][]byte{}, fails: tt.fails}
			p := mustPlan(t, []string{tt.value}, func(r *Env) { r.Tags, r.Registry = tt.tags, s })
			for n, platform := range []ocispecs.Platform{amd64, arm64} {
				outputs := begun(t, p, couple[n])
				a := outputs.receivers[0].entry.Attrs
				pushes := a["push"] == "true"
				if outputs.receivers[0].entry.Type != "image" || a["name"] != tt.sent || pushes != (a["push-by-digest"] == "true") || a["name-canonical"] != "" {
					t.Errorf("the node is asked for %v", outputs.receivers[0].entry)
				}
				mustEnd(t, outputs, s.pushedBy(t, nodeImage(t, platform)), true)
			}
			want := []string(nil)
			for _, line := range tt.log {
				if ref, ok := strings.CutPrefix(line, "tag "); ok {
					want = append(want, ref)
				}
			}
			if tt.fails == "push" {
				want = []string{"docker.io/library/x:latest"}
			}
			slices.Sort(want)
			if diff := cmp.Diff(want, p.Publishes()); diff != "" {
				t.Errorf("Publishes (-want +got):\n%s", diff)
			}
			err := p.Seal(t.Context())
			if slices.ContainsFunc(s.log, func(line string) bool { return strings.HasPrefix(line, "tag ") }) {
				t.Error("a tag moved before the commit")
			}
			if err == nil {
				_, err = p.Commit(t.Context())
			}
			if tt.fails == "" && err != nil || tt.fails != "" && !errors.As(err, new(*RegistryError)) {
				t.Errorf("error %v, is the registry to fail: %v", err, tt.fails != "")
			}
			if diff := cmp.Diff(tt.log, s.log); diff != "" {
				t.Errorf("the registry saw (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPushOfOneNode(t *testing.T) {
	s := &memoryRegistry{blobs: map[string][]byte{}}
	p := mustPlan(t, []string{"type=registry,name-canonical=true"}, func(r *Env) { r.Tags, r.Registry = []string{"docker.io/library/x:1"}, s })
	outputs := begun(t, p, alone[0])
	want := client.ExportEntry{Type: "image", Attrs: attrs("name", "docker.io/library/x:1", "push", "true", "unpack", "false", "name-canonical", "true")}
	if diff := cmp.Diff(want, outputs.receivers[0].entry); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
	i := nodeImage(t, amd64)
	response := s.pushedBy(t, i)
	response["containerimage.config.digest"] = i.config.Digest.String()
	response["image.name"] = "docker.io/library/x:1"
	if _, err := outputs.Check(response); err != nil {
		t.Fatal(err)
	}
	mustEnd(t, outputs, response, true)
	outcome := mustPublish(t, p)
	if len(s.log) != 0 || len(p.Publishes()) != 0 {
		t.Errorf("the agent has done what is the builder's: %v, %v", s.log, p.Publishes())
	}
	if outcome.Descriptor.Digest != i.root.Digest || outcome.ConfigDigest != i.config.Digest.String() || !slices.Equal(outcome.Names, []string{"docker.io/library/x:1"}) {
		t.Errorf("outcome = %+v", outcome)
	}
}

func TestPushWithoutAnswer(t *testing.T) {
	p := mustPlan(t, []string{"type=registry,name=x"}, nil)
	outputs := begun(t, p, couple[0])
	if err := outputs.End(map[string]string{}, true); err == nil || !strings.Contains(err.Error(), "has not said which image") {
		t.Errorf("end = %v", err)
	}
}

func TestPushesThatDiffer(t *testing.T) {
	p := mustPlan(t, []string{"type=registry,name=x", "type=registry,name=y,compression=zstd"}, nil)
	mustEnd(t, begun(t, p, alone[0]), nil, false)
	_, err := p.Begin(couple[0])
	wantUsage(t, err, "--output", "two outputs push different images")

	p = mustPlan(t, []string{"type=registry,name=x", "type=registry,name=y"}, nil)
	mustEnd(t, begun(t, p, couple[0]), nil, false)
}

// TestPushedImageIsAskedForLast holds what makes the daemon's one answer for
// several exporters that of the pushed image.
func TestPushedImageIsAskedForLast(t *testing.T) {
	dir := t.TempDir()
	p := mustPlan(t, []string{"type=registry,name=x", "type=image,name=y", "type=oci,dest=" + dir + "/o.tar", "type=cacheonly", "type=local,dest=" + dir + "/l"}, nil)
	outputs := begun(t, p, alone[0])
	var got []string
	for _, e := range outputs.receivers.entries() {
		got = append(got, e.Type+e.Attrs["push"])
	}
	mustEnd(t, outputs, nil, false)
	if diff := cmp.Diff([]string{"oci", "local", "image", "imagetrue"}, got); diff != "" {
		t.Errorf("exporters (-want +got):\n%s", diff)
	}
}

func TestDescribedImage(t *testing.T) {
	for name, response := range map[string]map[string]string{
		"not base64": attrs("containerimage.descriptor", "{"),
		"not JSON":   attrs("containerimage.descriptor", base64.StdEncoding.EncodeToString([]byte("{"))),
		"no digest":  attrs("containerimage.descriptor", base64.StdEncoding.EncodeToString([]byte("{}"))),
	} {
		if _, err := describedImage(response); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if desc, err := describedImage(nil); err != nil || desc != nil {
		t.Errorf("without an image: %v, %v", desc, err)
	}
	data, err := json.Marshal(nodeImage(t, amd64).root)
	if err != nil {
		t.Fatal(err)
	}
	desc, err := describedImage(attrs("containerimage.descriptor", base64.StdEncoding.EncodeToString(data)))
	if err != nil || desc.MediaType != ocispecs.MediaTypeImageIndex {
		t.Errorf("descriptor %+v, %v", desc, err)
	}
}

// A credential that could push is not blamed for what it cannot read back.
func TestPushedImageCannotBeReadBack(t *testing.T) {
	for status, want := range map[int]string{401: "right to pull as well", 403: "right to pull as well", 404: "look at the spelling"} {
		err := publishError(t.Context(), &unreadableError{&remote.Error{Op: "fetch", Reference: "r.example/app", Host: "r.example", Status: status, Source: "a file"}})
		var hinted interface{ Hints() []string }
		if !errors.As(err, new(*RegistryError)) || !errors.As(err, &hinted) || !strings.Contains(strings.Join(hinted.Hints(), "\n"), want) {
			t.Errorf("%d: %v is no *RegistryError or does not say %q", status, err, want)
		}
	}
}

// A client of slipway agent is told why it has no credential, which the agent knows.
func TestPushedImageIsReadBackWithoutCredential(t *testing.T) {
	const why = "r.example takes passwords and no tokens, and a password is not given out"
	for _, source := range []string{"", "anonymous"} {
		e := &unreadableError{&remote.Error{Op: "fetch", Reference: "r.example/app", Host: "r.example", Status: 401, Source: source, PassedOver: []string{why}}}
		hints := strings.Join(e.Hints(), "\n")
		if !strings.Contains(hints, why) || !strings.Contains(hints, "a build on one node needs none") || strings.Contains(hints, "right to pull as well") {
			t.Errorf("source %q: hints %s", source, hints)
		}
	}
}

func TestCheckAnswer(t *testing.T) {
	const d = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for _, tt := range []struct {
		name            string
		asked, response map[string]string
		valid           bool
	}{
		{"nothing", nil, nil, true},
		{"an image", attrs("name", "x,r.example/y:2"), attrs("image.name", "docker.io/library/x:latest,r.example/y:2", "containerimage.digest", d, "containerimage.config.digest", d), true},
		{"a digest that is none", nil, attrs("containerimage.digest", "sha256:../../x"), false},
		{"an image ID that is none", nil, attrs("containerimage.config.digest", "$(reboot)"), false},
		{"another name", attrs("name", "x"), attrs("image.name", "x,evil.example/x"), false},
		{"a name without any", nil, attrs("image.name", "x"), false},
		{"a name that is none", attrs("name", "x"), attrs("image.name", "\n"), false},
		{"names of the builder", attrs("name", "*"), attrs("image.name", "x"), true},
		{"a prefix", attrs("name", "x", "dangling-name-prefix", "y"), attrs("image.name", "x,y@"+d), true},
	} {
		err := checkAnswer(tt.response, []client.ExportEntry{{Attrs: tt.asked}})
		if (err == nil) != tt.valid || err != nil && !errors.As(err, new(*fault.Builder)) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestPushThatIsTaggedLast tests that one node, too, pushes by digest where what comes of
// it is looked at before a tag moves.
func TestPushThatIsTaggedLast(t *testing.T) {
	s := &memoryRegistry{blobs: map[string][]byte{}}
	p := mustPlan(t, []string{"type=registry"}, func(r *Env) {
		r.Tags, r.Registry, r.TagLast = []string{"docker.io/library/x:1"}, s, true
	})
	outputs := begun(t, p, alone[0])
	if a := outputs.receivers[0].entry.Attrs; a["name"] != "docker.io/library/x" || a["push-by-digest"] != "true" {
		t.Errorf("the node is asked for %v", a)
	}
	i := nodeImage(t, amd64)
	i.root = i.manifest // without an index around it
	mustEnd(t, outputs, s.pushedBy(t, i), true)
	if err := p.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"fetch docker.io/library/x"}, s.log); diff != "" {
		t.Errorf("before the commit the registry saw (-want +got):\n%s", diff)
	}
	outcome, err := p.Commit(t.Context())
	if err != nil || outcome.Descriptor.Digest != i.manifest.Digest {
		t.Errorf("%+v, %v, want the image as it is: %s", outcome, err, i.manifest.Digest)
	}
	if last := s.log[len(s.log)-1]; len(s.log) != 2 || last != "tag docker.io/library/x:1" {
		t.Errorf("the registry saw %q", s.log)
	}
	if names := p.Publishes(); len(names) > 0 {
		t.Errorf("one node is said to be merged into %v", names)
	}
}
