package solve

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/agent/solve/cache"
	"github.com/slipway-build/slipway/agent/solve/contextfs"
	"github.com/slipway-build/slipway/agent/solve/session"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry/imageindex"
)

// full is a Spec in which every field is set.
var full = Spec{
	Context: ".", Dockerfile: "f", Target: "t", Platforms: []string{"linux/amd64"},
	Tags: []string{"app", ""}, Outputs: []string{"out"}, Push: true, Load: true,
	BuildArgs: []string{"A=1", "FROM_ENV", "UNSET"}, BuildContexts: []string{"base=docker-image://b"},
	Labels: []string{"l=1"}, Annotations: []string{"manifest:a=1"},
	Attests: []string{"type=sbom"}, Provenance: "mode=max", SBOM: "false",
	CacheFrom: []string{"a,b"}, CacheTo: []string{"type=inline"},
	Secrets: []string{"id=s,env=S"}, SSH: []string{"default"},
	NoCache: true, NoCacheFilter: []string{"t"}, Pull: true,
	ExtraHosts: []string{"h:1.2.3.4,i=::1"}, Network: "none", ShmSize: "1k", Ulimits: []string{"nofile=1"},
	CgroupParent: "c", Resources: []string{"memory=1k", "cpuset-cpus=0-1"}, Allow: []string{"network.host"}, RegistryAllow: []string{"m.example n.example"},
	ContextKey: "k", ContextMtime: "keep",
}

func TestSpecRequest(t *testing.T) {
	r, err := full.Request(Surroundings{WorkDir: "/w", Lookup: env("FROM_ENV", "e"), Environ: []string{"X=1"}, Proxy: attrs("HTTP_PROXY", "p")})
	if err != nil {
		t.Fatal(err)
	}
	if value, ok := r.lookup("FROM_ENV"); !ok || value != "e" {
		t.Error("the request has another environment")
	}
	r.Lookup = nil // funcs do not compare
	annotations, err := imageindex.ParseAnnotation("manifest:a=1")
	if err != nil {
		t.Fatal(err)
	}
	want := Request{
		Context: ".", Dockerfile: "f", Target: "t",
		BuildArgs: attrs("A", "1", "FROM_ENV", "e"), Labels: attrs("l", "1"),
		NoCache: true, NoCacheFilter: []string{"t"}, Pull: true,
		ExtraHosts: []string{"h=1.2.3.4", "i=::1"}, Network: "none", ShmSize: 1024, Ulimits: []string{"nofile=1:1"},
		CgroupParent: "c", Resources: []Resource{{"memory", "1024"}, {"cpuset-cpus", "0-1"}}, Allow: []string{"network.host"},
		Contexts: []BuildContext{{Name: "base", Value: "docker-image://b"}},
		Secrets:  []session.Secret{{ID: "s", Env: "S"}}, SSH: []session.SSH{{ID: "default"}},
		Outputs:     r.Outputs,
		Tags:        []string{"docker.io/library/app:latest"},
		Annotations: annotations,
		Attests: []Attest{
			{Type: "sbom", Attrs: attrs()}, {Type: "provenance", Attrs: attrs("mode", "max")}, {Type: "sbom", Disabled: true, Attrs: attrs()},
		},
		CacheFrom: []cache.Entry{cacheEntry("registry", "ref", "a"), cacheEntry("registry", "ref", "b")},
		CacheTo:   []cache.Entry{cacheEntry("inline")},
		WorkDir:   "/w", Environ: []string{"X=1"}, Proxy: attrs("HTTP_PROXY", "p"),
		ContextKey: "k", Mtime: contextfs.MtimeKeep, RegistryAllow: []string{"m.example", "n.example"},
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	var kinds []string
	for _, o := range r.Outputs {
		kinds = append(kinds, o.Type)
	}
	if got := strings.Join(kinds, " "); got != "local image docker" { // --output, --push, --load
		t.Errorf("outputs %s", got)
	}
}

// A Spec goes over a wire as it is.
func TestSpecJSON(t *testing.T) {
	data, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	var got Spec
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(full, got); diff != "" {
		t.Errorf("(-sent +got):\n%s", diff)
	}
}

// All mistakes are told at once, in the order of the fields' parsers, and what
// is right is kept.
func TestSpecMistakes(t *testing.T) {
	r, err := Spec{Tags: []string{"UP", "ok"}, Network: "bridge", Secrets: []string{"", "x"}, RegistryAllow: []string{"a.example b/c"}, BuildArgs: []string{"A=1"}}.Request(Surroundings{})
	var all fault.List
	if !errors.As(err, &all) || len(all) != 4 {
		t.Fatalf("error %v", err)
	}
	for i, flag := range []string{"--network", "--secret", "--tag", "--registry-allow"} {
		if !strings.HasPrefix(all[i].Error(), flag) {
			t.Errorf("mistake %d is %v, want one of %s", i, all[i], flag)
		}
	}
	if r.BuildArgs["A"] != "1" {
		t.Error("what is right is lost")
	}
}
