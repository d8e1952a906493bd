package remote

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/registry/imageindex"
	"github.com/slipway-build/slipway/registry/registrytest"
)

// What registries answer when they are asked what refers to an image.
func TestReferrers(t *testing.T) {
	subject := registrytest.Image("subject", "").Descriptor
	list := func(names ...string) string {
		index := ocispecs.Index{MediaType: ocispecs.MediaTypeImageIndex}
		for _, name := range names {
			index.Manifests = append(index.Manifests, registrytest.Image(name, "").Descriptor)
		}
		data, err := json.Marshal(index)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	answer := func(status int, header, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", ocispecs.MediaTypeImageIndex)
			if header != "" {
				w.Header().Set("Link", header)
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	pages := func(first string, second http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery != "" {
				second(w, r)
				return
			}
			answer(200, `</v2/app/referrers/`+subject.Digest.String()+`?last=a>; rel="next"`, first)(w, r)
		}
	}
	for _, tt := range []struct {
		name string
		// api answers what is asked of the list, tag of the tag that stands in.
		api, tag http.HandlerFunc
		want     string
		fails    string
	}{
		{"a list", answer(200, "", list("a", "b")), nil, "a b", ""},
		{"an empty list", answer(200, "", list()), answer(200, "", list("old")), "", ""},
		{"twice the same", answer(200, "", list("a", "a")), nil, "a", ""},
		{"two pages", pages(list("a"), answer(200, "", list("b"))), nil, "a b", ""},
		{"the second page is gone", pages(list("a"), answer(404, "", "")), answer(404, "", ""), "", "404 Not Found"},
		{"the second page may not be read", pages(list("a"), answer(403, "", "")), answer(404, "", ""), "", "403 Forbidden"},
		{"the second page is not implemented", pages(list("a"), answer(501, "", "")), answer(404, "", ""), "", "501 Not Implemented"},
		{"the second page is one for people", pages(list("a"), answer(200, "", "<html>")), answer(404, "", ""), "", "a later page of its list of referrers is no index"},
		{"pages of nothing without an end", answer(200, `<?x>; rel="next"`, list()), nil, "", ""},
		{"the next page elsewhere", answer(200, `<https://other.example/>; rel="next"`, list("a")), nil, "a", ""},
		{"no list", answer(404, "", ""), answer(200, "", list("a")), "a", ""},
		{"no list, no tag", answer(404, "", ""), answer(404, "", ""), "", ""},
		{"not allowed", answer(405, "", ""), answer(403, "", ""), "", ""},
		{"not implemented", answer(501, "", ""), answer(404, "", ""), "", ""},
		{"a page for people", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<html>"))
		}, answer(404, "", ""), "", ""},
		{"an image is called like the tag", answer(404, "", ""), func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", ocispecs.MediaTypeImageManifest)
			_, _ = w.Write([]byte(`{"schemaVersion":2,"config":{}}`))
		}, "", ""},
		{"it fails", answer(503, "", ""), nil, "", "503 Service Unavailable"},
		{"without an end", answer(200, "", strings.Repeat("x", imageindex.MaxManifest+1)), nil, "", "more than the 4194304 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := registrytest.NewServer(t)
			s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
				switch {
				case strings.HasPrefix(r.URL.Path, "/v2/app/referrers/"):
					tt.api(w, r)
				case strings.HasPrefix(r.URL.Path, "/v2/app/manifests/sha256-") && tt.tag != nil:
					tt.tag(w, r)
				default:
					return false
				}
				return true
			})
			got, complete, err := testClient(t, Options{}).Referrers(t.Context(), s.Host+"/app", subject.Digest)
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("error %v does not say %q", err, tt.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if complete != !strings.Contains(tt.name, "elsewhere") {
				t.Errorf("complete is %t", complete)
			}
			var want, found []digest.Digest
			for _, name := range strings.Fields(tt.want) {
				want = append(want, registrytest.Image(name, "").Descriptor.Digest)
			}
			for _, d := range got {
				found = append(found, d.Digest)
			}
			if fmt.Sprint(want) != fmt.Sprint(found) {
				t.Errorf("%v, want %v", found, want)
			}
		})
	}
}

// A registry whose list breaks off after a page keeps one: nothing is written
// under the tag that stands in for it.
func TestLinkWhereTheListBreaksOff(t *testing.T) {
	s, other := registrytest.NewServer(t), registrytest.NewServer(t)
	subject := registrytest.PushImage(t, s, "app", "linux/amd64", "subject").Descriptor
	referrer := registrytest.PushReferrer(t, s, "app", subject, "a/b", "signature").Descriptor
	page, err := json.Marshal(ocispecs.Index{MediaType: ocispecs.MediaTypeImageIndex, Manifests: []ocispecs.Descriptor{registrytest.Image("a", "").Descriptor}})
	if err != nil {
		t.Fatal(err)
	}
	other.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/referrers/") {
			return false
		}
		if r.URL.RawQuery != "" {
			w.WriteHeader(http.StatusNotFound)
			return true
		}
		w.Header().Set("Content-Type", ocispecs.MediaTypeImageIndex)
		w.Header().Set("Link", `<?last=a>; rel="next"`)
		_, _ = w.Write(page)
		return true
	})
	if err := testClient(t, Options{}).CopyReferrer(t.Context(), s.Host+"/app", referrer, other.Host+"/app", subject.Digest); err != nil {
		t.Error(err)
	}
	if n := other.Count(http.MethodPut, "/manifests/sha256-"); n != 0 {
		t.Errorf("%d tags were written", n)
	}
}

// A list of more pages than are read is not complete; one that ends at the bound
// is.
func TestReferrersAreBounded(t *testing.T) {
	subject := registrytest.Image("subject", "").Descriptor.Digest
	for _, goesOn := range []bool{true, false} {
		s := registrytest.NewServer(t)
		s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/referrers/") {
				return false
			}
			page := ocispecs.Index{MediaType: ocispecs.MediaTypeImageIndex}
			for i := range maxReferrers / 2 {
				page.Manifests = append(page.Manifests, ocispecs.Descriptor{
					MediaType: ocispecs.MediaTypeImageManifest, Digest: digest.FromString(fmt.Sprint(r.URL.RawQuery, i)),
				})
			}
			w.Header().Set("Content-Type", ocispecs.MediaTypeImageIndex)
			if goesOn || r.URL.RawQuery == "" {
				w.Header().Set("Link", "<?"+r.URL.RawQuery+`x>; rel="next"`)
			}
			_ = json.NewEncoder(w).Encode(page)
			return true
		})
		list, complete, err := testClient(t, Options{}).Referrers(t.Context(), s.Host+"/app", subject)
		if err != nil || len(list) != maxReferrers || complete == goesOn {
			t.Errorf("goes on %t: %d referrers, complete %t, %v", goesOn, len(list), complete, err)
		}
		if n := s.Count(http.MethodGet, "/referrers/"); n != 2 {
			t.Errorf("%d pages were read", n)
		}
	}
}
