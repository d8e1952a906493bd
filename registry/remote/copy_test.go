package remote

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	statement  = `{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"x","predicate":{"of":%q}}`
	inTotoSBOM = "https://spdx.dev/Document"
)

// pushIndex puts an index of two platforms with an attestation into the
// repository app of the server, as app:1.
func pushIndex(t *testing.T, s *testServer) (index Manifest, members []Manifest) {
	t.Helper()
	const repository = "app"
	amd64, arm64 := pushImage(t, s, repository, "linux/amd64", "layer a"), pushImage(t, s, repository, "linux/arm64", "layer b")
	amd64.Descriptor.Platform, arm64.Descriptor.Platform = platform("linux/amd64"), platform("linux/arm64")
	att := pushManifest(t, s, repository, ocispecs.MediaTypeImageConfig, []byte("{}"), ocispecs.Descriptor{
		MediaType:   mediaTypeInToto,
		Annotations: map[string]string{annotationPredicateType: inTotoSBOM},
	}, []byte(strings.ReplaceAll(statement, "%q", `"amd64"`)))
	att.Descriptor.Platform = platform("unknown/unknown")
	att.Descriptor.Annotations = map[string]string{
		annotationReferenceDigest: amd64.Descriptor.Digest.String(),
		annotationReferenceType:   "attestation-manifest",
	}
	members = []Manifest{amd64, att, arm64}
	index = indexOf(t, ocispecs.MediaTypeImageIndex, nil, members...)
	put(t, s, "/v2/"+repository+"/manifests/"+index.Descriptor.Digest.String(), index)
	put(t, s, "/v2/"+repository+"/manifests/1", index)
	return index, members
}

// complete reads an index and all below it from a repository.
func complete(t *testing.T, c *Client, repository string, index Manifest) {
	t.Helper()
	got, err := c.Fetch(t.Context(), repository, index.Descriptor)
	if err != nil {
		t.Fatal(err)
	}
	list, err := members(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		m, err := c.Fetch(t.Context(), repository, d)
		if err != nil {
			t.Fatal(err)
		}
		var manifest ocispecs.Manifest
		if err := json.Unmarshal(m.Content, &manifest); err != nil {
			t.Fatal(err)
		}
		for _, blob := range append(manifest.Layers, manifest.Config) {
			if _, err := c.blob(t.Context(), repository, blob, 1<<20); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestCopyToAnotherRegistry(t *testing.T) {
	from, to := newServer(t), newServer(t)
	index, _ := pushIndex(t, from)
	c := testClient(t, Options{})
	if err := c.Copy(t.Context(), from.host+"/app", index.Descriptor, to.host+"/copies/app"); err != nil {
		t.Fatal(err)
	}
	complete(t, c, to.host+"/copies/app", index)

	uploads := to.count(http.MethodPut, "")
	if err := c.Copy(t.Context(), from.host+"/app", index.Descriptor, to.host+"/copies/app"); err != nil {
		t.Fatal(err)
	}
	if again := to.count(http.MethodPut, ""); again != uploads {
		t.Errorf("what is there was sent again: %d uploads, then %d", uploads, again)
	}
}

// A blob that goes on behind its end is not read to wherever it ends.
func TestCopyOfAnEndlessBlob(t *testing.T) {
	from, to := newServer(t), newServer(t)
	index, _ := pushIndex(t, from)
	const tooMuch = 64 << 20
	flooded, once := make(chan struct{}), sync.Once{}
	from.fail(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/") {
			return false
		}
		piece := bytes.Repeat([]byte("x"), 1<<20)
		for sent := 0; ; sent += len(piece) {
			if sent >= tooMuch {
				once.Do(func() { close(flooded) })
			}
			if _, err := w.Write(piece); err != nil {
				return true
			}
		}
	})
	to.fail(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/blobs/") {
			return false
		}
		_, _ = io.Copy(io.Discard, r.Body)
		select { // a registry that takes its time
		case <-flooded:
		case <-time.After(200 * time.Millisecond):
		}
		w.WriteHeader(http.StatusBadRequest)
		return true
	})
	if err := testClient(t, Options{}).Copy(t.Context(), from.host+"/app", index.Descriptor, to.host+"/app"); err == nil {
		t.Error("it was copied")
	}
	select {
	case <-flooded:
		t.Errorf("%d bytes of a small blob were read", tooMuch)
	default:
	}
}

// mounts serves what the registry in memory, which has one store of blobs for
// all repositories, does not: a blob is in a repository only after a mount.
type mounts struct {
	mu   sync.Mutex
	done []string
}

