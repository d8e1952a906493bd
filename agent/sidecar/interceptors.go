package sidecar

import (
	"github.com/slipway-build/slipway/agent/sidecar/enforce"
	"github.com/slipway-build/slipway/agent/sidecar/relay"
)

// interceptors see the calls to a node of all clients, in this order.
func (s Sidecar) interceptors() []relay.Interceptor {
	if s.Policy == nil {
		return nil
	}
	return []relay.Interceptor{enforce.New(s.Policy, enforce.Options{DryRun: s.PolicyDryRun, Log: s.Log})}
}
