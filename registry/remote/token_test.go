package remote

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/registrytest"
)

// tokenService is a registry that has only a token service, with what that was
// asked.
type tokenService struct {
	*httptest.Server
	Host string
	mu   sync.Mutex
	seen []string
}

// startTokenService answers with a token for user ci, or for a refresh token,
// and for nobody's public.
func startTokenService(t *testing.T, start func(*httptest.Server), postOnly bool) *tokenService {
	t.Helper()
	s := &tokenService{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		if strings.HasPrefix(r.URL.Path, "/v2/") {
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+s.URL+`/token",service="reg"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		user, password, basic := r.BasicAuth()
		if r.Method == http.MethodPost {
			user, password = r.Form.Get("username"), r.Form.Get("password")
		}
		s.mu.Lock()
		s.seen = append(s.seen, fmt.Sprintf("%s service=%s scope=%s user=%s", r.Method, r.Form.Get("service"), r.Form["scope"], user))
		s.mu.Unlock()
		answer := map[string]any{"expires_in": 300, "issued_at": "2026-01-02T03:04:05Z"}
		switch {
		case postOnly && r.Method == http.MethodGet:
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		case r.Form.Get("refresh_token") == "r3fresh":
			answer["access_token"] = "by-refresh"
		case user == "ci" && password == "s3cret":
			answer["token"], answer["access_token"] = "by-password", "by-password"
		case user == "" && !basic:
			answer = map[string]any{"token": "anonymous"}
		default:
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"details":"incorrect username or password"}`)
			return
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	start(s.Server)
	t.Cleanup(s.Close)
	_, s.Host, _ = strings.Cut(s.URL, "://")
	return s
}

func (s *tokenService) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

func (s *tokenService) authority() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

// want is what BuildKit's daemon asks for.
func want(host, realm string) TokenRequest {
	return TokenRequest{Host: host, Realm: realm + "/token", Service: "reg", Scopes: []string{"repository:team/app:pull,push"}}
}

func TestToken(t *testing.T) {
	s := startTokenService(t, (*httptest.Server).Start, false)
	issued := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	asked := "service=reg scope=[repository:team/app:pull,push] user="
	for _, tt := range []struct {
		name     string
		keychain registry.Keychain
		want     Token
		asked    string
	}{
		{"password", fixed{Username: "ci", Password: "s3cret"}, Token{"by-password", issued, 5 * time.Minute}, "GET " + asked + "ci"},
		{"identity token", fixed{IdentityToken: "r3fresh"}, Token{"by-refresh", issued, 5 * time.Minute}, "POST " + asked},
		{"registry token", fixed{RegistryToken: "ready"}, Token{Value: "ready"}, ""},
		{"nobody", nil, Token{Value: "anonymous"}, "GET " + asked},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(s.asked())
			// The host is one that is spoken to in plain HTTP.
			got, err := testClient(t, Options{Keychain: tt.keychain}).Token(t.Context(), want(s.Host, s.URL))
			if err != nil || got != tt.want {
				t.Errorf("%#v, %v", got, err)
			}
			if seen := strings.Join(s.asked()[before:], "; "); seen != tt.asked {
				t.Errorf("asked %q, want %q", seen, tt.asked)
			}
		})
	}
}

// Some services know the newer way only; a wrong password is sent once.
func TestTokenByPost(t *testing.T) {
	s := startTokenService(t, (*httptest.Server).Start, true)
	got, err := testClient(t, Options{Keychain: fixed{Username: "ci", Password: "s3cret"}}).Token(t.Context(), want(s.Host, s.URL))
	if err != nil || got.Value != "by-password" {
		t.Errorf("%q, %v", got.Value, err)
	}
}

func TestTokenRefused(t *testing.T) {
	s := startTokenService(t, (*httptest.Server).Start, false)
	c := testClient(t, Options{Keychain: fixed{Username: "ci", Password: "wr0ng", Source: "a file"}})
	_, err := c.Token(t.Context(), want(s.Host, s.URL))
	known := (*Error)(nil)
	if !errors.As(err, &known) {
		t.Fatalf("error %v", err)
	}
	if wanted := "authorize push to " + s.Host + "/team/app: " + s.Host + " answered 401 Unauthorized: incorrect username or password"; err.Error() != wanted {
		t.Errorf("error %q, want %q", err, wanted)
	}
	if hints := strings.Join(known.Hints(), "\n"); !strings.Contains(hints, "a file") || strings.Contains(hints+err.Error(), "wr0ng") {
		t.Errorf("hints %q", hints)
	}
	if n := len(s.asked()); n != 1 {
		t.Errorf("a wrong password was sent %d times", n)
	}
}

