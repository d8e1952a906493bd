package doctor

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
	check func(context.Context, *target) answer
}

// probeOfRights is the name of the probe that finds out which rights are missing.
const probeOfRights = "rights"

// probes are all of them, in the order in which they are told: each cause
// before what it causes.
func probes() []probe {
	const (
		definition, identity, server, rights = "definition", "identity", "API server", probeOfRights
		pods, transport                      = "pods", "transport"
	)
	return []probe{
		{name: definition, at: ofWhole, limit: shortLimit, check: probeDefinition},
		{name: identity, at: ofCluster, limit: shortLimit, check: probeIdentity},
		{name: server, at: ofCluster, needs: []string{identity}, limit: longLimit, check: probeServer},
		{name: rights, at: ofNode, needs: []string{definition, server}, limit: shortLimit, check: probeRights},
		{name: "cluster nodes", at: ofNode, needs: []string{definition, server}, limit: shortLimit, check: probeClusterNodes},
		{name: "quota", at: ofNode, needs: []string{definition, server, rights}, limit: shortLimit, check: probeQuota},
		{name: "policy", at: ofNode, needs: []string{definition, server, rights}, limit: shortLimit, check: probePolicy},
		{name: "image", at: ofNode, needs: []string{definition, server, rights}, limit: shortLimit, check: probeImage},
		{name: pods, at: ofNode, needs: []string{definition, server, rights}, limit: shortLimit, check: probePods},
		{name: "drift", at: ofNode, needs: []string{definition, server, rights}, limit: shortLimit, check: probeDrift},
		{name: "profile", at: ofNode, needs: []string{definition, server, rights}, limit: shortLimit, check: probeProfile},
		{name: "certificates", at: ofNode, needs: []string{definition, server, rights}, limit: shortLimit, check: probeCertificates},
		{name: transport, at: ofNode, remote: true, needs: []string{definition, pods}, limit: transportsLimit, check: probeTransport},
		{name: "BuildKit", at: ofNode, remote: true, needs: []string{definition, transport}, limit: shortLimit, check: probeBuildKit},
		{name: "registry", at: ofImage, limit: longLimit, check: probeRegistry},
		{name: "clock", at: ofCluster, needs: []string{server}, limit: shortLimit, check: probeClock},
		{name: "workspace", at: ofWhole, limit: shortLimit, check: probeWorkspace},
		{name: "cache", at: ofNode, remote: true, needs: []string{definition, transport}, limit: shortLimit, check: probeCache},
	}
}
