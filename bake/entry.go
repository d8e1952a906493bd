package bake

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tonistiigi/go-csvvalue"
)

// Entry is a value of keys: an output, a cache, an attestation or a secret.
type Entry map[string]string

// The keys of an Entry that all of a kind have.
const (
	keyType     = "type"
	keyDest     = "dest"
	keyDisabled = "disabled"
	keyID       = "id"
	keySource   = "src"
	keyEnv      = "env"
)

// Flag is the entry as the flag of a build takes it: comma-separated, with what comes
// first in front and the rest sorted.
func (e Entry) Flag() string {
	var fields []string
	first := []string{keyID, keyType, keyDest, keyDisabled}
	add := func(key string) { fields = append(fields, csvField(key+"="+e[key])) }
	for _, key := range first {
		if e[key] != "" {
			add(key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(e)) {
		if !slices.Contains(first, key) {
			add(key)
		}
	}
	return strings.Join(fields, ",")
}

// csvField quotes a field of comma-separated values where it needs that.
func csvField(field string) string {
	if !strings.ContainsAny(field, ",\"\n\r") {
		return field
	}
	return `"` + strings.ReplaceAll(field, `"`, `""`) + `"`
}

// Flags are the entries of a list as flags of a build.
func Flags(list []Entry) []string {
	var all []string
	for _, e := range list {
		all = append(all, e.Flag())
	}
	return all
}

// keyValues parses comma-separated KEY=VALUE; keys are in lower case.
func keyValues(text string) (Entry, error) {
	fields, err := csvvalue.Fields(text, nil)
	if err != nil {
		return nil, err
	}
	e := Entry{}
	for _, field := range fields {
		key, value, ok := strings.Cut(field, "=")
		if !ok {
			return nil, fmt.Errorf("%q: is not KEY=VALUE", field)
		}
		e[strings.ToLower(strings.TrimSpace(key))] = value
	}
	return e, nil
}

// kind is what distinguishes the lists of entries.
type kind struct {
	name string
	// parse parses the text of one; a text may stand for several.
	parse func(text string) ([]Entry, error)
	// check refuses an entry, and completes it.
	check func(e Entry) error
	// key is what entries of a list must not share: a later one replaces the first. nil
	// for lists in which only the same entry is there once.
	key func(e Entry) string
}

var (
	outputKind = kind{name: "output", parse: parseOutput, check: hasType("output")}
	cacheKind  = kind{name: "cache", parse: parseCache, check: hasType("cache")}
	attestKind = kind{name: "attestation", parse: one(keyValues), check: checkAttest, key: func(e Entry) string { return e[keyType] }}
	secretKind = kind{name: "secret", parse: one(keyValues), check: checkSecret, key: func(e Entry) string { return e[keyID] }}
)

func one(parse func(string) (Entry, error)) func(string) ([]Entry, error) {
	return func(text string) ([]Entry, error) {
		e, err := parse(text)
		return []Entry{e}, err
	}
}

// parseOutput parses the value of an output: one that is no key is a directory, and -
// an archive on standard output.
func parseOutput(text string) ([]Entry, error) {
	switch {
	case text == "-":
		return []Entry{{keyType: "tar", keyDest: "-"}}, nil
	case !strings.Contains(text, ",") && !strings.HasPrefix(text, keyType+"="):
		return []Entry{{keyType: "local", keyDest: text}}, nil
	}
	e, err := keyValues(text)
	return []Entry{e}, err
}

// parseCache parses the value of a cache: fields without a key are references.
func parseCache(text string) ([]Entry, error) {
	if strings.Contains(text, "=") {
		e, err := keyValues(text)
		return []Entry{e}, err
	}
	fields, err := csvvalue.Fields(text, nil)
	if err != nil {
		return nil, err
	}
	var all []Entry
	for _, field := range fields {
		all = append(all, Entry{keyType: "registry", "ref": field})
	}
	return all, nil
}

func hasType(what string) func(Entry) error {
	return func(e Entry) error {
		if e[keyType] == "" {
			return fmt.Errorf("%s %q: has no type", what, e.Flag())
		}
		return nil
	}
}

func checkAttest(e Entry) error {
	if e[keyType] == "" {
		return errors.New("an attestation has no type")
	}
	if text, ok := e[keyDisabled]; ok {
		disabled, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("attestation %q: disabled: %w", e[keyType], err)
		}
		delete(e, keyDisabled)
		if disabled {
			e[keyDisabled] = "true"
		}
	}
	return nil
}

func checkSecret(e Entry) error {
	if source, ok := e["source"]; ok {
		delete(e, "source")
		e[keySource] = source
	}
	switch kind := e[keyType]; kind {
	case "", "file":
	case "env":
		if e[keyEnv] == "" {
			e[keyEnv] = e[keySource]
			delete(e, keySource)
		}
	default:
		return fmt.Errorf("secret %q: the type %q is neither file nor env", e[keyID], kind)
	}
	delete(e, keyType)
	for key, value := range e {
		switch {
		case key != keyID && key != keySource && key != keyEnv:
			return fmt.Errorf("secret %q: unknown key %q", e[keyID], key)
		case value == "":
			delete(e, key)
		}
	}
	return nil
}

// parseAll parses the texts of a list; empty ones are passed over.
func (k kind) parseAll(texts []string) ([]Entry, error) {
	all := []Entry{}
	for _, text := range texts {
		if text == "" {
			continue
		}
		entries, err := k.parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", k.name, text, err)
		}
		for _, e := range entries {
			if err := k.check(e); err != nil {
				return nil, err
			}
		}
		all = append(all, entries...)
	}
	return all, nil
}

