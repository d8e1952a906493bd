package sidecar

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/agent/sidecar/api"
	"github.com/slipway-build/slipway/agent/sidecar/metrics"
	"github.com/slipway-build/slipway/agent/sidecar/relay"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/remote"
)

// lender gives out tokens that say what they are for.
type lender struct{ asked []registry.Request }

func (l *lender) Token(context.Context, remote.TokenRequest) (remote.Token, error) {
	return remote.Token{}, errors.New("not asked for here")
}

func (l *lender) TakesPassword(context.Context, string) bool { return false }

func (l *lender) Standing(context.Context, string) remote.Standing { return remote.Standing{} }

func (l *lender) RepositoryToken(_ context.Context, r registry.Request) (remote.Token, error) {
	l.asked = append(l.asked, r)
	if r.Repository == "team/broken" {
		return remote.Token{}, errors.New("the token service is down")
	}
	return remote.Token{Value: "token for " + r.String(), Lifetime: time.Minute}, nil
}

func newCredentials(t *testing.T, push ...string) (*Credentials, *lender) {
	t.Helper()
	l := &lender{}
	c, err := NewCredentials(nil, l, []string{"registry.example", "docker.io"}, push, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	return c, l
}

// A refusal names the flag that decides.
func TestRefusedPushNamesItsFlag(t *testing.T) {
	c, _ := newCredentials(t, "registry.example/team/**")
	_, err := c.token(t.Context(), registry.Request{Host: "registry.example", Repository: "other/app", Push: true})
	const want = "registry.example/other/app: builds may not push to the repository: no --allow-push of slipway agent serve names it"
	if !errors.Is(err, errMayNotPush) || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// running is a sidecar that serves two nodes with a buildkitd each.
type running struct {
	dir   string
	end   context.CancelFunc
	ended chan error
}

// newSidecar is a sidecar of two nodes with a buildkitd each.
func newSidecar(t *testing.T) Sidecar {
	t.Helper()
	dir, err := os.MkdirTemp("", "sidecar") // the test's own directory has too long a path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	definition := configmap.Definition{Name: "kube"}
	for _, name := range []string{"amd64", "arm64"} {
		definition.Nodes = append(definition.Nodes, configmap.Node{Name: name, Remote: &configmap.Remote{Address: (&fleettest.Daemon{}).Listen(t), Timeout: time.Minute}})
	}
	clients := &fleet.Clients{Access: cluster.Access{}, Log: zerolog.Nop()}
	return Sidecar{
		Dir: dir, Definitions: []configmap.Definition{definition}, Connector: clients.Connector(),
		Mode: 0o600, MaxConnections: 2, Drain: time.Minute, Version: "v1", Log: zerolog.Nop(),
	}
}

func start(t *testing.T, change func(*Sidecar)) running {
	t.Helper()
	s := newSidecar(t)
	if change != nil {
		change(&s)
	}
	return s.start(t, s.Run)
}

// start runs the sidecar and waits until it is ready.
func (s Sidecar) start(t *testing.T, run func(context.Context) error) running {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	r := running{dir: s.Dir, end: end, ended: make(chan error, 1)}
	go func() { r.ended <- run(ctx) }()
	t.Cleanup(func() {
		end()
		r.stopped(t)
	})
	client := api.NewClient(s.Dir)
	eventually(t, "readiness", func() bool { return client.Ready(t.Context()) == nil })
	return r
}

// stopped waits for the end, once.
func (r running) stopped(t *testing.T) {
	t.Helper()
	select {
	case err := <-r.ended:
		if err != nil {
			t.Errorf("the sidecar ended with %v", err)
		}
		r.ended <- nil
	case <-time.After(30 * time.Second):
		t.Fatal("the sidecar has not ended")
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

// connect is a client of BuildKit on a socket.
func (r running) connect(t *testing.T) (*buildkit.Daemon, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	return buildkit.Connect(ctx, func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(r.dir, "kube", "amd64.sock"))
	})
}

// TestServes tests that clients find the builders by their definition, and their
// platforms in it, that sockets have their mode, and that nothing is left at the end.
func TestServes(t *testing.T) {
	r := start(t, nil)
	set, err := configmap.Load(source.New(t.Context(), strings.NewReader("")), api.DefinitionsDir(r.dir))
	if err != nil {
		t.Fatal(err)
	}
	d, err := set.Select("")
	if err != nil || d.Name != "kube" || len(d.Nodes) != 2 || d.Nodes[1].Remote.Address != "unix://"+r.dir+"/kube/arm64.sock" || len(d.Nodes[1].Platforms) == 0 {
		t.Errorf("definition %+v, %v", d, err)
	}
	info, err := os.Stat(r.dir + "/kube/amd64.sock")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info, err)
	}
	daemon, err := r.connect(t)
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.Close()
	status, err := api.NewClient(r.dir).Status(t.Context())
	if err != nil || status.Version != "v1" || len(status.Builders) != 1 || !status.Builders[0].Nodes[0].Ready || status.Builders[0].Nodes[0].BuildKit != daemon.Version() {
		t.Errorf("status %+v, %v", status, err)
	}
	_ = daemon.Close()
	r.end()
	r.stopped(t)
	for _, path := range []string{"kube/amd64.sock", "kube/arm64.sock", "agent.sock", "definitions/kube"} {
		if _, err := os.Lstat(filepath.Join(r.dir, path)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", path, err)
		}
	}
}

