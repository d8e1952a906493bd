package solve

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"github.com/docker/cli/cli/config/types"
	"github.com/moby/buildkit/session/auth"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/moby/buildkit/util/progress/progresswriter"
	"golang.org/x/crypto/nacl/sign"
	"google.golang.org/grpc"

	"github.com/slipway-build/slipway/registry"
)

// credentials answers the daemon's requests for registry credentials from a
// keychain. Tokens are fetched on the agent, so passwords stay there as long
// as the registry speaks OAuth.
type credentials struct {
	// AuthServer is BuildKit's own; it fetches tokens.
	auth.AuthServer
	keychain registry.Keychain
	seed     []byte
}

// newCredentials returns the session's side of a keychain; nil is anonymous.
// The steps "[auth] …" that the display shows go to send.
func newCredentials(keychain registry.Keychain, send progresswriter.Logger) (*credentials, error) {
	c := &credentials{keychain: keychain, seed: make([]byte, 32)}
	if _, err := rand.Read(c.seed); err != nil {
		return nil, err
	}
	provider := authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{AuthConfigProvider: c.config})
	server, ok := provider.(interface {
		auth.AuthServer
		SetLogger(progresswriter.Logger)
	})
	if !ok {
		return nil, fmt.Errorf("BuildKit's %T does not serve credentials", provider)
	}
	server.SetLogger(send)
	c.AuthServer = server
	return c, nil
}

// Register implements session.Attachable.
func (c *credentials) Register(server *grpc.Server) { auth.RegisterAuthServer(server, c) }

func (c *credentials) resolve(ctx context.Context, host string) (registry.Credential, error) {
	if c.keychain == nil {
		return registry.Credential{}, nil
	}
	return c.keychain.Resolve(ctx, host)
}

// config implements authprovider.AuthConfigProvider.
func (c *credentials) config(ctx context.Context, host string, _ []string, _ authprovider.ExpireCachedAuthCheck) (types.AuthConfig, error) {
	cred, err := c.resolve(ctx, host)
	if err != nil {
		return types.AuthConfig{}, err
	}
	return types.AuthConfig{
		Username:      cred.Username,
		Password:      cred.Password,
		IdentityToken: cred.IdentityToken,
		RegistryToken: cred.RegistryToken,
	}, nil
}

// GetTokenAuthority implements auth.AuthServer. BuildKit's own keeps a seed
// in ~/.docker, which an agent with a read-only root file system does not
// have; one per process serves a build as well.
func (c *credentials) GetTokenAuthority(ctx context.Context, req *auth.GetTokenAuthorityRequest) (*auth.GetTokenAuthorityResponse, error) {
	key, err := c.authority(ctx, req.Host, req.Salt)
	if err != nil {
		return nil, err
	}
	return &auth.GetTokenAuthorityResponse{PublicKey: key[32:]}, nil
}

// VerifyTokenAuthority implements auth.AuthServer.
func (c *credentials) VerifyTokenAuthority(ctx context.Context, req *auth.VerifyTokenAuthorityRequest) (*auth.VerifyTokenAuthorityResponse, error) {
	key, err := c.authority(ctx, req.Host, req.Salt)
	if err != nil {
		return nil, err
	}
	return &auth.VerifyTokenAuthorityResponse{Signed: sign.Sign(nil, req.Payload, (*[64]byte)(key))}, nil
}

// authority is the key by which the daemon knows that two requests come from
// a client with the same rights at a registry: anonymous clients share one.
func (c *credentials) authority(ctx context.Context, host string, salt []byte) (ed25519.PrivateKey, error) {
	cred, err := c.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, salt)
	if !cred.Anonymous() {
		mac.Write(c.seed)
		mac.Write([]byte(host))
	}
	return ed25519.NewKeyFromSeed(mac.Sum(nil)[:ed25519.SeedSize]), nil
}
