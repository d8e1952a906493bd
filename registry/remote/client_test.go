package remote

import (
	"context"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/internal/logtest"
	"github.com/slipway-build/slipway/registry/imageindex"
	"github.com/slipway-build/slipway/registry/registrytest"
)

func TestPushTagResolveFetch(t *testing.T) {
	s := registrytest.NewServer(t)
	c := testClient(t, Options{UserAgent: "slipway/test"})
	amd64, arm64 := registrytest.PushImage(t, s, "app", "linux/amd64", "a"), registrytest.PushImage(t, s, "app", "linux/arm64/v8", "b")
	repository := s.Host + "/app"

	var sources []imageindex.Manifest
	for _, m := range []imageindex.Manifest{amd64, arm64} {
		got, err := c.Fetch(t.Context(), repository, ocispecs.Descriptor{Digest: m.Descriptor.Digest})
		if err != nil {
			t.Fatal(err)
		}
		if string(got.Content) != string(m.Content) || got.Descriptor.MediaType != m.Descriptor.MediaType || got.Descriptor.Size != m.Descriptor.Size {
			t.Errorf("fetched %+v, want %+v", got, m)
		}
		sources = append(sources, got)
	}
	// The platforms are those of the configurations, normalized.
	if diff := cmp.Diff([]*ocispecs.Platform{registrytest.Platform("linux/amd64"), registrytest.Platform("linux/arm64")},
		[]*ocispecs.Platform{sources[0].Descriptor.Platform, sources[1].Descriptor.Platform}); diff != "" {
		t.Errorf("platforms (-want +got):\n%s", diff)
	}
	index, err := imageindex.Assemble(sources, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Push(t.Context(), repository, index); err != nil {
		t.Fatal(err)
	}
	uploads := s.Count(http.MethodPut, "/manifests/")
	if err := c.Push(t.Context(), repository, index); err != nil {
		t.Fatal(err)
	}
	if again := s.Count(http.MethodPut, "/manifests/"); again != uploads {
		t.Errorf("what is there was pushed again: %d uploads, then %d", uploads, again)
	}
	if err := c.Tag(t.Context(), repository+":1", index); err != nil {
		t.Fatal(err)
	}
	got, err := c.Resolve(t.Context(), repository+":1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(index, got); diff != "" {
		t.Errorf("resolved (-want +got):\n%s", diff)
	}
}

func TestFetchVerifies(t *testing.T) {
	s := registrytest.NewServer(t)
	m := registrytest.PushImage(t, s, "app", "linux/amd64", "a")
	for _, tt := range []struct {
		name, body, want string
		header           map[string]string
	}{
		{"another content", strings.Repeat("x", len(m.Content)), "digest mismatch", map[string]string{"Docker-Content-Digest": m.Descriptor.Digest.String()}},
		{"far too much", strings.Repeat("x", imageindex.MaxManifest+1), "more than the 4194304", map[string]string{"Docker-Content-Digest": m.Descriptor.Digest.String()}},
	} {
		s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Type", m.Descriptor.MediaType)
			for name, value := range tt.header {
				w.Header().Set(name, value)
			}
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(tt.body))
			return true
		})
		_, err := testClient(t, Options{}).Fetch(t.Context(), s.Host+"/app", m.Descriptor)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), s.Host+"/app@"+m.Descriptor.Digest.String()) {
			t.Errorf("%s: error %v does not say %q", tt.name, err, tt.want)
		}
	}
}

func TestPushVerifiesItsOwnContent(t *testing.T) {
	s := registrytest.NewServer(t)
	m := registrytest.Image("a", "")
	m.Content = append(m.Content, ' ')
	if err := testClient(t, Options{}).Push(t.Context(), s.Host+"/app", m); err == nil || !strings.Contains(err.Error(), "the content has digest") {
		t.Errorf("error %v", err)
	}
	if n := len(s.Seen); n != 0 {
		t.Errorf("%d requests were made for content that is not what it says", n)
	}
}