// TestOneForADirectory tests that a second sidecar does not take the sockets away,
// and that one after a crash does.
func TestOneForADirectory(t *testing.T) {
	r := start(t, nil)
	err := Sidecar{Dir: r.dir, Mode: 0o600, MaxConnections: 1, Log: zerolog.Nop()}.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "is served by another slipway agent") {
		t.Errorf("a second one: %v", err)
	}
	path := filepath.Join(t.TempDir(), "s")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	_ = left.Close()
	again, err := listenUnix(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Close()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenUnix(path, 0o600); err == nil {
		t.Error("a file was taken for a socket")
	}
	if _, err := listenUnix("/tmp/"+strings.Repeat("x", 110), 0o600); err == nil || !strings.Contains(err.Error(), "at most 107 bytes") {
		t.Errorf("a long path: %v", err)
	}
}

// TestMaxConnections tests that connections beyond the bound are refused, and others
// taken again once one has ended.
func TestMaxConnections(t *testing.T) {
	r := start(t, nil)
	first, err := r.connect(t)
	if err != nil {
		t.Fatal(err)
	}
	second, err := r.connect(t)
	if err != nil {
		t.Fatal(err)
	}
	if third, err := r.connect(t); err == nil {
		t.Error("a third connection is served")
		_ = third.Close()
	}
	_ = first.Close()
	eventually(t, "a free place", func() bool {
		again, err := r.connect(t)
		if err == nil {
			_ = again.Close()
		}
		return err == nil
	})
	_ = second.Close()
}

// TestDrain tests that what is connected may go on after the end was asked for, and
// not longer than it may.
func TestDrain(t *testing.T) {
	for name, drain := range map[string]time.Duration{"in time": time.Minute, "too long": time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			r := start(t, func(s *Sidecar) { s.Drain = drain })
			daemon, err := r.connect(t)
			if err != nil {
				t.Fatal(err)
			}
			r.end()
			eventually(t, "no new connections", func() bool {
				conn, err := net.Dial("unix", filepath.Join(r.dir, "kube/amd64.sock"))
				if err == nil {
					_ = conn.Close()
				}
				return err != nil
			})
			if drain == time.Minute {
				if _, err := daemon.Client().ListWorkers(t.Context()); err != nil {
					t.Errorf("a connection that was open: %v", err)
				}
				_ = daemon.Close()
			}
			r.stopped(t)
			_ = daemon.Close()
		})
	}
}

// TestTokens tests who gets a token of a repository.
func TestTokens(t *testing.T) {
	credentials, asked := newCredentials(t, "registry.example/team/**")
	counted := metrics.New("v1")
	r := start(t, func(s *Sidecar) {
		s.Metrics = counted
		s.Credentials = credentials
		s.Hosts = remote.Hosts{"registry.example": {CAs: [][]byte{[]byte("a CA")}, KeyPairs: []remote.KeyPair{{Key: []byte("a key")}}}}
	})
	client := api.NewClient(r.dir)
	for _, c := range []struct {
		request    registry.Request
		want       string
		passedOver bool
		broken     bool
	}{
		{request: registry.Request{Host: "registry.example", Repository: "base/image"}, want: "token for registry.example/base/image"},
		{request: registry.Request{Host: "registry.example", Repository: "team/app", Push: true}, want: "token for registry.example/team/app"},
		{request: registry.Request{Host: "registry.example", Repository: "other/app", Push: true}, passedOver: true},
		{request: registry.Request{Host: "unknown.example", Repository: "team/app"}},
		{request: registry.Request{Host: "registry.example"}},
		{request: registry.Request{Host: "registry.example", Repository: "team/broken"}, broken: true},
		{request: registry.Request{Host: "registry.example", Repository: "../team:x@y"}, broken: true},
	} {
		got, err := client.Find(t.Context(), c.request)
		passedOver := (*registry.PassedOver)(nil)
		if errors.As(err, &passedOver) != c.passedOver || (err != nil) != (c.broken || c.passedOver) || got.RegistryToken != c.want {
			t.Errorf("%+v: %+v, %v", c.request, got, err)
		}
	}
	if len(asked.asked) != 3 {
		t.Errorf("the registry was asked for %v", asked.asked)
	}
	if got := scrape(t, counted); !strings.Contains(got, `slipway_agent_refusals_total{reason="push"} 1`) {
		t.Errorf("the refusal is not counted:\n%s", got)
	}
	status, err := client.Status(t.Context())
	if err != nil || len(status.Registries) != 2 || status.Registries[1].CAs[0] != "a CA" {
		t.Errorf("status %+v, %v", status, err)
	}
	if hosts := client.Registries(t.Context()); len(hosts) != 2 {
		t.Errorf("registries %q", hosts)
	}
}

