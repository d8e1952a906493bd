package session

import (
	"context"
	"crypto/ed25519"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/session/auth"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/remote"
)

// keys is a keychain for tests.
type keys map[string]registry.Credential

func (k keys) Resolve(_ context.Context, r registry.Request) (registry.Credential, error) {
	if r.Host == "broken.example" {
		return registry.Credential{}, errors.New("helper failed")
	}
	return k[r.Host], nil
}

// seen are the registries that were seen to take passwords.
type seen []string

func (s seen) Token(context.Context, remote.TokenRequest) (remote.Token, error) {
	return remote.Token{}, errors.New("no token service here")
}

func (s seen) Standing(context.Context, string) remote.Standing { return remote.Standing{} }

func (s seen) TakesPassword(_ context.Context, host string) bool { return slices.Contains(s, host) }

func TestCredentials(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	keychain := keys{
		"basic.example":  {Username: "u", Password: "p"},
		"token.example":  {Username: "ignored", Password: "ignored", IdentityToken: "idt"},
		"bearer.example": {Username: "u", Password: "p"},
	}
	c, err := NewCredentials(keychain, seen{"basic.example", "token.example"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ host, user, secret string }{
		{"basic.example", "u", "p"},
		{"token.example", "", "idt"},
		{"anonymous.example", "", ""},
		{"bearer.example", "", ""},
	}
	for _, tt := range tests {
		got, err := c.Credentials(t.Context(), &auth.CredentialsRequest{Host: tt.host})
		if err != nil || got.Username != tt.user || got.Secret != tt.secret {
			t.Errorf("%s: %v, %v; want %s %s", tt.host, got, err, tt.user, tt.secret)
		}
	}
	if _, err := c.Credentials(t.Context(), &auth.CredentialsRequest{Host: "broken.example"}); err == nil {
		t.Error("no error from a keychain that fails")
	}
	if left, err := os.ReadDir(home); err != nil || len(left) != 0 {
		t.Errorf("written to the home directory: %v, %v", left, err)
	}
}

// TestTokenAuthority checks what lets the daemon share a token: only clients
// with the same rights have the same key.
func TestTokenAuthority(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	newOne := func(k registry.Keychain) *Credentials {
		t.Helper()
		c, err := NewCredentials(k, nil, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	key := func(c *Credentials, host string) [32]byte {
		t.Helper()
		got, err := c.GetTokenAuthority(t.Context(), &auth.GetTokenAuthorityRequest{Host: host, Salt: []byte("salt")})
		if err != nil {
			t.Fatal(err)
		}
		return [32]byte(got.PublicKey)
	}
	known := keys{"a": {Username: "u", Password: "p"}, "b": {Username: "u", Password: "p"}}
	one, other, nobody := newOne(known), newOne(known), newOne(nil)

	if first, second := key(one, "a"), key(one, "a"); first != second {
		t.Error("the key of one client and host changes")
	}
	if key(one, "a") == key(one, "b") || key(one, "a") == key(other, "a") || key(one, "a") == key(nobody, "a") {
		t.Error("clients with different rights have the same key")
	}
	if key(one, "anonymous") != key(nobody, "anonymous") {
		t.Error("anonymous clients have different keys")
	}

	signed, err := one.VerifyTokenAuthority(t.Context(), &auth.VerifyTokenAuthorityRequest{Host: "a", Salt: []byte("salt"), Payload: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	public := key(one, "a")
	// NaCl's form of a signed message: the signature, then the payload.
	if n := ed25519.SignatureSize; len(signed.Signed) != n+1 || string(signed.Signed[n:]) != "x" || !ed25519.Verify(public[:], []byte("x"), signed.Signed[:n]) {
		t.Error("the signature does not fit the key")
	}
}

// panicking is a keychain with a fault.
type panicking struct{}

func (panicking) Resolve(context.Context, registry.Request) (registry.Credential, error) {
	panic("TOPSECRET")
}

// A fault in an answer to the daemon ends the build and says what it is.
func TestFaultInAnAnswer(t *testing.T) {
	c, err := NewCredentials(panicking{}, seen{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.FetchToken(t.Context(), &auth.FetchTokenRequest{Host: "a.example"})
	var own *fault.Panic
	if !errors.As(err, &own) || strings.Contains(err.Error(), "TOPSECRET") {
		t.Errorf("error %v", err)
	}
	if own = nil; !errors.As(c.Panicked(), &own) {
		t.Errorf("kept as %v", c.Panicked())
	}
}
