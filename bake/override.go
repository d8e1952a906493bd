package bake

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-build/slipway/internal/suggest"
)

// setting is what was set of one key of a target.
type setting struct {
	value string
	// list are the values of a key that has several; add says that they are added to
	// what the file says.
	list []string
	add  bool
}

// settings are those of a target, by key; keys with a name are KEY.NAME.
type settings map[string]setting

// aliases are other names of keys, which are the names in files.
var aliases = map[string]string{
	"annotations": "annotation", "args": "arg", "entitlements": "entitlement", "extra-hosts": "extra-host",
	"labels": "label", "platforms": "platform", "resources": "resource", "secrets": "secret", "tags": "tag", "ulimits": "ulimit",
}

// The keys of --set by what follows them: nothing for one value, nothing for a list, or
// a name.
var (
	valueKeys = []string{"call", "context", "dockerfile", "dockerfile-inline", "load", "network", "no-cache", "pull", "push", "shm-size", "target"}
	listKeys  = []string{"annotation", "attest", "cache-from", "cache-to", "entitlement", "no-cache-filter", "output", "platform", "policy", "secret", "ssh", "tag", "ulimit"}
	namedKeys = []string{"arg", "contexts", "extra-host", "label", "resource", "secret"}
)

// parseOverrides parses the values of --set.
func (c *Config) parseOverrides(overrides []string) (map[string]settings, error) {
	all := map[string]settings{}
	var targets []string
	for _, t := range c.Targets {
		targets = append(targets, t.Name)
	}
	for _, text := range overrides {
		left, value, assigned := strings.Cut(text, "=")
		left, add := strings.CutSuffix(left, "+")
		pattern, key, ok := strings.Cut(left, ".")
		if !ok {
			return nil, fmt.Errorf("--set %q: is not TARGET.KEY=VALUE", text)
		}
		key, name, named := strings.Cut(key, ".")
		if alias, ok := aliases[key]; ok {
			key = alias
		}
		if err := checkOverride(text, key, named, add, assigned); err != nil {
			return nil, err
		}
		if !assigned { // an argument from the environment; one that is not there sets nothing
			var ok bool
			if value, ok = c.lookup(name); !ok {
				continue
			}
		}
		matches := []string{pattern}
		if c.target(pattern) == nil {
			var err error
			if matches, err = matching(pattern, targets); err != nil {
				return nil, fmt.Errorf("--set %q: %w", text, err)
			}
			if c.target(matches[0]) == nil {
				return nil, fmt.Errorf("--set %q: there is no target %q%s", text, pattern, c.alike(pattern))
			}
		}
		for _, target := range matches {
			if all[target] == nil {
				all[target] = settings{}
			}
			all[target].set(key, name, value, named, add)
		}
	}
	return all, nil
}

// set notes a value.
func (s settings) set(key, name, value string, named, add bool) {
	switch {
	case named:
		s[key+"."+name] = setting{value: value}
	case slices.Contains(listKeys, key):
		was := s[key]
		if !add && value == "" { // nothing at all
			s[key] = setting{}
			return
		}
		s[key] = setting{list: append(slices.Clone(was.list), value), add: add}
	default:
		s[key] = setting{value: value}
	}
}

