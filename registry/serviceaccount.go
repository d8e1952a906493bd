package registry

import (
	"context"
	"sync"
)

// PullSecret is the content of a Kubernetes secret with credentials.
type PullSecret struct {
	// Name says which, for people.
	Name string
	// Data is what its key .dockerconfigjson or .dockercfg holds.
	Data []byte
}

// ServiceAccount is the source of the pull secrets that the cluster has for the
// service account of the agent's pod. read fetches them; it is called when the
// first request comes, and not again once it has answered, with an
// *Unavailable when it has been refused or with secrets.
func ServiceAccount(read func(context.Context) ([]PullSecret, error)) CredentialSource {
	return CredentialSource{"service account", "imagePullSecrets of the pod's service account", &serviceAccount{read: read}}
}

type serviceAccount struct {
	read func(context.Context) ([]PullSecret, error)

	mu    sync.Mutex
	asked bool
	files []fileAuths
	err   error
}

// Find implements Finder. A secret that is malformed matters only if no other
// one serves.
func (s *serviceAccount) Find(ctx context.Context, r Request) (Credential, error) {
	files, broken := s.secrets(ctx)
	for _, file := range files {
		cred, err := file.Find(ctx, r)
		if !cred.Anonymous() {
			return cred, nil
		}
		if broken == nil {
			broken = err
		}
	}
	return Credential{}, broken
}

// Registries implements Lister.
func (s *serviceAccount) Registries(ctx context.Context) []string {
	files, _ := s.secrets(ctx) // what is wrong is told where credentials are asked for
	var all []string
	for _, file := range files {
		all = append(all, file.Registries(ctx)...)
	}
	return all
}

// secrets fetches the secrets, once.
func (s *serviceAccount) secrets(ctx context.Context) ([]fileAuths, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked {
		return s.files, s.err
	}
	secrets, err := s.read(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err() // the next request may wait longer
	}
	s.asked, s.err = true, err
	for _, secret := range secrets {
		config, err := parsePullSecret(secret.Name, secret.Data)
		s.files = append(s.files, fileAuths{read: func() (*DockerConfig, error) { return config, err }})
	}
	return s.files, s.err
}
