package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/slipway-build/slipway/e2e/registrytest/internal/inprocess"
	"github.com/slipway-build/slipway/e2e/testbed/pki"
)

// started is a proxy before a registry in this process, and a client of it.
func started(t *testing.T) (*Proxy, *http.Client) {
	t.Helper()
	p, err := Start(t.Context(), inprocess.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	roots, err := pki.Pool(p.Registry().CA)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return p, &http.Client{Transport: transport}
}

// answer is a response with its body read.
type answer struct {
	code, major int // of the status, and of the protocol's version
	header      http.Header
	body        []byte
}

// request sends one request and returns what came of it, also of a body that
// ended early.
func request(t *testing.T, p *Proxy, client *http.Client, method, path string, body []byte) (answer, error) {
	t.Helper()
	target := path
	if !strings.HasPrefix(path, "https://") {
		target = "https://" + p.Registry().Address + path
	}
	r, err := http.NewRequestWithContext(t.Context(), method, target, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(p.Registry().Username, p.Registry().Password)
	response, err := client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	return answer{code: response.StatusCode, major: response.ProtoMajor, header: response.Header, body: content}, err
}

func push(t *testing.T, p *Proxy, client *http.Client, reference string) error {
	t.Helper()
	index, err := random.Index(50_000, 3, 2)
	if err != nil {
		t.Fatal(err)
	}
	to, err := name.ParseReference(p.Registry().Address + "/" + reference)
	if err != nil {
		t.Fatal(err)
	}
	options := []remote.Option{
		remote.WithContext(t.Context()), remote.WithTransport(client.Transport),
		remote.WithAuth(&authn.Basic{Username: p.Registry().Username, Password: p.Registry().Password}),
		remote.WithRetryStatusCodes(), remote.WithRetryPredicate(func(error) bool { return false }),
	}
	if err := remote.WriteIndex(to, index, options...); err != nil {
		return err
	}
	got, err := remote.Index(to, options...)
	if err != nil {
		return err
	}
	return validate.Index(got)
}

func TestWithoutRulesEverythingPasses(t *testing.T) {
	t.Parallel()
	p, client := started(t)
	if err := push(t, p, client, "team/app:1"); err != nil {
		t.Fatal(err)
	}
	if n := p.Count(http.MethodPut, regexp.MustCompile(`^/v2/team/app/manifests/`)); n != 3 {
		t.Errorf("%d manifests were written, want an index and two images", n)
	}
	for _, r := range p.Requests() {
		if !r.Done || r.Status == 0 || r.Fault != "" || r.Client != "127.0.0.1" {
			t.Errorf("%+v is not a request that passed", r)
		}
	}
	// A cut connection of HTTP/2 would be a stream that ends.
	if response, err := request(t, p, client, http.MethodGet, "/v2/", nil); err != nil || response.major != 1 {
		t.Errorf("a plain request: %v, %v; want one of HTTP/1.1", response, err)
	}
	p.Forget()
	if got := p.Requests(); len(got) != 0 {
		t.Errorf("it remembers %v", got)
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	p, client := started(t)
	p.Add(Rule{
		Method: http.MethodGet, Path: regexp.MustCompile(`/tags/list$`), Skip: 1, Times: 2,
		Fault: Status(http.StatusTooManyRequests, http.Header{"Retry-After": {"7"}}),
	})
	want := []int{http.StatusNotFound, http.StatusTooManyRequests, http.StatusTooManyRequests, http.StatusNotFound}
	for i, code := range want {
		response, err := request(t, p, client, http.MethodGet, "/v2/none/tags/list", nil)
		if err != nil {
			t.Fatal(err)
		}
		if response.code != code {
			t.Errorf("request %d: %d, want %d", i, response.code, code)
		}
		if after := response.header.Get("Retry-After"); (after == "7") != (code == http.StatusTooManyRequests) {
			t.Errorf("request %d: Retry-After is %q with %d", i, after, code)
		}
		if got := p.Requests()[i]; got.Status != code {
			t.Errorf("the log has %+v, want status %d", got, code)
		}
	}
	if response, err := request(t, p, client, http.MethodGet, "/v2/", nil); err != nil || response.code != http.StatusOK {
		t.Errorf("a request that the rule is not for: %v, %v", response, err)
	}
}

func TestTakes(t *testing.T) {
	blobs := regexp.MustCompile(`/blobs/`)
	for _, tt := range []struct {
		name                 string
		rule                 Rule
		method, path, client string
		want                 bool
	}{
		{"any", Rule{}, "GET", "/v2/", "10.0.0.1", true},
		{"method", Rule{Method: "PUT"}, "PUT", "/v2/", "10.0.0.1", true},
		{"another method", Rule{Method: "PUT"}, "GET", "/v2/", "10.0.0.1", false},
		{"path", Rule{Path: blobs}, "GET", "/v2/a/blobs/x", "10.0.0.1", true},
		{"another path", Rule{Path: blobs}, "GET", "/v2/a/manifests/x", "10.0.0.1", false},
		{"client", Rule{Client: "10.0.0.1"}, "GET", "/v2/", "10.0.0.1", true},
		{"another client", Rule{Client: "10.0.0.1"}, "GET", "/v2/", "10.0.0.2", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &rule{Rule: tt.rule}
			if got := r.takes(tt.method, tt.path, tt.client); got != tt.want {
				t.Errorf("takes = %v, want %v", got, tt.want)
			}
		})
	}
}

// upload begins an upload of a blob and returns where it goes on.
func upload(t *testing.T, p *Proxy, client *http.Client) string {
	t.Helper()
	response, err := request(t, p, client, http.MethodPost, "/v2/team/app/blobs/uploads/", nil)
	if err != nil || response.code != http.StatusAccepted {
		t.Fatalf("begin an upload: %+v, %v", response, err)
	}
	location := response.header.Get("Location")
	if !strings.HasPrefix(location, "https://"+p.Registry().Address+"/") {
		t.Fatalf("the upload goes on at %s and not at the proxy, %s", location, p.Registry().Address)
	}
	return location
}

func TestCutRequest(t *testing.T) {
	t.Parallel()
	p, client := started(t)
	p.Add(Rule{Method: http.MethodPatch, Times: 1, Fault: CutRequest(100_000)})
	body := make([]byte, 1_000_000)
	response, err := request(t, p, client, http.MethodPatch, upload(t, p, client), body)
	if err == nil {
		t.Fatalf("the upload that was to be cut has the answer %d", response.code)
	}
	var cut Request
	for _, r := range p.Requests() {
		if r.Method == http.MethodPatch {
			cut = r
		}
	}
	if cut.RequestBytes != 100_000 || cut.Fault != "request cut" || cut.Status != 0 {
		t.Errorf("the log has %+v, want 100000 bytes and no status", cut)
	}
	if response, err := request(t, p, client, http.MethodPatch, upload(t, p, client), body); err != nil || response.code != http.StatusAccepted {
		t.Errorf("the next upload: %v, %v", response, err)
	}
}

func TestShorterBodyIsNotCut(t *testing.T) {
	t.Parallel()
	p, client := started(t)
	p.Add(Rule{Method: http.MethodPatch, Fault: CutRequest(100_000)})
	p.Add(Rule{Method: http.MethodGet, Fault: CutResponse(100_000)})
	if response, err := request(t, p, client, http.MethodPatch, upload(t, p, client), make([]byte, 99_999)); err != nil || response.code != http.StatusAccepted {
		t.Errorf("a short upload: %v, %v", response, err)
	}
	if response, err := request(t, p, client, http.MethodGet, "/v2/", nil); err != nil || response.code != http.StatusOK {
		t.Errorf("a short response: %v, %v", response, err)
	}
}

func TestCutResponse(t *testing.T) {
	t.Parallel()
	p, client := started(t)
	if err := push(t, p, client, "team/app:1"); err != nil {
		t.Fatal(err)
	}
	whole, err := request(t, p, client, http.MethodGet, "/v2/team/app/manifests/1", nil)
	if err != nil {
		t.Fatal(err)
	}
	p.Add(Rule{Path: regexp.MustCompile(`/manifests/1$`), Fault: CutResponse(100)})
	part, err := request(t, p, client, http.MethodGet, "/v2/team/app/manifests/1", nil)
	if err == nil || !bytes.Equal(part.body, whole.body[:100]) {
		t.Errorf("%d bytes came and the error %v, want the first 100 and a broken connection", len(part.body), err)
	}
	p.Clear()
	if again, err := request(t, p, client, http.MethodGet, "/v2/team/app/manifests/1", nil); err != nil || !bytes.Equal(again.body, whole.body) {
		t.Errorf("without the rule %d bytes came and the error %v", len(again.body), err)
	}
}

func TestHold(t *testing.T) {
	t.Parallel()
	p, client := started(t)
	release := make(chan struct{})
	p.Add(Rule{Fault: Hold(release)})
	answered := make(chan error, 1)
	go func() {
		_, err := request(t, p, client, http.MethodGet, "/v2/", nil)
		answered <- err
	}()
	if err := p.Await(t.Context(), http.MethodGet, regexp.MustCompile(`^/v2/$`), 1); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-answered:
		t.Fatalf("a request that is held has been answered (%v)", err)
	default:
	}
	close(release)
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
}

func TestCloseEndsWhatIsHeld(t *testing.T) {
	t.Parallel()
	p, client := started(t)
	p.Add(Rule{Method: http.MethodPatch, Fault: Hold(make(chan struct{}))})
	where := upload(t, p, client)
	answered := make(chan error, 1)
	go func() {
		_, err := request(t, p, client, http.MethodPatch, where, make([]byte, 10_000_000))
		answered <- err
	}()
	if err := p.Await(t.Context(), http.MethodPatch, regexp.MustCompile(`/uploads/`), 1); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err == nil {
		t.Error("a held request was answered by a closed proxy")
	}
}

func TestAwaitGivesUp(t *testing.T) {
	t.Parallel()
	p, _ := started(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := p.Await(ctx, http.MethodPut, regexp.MustCompile(`/manifests/`), 2)
	if !errors.Is(err, context.Canceled) || !strings.Contains(fmt.Sprint(err), "of which 0 have come") {
		t.Errorf("Await = %v", err)
	}
}
