package bake

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// Group names targets and groups that are built together.
type Group struct {
	Name        string   `json:"-" hcl:"name,label" cty:"name"`
	Description string   `json:"description,omitempty" hcl:"description,optional" cty:"description"`
	Targets     []string `json:"targets" hcl:"targets" cty:"targets"`
}

// Target is a build. The JSON is that of docker buildx bake --print; nil and empty are
// what a file does not say.
type Target struct {
	Name        string   `json:"-" hcl:"name,label" cty:"name"`
	Description string   `json:"description,omitempty" hcl:"description,optional" cty:"description"`
	Inherits    []string `json:"inherits,omitempty" hcl:"inherits,optional" cty:"inherits"`

	Annotations      []string           `json:"annotations,omitempty" hcl:"annotations,optional" cty:"annotations"`
	Attest           Attests            `json:"attest,omitempty" hcl:"attest,optional" cty:"attest"`
	Context          *string            `json:"context,omitempty" hcl:"context,optional" cty:"context"`
	Contexts         map[string]string  `json:"contexts,omitempty" hcl:"contexts,optional" cty:"contexts"`
	Dockerfile       *string            `json:"dockerfile,omitempty" hcl:"dockerfile,optional" cty:"dockerfile"`
	DockerfileInline *string            `json:"dockerfile-inline,omitempty" hcl:"dockerfile-inline,optional" cty:"dockerfile-inline"`
	Args             map[string]*string `json:"args,omitempty" hcl:"args,optional" cty:"args"`
	Labels           map[string]*string `json:"labels,omitempty" hcl:"labels,optional" cty:"labels"`
	Tags             []string           `json:"tags,omitempty" hcl:"tags,optional" cty:"tags"`
	CacheFrom        Caches             `json:"cache-from,omitempty" hcl:"cache-from,optional" cty:"cache-from"`
	CacheTo          Caches             `json:"cache-to,omitempty" hcl:"cache-to,optional" cty:"cache-to"`
	Target           *string            `json:"target,omitempty" hcl:"target,optional" cty:"target"`
	Secrets          Secrets            `json:"secret,omitempty" hcl:"secret,optional" cty:"secret"`
	SSH              SSHs               `json:"ssh,omitempty" hcl:"ssh,optional" cty:"ssh"`
	Platforms        []string           `json:"platforms,omitempty" hcl:"platforms,optional" cty:"platforms"`
	Outputs          Outputs            `json:"output,omitempty" hcl:"output,optional" cty:"output"`
	Pull             *bool              `json:"pull,omitempty" hcl:"pull,optional" cty:"pull"`
	NoCache          *bool              `json:"no-cache,omitempty" hcl:"no-cache,optional" cty:"no-cache"`
	NetworkMode      *string            `json:"network,omitempty" hcl:"network,optional" cty:"network"`
	NoCacheFilter    []string           `json:"no-cache-filter,omitempty" hcl:"no-cache-filter,optional" cty:"no-cache-filter"`
	ShmSize          *string            `json:"shm-size,omitempty" hcl:"shm-size,optional" cty:"shm-size"`
	Ulimits          []string           `json:"ulimits,omitempty" hcl:"ulimits,optional" cty:"ulimits"`
	Resources        Resources          `json:"resources,omitempty" hcl:"resources,optional" cty:"resources"`
	Call             *string            `json:"call,omitempty" hcl:"call,optional" cty:"call"`
	Entitlements     []string           `json:"entitlements,omitempty" hcl:"entitlements,optional" cty:"entitlements"`
	ExtraHosts       map[string]*string `json:"extra-hosts,omitempty" hcl:"extra-hosts,optional" cty:"extra-hosts"`
	Policy           Policies           `json:"policy,omitempty" hcl:"policy,optional" cty:"policy"`

	// Linked says that the target is built for others only, which name it as a context.
	Linked bool `json:"-"`
}

