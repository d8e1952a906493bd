package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/frontend/attestations"
	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	sourcepolicy "github.com/moby/buildkit/sourcepolicy/pb"
)

// Build is what later requests of a build are decided by.
type Build struct {
	// Session is that of the build; empty for none.
	Session string
	// Owns reports whether a session was opened by the client of the build.
	Owns func(session string) bool
	// Replaces says that the client has sources replaced by a source policy.
	Replaces bool
}

// Solve decides on a build and sets what binds it to the tenant in the request. The error
// is a *Refusal. owns reports whether the client has opened a session.
func (c *Client) Solve(r *control.SolveRequest, owns func(session string) bool) (Build, error) {
	var f findings
	f.unknown(r.ProtoReflect(), "")
	b := Build{Session: r.Session, Owns: owns, Replaces: r.SourcePolicySession != "" || replaces(r.SourcePolicy)}
	if r.Ref == "" {
		f.refuse("the build has no reference")
	}
	for _, id := range []string{r.Session, r.SourcePolicySession} {
		f.session(b, id)
	}
	for _, e := range r.Entitlements {
		f.entitlement(c, e)
	}
	if r.EnableSessionExporter {
		f.refuse("exporters that the session names while it builds cannot be held against the policy")
	}
	c.exporter(&f, r.ExporterDeprecated, r.ExporterAttrsDeprecated)
	for _, e := range r.Exporters {
		if e.GetType() == "" {
			f.refuse("an exporter has no type")
		}
		c.exporter(&f, e.GetType(), e.GetAttrs())
	}
	c.caches(&f, r.Cache)
	c.frontend(&f, r.Frontend, r.FrontendAttrs, b)
	c.attested(&f, r)
	if r.Definition != nil {
		f.definition(c, "the definition", r.Definition, b, slices.Contains(c.frontends, FrontendLLB))
	}
	for name, d := range r.FrontendInputs {
		f.definition(c, "the input "+short(name), d, b, true)
	}
	if err := f.err(); err != nil {
		return b, err
	}
	r.FrontendAttrs = c.bind(r.Frontend, r.FrontendAttrs)
	return b, nil
}

// GatewaySolve decides on a part of a build that a client's own frontend asks for, and
// sets what binds it to the tenant in the request. The error is a *Refusal.
func (c *Client) GatewaySolve(r *gateway.SolveRequest, b Build) error {
	var f findings
	f.unknown(r.ProtoReflect(), "")
	b.Replaces = b.Replaces || slices.ContainsFunc(r.SourcePolicies, replaces)
	for _, e := range r.CacheImports {
		c.cache(&f, "cache import", c.imports, e.GetType(), e.GetAttrs())
	}
	c.frontend(&f, r.Frontend, r.FrontendOpt, b)
	if r.Definition != nil {
		f.definition(c, "the definition", r.Definition, b, slices.Contains(c.frontends, FrontendLLB))
	}
	for name, d := range r.FrontendInputs {
		f.definition(c, "the input "+short(name), d, b, true)
	}
	if err := f.err(); err != nil {
		return err
	}
	r.FrontendOpt = c.bind(r.Frontend, r.FrontendOpt)
	return nil
}

// replaces reports whether a source policy may replace sources by others.
func replaces(p *sourcepolicy.Policy) bool {
	return slices.ContainsFunc(p.GetRules(), func(r *sourcepolicy.Rule) bool { return r.GetAction() == sourcepolicy.PolicyAction_CONVERT })
}

// session refuses what the client has not opened itself.
func (f *findings) session(b Build, id string) {
	if id != "" && !b.Owns(id) {
		f.refuse("session %s was not opened by this client", short(id))
	}
}

// entitlement refuses one that is not allowed. That of a device may have a name after a
// =, as BuildKit has it.
func (f *findings) entitlement(c *Client, e string) {
	name, _, _ := strings.Cut(e, "=")
	if !slices.Contains(c.entitlements, name) {
		f.refuse("entitlement %s is not allowed", short(e))
	}
}

// exporter checks an exporter; the type is empty for none.
func (c *Client) exporter(f *findings, kind string, attrs map[string]string) {
	if kind == "" {
		return
	}
	known, ok := exporterAttributes[kind]
	if !ok || !slices.Contains(c.exporters, kind) {
		f.refuse("exporter %s is not allowed", short(kind))
		return
	}
	for _, key := range slices.Sorted(maps.Keys(attrs)) {
		value := attrs[key]
		switch {
		case !known.has(key):
			f.refuse("exporter %s: attribute %s is not known here", kind, short(key))
		case key == attrInsecure:
			c.insecureAttr(f, "exporter "+kind, value)
		case kind == exporterImage && key == attrName:
			// A name of several, as the exporter splits it.
			for name := range strings.SplitSeq(value, ",") {
				if value != "" {
					c.image(f, "exporter image: name", "push", c.push, name)
				}
			}
		case kind == exporterImage && key == attrDanglingPrefix && value != "":
			c.image(f, "exporter image: "+key, "push", c.push, value)
		}
	}
}