func (m *mounts) fault(w http.ResponseWriter, r *http.Request) bool {
	blob := strings.HasPrefix(r.URL.Path, "/v2/copy/blobs/")
	switch {
	case blob && r.Method == http.MethodHead:
		w.WriteHeader(http.StatusNotFound)
		return true
	case blob && r.Method == http.MethodPost && r.URL.Query().Get("mount") != "":
		m.mu.Lock()
		defer m.mu.Unlock()
		m.done = append(m.done, r.URL.Query().Get("from"))
		w.WriteHeader(http.StatusCreated)
		return true
	}
	return false
}

func TestCopyMountsWithinARegistry(t *testing.T) {
	s := newServer(t)
	index, _ := pushIndex(t, s)
	m := &mounts{}
	s.fail(m.fault)
	before := s.count(http.MethodGet, "/blobs/")
	if err := testClient(t, Options{}).Copy(t.Context(), s.host+"/app", index.Descriptor, s.host+"/copy"); err != nil {
		t.Fatal(err)
	}
	// Two images of a configuration and a layer each, and the attestation's.
	if want := slices.Repeat([]string{"app"}, 6); !slices.Equal(m.done, want) {
		t.Errorf("mounted from %q, want %q", m.done, want)
	}
	if n := s.count(http.MethodGet, "/blobs/") - before; n != 0 {
		t.Errorf("%d blobs were read that could be mounted", n)
	}
}

func TestCopyGoesOnAfterACut(t *testing.T) {
	from, to := newServer(t), newServer(t)
	index, _ := pushIndex(t, from)
	// The upload of a blob breaks off in the middle, twice: what was read of
	// its source is gone, so that it must be read again.
	to.fail(firstTimes(2, func(r *http.Request) bool {
		return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/blobs/")
	}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.CopyN(io.Discard, r.Body, 1)
		cut(w, r)
	}))
	var lines logLines
	c := testClient(t, Options{Log: lines.logger()})
	if err := c.Copy(t.Context(), from.host+"/app", index.Descriptor, to.host+"/app"); err != nil {
		t.Fatal(err)
	}
	complete(t, c, to.host+"/app", index)
	if lines.lines("trying again") == 0 {
		t.Error("the further tries were not reported")
	}
}

func TestCopyGivesUp(t *testing.T) {
	from, to := newServer(t), newServer(t)
	index, _ := pushIndex(t, from)
	for _, tt := range []struct {
		name   string
		fault  *testServer
		method string
		status int
		tries  int
		want   string
	}{
		{"target refuses", to, http.MethodPost, 403, 1, "copy " + to.host + "/app@" + index.Descriptor.Digest.String() + ": " + to.host + " answered 403 Forbidden"},
		{"source fails", from, http.MethodGet, 502, 6, "copy " + from.host + "/app@" + index.Descriptor.Digest.String() + ": " + from.host + " answered 502 Bad Gateway"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.fault.fail(func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == tt.method {
					w.WriteHeader(tt.status)
				}
				return r.Method == tt.method
			})
			defer tt.fault.fail(nil)
			before := tt.fault.count(tt.method, index.Descriptor.Digest.String())
			err := testClient(t, Options{}).Copy(t.Context(), from.host+"/app", index.Descriptor, to.host+"/app")
			known := (*Error)(nil)
			if !errors.As(err, &known) || err.Error() != tt.want {
				t.Fatalf("error %q, want %q", err, tt.want)
			}
			if tt.method == http.MethodGet {
				if n := tt.fault.count(tt.method, index.Descriptor.Digest.String()) - before; n != tt.tries {
					t.Errorf("%d tries, want %d", n, tt.tries)
				}
			}
		})
	}
}

func TestCopyIntoItself(t *testing.T) {
	if err := testClient(t, Options{}).Copy(t.Context(), "registry.invalid/app", ocispecs.Descriptor{}, "registry.invalid/app"); err != nil {
		t.Error(err)
	}
}

