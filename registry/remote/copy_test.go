package remote

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/internal/logtest"
	"github.com/slipway-build/slipway/registry/registrytest"
)

func TestCopyToAnotherRegistry(t *testing.T) {
	from, to := registrytest.NewServer(t), registrytest.NewServer(t)
	index, _ := registrytest.PushIndex(t, from)
	c := testClient(t, Options{})
	if err := c.Copy(t.Context(), from.Host+"/app", index.Descriptor, to.Host+"/copies/app"); err != nil {
		t.Fatal(err)
	}
	registrytest.Complete(t, c, to.Host+"/copies/app", index)

	uploads := to.Count(http.MethodPut, "")
	if err := c.Copy(t.Context(), from.Host+"/app", index.Descriptor, to.Host+"/copies/app"); err != nil {
		t.Fatal(err)
	}
	if again := to.Count(http.MethodPut, ""); again != uploads {
		t.Errorf("what is there was sent again: %d uploads, then %d", uploads, again)
	}
}

// A blob that goes on behind its end is not read to wherever it ends.
func TestCopyOfAnEndlessBlob(t *testing.T) {
	from, to := registrytest.NewServer(t), registrytest.NewServer(t)
	index, _ := registrytest.PushIndex(t, from)
	const tooMuch = 64 << 20
	flooded, once := make(chan struct{}), sync.Once{}
	from.Fail(func(w http.ResponseWriter, r *http.Request) bool {
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
	to.Fail(func(w http.ResponseWriter, r *http.Request) bool {
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
	if err := testClient(t, Options{}).Copy(t.Context(), from.Host+"/app", index.Descriptor, to.Host+"/app"); err == nil {
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
	s := registrytest.NewServer(t)
	index, _ := registrytest.PushIndex(t, s)
	m := &mounts{}
	s.Fail(m.fault)
	before := s.Count(http.MethodGet, "/blobs/")
	if err := testClient(t, Options{}).Copy(t.Context(), s.Host+"/app", index.Descriptor, s.Host+"/copy"); err != nil {
		t.Fatal(err)
	}
	// Two images of a configuration and a layer each, and the attestation's.
	if want := slices.Repeat([]string{"app"}, 6); !slices.Equal(m.done, want) {
		t.Errorf("mounted from %q, want %q", m.done, want)
	}
	if n := s.Count(http.MethodGet, "/blobs/") - before; n != 0 {
		t.Errorf("%d blobs were read that could be mounted", n)
	}
}

func TestCopyGoesOnAfterACut(t *testing.T) {
	from, to := registrytest.NewServer(t), registrytest.NewServer(t)
	index, _ := registrytest.PushIndex(t, from)
	// The upload of a blob breaks off in the middle, twice: what was read of
	// its source is gone, so that it must be read again.
	to.Fail(registrytest.FirstTimes(2, func(r *http.Request) bool {
		return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/blobs/")
	}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.CopyN(io.Discard, r.Body, 1)
		registrytest.Cut(w, r)
	}))
	var lines logtest.Lines
	c := testClient(t, Options{Log: lines.Logger()})
	if err := c.Copy(t.Context(), from.Host+"/app", index.Descriptor, to.Host+"/app"); err != nil {
		t.Fatal(err)
	}
	registrytest.Complete(t, c, to.Host+"/app", index)
	if lines.Count("trying again") == 0 {
		t.Error("the further tries were not reported")
	}
}

func TestCopyGivesUp(t *testing.T) {
	from, to := registrytest.NewServer(t), registrytest.NewServer(t)
	index, _ := registrytest.PushIndex(t, from)
	for _, tt := range []struct {
		name   string
		fault  *registrytest.Server
		method string
		status int
		tries  int
		want   string
	}{
		{"target refuses", to, http.MethodPost, 403, 1, "copy " + to.Host + "/app@" + index.Descriptor.Digest.String() + ": " + to.Host + " answered 403 Forbidden"},
		{"source fails", from, http.MethodGet, 502, 6, "copy " + from.Host + "/app@" + index.Descriptor.Digest.String() + ": " + from.Host + " answered 502 Bad Gateway"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.fault.Fail(func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == tt.method {
					w.WriteHeader(tt.status)
				}
				return r.Method == tt.method
			})
			defer tt.fault.Fail(nil)
			before := tt.fault.Count(tt.method, index.Descriptor.Digest.String())
			err := testClient(t, Options{}).Copy(t.Context(), from.Host+"/app", index.Descriptor, to.Host+"/app")
			known := (*Error)(nil)
			if !errors.As(err, &known) || err.Error() != tt.want {
				t.Fatalf("error %q, want %q", err, tt.want)
			}
			if tt.method == http.MethodGet {
				if n := tt.fault.Count(tt.method, index.Descriptor.Digest.String()) - before; n != tt.tries {
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