// insecureAttr refuses registry.insecure. What is not false counts as true.
func (c *Client) insecureAttr(f *findings, what, value string) {
	if off, err := strconv.ParseBool(value); !c.insecure && (err != nil || off) {
		f.refuse("%s: %s is not allowed", what, attrInsecure)
	}
}

// image checks the name of an image against the patterns of a rule.
func (c *Client) image(f *findings, what, rule string, allowed []ImagePattern, name string) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		f.refuse("%s %s is not the name of an image", what, short(name))
		return
	}
	if !slices.ContainsFunc(allowed, func(p ImagePattern) bool { return p.Matches(named) }) {
		f.refuse("%s %s is not among %s", what, short(named.String()), rule)
	}
}

// caches checks all ways in which a request names caches.
func (c *Client) caches(f *findings, o *control.CacheOptions) {
	if ref := o.GetExportRefDeprecated(); ref != "" {
		attrs := maps.Clone(o.GetExportAttrsDeprecated())
		if attrs == nil {
			attrs = map[string]string{}
		}
		attrs[attrRef] = ref
		c.cache(f, "cache export", c.exports, cacheRegistry, attrs)
	}
	for _, ref := range o.GetImportRefsDeprecated() {
		c.cache(f, "cache import", c.imports, cacheRegistry, map[string]string{attrRef: ref})
	}
	for _, e := range o.GetExports() {
		c.cache(f, "cache export", c.exports, e.GetType(), e.GetAttrs())
	}
	for _, e := range o.GetImports() {
		c.cache(f, "cache import", c.imports, e.GetType(), e.GetAttrs())
	}
}

// cache checks one cache.
func (c *Client) cache(f *findings, what string, rule caches, kind string, attrs map[string]string) {
	known, ok := cacheAttributes[kind]
	if !ok || !slices.Contains(rule.types, kind) {
		f.refuse("%s of type %s is not allowed", what, short(kind))
		return
	}
	for _, key := range slices.Sorted(maps.Keys(attrs)) {
		switch {
		case !known.has(key):
			f.refuse("%s %s: attribute %s is not known here", what, kind, short(key))
		case key == attrInsecure:
			c.insecureAttr(f, what, attrs[key])
		}
	}
	if kind == cacheRegistry {
		c.image(f, what+": "+attrRef, rule.key+".refs", rule.refs, attrs[attrRef])
	}
}

// frontend checks a frontend, empty for none, and its attributes.
func (c *Client) frontend(f *findings, name string, attrs map[string]string, b Build) {
	if name != "" && (name == FrontendLLB || !slices.Contains(c.frontends, name)) {
		f.refuse("frontend %s is not allowed", short(name))
	}
	c.buildArgs(f, attrs)
	known := frontendAttributes.and(c.attributes...)
	for _, key := range slices.Sorted(maps.Keys(attrs)) {
		value := attrs[key]
		switch {
		case !known.has(key):
			f.refuse("frontend attribute %s is not known here, or not allowed", short(key))
		case strings.HasPrefix(key, prefixSessionID):
			f.session(b, value)
		case strings.HasPrefix(key, prefixContext):
			f.context(key, value)
		case key == attrNetwork && value == "host":
			f.entitlement(c, entitlementHost)
		case key == attrCacheFrom && value != "":
			for ref := range strings.SplitSeq(value, ",") {
				c.cache(f, "cache import", c.imports, cacheRegistry, map[string]string{attrRef: ref})
			}
		case key == attrCacheImports && value != "":
			var list []*control.CacheOptionsEntry // as the frontend reads it
			if err := json.Unmarshal([]byte(value), &list); err != nil {
				f.refuse("frontend attribute %s is no JSON of cache imports", key)
			}
			for _, e := range list {
				c.cache(f, "cache import", c.imports, e.GetType(), e.GetAttrs())
			}
		}
	}
	c.syntaxImages(f, name, attrs, b)
}

// contextSchemes are where named contexts come from
// (https://github.com/moby/buildkit/blob/v0.34.2/frontend/dockerui/namedcontext.go).
var contextSchemes = []string{"docker-image", "git", "http", "https", "input", "local", "oci-layout", "ssh"}

