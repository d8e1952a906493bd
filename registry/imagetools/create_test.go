package imagetools

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/registry/imageindex"
	"github.com/slipway-build/slipway/registry/registrytest"
	"github.com/slipway-build/slipway/registry/remote"
)

func TestCreate(t *testing.T) {
	s, other := registrytest.NewServer(t), registrytest.NewServer(t)
	index, list := registrytest.PushIndex(t, s)
	foreign := registrytest.PushImage(t, other, "lib/app", "linux/s390x", "layer s")
	c := remote.New(remote.Options{})
	app := s.Host + "/app"
	for _, tt := range []struct {
		name    string
		request CreateOptions
		want    []string // digests
	}{
		{"an index as it is", CreateOptions{Sources: []Source{{Reference: app + ":1"}}}, nil},
		{
			"an index and an image of another registry",
			CreateOptions{Sources: []Source{{Reference: app + ":1"}, {Reference: other.Host + "/lib/app@" + foreign.Descriptor.Digest.String()}}},
			append(digests(list...), digests(foreign)...),
		},
		{"a digest belongs to the only repository", CreateOptions{Tags: []string{app + ":2"}, Sources: []Source{{Descriptor: ocispecs.Descriptor{Digest: list[2].Descriptor.Digest}}}}, digests(list[2])},
		{
			"appended", CreateOptions{Tags: []string{app + ":1"}, Append: true, Sources: []Source{{Reference: other.Host + "/lib/app@" + foreign.Descriptor.Digest.String()}}},
			append(digests(list...), digests(foreign)...),
		},
		{"one platform", CreateOptions{Sources: []Source{{Reference: app + ":1"}}, Platforms: []ocispecs.Platform{*registrytest.Platform("linux/amd64")}}, digests(list[0], list[1])},
	} {
		t.Run(tt.name, func(t *testing.T) {
			created, err := Create(t.Context(), c, tt.request)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == nil {
				if diff := cmp.Diff(index, created.Image); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				return
			}
			got, err := imageindex.Decode(created.Image)
			if err != nil {
				t.Fatal(err)
			}
			var found []string
			for _, d := range got.Manifests {
				found = append(found, d.Digest.String())
			}
			if diff := cmp.Diff(tt.want, found); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func digests(list ...imageindex.Manifest) []string {
	var all []string
	for _, m := range list {
		all = append(all, m.Descriptor.Digest.String())
	}
	return all
}

func TestCreateErrors(t *testing.T) {
	s := registrytest.NewServer(t)
	_, list := registrytest.PushIndex(t, s)
	app := s.Host + "/app"
	given := Source{Reference: app + ":1", Descriptor: ocispecs.Descriptor{Size: 5}}
	for _, tt := range []struct {
		name    string
		request CreateOptions
		want    string
	}{
		{"nothing", CreateOptions{Tags: []string{app + ":1"}}, "none is given"},
		{"append to nothing", CreateOptions{Append: true, Sources: []Source{given}}, "nothing to append to"},
		{"a digest of one of two repositories", CreateOptions{Tags: []string{app + ":1", s.Host + "/b:1"}, Sources: []Source{{Descriptor: ocispecs.Descriptor{Digest: list[0].Descriptor.Digest}}}}, "cannot be told, there are 2"},
		{"another size", CreateOptions{Sources: []Source{given}}, "its descriptor says size 5, the registry has"},
		{"not there", CreateOptions{Sources: []Source{{Reference: app + ":none"}}}, "resolve " + app + ":none: " + s.Host + " answered 404 Not Found"},
		{"no such platform", CreateOptions{Sources: []Source{{Reference: app + ":1"}}, Platforms: []ocispecs.Platform{*registrytest.Platform("linux/s390x")}}, "--platform linux/s390x"},
	} {
		if _, err := Create(t.Context(), remote.New(remote.Options{}), tt.request); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v does not say %q", tt.name, err, tt.want)
		}
	}
}

// The tags move last, when everything is in every repository.
func TestPublish(t *testing.T) {
	s, other := registrytest.NewServer(t), registrytest.NewServer(t)
	index, _ := registrytest.PushIndex(t, s)
	c := remote.New(remote.Options{})
	created, err := Create(t.Context(), c, CreateOptions{
		Tags:      []string{other.Host + "/b:1", s.Host + "/app:2", other.Host + "/a:1"},
		Sources:   []Source{{Reference: s.Host + "/app:1"}},
		Platforms: []ocispecs.Platform{*registrytest.Platform("linux/amd64")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if created.Image.Descriptor.Digest == index.Descriptor.Digest {
		t.Fatal("nothing was filtered")
	}
	other.Fail(func(w http.ResponseWriter, r *http.Request) bool { // the last repository refuses
		if r.Method == http.MethodPut && strings.HasPrefix(r.URL.Path, "/v2/b/manifests/") {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	})
	known := (*remote.Error)(nil)
	if err := Publish(t.Context(), c, created, func(string) {}, warned(t)); !errors.As(err, &known) || known.Op != "copy" {
		t.Fatalf("error %v is not that of the copy", err)
	}
	if _, err := c.Resolve(t.Context(), s.Host+"/app:2"); err == nil {
		t.Error("a tag moved although a repository was incomplete")
	}
	other.Fail(nil)
	var steps []string
	if err := Publish(t.Context(), c, created, func(step string) { steps = append(steps, step) }, warned(t)); err != nil {
		t.Fatal(err)
	}
	for _, repository := range []string{other.Host + "/a", other.Host + "/b"} {
		registrytest.Complete(t, c, repository, created.Image)
	}
	for _, tag := range []string{other.Host + "/b:1", s.Host + "/app:2", other.Host + "/a:1"} {
		m, err := c.Resolve(t.Context(), tag)
		if err != nil || m.Descriptor.Digest != created.Image.Descriptor.Digest {
			t.Errorf("%s is %s, error %v", tag, m.Descriptor.Digest, err)
		}
	}
	if last := steps[len(steps)-1]; last != "pushing "+created.Image.Descriptor.Digest.String()+" to "+other.Host+"/a:1" {
		t.Errorf("the last step is %q", last)
	}
}

// warned fails a test in which something is warned of.
func warned(t *testing.T) func(string) {
	return func(line string) { t.Errorf("warning: %s", line) }
}