func TestRetries(t *testing.T) {
	manifests := func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/manifests/") }
	limited := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	}
	for _, tt := range []struct {
		name  string
		fault http.HandlerFunc
		times int
		tries int // of the faulty request
		ok    bool
	}{
		{"503 twice", registrytest.Status(503), 2, 3, true},
		{"429 with Retry-After", limited, 1, 2, true},
		{"429 with Retry-After of a year", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "31536000")
			w.WriteHeader(http.StatusTooManyRequests)
		}, 100, 1, false},
		{"408", registrytest.Status(408), 1, 2, true},
		{"425", registrytest.Status(425), 1, 2, true},
		{"connection cut", registrytest.Cut, 2, 3, true},
		{"503 for good", registrytest.Status(503), 100, 6, false},
		{"501 is final", registrytest.Status(501), 100, 1, false},
		{"403 is final", registrytest.Status(403), 100, 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := registrytest.NewServer(t)
			m := registrytest.PushImage(t, s, "app", "linux/amd64", "a")
			var hits atomic.Int32
			fault := registrytest.FirstTimes(tt.times, manifests, func(w http.ResponseWriter, r *http.Request) { hits.Add(1); tt.fault(w, r) })
			s.Fail(fault)
			var lines logtest.Lines
			before := s.Count(http.MethodGet, "/manifests/")
			_, err := testClient(t, Options{Log: lines.Logger()}).Resolve(t.Context(), s.Host+"/app@"+m.Descriptor.Digest.String())
			if (err == nil) != tt.ok {
				t.Fatalf("error %v", err)
			}
			tries := s.Count(http.MethodGet, "/manifests/") - before
			// net/http itself sends a request again when a connection that it
			// had kept is cut; these are not reported.
			if tries != tt.tries && (tt.name != "connection cut" || tries < tt.tries) {
				t.Errorf("%d tries, want %d", tries, tt.tries)
			}
			if n := lines.Count("trying again"); n != tt.tries-1 {
				t.Errorf("%d tries were reported, want %d: %s", n, tt.tries-1, lines.String())
			}
			known := (*Error)(nil)
			if !tt.ok && (!errors.As(err, &known) || known.Temporary() != (tt.tries > 1 || known.Status == http.StatusTooManyRequests)) {
				t.Errorf("error %#v: not of its kind", err)
			}
		})
	}
}

func TestUploadIsTriedAgain(t *testing.T) {
	s := registrytest.NewServer(t)
	m := registrytest.PushImage(t, s, "app", "linux/amd64", "a")
	s.Fail(registrytest.FirstTimes(2, func(r *http.Request) bool { return r.Method == http.MethodPut }, registrytest.Status(503)))
	if err := testClient(t, Options{}).Tag(t.Context(), s.Host+"/app:1", m); err != nil {
		t.Fatal(err)
	}
}

func TestWait(t *testing.T) {
	l := defaultLimits()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		name      string
		attempt   int
		asked     string // Retry-After
		low, high time.Duration
	}{
		{"first", 0, "", 750 * time.Millisecond, 1250 * time.Millisecond},
		{"third", 2, "", 3 * time.Second, 5 * time.Second},
		{"never more than the longest", 20, "", time.Minute, time.Minute},
		{"as the registry asks", 0, "7", 7 * time.Second, 7 * time.Second},
		{"not sooner than our own", 4, "1", 12 * time.Second, 20 * time.Second},
		{"what it asks is bounded", 0, "86400", time.Minute, time.Minute},
		{"a date", 0, "Fri, 02 Jan 2026 03:04:35 GMT", 30 * time.Second, 30 * time.Second},
		{"nonsense", 0, "soon", 750 * time.Millisecond, 1250 * time.Millisecond},
		{"negative", 0, "-5", 750 * time.Millisecond, 1250 * time.Millisecond},
	} {
		if got := l.wait(tt.attempt, retryAfter(tt.asked, now)); got < tt.low || got > tt.high {
			t.Errorf("%s: %s is not within %s and %s", tt.name, got, tt.low, tt.high)
		}
	}
}

func TestCancelEndsTheWait(t *testing.T) {
	s := registrytest.NewServer(t)
	l := quick()
	l.base, l.longest = time.Hour, time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	s.Fail(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(503)
		cancel()
		return true
	})
	_, err := newClient(Options{}, l).Resolve(ctx, s.Host+"/app:1")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// A registry that takes a request and never answers, and one that stops in the
