package sidecar

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/slipway-build/slipway/agent/sidecar/api"
)

// metricsPath is where Prometheus looks if it is not told otherwise.
const metricsPath = "/metrics"

// listenHTTP listens on the address for health and metrics; nil without one.
func (s Sidecar) listenHTTP() (net.Listener, error) {
	if s.HTTP == "" {
		return nil, nil
	}
	return net.Listen("tcp", s.HTTP)
}

// checkHTTP refuses addresses that are none, and profiles for everybody.
func (s Sidecar) checkHTTP() error {
	if s.HTTP == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(s.HTTP)
	if err != nil || port == "" {
		return fmt.Errorf("%q is no address such as 127.0.0.1:9464, or :9464 for all addresses", s.HTTP)
	}
	if ip := net.ParseIP(host); s.PProf && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("%s: profiles are served on a loopback address only, such as 127.0.0.1:%s", s.HTTP, port)
	}
	return nil
}

// serveHTTP serves health, metrics and profiles until ctx ends. What is served here is
// for everybody who reaches the address: it says nothing of clients and their builds.
func (s Sidecar) serveHTTP(ctx, accepting context.Context, listener net.Listener, nodes []*server) error {
	mux := http.NewServeMux()
	serveHealth(accepting, mux, nodes)
	mux.Handle("GET "+metricsPath, s.Metrics.Handler())
	if s.PProf {
		for path, handler := range map[string]http.HandlerFunc{
			"/debug/pprof/": pprof.Index, "/debug/pprof/profile": pprof.Profile, "/debug/pprof/trace": pprof.Trace, "/debug/pprof/symbol": pprof.Symbol,
		} {
			mux.HandleFunc("GET "+path, handler)
		}
	}
	s.Log.Info().Str("address", listener.Addr().String()).Bool("pprof", s.PProf).Msg("serving health and metrics")
	return serveMux(ctx, listener, mux)
}

// serveHealth adds whether the sidecar lives and is ready. It is not ready any more once
// accepting has ended.
func serveHealth(accepting context.Context, mux *http.ServeMux, nodes []*server) {
	mux.HandleFunc("GET "+api.LivePath, func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, struct{}{}) })
	mux.HandleFunc("GET "+api.ReadyPath, func(w http.ResponseWriter, _ *http.Request) {
		if err := context.Cause(accepting); err != nil {
			reply(w, http.StatusServiceUnavailable, api.Problem{Error: "not ready: ending: " + err.Error()})
			return
		}
		var missing []string
		for _, n := range nodes {
			if state := n.state(); !state.Ready {
				missing = append(missing, strings.TrimSuffix(fmt.Sprintf("node %s of builder %s: %s", n.node.Name, n.definition.Name, state.Error), ": "))
			}
		}
		if len(missing) > 0 {
			reply(w, http.StatusServiceUnavailable, api.Problem{Error: "not ready: " + strings.Join(missing, "; ")})
			return
		}
		reply(w, http.StatusOK, struct{}{})
	})
}

// serveMux serves HTTP until ctx ends.
func serveMux(ctx context.Context, listener net.Listener, mux *http.ServeMux) error {
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, MaxHeaderBytes: maxQuestion,
		BaseContext: func(net.Listener) context.Context { return ctx }}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // its answers are short
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