func TestCreate(t *testing.T) {
	s, other := newServer(t), newServer(t)
	index, list := pushIndex(t, s)
	foreign := pushImage(t, other, "lib/app", "linux/s390x", "layer s")
	c := testClient(t, Options{})
	app := s.host + "/app"
	for _, tt := range []struct {
		name    string
		request Create
		want    []string // digests
	}{
		{"an index as it is", Create{Sources: []Source{{Reference: app + ":1"}}}, nil},
		{
			"an index and an image of another registry",
			Create{Sources: []Source{{Reference: app + ":1"}, {Reference: other.host + "/lib/app@" + foreign.Descriptor.Digest.String()}}},
			append(digests(list...), digests(foreign)...),
		},
		{"a digest belongs to the only repository", Create{Tags: []string{app + ":2"}, Sources: []Source{{Descriptor: ocispecs.Descriptor{Digest: list[2].Descriptor.Digest}}}}, digests(list[2])},
		{
			"appended", Create{Tags: []string{app + ":1"}, Append: true, Sources: []Source{{Reference: other.host + "/lib/app@" + foreign.Descriptor.Digest.String()}}},
			append(digests(list...), digests(foreign)...),
		},
		{"one platform", Create{Sources: []Source{{Reference: app + ":1"}}, Platforms: []ocispecs.Platform{*platform("linux/amd64")}}, digests(list[0], list[1])},
	} {
		t.Run(tt.name, func(t *testing.T) {
			created, err := c.Create(t.Context(), tt.request)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == nil {
				if diff := cmp.Diff(index, created.Image); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				return
			}
			got, err := decodeIndex(created.Image)
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

func digests(list ...Manifest) []string {
	var all []string
	for _, m := range list {
		all = append(all, m.Descriptor.Digest.String())
	}
	return all
}

func TestCreateErrors(t *testing.T) {
	s := newServer(t)
	_, list := pushIndex(t, s)
	app := s.host + "/app"
	given := Source{Reference: app + ":1", Descriptor: ocispecs.Descriptor{Size: 5}}
	for _, tt := range []struct {
		name    string
		request Create
		want    string
	}{
		{"nothing", Create{Tags: []string{app + ":1"}}, "none is given"},
		{"append to nothing", Create{Append: true, Sources: []Source{given}}, "nothing to append to"},
		{"a digest of one of two repositories", Create{Tags: []string{app + ":1", s.host + "/b:1"}, Sources: []Source{{Descriptor: ocispecs.Descriptor{Digest: list[0].Descriptor.Digest}}}}, "cannot be told, there are 2"},
		{"another size", Create{Sources: []Source{given}}, "its descriptor says size 5, the registry has"},
		{"not there", Create{Sources: []Source{{Reference: app + ":none"}}}, "resolve " + app + ":none: " + s.host + " answered 404 Not Found"},
		{"no such platform", Create{Sources: []Source{{Reference: app + ":1"}}, Platforms: []ocispecs.Platform{*platform("linux/s390x")}}, "--platform linux/s390x"},
	} {
		if _, err := testClient(t, Options{}).Create(t.Context(), tt.request); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v does not say %q", tt.name, err, tt.want)
		}
	}
}

// The tags move last, when everything is in every repository.
func TestPublish(t *testing.T) {
	s, other := newServer(t), newServer(t)
	index, _ := pushIndex(t, s)
	c := testClient(t, Options{})
	created, err := c.Create(t.Context(), Create{
		Tags:      []string{other.host + "/b:1", s.host + "/app:2", other.host + "/a:1"},
		Sources:   []Source{{Reference: s.host + "/app:1"}},
		Platforms: []ocispecs.Platform{*platform("linux/amd64")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if created.Image.Descriptor.Digest == index.Descriptor.Digest {
		t.Fatal("nothing was filtered")
	}
	other.fail(func(w http.ResponseWriter, r *http.Request) bool { // the last repository refuses
		if r.Method == http.MethodPut && strings.HasPrefix(r.URL.Path, "/v2/b/manifests/") {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	})
	known := (*Error)(nil)
	if err := c.Publish(t.Context(), created, func(string) {}); !errors.As(err, &known) || known.Op != "copy" {
		t.Fatalf("error %v is not that of the copy", err)
	}
	if _, err := c.Resolve(t.Context(), s.host+"/app:2"); err == nil {
		t.Error("a tag moved although a repository was incomplete")
	}
	other.fail(nil)
	var steps []string
	if err := c.Publish(t.Context(), created, func(step string) { steps = append(steps, step) }); err != nil {
		t.Fatal(err)
	}
	for _, repository := range []string{other.host + "/a", other.host + "/b"} {
		complete(t, c, repository, created.Image)
	}
	for _, tag := range []string{other.host + "/b:1", s.host + "/app:2", other.host + "/a:1"} {
		m, err := c.Resolve(t.Context(), tag)
		if err != nil || m.Descriptor.Digest != created.Image.Descriptor.Digest {
			t.Errorf("%s is %s, error %v", tag, m.Descriptor.Digest, err)
		}
	}
	if last := steps[len(steps)-1]; last != "pushing "+created.Image.Descriptor.Digest.String()+" to "+other.host+"/a:1" {
		t.Errorf("the last step is %q", last)
	}
}