// A token service with a certificate of the company's own is what a definition
// with certificates for its registry means too.
func TestTokenTLS(t *testing.T) {
	s := startTokenService(t, (*httptest.Server).StartTLS, false)
	host := s.Host
	names := map[string]string{"example.com:443": s.Host, "other.example.com:443": s.Host}
	password := fixed{Username: "ci", Password: "s3cret"}
	for _, tt := range []struct {
		name  string
		hosts Hosts
		fails string
	}{
		{"unknown authority", nil, "certificate"},
		{"the registry's authority", Hosts{"example.com": {CAs: [][]byte{s.authority()}}}, ""},
		{"its own authority", Hosts{host: {CAs: [][]byte{s.authority()}}, "example.com": {Insecure: true}}, ""},
		{"its own settings before the registry's", Hosts{host: {}, "example.com": {CAs: [][]byte{s.authority()}}}, "certificate"},
		{"another registry's authority", Hosts{"other.example.com": {CAs: [][]byte{s.authority()}}}, "certificate"},
		{"the registry's certificate is not checked", Hosts{"example.com": {Insecure: true}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := testClient(t, Options{Keychain: password, Hosts: tt.hosts}).at(names)
			got, err := c.Token(t.Context(), want("example.com", s.URL))
			switch {
			case tt.fails == "" && (err != nil || got.Value != "by-password"):
				t.Errorf("%q, %v", got.Value, err)
			case tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails)):
				t.Errorf("error %v", err)
			}
		})
	}
	t.Run("one registry's authority serves no other", func(t *testing.T) {
		c := testClient(t, Options{Keychain: password, Hosts: Hosts{"example.com": {CAs: [][]byte{s.authority()}}}}).at(names)
		if _, err := c.Token(t.Context(), want("example.com", s.URL)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Token(t.Context(), want("other.example.com", s.URL)); err == nil {
			t.Error("the token service of another registry was trusted")
		}
	})
	t.Run("docker's directory", func(t *testing.T) {
		dir := t.TempDir()
		writeFile(t, dir+"/example.com/ca.crt", string(s.authority()))
		c := testClient(t, Options{Keychain: password, CertDirs: []string{dir}}).at(names)
		if _, err := c.Token(t.Context(), want("example.com", s.URL)); err != nil {
			t.Error(err)
		}
	})
}

// The client itself pulls with such a token service too.
func TestTokenServiceWithTheRegistrysAuthority(t *testing.T) {
	tokens := startTokenService(t, (*httptest.Server).StartTLS, false)
	s := registrytest.StartServer(t, (*httptest.Server).StartTLS)
	s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") == "Bearer by-password" {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+tokens.URL+`/token",service="reg"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	// httptest has one certificate for all servers.
	c := testClient(t, Options{Keychain: fixed{Username: "ci", Password: "s3cret"}, Hosts: Hosts{s.Host: {CAs: [][]byte{tokens.authority()}}}})
	if err := c.Login(t.Context(), registry.Server{Host: s.Host}); err != nil {
		t.Error(err)
	}
}

// A token service without TLS is asked where the registry has none either.
func TestTokenServiceWithoutTLS(t *testing.T) {
	s := startTokenService(t, (*httptest.Server).Start, false)
	secure := registrytest.StartServer(t, (*httptest.Server).StartTLS)
	secure.Fail((&bearerAuth{realm: s.URL + "/token"}).fault)
	plain := registrytest.NewServer(t)
	plain.Fail((&bearerAuth{realm: s.URL + "/token"}).fault)
	password := fixed{Username: "ci", Password: "s3cret"}
	for _, tt := range []struct {
		name     string
		keychain registry.Keychain
		host     string
		hosts    Hosts
		fails    bool
	}{
		{"a registry without TLS", password, plain.Host, nil, false},
		{"a registry with TLS", password, secure.Host, Hosts{secure.Host: {Insecure: true}}, true},
		{"a registry with TLS, nobody", nil, secure.Host, Hosts{secure.Host: {Insecure: true}}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(s.asked())
			_, err := testClient(t, Options{Keychain: tt.keychain, Hosts: tt.hosts}).Token(t.Context(), want(tt.host, s.URL))
			if (err != nil) != tt.fails {
				t.Errorf("error %v", err)
			}
			if tt.fails && len(s.asked()) != before {
				t.Error("something was sent without TLS")
			}
		})
	}
}

func TestTokenWithoutAUsableService(t *testing.T) {
	for _, realm := range []string{"", "token", "ftp://h", "https://"} {
		r := TokenRequest{Host: "registry.example", Realm: realm}
		if _, err := testClient(t, Options{}).Token(t.Context(), r); err == nil || !strings.Contains(err.Error(), "without a usable URL") {
			t.Errorf("realm %q: error %v", realm, err)
		}
	}
	s := registrytest.NewServer(t)
	s.Fail((&bearerAuth{realm: "::"}).fault)
	if _, err := testClient(t, Options{}).Resolve(t.Context(), s.Host+"/app:1"); err == nil || !strings.Contains(err.Error(), "without a usable URL") {
		t.Errorf("a client of its own: error %v", err)
	}
}

func TestTokenHidesItself(t *testing.T) {
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, Token{Value: "s3cret"}); strings.Contains(text, "s3cret") {
			t.Errorf("%s shows %s", format, text)
		}
	}
}

func writeFile(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