// MarshalJSON implements json.Marshaler. Texts that a file evaluates are escaped, so
// that what is printed can be read as a file again.
func (t *Target) MarshalJSON() ([]byte, error) {
	type plain Target
	out := plain(*t)
	out.Annotations = slices.Clone(t.Annotations)
	for i, text := range out.Annotations {
		out.Annotations[i] = escape(text)
	}
	if t.DockerfileInline != nil {
		text := escape(*t.DockerfileInline)
		out.DockerfileInline = &text
	}
	out.Args, out.Labels, out.ExtraHosts = escapeAll(t.Args), escapeAll(t.Labels), escapeAll(t.ExtraHosts)
	return json.Marshal(out)
}

// escape writes a text as HCL has it in a template.
func escape(text string) string {
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(text)
}

func escapeAll(m map[string]*string) map[string]*string {
	out := maps.Clone(m)
	for key, value := range out {
		if value != nil {
			text := escape(*value)
			out[key] = &text
		}
	}
	return out
}

// Merge adds what another target says: in a list of files a later one of the same name,
// in inheritance the child.
func (t *Target) Merge(o *Target) {
	// What stands alone is replaced.
	replace(&t.Context, o.Context)
	replace(&t.Dockerfile, o.Dockerfile)
	replace(&t.DockerfileInline, o.DockerfileInline)
	replace(&t.Target, o.Target)
	replace(&t.Call, o.Call)
	replace(&t.Pull, o.Pull)
	replace(&t.NoCache, o.NoCache)
	replace(&t.NetworkMode, o.NetworkMode)
	replace(&t.ShmSize, o.ShmSize)
	if o.Description != "" {
		t.Description = o.Description
	}
	if o.Tags != nil {
		t.Tags = o.Tags
	}
	if o.Platforms != nil {
		t.Platforms = o.Platforms
	}
	if o.CacheTo != nil {
		t.CacheTo = o.CacheTo
	}
	if o.Outputs != nil {
		t.Outputs = o.Outputs
	}
	// What has keys is replaced key by key.
	t.Args = withValues(t.Args, o.Args)
	t.Labels = withValues(t.Labels, o.Labels)
	t.ExtraHosts = withValues(t.ExtraHosts, o.ExtraHosts)
	if len(o.Contexts) > 0 {
		t.Contexts = with(t.Contexts, o.Contexts)
	}
	if o.Resources != nil {
		t.Resources = with(t.Resources, o.Resources)
	}
	// The rest is added.
	t.Annotations = append(slices.Clone(t.Annotations), o.Annotations...)
	t.NoCacheFilter = append(slices.Clone(t.NoCacheFilter), o.NoCacheFilter...)
	t.Ulimits = append(slices.Clone(t.Ulimits), o.Ulimits...)
	t.Entitlements = append(slices.Clone(t.Entitlements), o.Entitlements...)
	t.Policy = append(slices.Clone(t.Policy), o.Policy...)
	t.Inherits = append(slices.Clone(t.Inherits), o.Inherits...)
	t.Attest = attestKind.merge(t.Attest, o.Attest)
	t.Secrets = secretKind.merge(t.Secrets, o.Secrets)
	t.CacheFrom = cacheKind.merge(t.CacheFrom, o.CacheFrom)
	t.SSH = append(slices.Clone(t.SSH), o.SSH...).unique()
}

func replace[T any](value **T, by *T) {
	if by != nil {
		*value = by
	}
}

func with[M ~map[string]string](m, more M) M {
	out := M{}
	maps.Copy(out, m)
	maps.Copy(out, more)
	return out
}

// withValues is with for maps in which nil says nothing.
func withValues(m, more map[string]*string) map[string]*string {
	out := maps.Clone(m)
	for key, value := range more {
		if value == nil {
			continue
		}
		if out == nil {
			out = map[string]*string{}
		}
		out[key] = value
	}
	return out
}