// middle of its answer.
func TestSilence(t *testing.T) {
	for name, begin := range map[string]bool{"no answer": false, "half an answer": true} {
		t.Run(name, func(t *testing.T) {
			s := registrytest.NewServer(t)
			end := make(chan struct{})
			t.Cleanup(func() { close(end) })
			s.Fail(func(w http.ResponseWriter, _ *http.Request) bool {
				if begin {
					w.Header().Set("Content-Type", ocispecs.MediaTypeImageManifest)
					w.Header().Set("Content-Length", "100")
					w.Header().Set("Docker-Content-Digest", digest.FromString("x").String())
					_, _ = w.Write([]byte("{"))
					_ = http.NewResponseController(w).Flush()
				}
				<-end
				return true
			})
			l := quick()
			l.tries, l.answer, l.silence = 2, 20*time.Millisecond, 20*time.Millisecond
			if begin {
				l.answer = time.Minute
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // for a client that waits for ever
			defer cancel()
			_, err := newClient(Options{}, l).Resolve(ctx, s.Host+"/app:1")
			known := (*Error)(nil)
			if !errors.As(err, &known) || !known.Temporary() {
				t.Errorf("error %v", err)
			}
			if n := s.Count(http.MethodGet, "/manifests/1"); n != 2 {
				t.Errorf("%d tries, want 2", n)
			}
		})
	}
}

// A registry that sends a byte whenever silence would end its answer keeps
// nobody waiting, and is not asked again.
func TestSlowAnswer(t *testing.T) {
	l := quick()
	l.answer, l.silence = 200*time.Millisecond, 200*time.Millisecond
	for _, tt := range []struct{ name, slow string }{{"manifest", "/manifests/"}, {"configuration", "/blobs/"}, {"token", "/token"}} {
		t.Run(tt.name, func(t *testing.T) {
			s := registrytest.NewServer(t)
			m := registrytest.PushImage(t, s, "app", "linux/amd64", "a")
			drip := func(w http.ResponseWriter, r *http.Request) {
				for i := 0; r.Context().Err() == nil; i++ {
					if _, err := w.Write([]byte(" ")); err != nil {
						return
					}
					_ = http.NewResponseController(w).Flush()
					time.Sleep(10 * time.Millisecond) // it is the registry that is slow
				}
			}
			s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
				switch {
				case strings.Contains(r.URL.Path, tt.slow):
					drip(w, r)
					return true
				case tt.name == "token":
					return (&bearerAuth{realm: s.URL + "/token"}).fault(w, r)
				}
				return false
			})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // for a client that waits for ever
			defer cancel()
			_, err := newClient(Options{}, l).Fetch(ctx, s.Host+"/app", m.Descriptor)
			if !errors.Is(err, errSlow) {
				t.Errorf("error %v", err)
			}
			if n := s.Count(http.MethodGet, tt.slow); n != 1 {
				t.Errorf("%d tries, want 1", n)
			}
		})
	}
}

func TestTagMovedBySomebodyElse(t *testing.T) {
	s := registrytest.NewServer(t)
	mine, theirs := registrytest.PushImage(t, s, "app", "linux/amd64", "a"), registrytest.PushImage(t, s, "app", "linux/amd64", "b")
	moved := false
	s.Fail(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodHead && strings.HasSuffix(r.URL.Path, "/manifests/1") && !moved {
			moved = true
			s.Fail(nil)
			registrytest.Put(t, s, "/v2/app/manifests/1", theirs)
		}
		return false
	})
	err := testClient(t, Options{}).Tag(t.Context(), s.Host+"/app:1", mine)
	var e *MovedError
	if !errors.As(err, &e) {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{"tag " + s.Host + "/app:1", mine.Descriptor.Digest.String(), theirs.Descriptor.Digest.String(), "somebody else"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
	known := (*Error)(nil)
	if !errors.As(err, &known) || len(known.Hints()) != 1 || !strings.Contains(known.Hints()[0], "same tag") {
		t.Errorf("hints of %v", err)
	}
}

// Some registries leave the digest out of their answer to HEAD.
func TestTagIsReadBackByGET(t *testing.T) {
	s := registrytest.NewServer(t)
	m := registrytest.PushImage(t, s, "app", "linux/amd64", "a")
	s.Fail(registrytest.FirstTimes(1, func(r *http.Request) bool { return r.Method == http.MethodHead }, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", m.Descriptor.MediaType)
		w.Header().Set("Content-Length", "10")
	}))
	if err := testClient(t, Options{}).Tag(t.Context(), s.Host+"/app:1", m); err != nil {
		t.Fatal(err)
	}
	if s.Count(http.MethodGet, "/manifests/1") != 1 {
		t.Error("the tag was not read back")
	}
}

