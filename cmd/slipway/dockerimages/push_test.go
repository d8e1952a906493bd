package dockerimages

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/registry/imageindex"
	"github.com/slipway-build/slipway/registry/registrytest"
	"github.com/slipway-build/slipway/registry/remote"
)

// exporter stands for the builders: it puts an image into the registry by its digest, and
// under the name.
type exporter struct {
	t      *testing.T
	to     *registrytest.Server
	names  []string
	fails  error
	pushed imageindex.Manifest
}

func (e *exporter) export(_ context.Context, _ Image, names []string) (ocispecs.Descriptor, error) {
	e.names = append(e.names, names...)
	if e.fails != nil {
		return ocispecs.Descriptor{}, e.fails
	}
	repository, tag := split(names[0])
	path := strings.TrimPrefix(repository, e.to.Host+"/")
	e.pushed = registrytest.PushImage(e.t, e.to, path, "linux/amd64", "layer")
	registrytest.Put(e.t, e.to, "/v2/"+path+"/manifests/"+tag, e.pushed)
	return e.pushed.Descriptor, nil
}

func TestPush(t *testing.T) {
	s, reg := open(t), registrytest.NewServer(t)
	client := remote.New(remote.Options{})
	app := reg.Host + "/team/app"
	build(t, s, "one", 0, app+":1", app+":2", "docker.io/library/app:latest", reg.Host+"/other/app:1")
	builders := &exporter{t: t, to: reg}
	push := func(name string, o PushOptions) string {
		t.Helper()
		var out strings.Builder
		if err := s.Push(t.Context(), &out, client, builders.export, name, o); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return out.String()
	}
	resolved := func(ref string) string {
		m, err := client.Resolve(t.Context(), ref)
		if err != nil {
			t.Errorf("%s: %v", ref, err)
		}
		return m.Descriptor.Digest.String()
	}
	got := push(app+":1", PushOptions{})
	digest := builders.pushed.Descriptor.Digest.String()
	if want := "The push refers to repository [" + app + "]\n1: digest: " + digest + " size: "; !strings.HasPrefix(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	// Builders push an image once into a registry.
	for name, o := range map[string]PushOptions{app + ":1": {}, app: {AllTags: true}, reg.Host + "/other/app:1": {Quiet: true}} {
		got := push(name, o)
		if o.Quiet && got != name+"\n" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if len(builders.names) != 1 || resolved(app+":2") != digest || resolved(reg.Host+"/other/app:1") != digest {
		t.Errorf("the builders have pushed %q", builders.names)
	}
	// A registry that does not have it any more gets it again.
	reg.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/manifests/sha256:") {
			w.WriteHeader(http.StatusNotFound)
			return true
		}
		return false
	})
	push(app+":1", PushOptions{})
	reg.Fail(nil)
	if len(builders.names) != 2 {
		t.Errorf("the builders have pushed %q", builders.names)
	}

	for name, want := range map[string]string{
		app + ":3": "An image does not exist locally with the tag: " + app + ":3",
		app + ":1@sha256:" + strings.Repeat("a", 64): "cannot push a digest reference",
		"UPPER": "is not a valid image name",
	} {
		if err := s.Push(t.Context(), &strings.Builder{}, client, builders.export, name, PushOptions{}); err == nil || !strings.Contains(err.Error(), want) || !IsUsage(err) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if err := s.Push(t.Context(), &strings.Builder{}, client, builders.export, app+":1", PushOptions{AllTags: true}); err == nil || !strings.Contains(err.Error(), "tag can't be used with --all-tags/-a") {
		t.Errorf("%v", err)
	}
	if err := s.Push(t.Context(), &strings.Builder{}, client, builders.export, app+":1", PushOptions{Platform: "linux/arm64"}); err == nil || !strings.Contains(err.Error(), "has no platform linux/arm64") {
		t.Errorf("%v", err)
	}

	// A push that fails is none.
	broken := registrytest.NewServer(t)
	if err := s.Tag(t.Context(), "app", broken.Host+"/x:1"); err != nil {
		t.Fatal(err)
	}
	builders.fails = errors.New("lost")
	if err := s.Push(t.Context(), &strings.Builder{}, client, builders.export, broken.Host+"/x:1", PushOptions{}); !errors.Is(err, builders.fails) {
		t.Errorf("%v", err)
	}
	state, _ := s.Read()
	for _, place := range state.Images[0].Registries {
		if strings.HasPrefix(place.Repository, broken.Host) {
			t.Errorf("%+v", place)
		}
	}
}

