package sidecar

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"

	"github.com/distribution/reference"

	"github.com/slipway-build/slipway/agent/sidecar/api"
	"github.com/slipway-build/slipway/registry"
)

// maxQuestion bounds the body of a request, in bytes.
const maxQuestion = 64 << 10

// serveAPI serves package api until ctx ends. The sidecar is not ready any more once
// accepting has ended.
func (s Sidecar) serveAPI(ctx, accepting context.Context, listener net.Listener, nodes []*server) error {
	mux := http.NewServeMux()
	serveHealth(accepting, mux, nodes)
	mux.HandleFunc("GET "+api.StatusPath, func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, s.status(nodes)) })
	mux.HandleFunc("POST "+api.TokenPath, s.token)
	return serveMux(ctx, listener, mux)
}

func (s Sidecar) status(nodes []*server) api.Status {
	status := api.Status{Version: s.Version, Builders: []api.Builder{}, Registries: s.registries()}
	for _, d := range s.Definitions {
		b := api.Builder{Name: d.Name}
		for _, n := range nodes {
			if n.definition.Name == d.Name {
				b.Nodes = append(b.Nodes, n.state())
			}
		}
		status.Builders = append(status.Builders, b)
	}
	return status
}

// registries are those that clients may learn of: without client certificates, whose
// keys are not theirs.
func (s Sidecar) registries() []api.Registry {
	all := map[string]api.Registry{}
	for host, how := range s.Hosts {
		r := api.Registry{Host: host, PlainHTTP: how.PlainHTTP, Insecure: how.Insecure}
		for _, ca := range how.CAs {
			r.CAs = append(r.CAs, string(ca))
		}
		all[host] = r
	}
	for _, host := range s.Credentials.registries() {
		r := all[host]
		r.Host, r.Credentials = host, true
		all[host] = r
	}
	list := make([]api.Registry, 0, len(all))
	for _, host := range slices.Sorted(maps.Keys(all)) {
		list = append(list, all[host])
	}
	return list
}

// token answers a question for a token of a repository.
func (s Sidecar) token(w http.ResponseWriter, r *http.Request) {
	var asked api.TokenRequest
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxQuestion))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&asked); err != nil {
		reply(w, http.StatusBadRequest, api.Problem{Error: err.Error()})
		return
	}
	if named, err := reference.ParseNormalizedNamed(asked.Host + "/" + asked.Repository); err != nil || !reference.IsNameOnly(named) || asked.Host == "" {
		reply(w, http.StatusBadRequest, api.Problem{Error: fmt.Sprintf("%q is no name of a repository", asked.Host+"/"+asked.Repository)})
		return
	}
	if s.Policy != nil && asked.Push && !s.Policy.For("").MayPush(registry.CanonicalHost(asked.Host)+"/"+asked.Repository) {
		err := fmt.Errorf("%spush has no pattern for all images of %s/%s", api.PolicyError, asked.Host, asked.Repository)
		if !s.PolicyDryRun {
			s.Log.Warn().Msgf("refused: %v", err)
			reply(w, http.StatusForbidden, api.Problem{Error: err.Error()})
			return
		}
		s.Log.Warn().Msgf("would be refused: %v", err)
	}
	token, err := s.Credentials.token(r.Context(), registry.Request{Host: asked.Host, Repository: asked.Repository, Push: asked.Push})
	switch {
	case errors.Is(err, errNoCredentials):
		reply(w, http.StatusNotFound, api.Problem{Error: err.Error()})
	case errors.Is(err, errMayNotPush):
		reply(w, http.StatusForbidden, api.Problem{Error: err.Error()})
	case err != nil:
		s.Log.Warn().Err(err).Str("repository", asked.Host+"/"+asked.Repository).Msg("no token for a client")
		reply(w, http.StatusBadGateway, api.Problem{Error: err.Error()})
	default:
		s.Log.Info().Str("repository", asked.Host+"/"+asked.Repository).Bool("push", asked.Push).Msg("a client has got a token")
		reply(w, http.StatusOK, token)
	}
}

// reply writes JSON. A client that is gone reads no answer.
func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