// normalize leaves out what is there twice or says nothing.
func (t *Target) normalize() {
	t.Annotations = uniqueStrings(t.Annotations)
	t.Tags = uniqueStrings(t.Tags)
	t.Platforms = uniqueStrings(t.Platforms)
	t.NoCacheFilter = uniqueStrings(t.NoCacheFilter)
	t.Ulimits = uniqueStrings(t.Ulimits)
	t.Attest = attestKind.unique(t.Attest)
	t.Secrets = secretKind.unique(t.Secrets)
	t.SSH = t.SSH.unique()
	t.CacheFrom = cacheKind.unique(t.CacheFrom)
	t.CacheTo = cacheKind.unique(t.CacheTo)
	t.Outputs = outputKind.unique(t.Outputs)
	if t.NetworkMode != nil && *t.NetworkMode == "host" {
		t.Entitlements = append(slices.Clone(t.Entitlements), "network.host")
	}
	t.Entitlements = uniqueStrings(t.Entitlements)
	maps.DeleteFunc(t.Contexts, func(_, value string) bool { return value == "" })
	if len(t.Contexts) == 0 {
		t.Contexts = nil
	}
}

// uniqueStrings leaves the first of equal texts, and none that are empty.
func uniqueStrings(list []string) []string {
	var all []string
	seen := map[string]bool{"": true}
	for _, text := range list {
		if !seen[text] {
			seen[text] = true
			all = append(all, text)
		}
	}
	return all
}

// Resources are limits of RUN, by their names.
type Resources map[string]string

// resourceNumbers are those limits that are numbers; the others are texts.
var resourceNumbers = []string{"cpu-shares", "cpu-period", "cpu-quota"}

var resourceNames = append([]string{"memory", "memory-swap", "cpuset-cpus", "cpuset-mems"}, resourceNumbers...)

// MarshalJSON implements json.Marshaler.
func (r Resources) MarshalJSON() ([]byte, error) {
	m := map[string]any{}
	for name, value := range r {
		m[name] = value
		if slices.Contains(resourceNumbers, name) {
			m[name] = json.Number(value)
		}
	}
	return json.Marshal(m)
}

// set sets a limit.
func (r *Resources) set(name, value string) error {
	if !slices.Contains(resourceNames, name) {
		return fmt.Errorf("resources: unknown key %q; known are %s", name, strings.Join(resourceNames, ", "))
	}
	if slices.Contains(resourceNumbers, name) {
		if _, err := convert.Convert(cty.StringVal(value), cty.Number); err != nil {
			return fmt.Errorf("resources: %s %q: is no number", name, value)
		}
	}
	if *r == nil {
		*r = Resources{}
	}
	(*r)[name] = value
	return nil
}

// Flags are the limits as flags of a build.
func (r Resources) Flags() []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(r)) {
		all = append(all, name+"="+r[name])
	}
	return all
}

// FromCtyValue reads limits.
func (r *Resources) FromCtyValue(in cty.Value, p cty.Path) error {
	object, err := convert.Convert(in, cty.Map(cty.String))
	if err != nil {
		return err
	}
	*r = nil
	for name, value := range object.AsValueMap() {
		if value.IsKnown() && !value.IsNull() {
			if err := r.set(name, value.AsString()); err != nil {
				return p.NewError(err)
			}
		}
	}
	return nil
}

// ToCtyValue returns limits as other expressions see them.
func (r Resources) ToCtyValue() cty.Value {
	m := map[string]cty.Value{}
	for name, value := range r {
		m[name] = cty.StringVal(value)
	}
	if len(m) == 0 {
		return cty.MapValEmpty(cty.String)
	}
	return cty.MapVal(m)
}

// Policies are policies in Rego, which are not evaluated: disabled=true is all that
// can be honoured.
type Policies []Entry

// PolicyDisabled says that policies are there and switched off.
func (t *Target) PolicyDisabled() bool {
	for _, e := range t.Policy {
		if off, err := strconv.ParseBool(e[keyDisabled]); err != nil || !off || len(e) > 1 {
			return false
		}
	}
	return len(t.Policy) > 0
}

var policyKind = kind{name: "policy", parse: one(keyValues), check: func(Entry) error { return nil }}

// FromCtyValue reads policies.
func (l *Policies) FromCtyValue(in cty.Value, p cty.Path) (err error) {
	*l, err = policyKind.fromCty(in, p)
	return err
}

// ToCtyValue returns policies as other expressions see them.
func (l Policies) ToCtyValue() cty.Value { return toCty(l) }
