package remote

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/registrytest"
)

// requests are all ways in which a registry is spoken to.
var requests = map[string]func(context.Context, *Client, string) error{
	"resolve": func(ctx context.Context, c *Client, host string) error {
		_, err := c.Resolve(ctx, host+"/app:1")
		return err
	},
	"fetch": func(ctx context.Context, c *Client, host string) error {
		_, err := c.Fetch(ctx, host+"/app", registrytest.Image("a", "").Descriptor)
		return err
	},
	"blob": func(ctx context.Context, c *Client, host string) error {
		_, err := c.Blob(ctx, host+"/app", ocispecs.Descriptor{Digest: registrytest.Image("a", "").Descriptor.Digest, Size: 1}, 1)
		return err
	},
	"push": func(ctx context.Context, c *Client, host string) error {
		return c.Push(ctx, host+"/app", registrytest.Image("a", ""))
	},
	"tag": func(ctx context.Context, c *Client, host string) error {
		return c.Tag(ctx, host+"/app:1", registrytest.Image("a", ""))
	},
	"copy": func(ctx context.Context, c *Client, host string) error {
		return c.Copy(ctx, host+"/app", registrytest.Image("a", "").Descriptor, host+"/other")
	},
	"check pull": func(ctx context.Context, c *Client, host string) error { return c.Check(ctx, host+"/app", false) },
	"check push": func(ctx context.Context, c *Client, host string) error { return c.Check(ctx, host+"/app", true) },
	"login": func(ctx context.Context, c *Client, host string) error {
		return c.Login(ctx, registry.Server{Host: host, Key: host})
	},
	"token, for a builder": func(ctx context.Context, c *Client, host string) error {
		_, err := c.Token(ctx, TokenRequest{Host: host, Realm: "https://" + host + "/token", Scopes: []string{"repository:app:pull"}})
		return err
	},
}

// A name that does not exist is final at once, with the waits that users have.
func TestUnknownHostIsFinal(t *testing.T) {
	for name, request := range requests {
		t.Run(name, func(t *testing.T) {
			c := newClient(Options{}, defaultLimits())
			var lookups atomic.Int32
			c.connections.lookup = func(address string) (string, error) {
				lookups.Add(1)
				return onlyHere(address)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second/2) // less than the first wait
			defer cancel()
			err := request(ctx, c, "nobody.example")
			if ctx.Err() != nil || err == nil || !strings.Contains(err.Error(), "no such host") {
				t.Errorf("after %d lookups: %v", lookups.Load(), err)
			}
		})
	}
}

// A name server that does not answer is asked again, but not for as long as a
// registry that fails.
func TestSilentNameServer(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fail  net.DNSError
		takes time.Duration
		limit time.Duration
		least int32
		most  int32
	}{
		{"does not answer", net.DNSError{Err: "i/o timeout", IsTimeout: true}, 20 * time.Millisecond, 30 * time.Millisecond, 1, 2},
		{"fails", net.DNSError{Err: "server misbehaving", IsTemporary: true}, 0, time.Minute, 2, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := quick()
			l.lookup = tt.limit
			l.base = 5 * time.Millisecond
			c := newClient(Options{}, l)
			var lookups atomic.Int32
			c.connections.lookup = func(string) (string, error) {
				lookups.Add(1)
				time.Sleep(tt.takes)
				return "", &net.OpError{Op: "dial", Net: "tcp", Err: &tt.fail}
			}
			_, err := c.Resolve(t.Context(), "nobody.example/app:1")
			known := (*Error)(nil)
			if !errors.As(err, &known) || !strings.Contains(strings.Join(known.Hints(), ""), "the DNS of this agent") {
				t.Errorf("error %v", err)
			}
			if n := lookups.Load(); n < tt.least || n > tt.most {
				t.Errorf("%d lookups, want %d to %d", n, tt.least, tt.most)
			}
		})
	}
}
