package remote

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/registry/registrytest"
)

func TestReachOf(t *testing.T) {
	for ip, want := range map[string]reach{
		"8.8.8.8": reachAll, "2606:4700::1": reachAll, "172.32.0.1": reachAll, "100.128.0.1": reachAll,
		"10.1.2.3": reachInside, "172.16.0.1": reachInside, "192.168.1.1": reachInside, "fd12::1": reachInside, "100.64.0.1": reachInside, "::ffff:10.0.0.1": reachInside, "64:ff9b::a00:1": reachInside,
		"169.254.169.254": reachLink, "fe80::1": reachLink, "fe80::1%eth0": reachLink, "fd00:ec2::254": reachLink, "168.63.129.16": reachLink, "100.100.100.200": reachLink, "224.0.0.1": reachLink, "64:ff9b::a9fe:a9fe": reachLink,
		"127.0.0.1": reachMachine, "127.9.9.9": reachMachine, "::1": reachMachine, "0.0.0.0": reachMachine, "0.1.2.3": reachMachine, "::": reachMachine, "::ffff:127.0.0.1": reachMachine, "64:ff9b::7f00:1": reachMachine,
	} {
		if got := reachOf(netip.MustParseAddr(ip)); got != want {
			t.Errorf("%s is %s, want %s", ip, got, want)
		}
	}
}

func TestNameReach(t *testing.T) {
	for host, want := range map[string]reach{
		"registry.example": reachAll, "registry.example:5000": reachAll, "[2606:4700::1]:5000": reachAll,
		"10.0.0.1": reachInside, "10.0.0.1:5000": reachInside, "[fd12::1]": reachInside, "[fd12::1]:5000": reachInside, "fd12::1": reachInside,
		"[fd00:ec2::254]": reachLink, "[fd00:ec2::254]:80": reachLink, "[fe80::1%25eth0]:80": reachLink,
		"localhost": reachMachine, "[::1]": reachMachine, "[::1]:5000": reachMachine, "::1": reachMachine, "[::ffff:127.0.0.1]": reachMachine,
	} {
		if got := nameReach(host); got != want {
			t.Errorf("%s is %s, want %s", host, got, want)
		}
	}
}

func TestMayName(t *testing.T) {
	all := []reach{reachAll, reachInside, reachLink, reachMachine}
	for from, want := range map[reach]string{
		reachAll: "yes no no no", reachInside: "yes yes no no", reachLink: "yes yes yes no", reachMachine: "yes yes no yes",
	} {
		var got []string
		for _, to := range all {
			got = append(got, map[bool]string{true: "yes", false: "no"}[from.mayName(to)])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", from, got, want)
		}
	}
}

// One FROM of an image that nobody trusts names any URL: nothing on this
// machine is asked for it, by whatever name.
func TestTokenServiceOnThisMachine(t *testing.T) {
	s := startTokenService(t, (*httptest.Server).StartTLS, false)
	port := s.Host[strings.LastIndex(s.Host, ":"):]
	for _, realm := range []string{"https://127.0.0.1" + port, "https://localhost" + port, "https://[::ffff:127.0.0.1]" + port, "https://rebound.example.com" + port, "https://169.254.169.254"} {
		c := testClient(t, Options{Hosts: Hosts{"registry.example": {Insecure: true}}}).at(map[string]string{"rebound.example.com" + port: s.Host})
		_, err := c.Token(t.Context(), want("registry.example", realm))
		var refused *reachError
		if !errors.As(err, &refused) {
			t.Errorf("%s: error %v", realm, err)
			continue
		}
		known := (*Error)(nil)
		if !errors.As(err, &known) || known.Temporary() || !strings.Contains(strings.Join(known.Hints(), ""), "a table of its own") {
			t.Errorf("%s: error %v, hints %v", realm, err, known.Hints())
		}
	}
	if asked := s.asked(); len(asked) != 0 {
		t.Errorf("this machine was asked: %q", asked)
	}
	// A service that the definition names is one that the user has named.
	c := testClient(t, Options{Hosts: Hosts{s.Host: {Insecure: true}}})
	if got, err := c.Token(t.Context(), want("registry.example", s.URL)); err != nil || got.Value != "anonymous" {
		t.Errorf("%q, %v", got.Value, err)
	}
}

// Where a registry was found to be counts, not its name.
func TestRegistryOfAnotherReach(t *testing.T) {
	target := registrytest.NewServer(t)
	s := registrytest.NewServer(t)
	s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, target.URL+"/storage", http.StatusTemporaryRedirect)
		return true
	})
	c := testClient(t, Options{})
	if _, err := c.Resolve(t.Context(), s.Host+"/app:1"); err == nil || len(target.Seen) != 1 {
		t.Errorf("a registry on this machine may send here: %v, %q", err, target.Seen)
	}
	// The same registry, as if it were elsewhere.
	local := "localhost" + target.Host[strings.LastIndex(target.Host, ":"):]
	guarded, err := testClient(t, Options{}).connections.named(local, "public.example", false)
	if err != nil {
		t.Fatal(err)
	}
	var refused *reachError
	if conn, err := guarded.standard.DialContext(t.Context(), "tcp", local); !errors.As(err, &refused) {
		t.Errorf("error %v", err)
		if conn != nil {
			_ = conn.Close()
		}
	}
}

// A registry whose name leads to a cloud's metadata service now and then does
// not become one that may send agents there.
func TestNameThatChanges(t *testing.T) {
	c := &connection{}
	for _, at := range []reach{reachLink, reachAll, reachLink, reachMachine} {
		c.at(at)
	}
	if got := c.from(); got != reachAll {
		t.Errorf("it is at %s, want %s", got, reachAll)
	}
	// One that is inside stays there.
	c = &connection{}
	c.at(reachInside)
	c.at(reachMachine)
	if got := c.from(); got != reachInside {
		t.Errorf("it is at %s, want %s", got, reachInside)
	}
}

// A registry elsewhere that redirects here is not followed.
func TestRedirectToThisMachine(t *testing.T) {
	target := registrytest.NewServer(t)
	to, err := http.NewRequest(http.MethodGet, "http://public.example/v2/app/manifests/1", nil)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target.URL+"/latest/meta-data/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Response = &http.Response{Request: to}
	c := testClient(t, Options{})
	var refused *reachError
	if response, err := c.auth.client.Transport.RoundTrip(request); !errors.As(err, &refused) {
		t.Errorf("error %v", err)
		if response != nil {
			_ = response.Body.Close()
		}
	}
	if len(target.Seen) != 0 {
		t.Errorf("it was asked: %q", target.Seen)
	}
}

func TestTokenAnswerIsBounded(t *testing.T) {
	s := registrytest.NewServer(t)
	s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/token" {
			return (&bearerAuth{realm: s.URL + "/token"}).fault(w, r)
		}
		_, _ = w.Write([]byte(`{"token":"`))
		for range 64 {
			if _, err := w.Write([]byte(strings.Repeat("x", 1<<20))); err != nil {
				return true
			}
		}
		t.Error("all of an answer without end was read")
		return true
	})
	_, err := testClient(t, Options{}).Token(t.Context(), want(s.Host, s.URL))
	if err == nil || !strings.Contains(err.Error(), "more than the 1048576 bytes") {
		t.Errorf("error %v", err)
	}
}
