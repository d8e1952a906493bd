package scenarios

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/moby/buildkit/session/auth"
	"github.com/moby/buildkit/session/filesync"
	"github.com/moby/buildkit/session/secrets"
	"github.com/moby/buildkit/session/sshforward"
	fstypes "github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc/metadata"

	"github.com/slipway-build/slipway/e2e/faults/hostiledaemon"
)

// ask is one question of a builder, and what it got.
type ask struct {
	what string
	do   func(context.Context, *hostiledaemon.Build) (string, error)
}

// asking is a daemon whose build asks all of it. got has an entry for each
// question: what the builder got, empty when it was refused.
func asking(asks []ask) (does hostiledaemon.Behaviour, got func() map[string]string) {
	var mu sync.Mutex
	all := map[string]string{}
	return sending(func(ctx context.Context, b *hostiledaemon.Build) error {
			for _, a := range asks {
				answer, err := a.do(ctx, b)
				if err != nil {
					answer = ""
				}
				mu.Lock()
				all[a.what] = answer
				mu.Unlock()
				if ctx.Err() != nil {
					return ctx.Err()
				}
			}
			return nil
		}), func() map[string]string {
			mu.Lock()
			defer mu.Unlock()
			return maps.Clone(all)
		}
}

// TestFaultBuilderFiles has a builder ask for files that are not of the context.
func TestFaultBuilderFiles(t *testing.T) {
	t.Parallel()
	f := plant(t, "builder", "asks for files outside of the context")
	var asks []ask
	// The type's own String leaves the values out.
	question := func(header metadata.MD) string { return fmt.Sprint(map[string][]string(header)) }
	fetch := func(header metadata.MD) {
		asks = append(asks, ask{question(header), func(ctx context.Context, b *hostiledaemon.Build) (string, error) {
			found, err := b.Fetch(ctx, header)
			return fmt.Sprint(found), err
		}})
	}
	outside := []string{"../secret", "../../outside", "/etc/passwd", "../../../../../../etc/passwd", "link", "link/", "dirlink/secret", "dirlink/*", "..", "/", "**/../../secret", "[", "*/../../*"}
	for _, name := range append([]string{"", ".", "/etc", "unknown", "context/.."}, outside...) {
		fetch(metadata.Pairs("dir-name", name))
	}
	for _, key := range []string{"include-patterns", "exclude-patterns", "followpaths"} {
		for _, pattern := range outside {
			for _, name := range []string{"context", "dockerfile"} {
				fetch(metadata.Pairs("dir-name", name, key, pattern))
				fetch(metadata.Pairs("dir-name", name, "include-patterns", "nothing", key, pattern))
			}
		}
	}
	fetch(metadata.Pairs("dir-name", "context", "followpaths", strings.Repeat("*/", 20000)+"x"))
	asks = append(asks, ask{"a file by a number that is none", func(ctx context.Context, b *hostiledaemon.Build) (string, error) {
		stream, err := filesync.NewFileSyncClient(b.Agent).DiffCopy(metadata.AppendToOutgoingContext(ctx, "dir-name", "context"))
		if err != nil {
			return "", err
		}
		if err := stream.SendMsg(&fstypes.Packet{Type: fstypes.PACKET_REQ, ID: 1 << 31}); err != nil {
			return "", err
		}
		for err == nil {
			packet := &fstypes.Packet{}
			if err = stream.RecvMsg(packet); packet.Type == fstypes.PACKET_DATA {
				return string(packet.Data), err
			}
		}
		return "", err
	}})
	does, got := asking(asks)
	v := newVictim(t, f, buildProduct(t), does)
	for link, to := range map[string]string{"link": "../secret", "dirlink": "..", "abslink": filepath.Join(v.root, "outside")} {
		if err := os.Symlink(to, filepath.Join(v.path("context"), link)); err != nil {
			t.Fatal(err)
		}
	}
	r := v.build()
	v.untouched()
	noCrash(t, r)
	all := got()
	f.held(leak, len(all) == len(asks), "%d of %d questions were answered", len(all), len(asks))
	for what, answer := range all {
		for _, no := range []string{"not of the", "root:"} {
			f.held(leak, !strings.Contains(answer, no), "%s: the builder got %s", what, answer)
		}
	}
	if answer := all[question(metadata.Pairs("dir-name", "context", "exclude-patterns", "link"))]; !strings.Contains(answer, "of the context") {
		t.Errorf("the builder does not get the context: %q", answer)
	}
	f.refused("the session")
}

