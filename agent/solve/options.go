package solve

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/entitlements"

	"github.com/slipway-build/slipway/agent/solve/job"
)

// Build arguments and variables with a meaning of their own, as buildx and
// the Dockerfile frontend have them.
const (
	argSyntax                = "BUILDKIT_SYNTAX"
	argMultiPlatform         = "BUILDKIT_MULTI_PLATFORM"
	argInlineCache           = "BUILDKIT_INLINE_CACHE"
	argAttestProvenance      = "BUILDKIT_ATTEST_PROVENANCE"
	sourceDateEpoch          = "SOURCE_DATE_EPOCH"
	noDefaultAttestationsEnv = "BUILDX_NO_DEFAULT_ATTESTATIONS"
)

// solveOptions is the solve of one job as BuildKit's client takes it. The session
// (mounts, stores, credentials, secrets) is added by Plan.Solve.
func solveOptions(r Request, in inputs, job job.Job, exports []client.ExportEntry) client.SolveOpt {
	opt := client.SolveOpt{
		Frontend:            "dockerfile.v0",
		FrontendAttrs:       maps.Clone(in.Attrs),
		Exports:             exports,
		SharedKey:           in.SharedKey,
		SourcePolicy:        in.SourcePolicy,
		AllowedEntitlements: allowed(r),
	}
	attrs := opt.FrontendAttrs
	if attrs == nil {
		attrs = map[string]string{}
		opt.FrontendAttrs = attrs
	}
	setFrontend(&opt, r)
	setPlatforms(attrs, r, job)
	setArgs(attrs, r)
	setRun(attrs, r)

	setAttests(attrs, r, in.NoDefaultAttestations)
	opt.CacheImports, opt.CacheExports = r.caches().Options(job, enabled(r, argInlineCache))
	return opt
}

// setFrontend honours a frontend image that is given as a build argument.
func setFrontend(opt *client.SolveOpt, r Request) {
	syntax, ok := r.BuildArgs[argSyntax]
	if !ok {
		return
	}
	image, _, _ := strings.Cut(strings.TrimSpace(syntax), " ")
	opt.Frontend = "gateway.v0"
	opt.FrontendAttrs["source"] = image
	opt.FrontendAttrs["cmdline"] = syntax
}

func setPlatforms(attrs map[string]string, r Request, job job.Job) {
	if len(job.Platforms) > 0 {
		names := make([]string, len(job.Platforms))
		for i, p := range job.Platforms {
			names[i] = platforms.FormatAll(p)
		}
		attrs["platform"] = strings.Join(names, ",")
	}
	// A solve of one platform out of several returns a list of one, so that
	// the results of all nodes have the same shape.
	if !job.Single || enabled(r, argMultiPlatform) {
		attrs["multi-platform"] = "true"
	}
}

func setArgs(attrs map[string]string, r Request) {
	for key, value := range r.BuildArgs {
		attrs["build-arg:"+key] = value
	}
	for key, value := range r.Proxy {
		if !hasArg(r.BuildArgs, key) {
			attrs["build-arg:"+key] = value
		}
	}
	for key, value := range r.Labels {
		attrs["label:"+key] = value
	}
	if r.Target != "" {
		attrs["target"] = r.Target
	}
	if len(r.NoCacheFilter) > 0 {
		attrs["no-cache"] = strings.Join(r.NoCacheFilter, ",")
	}
	if r.NoCache {
		attrs["no-cache"] = "" // all stages
	}
	if r.Pull {
		attrs["image-resolve-mode"] = pb.AttrImageResolveModeForcePull
	}
}

// setRun sets what shapes the containers of RUN.
func setRun(attrs map[string]string, r Request) {
	if r.Network == NetworkHost || r.Network == NetworkNone {
		attrs["force-network-mode"] = r.Network
	}
	if len(r.ExtraHosts) > 0 {
		attrs["add-hosts"] = strings.Join(r.ExtraHosts, ",")
	}
	if r.ShmSize > 0 {
		attrs["shm-size"] = strconv.FormatInt(r.ShmSize, 10)
	}
	if len(r.Ulimits) > 0 {
		attrs["ulimit"] = strings.Join(r.Ulimits, ",")
	}
	if r.CgroupParent != "" {
		attrs["cgroup-parent"] = r.CgroupParent
	}
	setResources(attrs, r.Resources)
}

// allowed are the entitlements for the daemon; one is the client's own.
func allowed(r Request) []string {
	var list []string
	for _, entitlement := range r.Allow {
		if entitlement != allowLocalDelete {
			list = append(list, entitlement)
		}
	}
	host := entitlements.EntitlementNetworkHost.String()
	if r.Network == NetworkHost && !slices.Contains(list, host) {
		list = append(list, host)
	}
	return list
}

// enabled reports whether a build argument is a true boolean.
func enabled(r Request, arg string) bool {
	on, err := strconv.ParseBool(r.BuildArgs[arg])
	return err == nil && on
}

// hasArg reports whether a build argument is given in any case: http_proxy
// counts for HTTP_PROXY.
func hasArg(args map[string]string, key string) bool {
	for name := range args {
		if strings.EqualFold(name, key) {
			return true
		}
	}
	return false
}
