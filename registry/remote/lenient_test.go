package remote

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/registry/registrytest"
)

// A tag that is set counts as set, unless the registry shows that it is not.
func TestTagIsBelieved(t *testing.T) {
	reads := func(r *http.Request) bool {
		return (r.Method == http.MethodGet || r.Method == http.MethodHead) && strings.HasSuffix(r.URL.Path, "/manifests/1")
	}
	heads := func(r *http.Request) bool { return reads(r) && r.Method == http.MethodHead }
	for _, tt := range []struct {
		name  string
		match func(*http.Request) bool
		fault http.HandlerFunc
	}{
		{"not readable yet", reads, registrytest.Status(http.StatusNotFound)},
		{"may not pull", reads, registrytest.Status(http.StatusForbidden)},
		{"not accepted for pulling", reads, registrytest.Status(http.StatusUnauthorized)},
		{"no HEAD", heads, registrytest.Status(http.StatusMethodNotAllowed)},
		{"HEAD with another digest", heads, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Docker-Content-Digest", digest.FromString("x").String())
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := registrytest.NewServer(t)
			m := registrytest.PushImage(t, s, "app", "linux/amd64", "a")
			s.Fail(registrytest.FirstTimes(1000, tt.match, tt.fault))
			if err := testClient(t, Options{}).Tag(t.Context(), s.Host+"/app:1", m); err != nil {
				t.Fatal(err)
			}
			s.Fail(nil)
			if got, err := testClient(t, Options{}).Resolve(t.Context(), s.Host+"/app:1"); err != nil || got.Descriptor.Digest != m.Descriptor.Digest {
				t.Errorf("the tag points at %s, %v", got.Descriptor.Digest, err)
			}
		})
	}
}

// Servers of one registry may show for a while what a tag was before.
func TestTagIsReadAgain(t *testing.T) {
	s := registrytest.NewServer(t)
	before, after := registrytest.PushImage(t, s, "app", "linux/amd64", "a"), registrytest.PushImage(t, s, "app", "linux/amd64", "b")
	s.Fail(registrytest.FirstTimes(4, func(r *http.Request) bool {
		return strings.HasSuffix(r.URL.Path, "/manifests/1") && r.Method != http.MethodPut
	},
		func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", before.Descriptor.MediaType)
			w.Header().Set("Docker-Content-Digest", before.Descriptor.Digest.String())
			if r.Method == http.MethodGet {
				_, _ = w.Write(before.Content)
			}
		}))
	if err := testClient(t, Options{}).Tag(t.Context(), s.Host+"/app:1", after); err != nil {
		t.Error(err)
	}
}

func TestImmutableTag(t *testing.T) {
	for _, code := range []int{http.StatusBadRequest, http.StatusForbidden, http.StatusConflict, http.StatusPreconditionFailed} {
		s := registrytest.NewServer(t)
		m, other := registrytest.PushImage(t, s, "app", "linux/amd64", "a"), registrytest.PushImage(t, s, "app", "linux/amd64", "b")
		registrytest.Put(t, s, "/v2/app/manifests/1", m)
		s.Fail(registrytest.FirstTimes(1000, func(r *http.Request) bool { return r.Method == http.MethodPut }, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = io.WriteString(w, `{"errors":[{"code":"TAG_INVALID","message":"the tag is immutable"}]}`)
		}))
		c := testClient(t, Options{Keychain: fixed{Username: "ci", Password: "s3cret"}})
		if err := c.Tag(t.Context(), s.Host+"/app:1", m); err != nil {
			t.Errorf("%d: %v", code, err)
		}
		err := c.Tag(t.Context(), s.Host+"/app:1", other)
		known := (*Error)(nil)
		if !errors.As(err, &known) || known.Status != code {
			t.Fatalf("%d: error %v", code, err)
		}
		if hints := strings.Join(known.Hints(), "\n"); !strings.Contains(hints, "push another tag") {
			t.Errorf("%d: hints %q", code, hints)
		}
	}
}