// TestFaultBuilderSecrets has a builder ask for secrets and SSH agents that were
// not given.
func TestFaultBuilderSecrets(t *testing.T) {
	t.Parallel()
	f := plant(t, "builder", "asks for secrets and SSH agents that were not given")
	var asks []ask
	ids := []string{"", "HOME", "PATH", "SECRET", "../secret", "secret", "/etc/passwd", "given/../secret", "default", strings.Repeat("x", 1<<20)}
	for _, id := range append(ids, "given") {
		asks = append(asks, ask{fmt.Sprintf("secret %.20s", id), func(ctx context.Context, b *hostiledaemon.Build) (string, error) {
			r, err := secrets.NewSecretsClient(b.Agent).GetSecret(ctx, &secrets.GetSecretRequest{ID: id})
			return string(r.GetData()), err
		}})
	}
	for _, id := range ids {
		asks = append(asks, ask{fmt.Sprintf("agent %.20s", id), func(ctx context.Context, b *hostiledaemon.Build) (string, error) {
			_, err := sshforward.NewSSHClient(b.Agent).CheckAgent(ctx, &sshforward.CheckAgentRequest{ID: id})
			return "it is there", err
		}}, ask{fmt.Sprintf("talk to agent %.20s", id), func(ctx context.Context, b *hostiledaemon.Build) (string, error) {
			ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(ctx, "buildkit.ssh.id", id))
			defer cancel()
			stream, err := sshforward.NewSSHClient(b.Agent).ForwardAgent(ctx)
			if err != nil {
				return "", err
			}
			if err := stream.Send(&sshforward.BytesMessage{Data: []byte{0, 0, 0, 1, 11}}); err != nil {
				return "", err
			}
			_, err = stream.Recv()
			return "it answers", err
		}})
	}
	does, got := asking(asks)
	v := newVictim(t, f, buildProduct(t), does)
	r := v.build("--secret", "id=given,env=SECRET")
	v.untouched()
	noCrash(t, r)
	all := got()
	want(t, "the secret that was given", all["secret given"], "value of a secret")
	delete(all, "secret given")
	f.held(leak, len(all) == len(asks)-1, "%d of %d questions were answered", len(all), len(asks)-1)
	for what, answer := range all {
		f.held(leak, answer == "", "%s: the builder got %q", what, answer)
	}
	f.refused("the session")
}

// seen are the requests that a server on loopback has had.
type seen struct {
	*httptest.Server
	mu  sync.Mutex
	all []string
}

// listen starts a server that is no registry, or one that names a token service.
func listen(t *testing.T, realm func(own string) string) *seen {
	t.Helper()
	s := &seen{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		s.mu.Lock()
		s.all = append(s.all, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", r.Method, r.URL.Path, user, password)))
		s.mu.Unlock()
		if r.URL.Path == "/token" {
			fmt.Fprintf(w, `{"token":"of %s"}`, r.Host)
			return
		}
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s",service="s"`, realm("http://"+r.Host)))
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(s.Close)
	return s
}

// host is where the server listens.
func (s *seen) host() string { return strings.TrimPrefix(s.URL, "http://") }

// requests are those that it has had.
func (s *seen) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

// TestFaultBuilderCredentials has a builder ask for credentials of registries
// that the build does not name, and for tokens of another service than the
// registry's own.
func TestFaultBuilderCredentials(t *testing.T) {
	t.Parallel()
	f := plant(t, "builder", "asks for credentials of registries that the build does not name")
	own := func(host string) string { return host + "/token" }
	named, other, service := listen(t, own), listen(t, own), listen(t, own)
	var asks []ask
	for who, host := range map[string]string{"named": named.host(), "other": other.host()} {
		asks = append(asks,
			ask{"password of " + who, func(ctx context.Context, b *hostiledaemon.Build) (string, error) {
				r, err := auth.NewAuthClient(b.Agent).Credentials(ctx, &auth.CredentialsRequest{Host: host})
				return r.GetUsername() + r.GetSecret(), err
			}},
			ask{"token of " + who, func(ctx context.Context, b *hostiledaemon.Build) (string, error) {
				r, err := auth.NewAuthClient(b.Agent).FetchToken(ctx, &auth.FetchTokenRequest{Host: host, Realm: "http://" + host + "/token", Service: "s", Scopes: []string{"repository:x:pull"}})
				return r.GetToken(), err
			}},
			ask{"token of " + who + " from another service", func(ctx context.Context, b *hostiledaemon.Build) (string, error) {
				r, err := auth.NewAuthClient(b.Agent).FetchToken(ctx, &auth.FetchTokenRequest{Host: host, Realm: service.URL + "/token", Service: "s", Scopes: []string{"repository:x:pull"}})
				return r.GetToken(), err
			}})
	}
	does, got := asking(asks)
	v := newVictim(t, f, buildProduct(t), does)
	config := filepath.Join(v.root, "home/.docker/config.json")
	const password = "password-of-the-job"
	entry := func(s *seen) string { return fmt.Sprintf(`%q:{"username":"ci","password":%q}`, s.host(), password) }
	err := errors.Join(os.MkdirAll(filepath.Dir(config), 0o700), os.WriteFile(config, []byte(`{"auths":{`+entry(named)+`,`+entry(other)+`,`+entry(service)+`}}`), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	r := v.build("--tag", named.host()+"/x:1")
	v.untouched()
	noCrash(t, r)
	all := got()
	f.held(leak, len(all) == len(asks), "%d of %d questions were answered", len(all), len(asks))
	for what, answer := range all {
		f.held(leak, !strings.Contains(answer, password), "%s: the builder got %q", what, answer)
	}
	want(t, "token of the registry that the build names", all["token of named"], "of "+named.host())
	f.held(leak, all["token of other"] == "", "the builder got %q for a registry that the build does not name", all["token of other"])
	for _, s := range []*seen{other, service} {
		f.held(leak, len(s.requests()) == 0, "the agent has been led to %s: %q", s.host(), s.requests())
	}
	if asked := strings.Join(named.requests(), "; "); !strings.Contains(asked, password) {
		t.Errorf("the registry that the build names has had no password: %s", asked)
	}
	f.refused("the session")
}