func TestTLS(t *testing.T) {
	s := registrytest.StartServer(t, (*httptest.Server).StartTLS)
	m := registrytest.PushImage(t, s, "app", "linux/amd64", "a")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, s.Host), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, s.Host, "ca.crt"), ca, 0o644); err != nil {
		t.Fatal(err)
	}
	plain := registrytest.NewServer(t)
	plainImage := registrytest.PushImage(t, plain, "app", "linux/amd64", "a")
	for _, tt := range []struct {
		name string
		o    Options
		ref  string
		want string // of the error
	}{
		{"authority given", Options{Hosts: Hosts{s.Host: {CAs: [][]byte{ca}}}}, s.Host + "/app@" + m.Descriptor.Digest.String(), ""},
		{"authority in docker's directory", Options{CertDirs: []string{dir}}, s.Host + "/app@" + m.Descriptor.Digest.String(), ""},
		{"insecure", Options{Hosts: Hosts{s.Host: {Insecure: true}}}, s.Host + "/app@" + m.Descriptor.Digest.String(), ""},
		{"insecure or plain, TLS spoken", Options{Hosts: Hosts{s.Host: {Insecure: true, PlainHTTP: true}}}, s.Host + "/app@" + m.Descriptor.Digest.String(), ""},
		{"insecure or plain, plain spoken", Options{Hosts: Hosts{plain.Host: {Insecure: true, PlainHTTP: true}}}, plain.Host + "/app@" + plainImage.Descriptor.Digest.String(), ""},
		{"not PEM", Options{Hosts: Hosts{s.Host: {CAs: [][]byte{[]byte("x")}}}}, s.Host + "/app:1", "is not PEM"},
		{"TLS asked of plain HTTP", Options{Hosts: Hosts{plain.Host: {Insecure: true}}}, plain.Host + "/app:1", "it speaks plain HTTP"},
		{"plain HTTP asked of TLS", Options{}, s.Host + "/app:1", "400 Bad Request"},
	} {
		_, err := testClient(t, tt.o).Resolve(t.Context(), tt.ref)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestUnknownAuthority(t *testing.T) {
	s := registrytest.StartServer(t, (*httptest.Server).StartTLS)
	other := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	var lines logtest.Lines
	// A client certificate makes this machine's registry one that speaks TLS.
	c := testClient(t, Options{Hosts: Hosts{s.Host: {KeyPairs: []KeyPair{{Cert: other, Key: key(t, s)}}}}, Log: lines.Logger()})
	_, err := c.Resolve(t.Context(), s.Host+"/app:1")
	known := (*Error)(nil)
	if !errors.As(err, &known) {
		t.Fatalf("error %v", err)
	}
	if !strings.Contains(err.Error(), "certificate: x509: certificate signed by unknown authority") {
		t.Errorf("error %q", err)
	}
	hints := strings.Join(known.Hints(), "\n")
	for _, want := range []string{"certs/", "/etc/docker/certs.d/" + s.Host + "/ca.crt", "SSL_CERT_FILE"} {
		if !strings.Contains(hints, want) {
			t.Errorf("hints %q do not say %q", hints, want)
		}
	}
	if known.Temporary() || lines.Count(s.Host) != 0 {
		t.Error("an unknown authority was tried again")
	}
}

func TestPlainHTTP(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "localhost:5000": true, "127.0.0.1:5000": true, "127.8.9.1": true, "[::1]:5000": true, "[::1]": true,
		"registry.example": false, "registry.example:5000": false, "10.0.0.1:5000": false, "localhost.example": false, "[fd00::1]": false, "[fd00::1]:5000": false,
	} {
		c := newClient(Options{}, quick())
		got, err := c.connections.plainHTTP(t.Context(), host)
		if err != nil || got != want {
			t.Errorf("%s: plain HTTP %v, want %v, error %v", host, got, want, err)
		}
	}
	c := newClient(Options{Hosts: Hosts{"registry.example:5000": {PlainHTTP: true}, "docker.io": {PlainHTTP: true}}}, quick())
	for _, host := range []string{"registry.example:5000", "registry-1.docker.io"} {
		if got, err := c.connections.plainHTTP(t.Context(), host); err != nil || !got {
			t.Errorf("%s: its settings are not used: %v %v", host, got, err)
		}
	}
}