// Answers without what oras-go or the specification ask for.
func TestBareAnswers(t *testing.T) {
	for name, change := range map[string]func(r *http.Request, header http.Header, code int) int{
		"no length": func(r *http.Request, header http.Header, code int) int {
			header.Del("Content-Length")
			return code
		},
		"no digest": func(_ *http.Request, header http.Header, code int) int {
			header.Del("Docker-Content-Digest")
			return code
		},
		"another type": func(_ *http.Request, header http.Header, code int) int {
			header.Set("Content-Type", "application/octet-stream")
			return code
		},
		"no type": func(_ *http.Request, header http.Header, code int) int {
			header.Set("Content-Type", "")
			return code
		},
		"200 for 201": func(_ *http.Request, _ http.Header, code int) int {
			if code == http.StatusCreated {
				return http.StatusOK
			}
			return code
		},
		"202 for 201": func(r *http.Request, _ http.Header, code int) int {
			if code == http.StatusCreated && r.Method == http.MethodPut {
				return http.StatusAccepted
			}
			return code
		},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := registrytest.NewServer(t), registrytest.NewServer(t)
			index, _ := registrytest.PushIndex(t, from)
			from.Alter(change)
			to.Alter(change)
			c := testClient(t, Options{})
			if err := c.Copy(t.Context(), from.Host+"/app", index.Descriptor, to.Host+"/app"); err != nil {
				t.Fatal(err)
			}
			if err := c.Tag(t.Context(), to.Host+"/app:1", index); err != nil {
				t.Fatal(err)
			}
			got, err := c.Resolve(t.Context(), to.Host+"/app:1")
			if err != nil || got.Descriptor.MediaType != ocispecs.MediaTypeImageIndex || got.Descriptor.Size != index.Descriptor.Size {
				t.Errorf("resolved %+v, %v", got.Descriptor, err)
			}
			registrytest.Complete(t, c, to.Host+"/app", index)
		})
	}
}

func TestCopyUploadsWhatCannotBeMounted(t *testing.T) {
	for _, code := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed} {
		s := registrytest.NewServer(t)
		index, _ := registrytest.PushIndex(t, s)
		var refused atomic.Int32
		s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
			switch {
			case r.URL.Query().Get("mount") != "":
				refused.Add(1)
				w.WriteHeader(code)
			case r.Method == http.MethodHead && strings.HasPrefix(r.URL.Path, "/v2/copy/"):
				w.WriteHeader(http.StatusNotFound)
			default:
				return false
			}
			return true
		})
		c := testClient(t, Options{})
		if err := c.Copy(t.Context(), s.Host+"/app", index.Descriptor, s.Host+"/copy"); err != nil {
			t.Errorf("%d: %v", code, err)
		}
		if refused.Load() == 0 {
			t.Errorf("%d: nothing was mounted", code)
		}
		registrytest.Complete(t, c, s.Host+"/copy", index)
	}
}

// Who may not pull learns of nothing that it is there, and pushes all.
func TestPushWithoutTheRightToPull(t *testing.T) {
	for _, code := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed} {
		from, to := registrytest.NewServer(t), registrytest.NewServer(t)
		index, _ := registrytest.PushIndex(t, from)
		to.Fail(func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodGet || r.Method == http.MethodHead {
				w.WriteHeader(code)
				return true
			}
			return false
		})
		c := testClient(t, Options{Keychain: fixed{Username: "ci", Password: "s3cret"}})
		for range 2 {
			if err := c.Copy(t.Context(), from.Host+"/app", index.Descriptor, to.Host+"/app"); err != nil {
				t.Fatal(err)
			}
			if err := c.Push(t.Context(), to.Host+"/app", index); err != nil {
				t.Fatal(err)
			}
			if err := c.Tag(t.Context(), to.Host+"/app:1", index); err != nil {
				t.Fatal(err)
			}
		}
		to.Fail(nil)
		registrytest.Complete(t, c, to.Host+"/app", index)
	}
}

