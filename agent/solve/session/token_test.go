package session

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session/auth"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/remote"
)

// tokenServer is a registry with a token service and a certificate that nobody
// knows.
func tokenServer(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v2/") {
			w.Header().Set("WWW-Authenticate", `Bearer realm="https://`+r.Host+`/token",service="reg"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		user, password, _ := r.BasicAuth()
		if user == "ci" && password == "s3cret" {
			_, _ = fmt.Fprintf(w, `{"token":%q,"expires_in":300,"issued_at":"2026-01-02T03:04:05Z"}`, "for "+r.FormValue("scope"))
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"details":"incorrect username or password"}`)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // broken handshakes are asked for
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// shownSteps collects the names of steps and the errors with which they ended.
type shownSteps []string

func (s *shownSteps) send(status *client.SolveStatus) {
	for _, v := range status.Vertexes {
		if v.Completed != nil {
			*s = append(*s, strings.TrimSpace(v.Name+" "+v.Error))
		}
	}
}

// served is what the daemon speaks to, with the definition's certificates.
func served(t *testing.T, keychain registry.Keychain, hosts remote.Hosts) (*Credentials, *shownSteps) {
	t.Helper()
	steps := &shownSteps{}
	c, err := NewCredentials(keychain, remote.New(remote.Options{Keychain: keychain, Hosts: hosts}), nil, steps.send)
	if err != nil {
		t.Fatal(err)
	}
	return c, steps
}

func tokenRequest(url string) *auth.FetchTokenRequest {
	return &auth.FetchTokenRequest{ClientID: "buildkit-client", Host: strings.TrimPrefix(url, "https://"), Realm: url + "/token", Service: "reg", Scopes: []string{"repository:team/app:pull,push"}}
}

// The authority of a token service is known from the definition's files only.
func TestFetchTokenWithTheDefinitionsAuthority(t *testing.T) {
	s := tokenServer(t)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	host := strings.TrimPrefix(s.URL, "https://")
	keychain := keys{host: {Username: "ci", Password: "s3cret"}}
	c, steps := served(t, keychain, remote.Hosts{host: {CAs: [][]byte{ca}}})
	for range 2 {
		got, err := c.FetchToken(t.Context(), tokenRequest(s.URL))
		if err != nil {
			t.Fatal(err)
		}
		if got.Token != "for repository:team/app:pull,push" || got.ExpiresIn != 300 || got.IssuedAt != time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Unix() {
			t.Errorf("token %q, %d s from %d", got.Token, got.ExpiresIn, got.IssuedAt)
		}
	}
	if want := "[auth] team/app:pull,push token for " + host; len(*steps) != 1 || (*steps)[0] != want {
		t.Errorf("shown %q, want %q once", *steps, want)
	}
}

func TestFetchTokenFails(t *testing.T) {
	s := tokenServer(t)
	host := strings.TrimPrefix(s.URL, "https://")
	for _, tt := range []struct {
		name     string
		keychain keys
		hosts    remote.Hosts
		want     string
		shown    int
	}{
		{"unknown authority", keys{host: {Username: "ci", Password: "s3cret"}}, nil, "failed to fetch oauth token: authorize push to " + host + "/team/app: " + host + ": certificate: x509: certificate signed by unknown authority", 1},
		{"wrong password", keys{host: {Username: "ci", Password: "wr0ng"}}, remote.Hosts{host: {Insecure: true}}, "answered 401 Unauthorized: incorrect username or password", 1},
		{"nobody", nil, remote.Hosts{host: {Insecure: true}}, "failed to fetch anonymous token: authorize push to " + host + "/team/app", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, steps := served(t, tt.keychain, tt.hosts)
			_, err := c.FetchToken(t.Context(), tokenRequest(s.URL))
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "wr0ng") {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if len(*steps) != tt.shown || tt.shown > 0 && !strings.HasSuffix((*steps)[0], " no token") {
				t.Errorf("shown %q", *steps)
			}
		})
	}
}

func TestSharedCredentialsAreShownOnce(t *testing.T) {
	c, steps := served(t, keys{"basic.example": {Username: "u", Password: "p"}}, nil)
	c.tokens = seen{"basic.example"}
	for _, host := range []string{"basic.example", "basic.example", "anonymous.example"} {
		if _, err := c.Credentials(t.Context(), &auth.CredentialsRequest{Host: host}); err != nil {
			t.Fatal(err)
		}
	}
	if len(*steps) != 1 || (*steps)[0] != "[auth] sharing credentials for basic.example" {
		t.Errorf("shown %q", *steps)
	}
}

// What the token service said on the agent comes back from the daemon as text
// and is explained with the agent's own knowledge.
func TestTokenRefusalIsExplained(t *testing.T) {
	s := tokenServer(t)
	host := strings.TrimPrefix(s.URL, "https://")
	keychain := keys{host: {Username: "ci", Password: "wr0ng", Source: "config.json"}}
	for _, tt := range []struct {
		name  string
		hosts remote.Hosts
		what  string
		hint  string
	}{
		{"wrong password", remote.Hosts{host: {Insecure: true}}, "the registry does not accept the credential", "the credential from config.json is wrong or has expired"},
		{"unknown authority", nil, "signed by an unknown authority", "/etc/docker/certs.d/"}, // of the agent, not of the builder
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := served(t, keychain, tt.hosts)
			_, err := c.FetchToken(t.Context(), tokenRequest(s.URL))
			if err == nil {
				t.Fatal("no error")
			}
			explained := c.Explain(t.Context(), status.Error(codes.Unknown, "failed to push "+host+"/team/app:1: failed to authorize: "+err.Error()))
			var hinted interface{ Hints() []string }
			if !errors.As(explained, &hinted) {
				t.Fatalf("error %v", explained)
			}
			hints := strings.Join(hinted.Hints(), "\n")
			want := "cannot push " + host + "/team/app: " // once, with who asked
			if text := explained.Error(); !strings.HasPrefix(text, want) || !strings.Contains(text, tt.what+` (user "ci" from config.json)`) || strings.Contains(text+hints, "wr0ng") {
				t.Errorf("error %q", text)
			}
			if !strings.Contains(hints, tt.hint) {
				t.Errorf("hints %q, want %q", hints, tt.hint)
			}
		})
	}
}