func (f *findings) context(key, value string) {
	scheme, _, ok := strings.Cut(value, ":")
	if ok && !slices.Contains(contextSchemes, scheme) && !strings.HasPrefix(scheme, "git@") && !strings.Contains(scheme, "/") {
		f.refuse("%s: source %s is not known here", short(key), short(scheme))
	}
}

// syntaxImages checks which images run as frontends: that of the gateway, and the one
// that the Dockerfile frontend would forward to. Neither a named context nor a source
// policy may put another image in its place.
func (c *Client) syntaxImages(f *findings, frontend string, attrs map[string]string, b Build) {
	if c.anySyntax || frontend == "" {
		return
	}
	var images []string
	source, hasSource := attrs[attrSource]
	if frontend == FrontendGateway {
		images = append(images, source)
	} else if hasSource {
		f.refuse("frontend attribute %s is for %s only", attrSource, FrontendGateway)
	}
	if syntax, ok := attrs[attrSyntax]; ok {
		image, _, _ := strings.Cut(strings.TrimSpace(syntax), " ")
		images = append(images, image)
	}
	for _, image := range images {
		c.image(f, "frontend image", "syntaxImages", c.syntax, image)
		named, err := reference.ParseNormalizedNamed(image)
		if err != nil {
			continue // is refused
		}
		if b.Replaces {
			f.refuse("frontend image %s: a source policy could replace it", short(image))
		}
		for _, key := range slices.Sorted(maps.Keys(attrs)) {
			name, ok := strings.CutPrefix(key, prefixContext)
			name, _, _ = strings.Cut(name, "::") // the platform
			if other, err := reference.ParseNormalizedNamed(name); ok && err == nil && other.Name() == named.Name() {
				f.refuse("%s replaces the frontend image", short(key))
			}
		}
	}
}

// buildArgs checks the bounds of build arguments.
func (c *Client) buildArgs(f *findings, attrs map[string]string) {
	count, size := 0, 0
	for _, key := range slices.Sorted(maps.Keys(attrs)) {
		name, ok := strings.CutPrefix(key, prefixBuildArg)
		if !ok {
			continue
		}
		count++
		size += len(name) + len(attrs[key])
		// The proxies of a build are read in any case.
		if slices.ContainsFunc(c.deniedArgs, func(denied string) bool { return strings.EqualFold(denied, name) }) {
			f.refuse("build argument %s is not allowed", short(name))
		}
	}
	if count > c.maxArgs {
		f.refuse("%d build arguments are more than %d", count, c.maxArgs)
	}
	if size > c.argBytes {
		f.refuse("build arguments of %d bytes are more than %d", size, c.argBytes)
	}
}

// attested checks that images get the attestations that they must have.
func (c *Client) attested(f *findings, r *control.SolveRequest) {
	got, err := attestations.Parse(r.FrontendAttrs)
	if err != nil {
		f.refuse("attestations: %s", short(err.Error()))
		return
	}
	makesImage := func(kind string) bool {
		return slices.Contains([]string{exporterImage, exporterOCI, exporterDocker}, kind)
	}
	if !makesImage(r.ExporterDeprecated) && !slices.ContainsFunc(r.Exporters, func(e *control.Exporter) bool { return makesImage(e.GetType()) }) {
		return
	}
	for _, kind := range c.attestations {
		if _, ok := got[kind]; !ok {
			f.refuse("attestation %s is missing: images must have it", kind)
		}
	}
}

// bind sets what a request of a frontend has to have: the namespace of the tenant for
// cache mounts, and the command line that keeps the Dockerfile frontend from following
// the image after # syntax=
// (https://github.com/moby/buildkit/blob/v0.34.2/frontend/dockerfile/builder/build.go).
func (c *Client) bind(frontend string, attrs map[string]string) map[string]string {
	if frontend == "" {
		return attrs
	}
	set := func(key, value string) {
		if attrs == nil {
			attrs = map[string]string{}
		}
		attrs[key] = value
	}
	_, hasCmdline := attrs[attrCmdline]
	_, hasSyntax := attrs[attrSyntax]
	switch {
	case c.anySyntax || hasCmdline:
	case frontend == FrontendGateway:
		set(attrCmdline, attrs[attrSource])
	case !hasSyntax:
		set(attrCmdline, frontend)
	}
	if c.Tenant != "" {
		set(attrCacheNS, fmt.Sprintf("%s/%s", c.Namespace(), attrs[attrCacheNS]))
	}
	return attrs
}
