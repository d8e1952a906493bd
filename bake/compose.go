package bake

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/docker/go-units"

	"github.com/slipway-build/slipway/internal/suggest"
)

// composeEnvironment are the variables of compose files: those that were given, the
// environment, and those of .env.
func (in Input) composeEnvironment() (map[string]string, error) {
	env := map[string]string{}
	for _, pair := range in.Environment {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	maps.Copy(env, in.Vars)
	if in.DotEnv == nil {
		return env, nil
	}
	file, err := dotenv.UnmarshalBytesWithLookup(in.DotEnv, func(name string) (string, bool) { value, ok := env[name]; return value, ok })
	if err != nil {
		return nil, fmt.Errorf(".env: %w", err)
	}
	for name, value := range file {
		if _, ok := env[name]; !ok {
			env[name] = value
		}
	}
	return env, nil
}

// addCompose adds the services that are built as targets, and their group.
func (c *Config) addCompose(files []File, in Input) error {
	env, err := in.composeEnvironment()
	if err != nil {
		return err
	}
	p, err := loadCompose(files, env, in.ReadFile)
	if err != nil {
		return err
	}
	all := &Group{Name: "default"}
	for _, name := range slices.Sorted(maps.Keys(p.services)) {
		build, ok := p.services[name]["build"]
		if !ok || build == nil {
			continue
		}
		t, err := p.target(name, in.ReadFile)
		if err != nil {
			return fmt.Errorf("%s: service %q: %w", p.files, name, err)
		}
		all.Targets = append(all.Targets, t.Name)
		c.Targets = append(c.Targets, t)
	}
	c.Groups = append(c.Groups, all)
	return nil
}

// target is the target that a service's build is.
func (p *project) target(service string, read func(string) ([]byte, error)) (*Target, error) {
	t := &Target{Name: serviceName(service), Labels: map[string]*string{}, ExtraHosts: map[string]*string{}}
	if err := checkName(t.Name); err != nil {
		return nil, err
	}
	build, err := mapping(p.services[service]["build"])
	if err != nil {
		return nil, fmt.Errorf("build: %w", err)
	}
	environment, err := p.environment(p.services[service], read)
	if err != nil {
		return nil, err
	}
	for _, key := range slices.Sorted(maps.Keys(build)) {
		if strings.HasPrefix(key, "x-") {
			continue
		}
		set, ok := composeKeys[key]
		if !ok {
			hint := ""
			if near := suggest.Nearest(key, slices.Collect(maps.Keys(composeKeys))); near != "" {
				hint = fmt.Sprintf("; did you mean %q?", near)
			}
			return nil, fmt.Errorf("build: unknown key %q%s", key, hint)
		}
		if err := set(t, build[key], composeScope{p, environment}); err != nil {
			return nil, fmt.Errorf("build.%s: %w", key, err)
		}
	}
	slices.SortFunc(t.Attest, func(a, b Entry) int { return cmp.Compare(b[keyType], a[keyType]) }) // sbom first, as buildx has it
	if err := t.extend(build["x-bake"]); err != nil {
		return nil, fmt.Errorf("x-bake: %w", err)
	}
	if image, _ := p.services[service]["image"].(string); len(t.Tags) == 0 && image != "" {
		t.Tags = []string{image}
	}
	return t, nil
}

// composeScope is what a key of a build may refer to.
type composeScope struct {
	project *project
	// environment are the variables of the service.
	environment map[string]string
}

// composeKeys are the keys of a build in a compose file
// (https://github.com/compose-spec/compose-spec/blob/main/build.md).
var composeKeys = map[string]func(*Target, any, composeScope) error{
	"context":           setText(func(t *Target, v string) { t.Context = notEmpty(v) }),
	"dockerfile":        setText(func(t *Target, v string) { t.Dockerfile = notEmpty(v) }),
	"dockerfile_inline": setText(func(t *Target, v string) { t.DockerfileInline = notEmpty(v) }),
	"target":            setText(func(t *Target, v string) { t.Target = notEmpty(v) }),
	"network":           setText(func(t *Target, v string) { t.NetworkMode = notEmpty(v) }),
	"tags":              setList(func(t *Target, v []string) { t.Tags = v }),
	"platforms":         setList(func(t *Target, v []string) { t.Platforms = v }),
	"no_cache_filter":   setList(func(t *Target, v []string) { t.NoCacheFilter = v }),
	"entitlements":      setList(func(t *Target, v []string) { t.Entitlements = v }),
	"cache_from":        setEntries(cacheKind, func(t *Target, v []Entry) { t.CacheFrom = v }),
	"cache_to":          setEntries(cacheKind, func(t *Target, v []Entry) { t.CacheTo = v }),
	"no_cache":          setBool(func(t *Target, v *bool) { t.NoCache = v }),
	"pull":              setBool(func(t *Target, v *bool) { t.Pull = v }),
	"provenance":        setAttest("provenance"),
	"sbom":              setAttest("sbom"),
	"privileged":        refuseTrue,
	"isolation":         refuseTrue,
	"labels": func(t *Target, value any, _ composeScope) error {
		pairs, err := keyed(value)
		for name, v := range pairs {
			t.Labels[name] = notNil(textOf(v))
		}
		return err
	},
	"args": func(t *Target, value any, scope composeScope) error {
		pairs, err := keyed(value)
		for name, v := range pairs {
			if v == nil {
				if text, ok := scope.lookup(name); ok {
					v = &text
				}
			}
			t.Args = withValues(t.Args, map[string]*string{name: v})
		}
		return err
	},
	"additional_contexts": func(t *Target, value any, _ composeScope) error {
		pairs, err := keyed(value)
		contexts := map[string]string{}
		for name, v := range pairs {
			contexts[name] = textOf(v)
		}
		t.Contexts = composeContexts(contexts)
		return err
	},
	"extra_hosts": setExtraHosts,
	"shm_size": func(t *Target, value any, _ composeScope) error {
		size, err := units.RAMInBytes(scalar(value))
		if err == nil && size > 0 {
			t.ShmSize = notEmpty(units.BytesSize(float64(size)))
		}
		return err
	},
	"ulimits": setUlimits,
	"ssh":     setComposeSSH,
	"secrets": setComposeSecrets,
}

func (s composeScope) lookup(name string) (string, bool) {
	if value, ok := s.environment[name]; ok {
		return value, true
	}
	value, ok := s.project.env[name]
	return value, ok
}

func setText(set func(*Target, string)) func(*Target, any, composeScope) error {
	return func(t *Target, value any, _ composeScope) error {
		switch value.(type) {
		case map[string]any, []any:
			return errors.New("is no text")
		}
		set(t, scalar(value))
		return nil
	}
}

func setList(set func(*Target, []string)) func(*Target, any, composeScope) error {
	return func(t *Target, value any, _ composeScope) error {
		list, err := texts(value)
		set(t, list)
		return err
	}
}

func setEntries(k kind, set func(*Target, []Entry)) func(*Target, any, composeScope) error {
	return func(t *Target, value any, _ composeScope) error {
		list, err := texts(value)
		if err != nil || len(list) == 0 {
			return err
		}
		entries, err := k.parseAll(list)
		set(t, entries)
		return err
	}
}

// setBool sets what is true: false says nothing in a compose file.
func setBool(set func(*Target, *bool)) func(*Target, any, composeScope) error {
	return func(t *Target, value any, _ composeScope) error {
		on, err := strconv.ParseBool(scalar(value))
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", scalar(value))
		}
		if on {
			set(t, &on)
		}
		return nil
	}
}