func TestUploadTarget(t *testing.T) {
	for _, tt := range []struct{ asked, said, want string }{
		{"https://r.example/v2/a/blobs/uploads/", "/v2/a/blobs/uploads/1?s=x", "https://r.example/v2/a/blobs/uploads/1?s=x"},
		{"https://r.example/v2/a/blobs/uploads/", "1", "https://r.example/v2/a/blobs/uploads/1"},
		{"https://r.example/v2/", "https://r.example/u/1", "https://r.example/u/1"},
		{"https://r.example/v2/", "http://r.example/u/1", "https://r.example/u/1"},
		{"https://r.example:8443/v2/", "http://r.example/u/1", "https://r.example:8443/u/1"},
		{"https://r.example:8443/v2/", "http://r.example:8080/u/1", "https://r.example:8443/u/1"},
		{"https://r.example:443/v2/", "https://r.example/u/1", "https://r.example:443/u/1"},
		{"https://r.example/v2/", "https://storage.example/u/1", "https://storage.example/u/1"},
		{"https://r.example/v2/", "https://r.example:9000/u/1", "https://r.example:9000/u/1"},
		{"http://r.example/v2/", "http://r.example:9000/u/1", "http://r.example:9000/u/1"},
		{"https://r.example/v2/", "http://storage.example/u/1", ""},
		{"https://r.example/v2/", "", ""},
		{"https://r.example/v2/", "http://[::1", ""},
	} {
		request, err := http.NewRequest(http.MethodPost, tt.asked, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := uploadTarget(&http.Response{Request: request, Header: http.Header{"Location": {tt.said}}})
		if (err == nil) != (tt.want != "") || err == nil && got.String() != tt.want {
			t.Errorf("%s then %s: %v, %v; want %q", tt.asked, tt.said, got, err, tt.want)
		}
	}
}

// What the status says of the credential is not always so.
func TestRefusalHints(t *testing.T) {
	for _, tt := range []struct {
		e          Error
		want, free string // free is what the hint must not say
	}{
		{Error{Op: "push", Status: 401, Source: "a file"}, "does not accept the credential from a file", ""},
		{Error{Op: "push", Status: 401, Source: "a file", Accepted: true}, "is valid; it has no right to push here", "renew"},
		{Error{Op: "check pull", Status: 403, Source: "a file", Accepted: true}, "is valid but has no right to pull here", "expired"},
		{Error{Op: "push", Status: 403, Source: "a file"}, "has no right to push here, or it has expired", ""},
		{Error{Op: "push", Status: 403, Source: "a file", Code: "DENIED", Message: "client with IP '192.0.2.1' is not allowed access"}, "network rules", "credential from"},
		{Error{Op: "push", Status: 403, Source: "a file", Message: "adding 1 GiB of storage resource ... quota exceeded"}, "registry is full", "credential"},
		{Error{Op: "tag", Status: 412, Source: "a file", Message: "Failed to process request due to 'app:1' configured as immutable."}, "push another tag", "credential"},
		{Error{Op: "push", Status: 405, Source: "a file", Message: "registry is in read-only mode"}, "takes no pushes", "credential"},
		{Error{Op: "push", Status: 401, Source: "anonymous"}, "no credential was found", ""},
	} {
		hints := strings.Join(tt.e.Hints(), "\n")
		if !strings.Contains(hints, tt.want) || tt.free != "" && strings.Contains(hints, tt.free) {
			t.Errorf("%+v: hints %q, want %q without %q", tt.e, hints, tt.want, tt.free)
		}
	}
}

// The upload that follows a refused mount, or one that was not mounted, is the
// first request for its own rights: its body cannot be sent twice.
func TestUploadAfterAMountKeepsItsCredential(t *testing.T) {
	for _, mount := range []int{http.StatusAccepted, http.StatusForbidden} {
		s := registrytest.NewServer(t)
		index, _ := registrytest.PushIndex(t, s)
		s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodHead { // before it asks who that is
				w.WriteHeader(http.StatusForbidden)
				return true
			}
			if basicAuth(w, r) {
				return true
			}
			if r.URL.Query().Get("mount") != "" {
				w.Header().Set("Location", "/v2/copy/blobs/uploads/mount?of="+r.URL.Query().Get("mount"))
				w.WriteHeader(mount)
				return true
			}
			return false
		})
		c := testClient(t, Options{Keychain: fixed{Username: "ci", Password: "s3cret"}})
		if err := c.Copy(t.Context(), s.Host+"/app", index.Descriptor, s.Host+"/copy"); err != nil {
			t.Errorf("%d: %v", mount, err)
		}
	}
}
