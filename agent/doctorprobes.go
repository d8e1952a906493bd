package agent

import (
	"context"
	"time"
)

// probe looks at one kind of thing for what would fail a build.
type probe struct {
	name string
	at   scope
	// remote is true for probes that make sense with the driver remote.
	remote bool
	// needs are earlier probes; if one of them failed or was skipped, this one
	// is skipped.
	needs []string
	limit time.Duration
	look  func(context.Context, *patient) answer
}

// probes are all of them, in the order in which they are told: each cause
// before what it causes.
func probes() []probe {
	const (
		definition, identity, server, rights = "definition", "identity", "API server", "rights"
		pods, transport                      = "pods", "transport"
	)
	return []probe{
		{name: definition, at: ofWhole, limit: shortLimit, look: probeDefinition},
		{name: identity, at: ofCluster, limit: shortLimit, look: probeIdentity},
		{name: server, at: ofCluster, needs: []string{identity}, limit: longLimit, look: probeServer},
		{name: rights, at: ofNode, needs: []string{definition, server}, limit: shortLimit, look: probeRights},
		{name: "cluster nodes", at: ofNode, needs: []string{definition, server}, limit: shortLimit, look: probeClusterNodes},
		{name: "quota", at: ofNode, needs: []string{definition, server, rights}, limit: shortLimit, look: probeQuota},
		{name: "policy", at: ofNode, needs: []string{definition, server, rights}, limit: shortLimit, look: probePolicy},
		{name: "image", at: ofNode, needs: []string{definition, server, rights}, limit: shortLimit, look: probeImage},
		{name: pods, at: ofNode, needs: []string{definition, server, rights}, limit: shortLimit, look: probePods},
		{name: "drift", at: ofNode, needs: []string{definition, server, rights}, limit: shortLimit, look: probeDrift},
		{name: "profile", at: ofNode, needs: []string{definition, server, rights}, limit: shortLimit, look: probeProfile},
		{name: "certificates", at: ofNode, needs: []string{definition, server, rights}, limit: shortLimit, look: probeCertificates},
		{name: transport, at: ofNode, remote: true, needs: []string{definition, pods}, limit: waysLimit, look: probeTransport},
		{name: "BuildKit", at: ofNode, remote: true, needs: []string{definition, transport}, limit: shortLimit, look: probeBuildKit},
		{name: "registry", at: ofImage, limit: longLimit, look: probeRegistry},
		{name: "clock", at: ofCluster, needs: []string{server}, limit: shortLimit, look: probeClock},
		{name: "workspace", at: ofWhole, limit: shortLimit, look: probeWorkspace},
		{name: "cache", at: ofNode, remote: true, needs: []string{definition, transport}, limit: shortLimit, look: probeCache},
	}
}