func setAttest(kind string) func(*Target, any, composeScope) error {
	return func(t *Target, value any, _ composeScope) error {
		text := scalar(value)
		if text == "" {
			return nil
		}
		list, err := attestKind.parseAll([]string{AttestFlag(kind, text)})
		t.Attest = attestKind.merge(t.Attest, list)
		return err
	}
}

// refuseTrue refuses what BuildKit has nothing like, unless it says nothing.
func refuseTrue(_ *Target, value any, _ composeScope) error {
	if text := scalar(value); text != "" && text != "false" && text != "default" {
		return errors.New("has no meaning for BuildKit: leave it out")
	}
	return nil
}

func setExtraHosts(t *Target, value any, _ composeScope) error {
	add := func(host, address string) {
		address = strings.TrimSuffix(strings.TrimPrefix(address, "["), "]")
		if known := t.ExtraHosts[host]; known != nil {
			address = *known + "," + address
		}
		t.ExtraHosts[host] = &address
	}
	if m, ok := value.(map[string]any); ok {
		for _, host := range slices.Sorted(maps.Keys(m)) {
			addresses, err := texts(m[host])
			if err != nil {
				return err
			}
			for _, address := range addresses {
				add(host, address)
			}
		}
		return nil
	}
	list, err := texts(value)
	for _, line := range list {
		host, address, ok := strings.Cut(line, "=")
		if !ok {
			host, address, ok = strings.Cut(line, ":")
		}
		if !ok {
			return fmt.Errorf("%q is not HOST=ADDRESS", line)
		}
		add(host, address)
	}
	return err
}

func setUlimits(t *Target, value any, _ composeScope) error {
	limits, err := mapping(value)
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		soft, hard := scalar(limits[name]), scalar(limits[name])
		if m, ok := limits[name].(map[string]any); ok {
			soft, hard = scalar(m["soft"]), scalar(m["hard"])
			if single, ok := m["single"]; ok { // what a number alone becomes
				soft, hard = scalar(single), scalar(single)
			}
		}
		t.Ulimits = append(t.Ulimits, name+"="+soft+":"+hard)
	}
	return err
}