// TestAPIRefuses tests questions that are none.
func TestAPIRefuses(t *testing.T) {
	r := start(t, nil)
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", api.Socket(r.dir))
	}, DisableKeepAlives: true}
	for body, want := range map[string]int{
		`{"host":"registry.example","repository":"a","push":true,"more":1}`: http.StatusBadRequest,
		`{`: http.StatusBadRequest,
		`{"host":"` + strings.Repeat("x", maxQuestion) + `"}`: http.StatusBadRequest,
		`{"host":"registry.example","repository":"a"}`:        http.StatusNotFound, // no credentials at all
	} {
		response, err := (&http.Client{Transport: transport}).Post("http://slipway"+api.TokenPath, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%.80s: %s, want %d", body, response.Status, want)
		}
	}
}

// scriptedListener fails with the errors, one at each call, then listens.
type scriptedListener struct {
	net.Listener
	errs   []error
	failed chan struct{} // gets a message for each error
}

func (l *scriptedListener) Accept() (net.Conn, error) {
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		l.failed <- struct{}{}
		return nil, err
	}
	return l.Listener.Accept()
}

// TestShortageOfFiles tests that a socket outlasts a shortage of files, which the
// state of the node tells.
func TestShortageOfFiles(t *testing.T) {
	behind, err := listenUnix(filepath.Join(t.TempDir(), "s"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	emfile := &net.OpError{Op: "accept", Net: "unix", Err: os.NewSyscallError("accept4", unix.EMFILE)}
	listener := &scriptedListener{Listener: behind, errs: []error{emfile, emfile, emfile}, failed: make(chan struct{}, 3)}
	n := &server{sidecar: Sidecar{Log: zerolog.Nop()}, listener: listener, relay: &relay.Relay{}, metrics: metrics.New("v1").Of("kube", "amd64"), slots: make(chan struct{}, 1), now: api.Node{Ready: true}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	go func() { ended <- n.serve(ctx, ctx, &running) }()
	for range cap(listener.failed) {
		select {
		case <-listener.failed:
		case err := <-ended:
			t.Fatalf("serve ended with %v", err)
		}
	}
	eventually(t, "the state", func() bool {
		state := n.state()
		return !state.Ready && strings.Contains(state.Error, "no connection can be accepted: accept unix: accept4: too many open files")
	})
	conn, err := net.Dial("unix", behind.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	eventually(t, "the node's readiness", func() bool { return n.state().Ready })
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("serve ended with %v", err)
	}
}

// TestFailureEndsAll tests that a socket that fails for good ends the sidecar with the
// reason, after what runs over the others; until then the API answers and says so.
func TestFailureEndsAll(t *testing.T) {
	for name, which := range map[string]int{"the socket of a node": 0, "the socket of the API": 2} {
		t.Run(name, func(t *testing.T) {
			s := newSidecar(t)
			nodes, err := s.listen()
			if err != nil {
				t.Fatal(err)
			}
			listener, err := listenUnix(api.Socket(s.Dir), s.Mode)
			if err != nil {
				t.Fatal(err)
			}
			r := s.start(t, func(ctx context.Context) error { return s.serve(ctx, listener, nodes) })
			daemon, err := r.connect(t)
			if err != nil {
				t.Fatal(err)
			}
			defer daemon.Close()
			_ = []net.Listener{nodes[0].listener, nodes[1].listener, listener}[which].Close()
			eventually(t, "the end of the other socket", func() bool {
				_, err := os.Lstat(filepath.Join(r.dir, "kube/arm64.sock"))
				return errors.Is(err, os.ErrNotExist)
			})
			if _, err := daemon.Client().ListWorkers(t.Context()); err != nil {
				t.Errorf("a connection that was open: %v", err)
			}
			client := api.NewClient(r.dir)
			if err := client.Ready(t.Context()); which == 0 && (err == nil || !strings.Contains(err.Error(), "kube/amd64.sock: accept connections")) {
				t.Errorf("readiness: %v", err)
			}
			if err := client.Live(t.Context()); which == 0 && err != nil {
				t.Errorf("it still serves a build: %v", err)
			}
			_ = daemon.Close()
			select {
			case err := <-r.ended:
				if err == nil || !strings.Contains(err.Error(), "closed network connection") {
					t.Errorf("error %v", err)
				}
				r.ended <- nil
			case <-time.After(30 * time.Second):
				t.Fatal("the sidecar has not ended")
			}
		})
	}
}
