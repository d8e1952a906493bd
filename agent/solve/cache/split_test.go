package cache

import (
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/solve/job"
)

func TestOptions(t *testing.T) {
	amd, arm := plats("linux/amd64"), plats("linux/arm/v7")
	lone := job.Job{Platforms: amd, Single: true, Siblings: [][]ocispecs.Platform{amd}}
	first := job.Job{Platforms: amd, Siblings: [][]ocispecs.Platform{amd, arm}}
	digest := "@sha256:" + strings.Repeat("a", 64)
	entry := func(kind string, pairs ...string) client.CacheOptionsEntry {
		return client.CacheOptionsEntry{Type: kind, Attrs: attrs(pairs...)}
	}
	tests := []struct {
		name             string
		job              job.Job
		from, to         []Entry
		inline           bool
		imports, exports []client.CacheOptionsEntry
	}{
		{name: "nothing", job: first},
		{
			name: "one job is as written", job: lone,
			from:    []Entry{cache("registry", "ref", "a"), cache("gha"), cache("s3", "bucket", "b")},
			to:      []Entry{cache("registry", "ref", "a", "mode", "max"), cache("gha"), cache("local", "dest", "d")},
			imports: []client.CacheOptionsEntry{entry("registry", "ref", "a"), entry("gha"), entry("s3", "bucket", "b")},
			exports: []client.CacheOptionsEntry{entry("registry", "ref", "a", "mode", "max"), entry("gha"), entry("local", "dest", "d")},
		},
		{
			name: "registry", job: first,
			from: []Entry{cache("registry", "ref", "h:5000/a:main")}, to: []Entry{cache("registry", "ref", "h:5000/a:main", "mode", "max")},
			imports: []client.CacheOptionsEntry{entry("registry", "ref", "h:5000/a:main"), entry("registry", "ref", "h:5000/a:main-linux-amd64"), entry("registry", "ref", "h:5000/a:main-linux-arm-v7")},
			exports: []client.CacheOptionsEntry{entry("registry", "ref", "h:5000/a:main-linux-amd64", "mode", "max")},
		},
		{
			name: "registry without a tag", job: first, to: []Entry{cache("registry", "ref", "me/a")},
			exports: []client.CacheOptionsEntry{entry("registry", "ref", "me/a:latest-linux-amd64")},
		},
		{
			name: "a digest has no parts", job: first, from: []Entry{cache("registry", "ref", "a"+digest), cache("local", "src", "d", "digest", digest[1:])},
			imports: []client.CacheOptionsEntry{entry("registry", "ref", "a"+digest), entry("local", "src", "d", "digest", digest[1:])},
		},
		{
			name: "local", job: first, from: []Entry{cache("local", "src", "d/")}, to: []Entry{cache("local", "dest", "d/", "tag", "t")},
			imports: []client.CacheOptionsEntry{entry("local", "src", "d/"), entry("local", "src", "d/linux_amd64"), entry("local", "src", "d/linux_arm_v7")},
			exports: []client.CacheOptionsEntry{entry("local", "dest", "d/linux_amd64", "tag", "t")},
		},
		{
			name: "a lone job finds its part on disk", job: lone, from: []Entry{cache("local", "src", "d")},
			imports: []client.CacheOptionsEntry{entry("local", "src", "d"), entry("local", "src", "d/linux_amd64")},
		},
		{
			name: "s3", job: first, from: []Entry{cache("s3", "bucket", "b", "name", "x;y")}, to: []Entry{cache("s3", "bucket", "b")},
			imports: []client.CacheOptionsEntry{entry("s3", "bucket", "b", "name", "x;y"), entry("s3", "bucket", "b", "name", "x-linux-amd64;y-linux-amd64"), entry("s3", "bucket", "b", "name", "x-linux-arm-v7;y-linux-arm-v7")},
			exports: []client.CacheOptionsEntry{entry("s3", "bucket", "b", "name", "buildkit-linux-amd64")},
		},
		{
			name: "azblob", job: first, to: []Entry{cache("azblob", "name", "n")},
			exports: []client.CacheOptionsEntry{entry("azblob", "name", "n-linux-amd64")},
		},
		{
			name: "gha", job: first, from: []Entry{cache("gha")}, to: []Entry{cache("gha", "scope", "s")},
			imports: []client.CacheOptionsEntry{entry("gha"), entry("gha", "scope", "buildkit-linux-amd64"), entry("gha", "scope", "buildkit-linux-arm-v7")},
			exports: []client.CacheOptionsEntry{entry("gha", "scope", "s-linux-amd64")},
		},
		{
			name: "inline is in the image", job: first, to: []Entry{cache("inline")},
			exports: []client.CacheOptionsEntry{entry("inline")},
		},
		{
			name: "switched off", job: first,
			from:    []Entry{cache("registry", "ref", "a", "platform-split", "false"), cache("local", "src", "d", "platform-split", "0")},
			to:      []Entry{cache("gha", "platform-split", "false"), cache("registry", "ref", "b")},
			imports: []client.CacheOptionsEntry{entry("registry", "ref", "a"), entry("local", "src", "d")},
			exports: []client.CacheOptionsEntry{entry("gha"), entry("registry", "ref", "b:latest-linux-amd64")},
		},
		{
			name: "switched on for one job", job: lone,
			from: []Entry{cache("registry", "ref", "a", "platform-split", "true")}, to: []Entry{cache("registry", "ref", "a", "platform-split", "true")},
			imports: []client.CacheOptionsEntry{entry("registry", "ref", "a"), entry("registry", "ref", "a:latest-linux-amd64")},
			exports: []client.CacheOptionsEntry{entry("registry", "ref", "a:latest-linux-amd64")},
		},
		{
			name: "each import once", job: first,
			from:    []Entry{cache("registry", "ref", "a:x"), cache("registry", "ref", "a:x-linux-amd64"), cache("registry", "ref", "a:x")},
			imports: []client.CacheOptionsEntry{entry("registry", "ref", "a:x"), entry("registry", "ref", "a:x-linux-amd64"), entry("registry", "ref", "a:x-linux-arm-v7"), entry("registry", "ref", "a:x-linux-amd64-linux-amd64"), entry("registry", "ref", "a:x-linux-amd64-linux-arm-v7")},
		},
		{
			name: "platforms unknown", job: job.Job{Single: true}, from: []Entry{cache("local", "src", "d")}, to: []Entry{cache("local", "dest", "d", "platform-split", "true")},
			imports: []client.CacheOptionsEntry{entry("local", "src", "d")},
			exports: []client.CacheOptionsEntry{entry("local", "dest", "d")},
		},
		{
			name: "inline by argument", job: first, inline: true, to: []Entry{cache("gha")},
			exports: []client.CacheOptionsEntry{entry("gha", "scope", "buildkit-linux-amd64"), entry("inline")},
		},
		{
			name: "inline twice is once", job: lone, inline: true, to: []Entry{cache("inline")},
			exports: []client.CacheOptionsEntry{entry("inline")},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			imports, exports := Set{From: tt.from, To: tt.to}.Options(tt.job, tt.inline)
			if diff := cmp.Diff(tt.imports, imports); diff != "" {
				t.Errorf("imports (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.exports, exports); diff != "" {
				t.Errorf("exports (-want +got):\n%s", diff)
			}
			// BuildKit's client writes into the maps.
			for _, e := range append(imports, exports...) {
				e.Attrs["digest"] = "changed"
			}
			for _, c := range append(tt.from, tt.to...) {
				if c.Attrs["digest"] == "changed" {
					t.Fatal("the entries share a map with the request")
				}
			}
		})
	}
}