func setComposeSSH(t *Target, value any, _ composeScope) error {
	pairs, err := keyed(value)
	for id, v := range pairs {
		one := SSH{ID: id}
		if path := textOf(v); path != "" {
			one.Paths = []string{path}
		}
		t.SSH = append(t.SSH, one)
	}
	slices.SortFunc(t.SSH, compareSSH)
	return err
}

func setComposeSecrets(t *Target, value any, scope composeScope) error {
	list, ok := value.([]any)
	if !ok {
		return errors.New("is no list")
	}
	for _, one := range list {
		name := scalar(one)
		if m, ok := one.(map[string]any); ok {
			name = scalar(m["source"])
		}
		secret, ok := scope.project.secrets[name]
		switch external, _ := secret["external"]; {
		case !ok:
			return fmt.Errorf("%q is no secret of the file", name)
		case external != nil && scalar(external) != "false":
			return fmt.Errorf("%q is external, and there is nothing to read it from", name)
		}
		e := Entry{keyID: name}
		if file := scalar(secret["file"]); file != "" {
			e[keySource] = filepath.Clean(file)
		}
		if variable := scalar(secret["environment"]); variable != "" {
			e[keyEnv] = variable
		}
		t.Secrets = append(t.Secrets, e)
	}
	return nil
}

func compareSSH(a, b SSH) int {
	return cmp.Or(cmp.Compare(a.ID, b.ID), slices.Compare(a.Paths, b.Paths))
}

// AttestFlag is an attestation as the flag --attest takes it, of a value of --sbom or
// --provenance: a boolean, or attributes.
func AttestFlag(kind, value string) string {
	if on, err := strconv.ParseBool(value); err == nil {
		return fmt.Sprintf("type=%s,disabled=%t", kind, !on)
	}
	return "type=" + kind + "," + value
}

func notEmpty(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func notNil(text string) *string { return &text }

// textOf is a text; empty for nil.
func textOf(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// composeContexts are contexts, of which some are other services.
func composeContexts(m map[string]string) map[string]string {
	out := map[string]string{}
	for name, value := range m {
		for _, prefix := range []string{"service:", linkPrefix} {
			if service, ok := strings.CutPrefix(value, prefix); ok {
				value = linkPrefix + serviceName(service)
				break
			}
		}
		if !strings.Contains(value, ":") {
			value = path.Clean(filepath.ToSlash(value))
		}
		out[name] = value
	}
	return out
}

// xbakeKeys are the keys of the extension x-bake.
var xbakeKeys = []string{"tags", "cache-from", "cache-to", "secret", "ssh", "platforms", "output", "pull", "no-cache", "no-cache-filter", "contexts"}

// extend adds what compose has no word for, from the extension x-bake of a build
// (https://docs.docker.com/build/bake/compose-file/#extension-field-with-x-bake).
func (t *Target) extend(extension any) error {
	if extension == nil {
		return nil
	}
	keys, err := mapping(extension)
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if !slices.Contains(xbakeKeys, key) {
			if near := suggest.Nearest(key, xbakeKeys); near != "" {
				return fmt.Errorf("unknown key %q; did you mean %q?", key, near)
			}
			return fmt.Errorf("unknown key %q; known are %s", key, strings.Join(xbakeKeys, ", "))
		}
		if err := t.extendBy(key, keys[key]); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

func (t *Target) extendBy(key string, value any) error {
	switch key {
	case "pull", "no-cache":
		on, ok := value.(bool)
		if !ok {
			return fmt.Errorf("%v is neither true nor false", value)
		}
		if key == "pull" {
			t.Pull = &on
		} else {
			t.NoCache = &on
		}
		return nil
	case "contexts":
		pairs, err := keyed(value)
		contexts := map[string]string{}
		for name, v := range pairs {
			contexts[name] = textOf(v)
		}
		t.Contexts = with(composeContexts(contexts), t.Contexts)
		return err
	}
	list, err := texts(value)
	if text, ok := value.(string); ok {
		list = strings.Fields(text)
	}
	if err != nil {
		return err
	}
	add := func(k kind, to []Entry) []Entry {
		var parsed []Entry
		if parsed, err = k.parseAll(list); err != nil {
			return to
		}
		return k.merge(to, parsed)
	}
	switch key {
	case "tags":
		t.Tags = uniqueStrings(append(slices.Clone(t.Tags), list...))
	case "platforms":
		t.Platforms = uniqueStrings(append(slices.Clone(t.Platforms), list...))
	case "no-cache-filter":
		t.NoCacheFilter = uniqueStrings(append(slices.Clone(t.NoCacheFilter), list...))
	case "ssh":
		t.SSH = append(slices.Clone(t.SSH), parseSSHs(list)...).unique()
		slices.SortFunc(t.SSH, compareSSH)
	case "secret":
		t.Secrets = add(secretKind, t.Secrets)
	case "output":
		t.Outputs = add(outputKind, t.Outputs)
	case "cache-from":
		t.CacheFrom = add(cacheKind, t.CacheFrom)
	case "cache-to":
		t.CacheTo = add(cacheKind, t.CacheTo)
	}
	return err
}