func TestPull(t *testing.T) {
	s, reg := open(t), registrytest.NewServer(t)
	client := remote.New(remote.Options{})
	index, members := registrytest.PushIndex(t, reg)
	app := reg.Host + "/app:1"
	var out strings.Builder
	if err := s.Pull(t.Context(), &out, client, app, PullOptions{OS: "linux", Arch: "arm64"}, now); err != nil {
		t.Fatal(err)
	}
	if want := "1: Pulling from app\nDigest: " + index.Descriptor.Digest.String() + "\nStatus: "; !strings.HasPrefix(out.String(), want) || !strings.HasSuffix(out.String(), "\n"+app+"\n") {
		t.Errorf("%q", out.String())
	}
	if n := reg.Count(http.MethodGet, "/blobs/"); n != 1 {
		t.Errorf("%d blobs were downloaded, want the configuration only", n)
	}
	out.Reset()
	err := s.Inspect(&out, []string{app}, InspectOptions{Format: "{{.Architecture}} {{index .RepoDigests 0}} {{index .Config.Env 0}}", OS: "linux", Arch: "arm64"})
	if want := "arm64 " + reg.Host + "/app@" + index.Descriptor.Digest.String() + " OF=linux/arm64\n"; err != nil || out.String() != want {
		t.Errorf("%q, %v", out.String(), err)
	}

	// It is pushed elsewhere as a whole, and to another registry as well.
	other := registrytest.NewServer(t)
	for _, name := range []string{reg.Host + "/promoted:1", other.Host + "/promoted:1"} {
		if err := errors.Join(s.Tag(t.Context(), app, name), s.Push(t.Context(), &strings.Builder{}, client, nil, name, PushOptions{})); err != nil {
			t.Fatal(err)
		}
		m, err := client.Resolve(t.Context(), name)
		if err != nil || m.Descriptor.Digest != index.Descriptor.Digest {
			t.Errorf("%s is %s, %v", name, m.Descriptor.Digest, err)
		}
	}
	// Or one platform of it.
	one := reg.Host + "/one:1"
	if err := errors.Join(s.Tag(t.Context(), app, one), s.Push(t.Context(), &strings.Builder{}, client, nil, one, PushOptions{Platform: "linux/arm64"})); err != nil {
		t.Fatal(err)
	}
	if m, err := client.Resolve(t.Context(), one); err != nil || m.Descriptor.Digest != members[2].Descriptor.Digest {
		t.Errorf("%s is %s, %v", one, m.Descriptor.Digest, err)
	}
	if _, _, err := s.ToSave([]string{app}, ""); err == nil || !strings.Contains(err.Error(), "was pulled") {
		t.Errorf("%v", err)
	}

	// By digest, quietly, for a platform that there is or is not.
	byDigest := reg.Host + "/app@" + members[0].Descriptor.Digest.String()
	out.Reset()
	if err := s.Pull(t.Context(), &out, client, byDigest, PullOptions{Quiet: true}, now); err != nil || out.String() != byDigest+"\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
	for name, want := range map[string]string{app: "no image of the index is for linux/s390x", byDigest: "the image is for linux/amd64 and not for linux/s390x"} {
		if err := s.Pull(t.Context(), &out, client, name, PullOptions{Platform: "linux/s390x"}, now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	err = s.Pull(t.Context(), &out, client, reg.Host+"/app:absent", PullOptions{}, now)
	if absent := (*AbsentError)(nil); !errors.As(err, &absent) || err.Error() != "manifest for "+reg.Host+"/app:absent not found: manifest unknown" {
		t.Errorf("%v", err)
	}
}

func TestManifestLists(t *testing.T) {
	s, reg := open(t), registrytest.NewServer(t)
	client := remote.New(remote.Options{})
	registrytest.PushIndex(t, reg)
	amd64 := registrytest.PushImage(t, reg, "part", "linux/amd64", "a")
	registrytest.Put(t, reg, "/v2/part/manifests/amd64", amd64)
	arm64 := registrytest.PushImage(t, reg, "part", "linux/arm64", "b")
	registrytest.Put(t, reg, "/v2/part/manifests/arm64", arm64)
	list, part := reg.Host+"/list:1", reg.Host+"/part"
	ctx := t.Context()
	if name, err := s.CreateList(ctx, client, list, []string{part + ":amd64"}, false); err != nil || name != list {
		t.Fatalf("%q, %v", name, err)
	}
	if _, err := s.CreateList(ctx, client, list, []string{part + ":arm64"}, false); err == nil || !strings.Contains(err.Error(), "refusing to amend") {
		t.Errorf("%v", err)
	}
	for range 2 { // adding again changes nothing
		if _, err := s.CreateList(ctx, client, list, []string{part + ":arm64"}, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.AnnotateList(ctx, list, part+":arm64", Annotation{Variant: "v8", OSFeatures: []string{"x"}}); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := s.InspectList(ctx, &out, client, list, false); err != nil || !strings.Contains(out.String(), `"variant": "v8"`) || strings.Count(out.String(), `"architecture"`) != 2 {
		t.Errorf("%v: %s", err, out.String())
	}
	pushed, err := s.PushList(ctx, client, list, true)
	if err != nil {
		t.Fatal(err)
	}
	m, err := client.Resolve(ctx, list)
	if err != nil || m.Descriptor.Digest != pushed.Digest {
		t.Errorf("%s, %v", m.Descriptor.Digest, err)
	}
	registrytest.Complete(t, client, reg.Host+"/list", m)
	for what, err := range map[string]error{
		"push":     func() error { _, err := s.PushList(ctx, client, list, false); return err }(),
		"rm":       s.RemoveLists(ctx, []string{list}),
		"annotate": s.AnnotateList(ctx, list, part+":arm64", Annotation{}),
	} {
		if err == nil || !strings.Contains(err.Error(), "No such manifest: "+list) {
			t.Errorf("%s of a list that was purged: %v", what, err)
		}
	}

	// Of what is in the registry: an image and an index.
	for name, want := range map[string]string{part + ":amd64": `"layers"`, reg.Host + "/app:1": `"manifests"`, list: `"manifests"`} {
		out.Reset()
		if err := s.InspectList(ctx, &out, client, name, false); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%s: %v, %s", name, err, out.String())
		}
	}
	out.Reset()
	if err := s.InspectList(ctx, &out, client, part+":amd64", true); err != nil || !strings.Contains(out.String(), `"architecture": "amd64"`) || !strings.Contains(out.String(), `"Ref": "`+part+`:amd64"`) {
		t.Errorf("%v, %s", err, out.String())
	}
	if err := s.InspectList(ctx, &out, client, part+":absent", false); err == nil || err.Error() != "no such manifest: "+part+":absent" {
		t.Errorf("%v", err)
	}
	if _, err := s.CreateList(ctx, client, list, []string{part + ":absent"}, false); !errors.As(err, new(*AbsentError)) {
		t.Errorf("%v", err)
	}
	// Two images for one platform are a mistake.
	if _, err := s.CreateList(ctx, client, list, []string{part + ":amd64", reg.Host + "/app:1"}, false); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PushList(ctx, client, list, false); !errors.As(err, new(*imageindex.AssembleError)) {
		t.Errorf("%v", err)
	}
	if err := s.RemoveLists(ctx, []string{list}); err != nil {
		t.Error(err)
	}
}
