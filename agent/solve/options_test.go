package solve

import (
	"maps"
	"testing"

	"github.com/containerd/platforms"
	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/slipway-build/slipway/agent/solve/cache"
	"github.com/slipway-build/slipway/agent/solve/job"
)

func plats(names ...string) []ocispecs.Platform {
	var list []ocispecs.Platform
	for _, name := range names {
		list = append(list, platforms.MustParse(name))
	}
	return list
}

func TestOptions(t *testing.T) {
	single := job.Job{Node: "n", Platforms: plats("linux/amd64"), Single: true}
	tests := []struct {
		name    string
		request Request
		inputs  inputs
		job     job.Job
		// attrs are what is expected besides provenance.
		attrs     map[string]string
		frontend  string
		allow     []string
		imports   []client.CacheOptionsEntry
		cache     []client.CacheOptionsEntry
		noAttests bool
	}{
		{name: "nothing", job: job.Job{Single: true}, attrs: attrs()},
		{
			name: "inputs are passed on", job: single,
			inputs: inputs{Attrs: attrs("filename", "Dockerfile", "context:x", "local:x")},
			attrs:  attrs("filename", "Dockerfile", "context:x", "local:x", "platform", "linux/amd64"),
		},
		{
			name: "one of several platforms", job: job.Job{Platforms: plats("linux/arm64")},
			attrs: attrs("platform", "linux/arm64", "multi-platform", "true"),
		},
		{
			name: "several platforms", job: job.Job{Platforms: plats("linux/amd64", "linux/arm/v7")},
			attrs: attrs("platform", "linux/amd64,linux/arm/v7", "multi-platform", "true"),
		},
		{
			name: "arguments and labels", job: job.Job{Single: true},
			request: Request{BuildArgs: attrs("A", "1", "E", ""), Labels: attrs("l", "x=y", "m", ""), Target: "t"},
			attrs:   attrs("build-arg:A", "1", "build-arg:E", "", "label:l", "x=y", "label:m", "", "target", "t"),
		},
		{
			name: "proxies yield to arguments of any case", job: job.Job{Single: true},
			request: Request{BuildArgs: attrs("http_proxy", "mine"), Proxy: attrs("HTTP_PROXY", "theirs", "NO_PROXY", "x")},
			attrs:   attrs("build-arg:http_proxy", "mine", "build-arg:NO_PROXY", "x"),
		},
		{name: "no cache", job: job.Job{Single: true}, request: Request{NoCache: true}, attrs: attrs("no-cache", "")},
		{name: "no cache filter", job: job.Job{Single: true}, request: Request{NoCacheFilter: []string{"a", "b"}}, attrs: attrs("no-cache", "a,b")},
		{name: "pull", job: job.Job{Single: true}, request: Request{Pull: true}, attrs: attrs("image-resolve-mode", "pull")},
		{
			name: "run", job: job.Job{Single: true},
			request: Request{ExtraHosts: []string{"a=1.2.3.4", "b=::1"}, ShmSize: 64 << 20, Ulimits: []string{"nofile=1:2", "core=0:0"}, CgroupParent: "/p", Network: NetworkNone, Resources: []Resource{{"memory", "1024"}, {"cpu-quota", "50000"}}},
			attrs:   attrs("add-hosts", "a=1.2.3.4,b=::1", "shm-size", "67108864", "ulimit", "nofile=1:2,core=0:0", "cgroup-parent", "/p", "force-network-mode", "none", "memory", "1024", "cpuquota", "50000"),
		},
		{name: "default network", job: job.Job{Single: true}, request: Request{Network: NetworkDefault}, attrs: attrs()},
		{name: "host network asks for its entitlement", job: job.Job{Single: true}, request: Request{Network: NetworkHost}, attrs: attrs("force-network-mode", "host"), allow: []string{"network.host"}},
		{
			name: "entitlements", job: job.Job{Single: true},
			request: Request{Network: NetworkHost, Allow: []string{"security.insecure", allowLocalDelete, "network.host"}},
			attrs:   attrs("force-network-mode", "host"), allow: []string{"security.insecure", "network.host"},
		},
		{
			name: "frontend from an argument", job: job.Job{Single: true},
			request:  Request{BuildArgs: attrs("BUILDKIT_SYNTAX", "docker/dockerfile:1 extra")},
			attrs:    attrs("build-arg:BUILDKIT_SYNTAX", "docker/dockerfile:1 extra", "source", "docker/dockerfile:1", "cmdline", "docker/dockerfile:1 extra"),
			frontend: "gateway.v0",
		},
		{
			name: "list of one by argument", job: single,
			request: Request{BuildArgs: attrs("BUILDKIT_MULTI_PLATFORM", "1")},
			attrs:   attrs("build-arg:BUILDKIT_MULTI_PLATFORM", "1", "platform", "linux/amd64", "multi-platform", "true"),
		},
		{
			name: "inline cache by argument", job: job.Job{Single: true},
			request: Request{BuildArgs: attrs("BUILDKIT_INLINE_CACHE", "1")},
			attrs:   attrs("build-arg:BUILDKIT_INLINE_CACHE", "1"),
			cache:   []client.CacheOptionsEntry{{Type: "inline", Attrs: attrs()}},
		},
		{
			name: "caches", job: single,
			request: Request{CacheFrom: []cache.Entry{cacheEntry("gha", "scope", "s")}, CacheTo: []cache.Entry{cacheEntry("registry", "ref", "a", "mode", "max")}},
			attrs:   attrs("platform", "linux/amd64"),
			imports: []client.CacheOptionsEntry{{Type: "gha", Attrs: attrs("scope", "s")}},
			cache:   []client.CacheOptionsEntry{{Type: "registry", Attrs: attrs("ref", "a", "mode", "max")}},
		},
		{
			name: "caches of several jobs", job: job.Job{Platforms: plats("linux/amd64"), Siblings: [][]ocispecs.Platform{plats("linux/amd64"), plats("linux/arm64")}},
			request: Request{CacheTo: []cache.Entry{cacheEntry("registry", "ref", "a:t")}},
			attrs:   attrs("platform", "linux/amd64", "multi-platform", "true"),
			cache:   []client.CacheOptionsEntry{{Type: "registry", Attrs: attrs("ref", "a:t-linux-amd64")}},
		},
		{name: "no default attestations", job: job.Job{Single: true}, inputs: inputs{NoDefaultAttestations: true}, attrs: attrs(), noAttests: true},
		{
			name: "attestations", job: job.Job{Single: true}, noAttests: true,
			request: Request{Attests: []Attest{
				{Type: "provenance", Attrs: attrs("mode", "max", "builder-id", "a,b", "version", "v1")},
				{Type: "sbom", Attrs: attrs("generator", "me/scan")},
				{Type: "provenance", Attrs: attrs("mode", "min")}, // the first counts
			}},
			attrs: attrs("attest:provenance", `type=provenance,"builder-id=a,b",mode=max,version=v1`, "attest:sbom", "type=sbom,generator=me/scan"),
		},
		{
			name: "sbom leaves the default provenance", job: job.Job{Single: true},
			request: Request{Attests: []Attest{{Type: "sbom"}}},
			attrs:   attrs("attest:sbom", "type=sbom"),
		},
		{
			name: "no provenance", job: job.Job{Single: true}, noAttests: true,
			request: Request{Attests: []Attest{{Type: "provenance", Disabled: true}, {Type: "sbom", Disabled: true}}},
			attrs:   attrs(),
		},
		{
			name: "provenance by argument", job: job.Job{Single: true}, noAttests: true,
			request: Request{BuildArgs: attrs("BUILDKIT_ATTEST_PROVENANCE", "mode=max")},
			attrs:   attrs("build-arg:BUILDKIT_ATTEST_PROVENANCE", "mode=max"),
		},
		{
			name: "the user's label wins over git's", job: job.Job{Single: true},
			inputs:  inputs{Attrs: attrs("label:org.opencontainers.image.revision", "git", "vcs:revision", "git")},
			request: Request{Labels: attrs("org.opencontainers.image.revision", "mine")},
			attrs:   attrs("label:org.opencontainers.image.revision", "mine", "vcs:revision", "git"),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := maps.Clone(tt.inputs.Attrs)
			tt.inputs.SharedKey = "key"
			tt.inputs.SourcePolicy = &spb.Policy{Version: 1}
			exports := []client.ExportEntry{{Type: "local", OutputDir: "d"}}
			got := solveOptions(tt.request, tt.inputs, tt.job, exports)

			want := client.SolveOpt{
				Frontend:            "dockerfile.v0",
				FrontendAttrs:       tt.attrs,
				Exports:             exports,
				SharedKey:           "key",
				SourcePolicy:        tt.inputs.SourcePolicy,
				AllowedEntitlements: tt.allow,
				CacheImports:        tt.imports,
				CacheExports:        tt.cache,
			}
			if tt.frontend != "" {
				want.Frontend = tt.frontend
			}
			if !tt.noAttests {
				want.FrontendAttrs["attest:provenance"] = "mode=min,inline-only=true"
			}
			if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
				t.Errorf("options (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, tt.inputs.Attrs); diff != "" {
				t.Errorf("inputs were changed (-before +after):\n%s", diff)
			}
		})
	}
}

// Test that outputs are told what the request says of the image.
func TestOutputEnv(t *testing.T) {
	for _, tt := range []struct {
		name                    string
		request                 Request
		multi, attested, delete bool
	}{
		{"nothing", Request{}, false, false, false},
		{"attestations", Request{Attests: []Attest{{Type: "sbom"}}}, false, true, false},
		{"no attestations", Request{Attests: []Attest{{Type: "provenance", Disabled: true}}}, false, false, false},
		{"an image as a list", Request{BuildArgs: attrs("BUILDKIT_MULTI_PLATFORM", "1")}, true, false, false},
		{"files may be removed", Request{Allow: []string{"buildx.local.delete"}}, false, false, true},
	} {
		env := tt.request.outputEnv()
		if env.MultiPlatform != tt.multi || env.Attested != tt.attested || env.AllowDelete != tt.delete {
			t.Errorf("%s: %+v", tt.name, env)
		}
	}
}