// checkOverride refuses what no target has.
func checkOverride(text, key string, named, add, assigned bool) error {
	isList, isNamed := slices.Contains(listKeys, key), slices.Contains(namedKeys, key)
	switch known := slices.Concat(valueKeys, listKeys, namedKeys); {
	case !slices.Contains(known, key):
		hint := ""
		if near := suggest.Nearest(key, known); near != "" {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		return fmt.Errorf("--set %q: targets have no key %q%s", text, key, hint)
	case named && !isNamed:
		return fmt.Errorf("--set %q: %s has no keys of its own", text, key)
	case !named && isNamed && !isList:
		return fmt.Errorf("--set %q: %s takes a name: TARGET.%s.NAME=VALUE", text, key, key)
	case add && (named || !isList):
		return fmt.Errorf("--set %q: nothing can be added to %s", text, key)
	case !assigned && key != "arg":
		return fmt.Errorf("--set %q: has no value", text)
	}
	return nil
}

// apply changes a target; paths that are named so are noted.
func (s settings) apply(t *Target, named *Paths) error {
	for _, key := range slices.Sorted(maps.Keys(s)) {
		if err := s[key].apply(t, key, named); err != nil {
			return fmt.Errorf("--set %s: %w", key, err)
		}
	}
	return nil
}

func (v setting) apply(t *Target, full string, named *Paths) error {
	key, name, _ := strings.Cut(full, ".")
	value := v.value
	switch key {
	case "context":
		t.Context = &value
	case "dockerfile":
		t.Dockerfile = &value
	case "dockerfile-inline":
		t.DockerfileInline = &value
	case "target":
		t.Target = &value
	case "call":
		t.Call = &value
	case "network":
		t.NetworkMode = &value
	case "shm-size":
		t.ShmSize = &value
	case "no-cache", "pull", "push", "load":
		return v.applyBool(t, key)
	case "arg":
		t.Args = withValues(t.Args, map[string]*string{name: &value})
	case "label":
		t.Labels = withValues(t.Labels, map[string]*string{name: &value})
	case "extra-host":
		t.ExtraHosts = withValues(t.ExtraHosts, map[string]*string{name: &value})
	case "contexts":
		t.Contexts = with(t.Contexts, map[string]string{name: value})
	case "resource":
		t.Resources = with(t.Resources, nil)
		return t.Resources.set(name, value)
	case "tag":
		t.Tags = v.strings(t.Tags)
	case "platform":
		t.Platforms = v.strings(t.Platforms)
	case "no-cache-filter":
		t.NoCacheFilter = v.strings(t.NoCacheFilter)
	case "ulimit":
		t.Ulimits = v.strings(t.Ulimits)
	case "annotation": // buildx adds to these, too, but for an empty value
		t.Annotations = v.added(t.Annotations)
	case "entitlement":
		t.Entitlements = v.added(t.Entitlements)
	default:
		return v.applyList(t, key, name, named)
	}
	return nil
}

func (v setting) applyBool(t *Target, key string) error {
	on, err := strconv.ParseBool(v.value)
	if err != nil {
		return fmt.Errorf("%q is neither true nor false", v.value)
	}
	switch key {
	case "no-cache":
		t.NoCache = &on
	case "pull":
		t.Pull = &on
	case "push":
		t.Outputs = withPush(t.Outputs, on)
	case "load":
		t.Outputs = withLoad(t.Outputs, on)
	}
	return nil
}

// strings are the values, or those of the file and them.
func (v setting) strings(file []string) []string {
	if v.add {
		return append(slices.Clone(file), v.list...)
	}
	return v.list
}

// added are the values of the file and these, or nothing.
func (v setting) added(file []string) []string {
	if v.list == nil {
		return nil
	}
	return append(slices.Clone(file), v.list...)
}

// applyList sets lists of entries, and notes the paths that they name.
func (v setting) applyList(t *Target, key, name string, named *Paths) error {
	entries := func(k kind, file []Entry) ([]Entry, error) {
		list, err := k.parseAll(v.list)
		if err == nil && v.add {
			list = k.merge(file, list)
		}
		return list, err
	}
	var err error
	switch key {
	case "output":
		t.Outputs, err = entries(outputKind, t.Outputs)
		named.Write = append(named.Write, valuesOf(t.Outputs, keyDest)...)
	case "cache-from":
		t.CacheFrom, err = entries(cacheKind, t.CacheFrom)
		named.Read = append(named.Read, valuesOf(localOnes(t.CacheFrom), keySource)...)
	case "cache-to":
		t.CacheTo, err = entries(cacheKind, t.CacheTo)
		named.Write = append(named.Write, valuesOf(localOnes(t.CacheTo), keyDest)...)
	case "attest": // buildx adds to these
		var list []Entry
		if list, err = attestKind.parseAll(v.list); v.list == nil {
			t.Attest = nil
		}
		t.Attest = attestKind.merge(t.Attest, list)
	case "policy":
		t.Policy, err = entries(policyKind, t.Policy)
	case "ssh":
		list := parseSSHs(v.list)
		if v.add {
			list = append(slices.Clone(t.SSH), list...).unique()
		}
		t.SSH = list
		for _, one := range t.SSH {
			named.Read = append(named.Read, one.Paths...)
		}
	case "secret":
		if name != "" {
			err = v.applySecret(t, name, named)
			break
		}
		var given []Entry
		if given, err = secretKind.parseAll(v.list); err == nil {
			named.Read = append(named.Read, valuesOf(given, keySource)...)
			t.Secrets, err = entries(secretKind, t.Secrets)
		}
	}
	return err
}

// applySecret changes where a secret that the file has comes from.
func (v setting) applySecret(t *Target, id string, named *Paths) error {
	list, err := secretKind.parseAll([]string{v.value})
	if err != nil {
		return err
	}
	for i, e := range t.Secrets {
		if e[keyID] != id {
			continue
		}
		next := Entry{keyID: id}
		for _, given := range list {
			if other := given[keyID]; other != "" && other != id {
				return fmt.Errorf("the secret is %q, not %q", id, other)
			}
			maps.Copy(next, given)
		}
		t.Secrets = slices.Clone(t.Secrets)
		t.Secrets[i] = next
		named.Read = append(named.Read, valuesOf([]Entry{next}, keySource)...)
		return nil
	}
	return fmt.Errorf("the target has no secret %q", id)
}

func valuesOf(list []Entry, key string) []string {
	var all []string
	for _, e := range list {
		if e[key] != "" {
			all = append(all, e[key])
		}
	}
	return all
}

// localOnes are the entries that are directories of the command's machine.
func localOnes(list []Entry) []Entry {
	var all []Entry
	for _, e := range list {
		if e[keyType] == "local" {
			all = append(all, e)
		}
	}
	return all
}

// withPush makes outputs push, or not, as --push does: what is neither an image nor
// nothing stays as it is.
func withPush(outputs Outputs, on bool) Outputs {
	var all Outputs
	onlyDocker := true
	for _, e := range outputs {
		switch {
		case e[keyType] == "registry" && !on:
			continue
		case e[keyType] == "image":
			e = with(e, Entry{"push": strconv.FormatBool(on)})
		}
		onlyDocker = onlyDocker && e[keyType] == "docker"
		all = append(all, e)
	}
	if on && onlyDocker {
		all = append(all, Entry{keyType: "image", "push": "true"})
	}
	return all
}

// withLoad adds an output for the engine where there is none, and none but images.
func withLoad(outputs Outputs, on bool) Outputs {
	if !on {
		return outputs
	}
	for _, e := range outputs {
		switch kind := e[keyType]; {
		case kind == "docker" && e[keyDest] == "":
			return outputs
		case !slices.Contains([]string{"docker", "image", "registry", "oci"}, kind):
			return outputs
		}
	}
	return append(slices.Clone(outputs), Entry{keyType: "docker"})
}

// alike is a hint at the name that was meant; empty for none.
func (c *Config) alike(name string) string {
	if near := suggest.Nearest(name, c.Names()); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}