// unique leaves one entry of those that are there more than once. The order is
// buildx's, which takes the place of the one that goes with the last one.
func (k kind) unique(list []Entry) []Entry {
	if len(list) == 0 {
		return nil
	}
	if k.key != nil {
		at := map[string]int{}
		var all []Entry
		for _, e := range list {
			if i, ok := at[k.key(e)]; ok {
				all[i] = e
				continue
			}
			at[k.key(e)] = len(all)
			all = append(all, e)
		}
		return all
	}
	list = slices.Clone(list)
	for i := len(list) - 2; i >= 0; i-- {
		for j := i + 1; j < len(list); j++ {
			if maps.Equal(list[i], list[j]) {
				last := len(list) - 1
				list[j] = list[last]
				list = list[:last]
				break
			}
		}
	}
	return list
}

// merge adds a list to another one.
func (k kind) merge(list, more []Entry) []Entry { return k.unique(append(slices.Clone(list), more...)) }

// The lists of entries, each of which HCL reads by the rules of its kind.
type (
	// Outputs are where results go.
	Outputs []Entry
	// Caches are caches to read or to write.
	Caches []Entry
	// Attests are attestations.
	Attests []Entry
	// Secrets are secrets for RUN: id with src or env.
	Secrets []Entry
)

// MarshalJSON implements json.Marshaler: disabled is a boolean.
func (a Attests) MarshalJSON() ([]byte, error) {
	all := make([]map[string]any, 0, len(a))
	for _, e := range a {
		m := map[string]any{}
		for key, value := range e {
			m[key] = value
		}
		if e[keyDisabled] != "" {
			m[keyDisabled] = true
		}
		all = append(all, m)
	}
	return json.Marshal(all)
}

// MarshalJSON implements json.Marshaler: an output without a destination has no key of
// it.
func (o Outputs) MarshalJSON() ([]byte, error) {
	all := make([]Entry, 0, len(o))
	for _, e := range o {
		if e[keyDest] == "" {
			e = maps.Clone(e)
			delete(e, keyDest)
		}
		all = append(all, e)
	}
	return json.Marshal(all)
}

// SSH is an agent or keys for RUN.
type SSH struct {
	ID    string   `json:"id,omitempty"`
	Paths []string `json:"paths,omitempty"`
}

// Flag is the value as the flag of a build takes it.
func (s SSH) Flag() string {
	if len(s.Paths) == 0 {
		return s.ID
	}
	return s.ID + "=" + strings.Join(s.Paths, ",")
}

// SSHs are those of a target.
type SSHs []SSH

func parseSSH(text string) SSH {
	id, paths, ok := strings.Cut(text, "=")
	s := SSH{ID: id}
	if ok {
		s.Paths = strings.Split(paths, ",")
	}
	return s
}

func parseSSHs(texts []string) SSHs {
	all := SSHs{}
	for _, text := range texts {
		if text != "" {
			all = append(all, parseSSH(text))
		}
	}
	return all
}

// unique leaves the last one of each ID.
func (s SSHs) unique() SSHs {
	at := map[string]int{}
	var all SSHs
	for _, one := range s {
		if i, ok := at[one.ID]; ok {
			all[i] = one
			continue
		}
		at[one.ID] = len(all)
		all = append(all, one)
	}
	return all
}