func TestSuffix(t *testing.T) {
	many := []string{"linux/386", "linux/amd64", "linux/arm/v6", "linux/arm/v7", "linux/ppc64le", "linux/s390x"}
	tests := []struct {
		platforms []string
		want      string
	}{
		{nil, ""},
		{[]string{"linux/amd64"}, "linux-amd64"},
		{[]string{"linux/arm/v7"}, "linux-arm-v7"},
		{[]string{"linux/arm64", "linux/amd64"}, "linux-amd64_linux-arm64"},
		{[]string{"linux/amd64", "linux/arm64"}, "linux-amd64_linux-arm64"},
		{[]string{"windows(10.0.17763)/amd64"}, "windows-10.0.17763--amd64"},
		{many, "platforms-" + shortHash("linux-386_linux-amd64_linux-arm-v6_linux-arm-v7_linux-ppc64le_linux-s390x")},
	}
	for _, tt := range tests {
		if got := suffixOf(plats(tt.platforms...)); got != tt.want {
			t.Errorf("suffixOf(%v) = %q, want %q", tt.platforms, got, tt.want)
		}
	}
}

func TestSplitReferenceLength(t *testing.T) {
	long := strings.Repeat("t", 120)
	one := splitReference("h/a:"+long+"1", "linux-amd64")
	two := splitReference("h/a:"+long+"2", "linux-amd64")
	fits := splitReference("h/a:"+long[:116], "linux-amd64")
	if one == two {
		t.Errorf("two long tags became %q", one)
	}
	for _, ref := range []string{one, two} {
		if _, err := reference.ParseNormalizedNamed(ref); err != nil || len(ref) != len("h/a:")+maxTag {
			t.Errorf("%q of %d characters: %v", ref, len(ref), err)
		}
	}
	if fits != "h/a:"+long[:116]+"-linux-amd64" {
		t.Errorf("a tag that fits became %q", fits)
	}
}
