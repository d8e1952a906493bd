package cache

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-build/slipway/internal/fault"
)

// Resolve completes the caches from the environment, as buildx does, and checks
// what is theirs on the agent. Caches that cannot work here are left out, with a
// warning. A destination below workdir must not leave it through a symbolic
// link; empty allows that.
func (s Set) Resolve(workdir string, lookup func(name string) (string, bool)) (_ Set, warnings []string, mistakes fault.UsageList) {
	r := &resolution{workdir: workdir, lookup: lookup}
	resolved := Set{From: r.resolve(importing(), s.From), To: r.resolve(exporting(), s.To)}
	r.checkTwice(resolved.To)
	return resolved, r.warnings, r.mistakes
}

// resolution collects what is found while caches are resolved.
type resolution struct {
	workdir  string
	lookup   func(string) (string, bool)
	warnings []string
	mistakes fault.UsageList
}

func (r *resolution) resolve(d direction, list []Entry) []Entry {
	var kept []Entry
	for _, c := range list {
		c = c.fromEnvironment(r.lookup)
		if why := c.unusable(); why != "" {
			r.warnings = append(r.warnings, fmt.Sprintf("%s type=%s is left out: %s", d.flag, c.Type, why))
			continue
		}
		r.warnings = append(r.warnings, c.doubts(d)...)
		if c.Type == TypeLocal {
			r.resolveLocal(d, c)
		}
		kept = append(kept, c)
	}
	return kept
}

// fromEnvironment adds what the CI system put into the environment. The
// caller's attributes stay as they are.
func (c Entry) fromEnvironment(lookup func(string) (string, bool)) Entry {
	c.Attrs = maps.Clone(c.Attrs)
	if c.Attrs == nil {
		c.Attrs = map[string]string{}
	}
	switch c.Type {
	case TypeGHA:
		fillGHA(c.Attrs, lookup)
	case TypeS3:
		fillS3(c.Attrs, lookup)
	}
	return c
}

// fill sets an attribute that is not given from the first variable that is
// set and not empty.
func fill(attrs map[string]string, key string, lookup func(string) (string, bool), names ...string) {
	if _, ok := attrs[key]; ok {
		return
	}
	for _, name := range names {
		if value, _ := lookup(name); value != "" {
			attrs[key] = value
			return
		}
	}
}

// fillGHA sets what GitHub gives to the actions of a job.
func fillGHA(attrs map[string]string, lookup func(string) (string, bool)) {
	v2, _ := lookup("ACTIONS_CACHE_SERVICE_V2")
	second, _ := strconv.ParseBool(v2)
	if version, ok := attrs["version"]; ok {
		second = version == "2"
	}
	fill(attrs, "token", lookup, "ACTIONS_RUNTIME_TOKEN")
	if second {
		fill(attrs, "url_v2", lookup, "ACTIONS_RESULTS_URL")
	}
	fill(attrs, "url", lookup, "ACTIONS_CACHE_URL", "ACTIONS_RESULTS_URL")
}

// fillS3 sets the variables that AWS's own tools read. Other sources of an
// identity (a role of the pod, a metadata service) are the builder's.
func fillS3(attrs map[string]string, lookup func(string) (string, bool)) {
	fill(attrs, "region", lookup, "AWS_REGION", "AWS_DEFAULT_REGION")
	_, id := attrs["access_key_id"]
	_, secret := attrs["secret_access_key"]
	envID, _ := lookup("AWS_ACCESS_KEY_ID")
	envSecret, _ := lookup("AWS_SECRET_ACCESS_KEY")
	// A session token belongs to one pair of keys, and half a pair to none.
	if id && secret || envID == "" || envSecret == "" {
		return
	}
	fill(attrs, "access_key_id", lookup, "AWS_ACCESS_KEY_ID")
	fill(attrs, "secret_access_key", lookup, "AWS_SECRET_ACCESS_KEY")
	fill(attrs, "session_token", lookup, "AWS_SESSION_TOKEN")
}

// unusable says why a cache cannot work here although it may elsewhere: a
// pipeline that also runs outside of GitHub builds there without the cache.
func (c Entry) unusable() string {
	if c.Type != TypeGHA {
		return ""
	}
	const how = ", which GitHub gives to actions and not to run steps; export it there with an action such as crazy-max/ghaction-github-runtime"
	if c.Attrs["token"] == "" {
		return "ACTIONS_RUNTIME_TOKEN is not set" + how
	}
	if c.Attrs["url"] == "" && c.Attrs["url_v2"] == "" {
		return "neither ACTIONS_RESULTS_URL nor ACTIONS_CACHE_URL is set" + how
	}
	return ""
}

// doubts are the warnings about a cache that is used all the same.
func (c Entry) doubts(d direction) []string {
	var list []string
	doubt := func(format string, values ...any) {
		list = append(list, fmt.Sprintf("%s type=%s: ", d.flag, c.Type)+fmt.Sprintf(format, values...))
	}
	kind, _ := findBackend(c.Type)
	for _, key := range slices.Sorted(maps.Keys(c.Attrs)) {
		switch known := d.attrs(kind); {
		case slices.Contains(known, key) || key == attrPlatformSplit && kind.splits():
		case kind.has(key):
			doubt("%s has no effect here", key)
		default:
			doubt("BuildKit ignores %q, which is no attribute of this type; it has %s", key, strings.Join(known, ", "))
		}
	}
	if c.Type == TypeInline && c.Attrs["mode"] == "max" {
		doubt("mode=max has no effect, an inline cache only holds the layers of the image")
	}
	// The builder's own environment may name them, which only the builder
	// knows.
	builder := func(key, variable string) {
		if c.Attrs[key] == "" {
			doubt("%s is not given, it is up to %s of the builder", key, variable)
		}
	}
	switch c.Type {
	case TypeS3:
		builder("bucket", "AWS_BUCKET")
		builder("region", "AWS_REGION")
	case TypeAzblob:
		builder("account_url", "BUILDKIT_AZURE_STORAGE_ACCOUNT_URL")
	}
	return list
}

// checkTwice finds exports that BuildKit would refuse as duplicates.
func (r *resolution) checkTwice(exports []Entry) {
	for i, c := range exports {
		if c.Type == TypeInline {
			continue
		}
		same := func(other Entry) bool {
			if c.Type != other.Type {
				return false
			}
			switch c.Type {
			case TypeRegistry:
				return c.Attrs["ref"] == other.Attrs["ref"]
			case TypeLocal:
				return c.Attrs["dest"] == other.Attrs["dest"]
			}
			return maps.Equal(c.Attrs, other.Attrs)
		}
		if slices.ContainsFunc(exports[:i], same) {
			r.mistakes.Add(&fault.Usage{Flag: "--cache-to", Value: c.String(), Problem: "is given twice"})
		}
	}
}
