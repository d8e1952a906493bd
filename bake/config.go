package bake

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// DefaultFiles are the names of the files that are read when none is named, in the
// order in which later ones add to earlier ones. Those that are there are read.
var DefaultFiles = []string{
	"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml",
	"docker-bake.json", "docker-bake.hcl", "docker-bake.override.json", "docker-bake.override.hcl",
}

// MaxFile bounds one file, in bytes.
const MaxFile = 2 << 20

// File is a file as it was read.
type File struct {
	Name string
	Data []byte
}

// Input is what a configuration is made of.
type Input struct {
	Files []File
	// Builtins are variables that nothing overrides, such as BAKE_CMD_CONTEXT.
	Builtins map[string]string
	// Vars are values of variables that go before the environment.
	Vars map[string]string
	// Environment is KEY=VALUE; nil where it is not asked.
	Environment []string
	// DotEnv is the file .env of the working directory, for compose files; nil for none.
	DotEnv []byte
	// ReadFile reads what compose files refer to; nil for nothing.
	ReadFile func(path string) ([]byte, error)
}

func (in Input) lookup(name string) (string, bool) {
	for _, pair := range in.Environment {
		if key, value, _ := strings.Cut(pair, "="); key == name {
			return value, true
		}
	}
	return "", false
}

// Config is what files define.
type Config struct {
	blocks
	// Variables are those that files in HCL declare.
	Variables []Variable

	lookup func(string) (string, bool)
}

// blocks are what buildx's parser reads, which looks at all fields.
type blocks struct {
	Groups  []*Group  `hcl:"group,block" cty:"group"`
	Targets []*Target `hcl:"target,block" cty:"target"`
}

// Variable is a variable and its value; nil for none.
type Variable struct {
	Name        string  `json:"name"`
	Type        string  `json:"type,omitempty"`
	Description string  `json:"description,omitempty"`
	Value       *string `json:"value,omitempty"`
}

// Parse evaluates files; later ones add to earlier ones, those in HCL to compose files.
func Parse(in Input) (*Config, error) {
	var compose []File
	var files []*hcl.File
	for _, f := range in.Files {
		if len(f.Data) > MaxFile {
			return nil, fmt.Errorf("%s: is larger than %d MiB", f.Name, MaxFile>>20)
		}
		switch isCompose, err := in.isCompose(f); {
		case isCompose && err != nil:
			return nil, err
		case isCompose:
			compose = append(compose, f)
		default:
			file, hclErr := parseHCL(f)
			if hclErr != nil {
				if err != nil { // it has no extension that says what it is
					return nil, fmt.Errorf("%w (nor is it a compose file: %w)", hclErr, err)
				}
				return nil, hclErr
			}
			files = append(files, file)
		}
	}
	c := &Config{lookup: in.lookup}
	if len(compose) > 0 {
		if err := c.addCompose(compose, in); err != nil {
			return nil, err
		}
	}
	if len(files) > 0 {
		if err := c.evaluate(files, in); err != nil {
			return nil, err
		}
	}
	c.dedupe()
	return c, nil
}

// dedupe merges targets of one name.
func (c *Config) dedupe() {
	at := map[string]*Target{}
	var all []*Target
	for _, t := range c.Targets {
		if first, ok := at[t.Name]; ok {
			first.Merge(t)
			continue
		}
		at[t.Name] = t
		all = append(all, t)
	}
	c.Targets = all
	for _, g := range c.Groups {
		g.Targets = uniqueStrings(g.Targets)
	}
}

// namePattern is what names of targets and groups are made of.
var namePattern = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)

func checkName(name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("%q: names have letters, digits, _ and - only", name)
	}
	return nil
}

// serviceName is the name of a compose service as one of a target: those have no dots.
func serviceName(name string) string { return strings.ReplaceAll(name, ".", "_") }

func (c *Config) target(name string) *Target {
	for _, t := range c.Targets {
		if t.Name == name {
			return t
		}
	}
	return nil
}

func (c *Config) group(name string) *Group {
	for _, g := range c.Groups {
		if g.Name == name {
			return g
		}
	}
	return nil
}

// Names are those of all targets and groups, in the order of the files.
func (c *Config) Names() []string {
	var all []string
	for _, g := range c.Groups {
		all = append(all, g.Name)
	}
	for _, t := range c.Targets {
		all = append(all, t.Name)
	}
	return uniqueStrings(all)
}

// matching are the names that a pattern of path.Match stands for.
func matching(pattern string, names []string) ([]string, error) {
	if !strings.ContainsAny(pattern, "*?[]") {
		return []string{pattern}, nil
	}
	var all []string
	for _, name := range names {
		ok, err := path.Match(pattern, name)
		if err != nil {
			return nil, fmt.Errorf("%q: is no pattern: %w", pattern, err)
		}
		if ok {
			all = append(all, name)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%q: no target has such a name", pattern)
	}
	return all, nil
}

// expansion is what a name stands for.
type expansion struct{ targets, groups []string }

// expand returns the targets that a name stands for, and the groups among them. done
// has what is known of other names, so that each group is looked at once.
func (c *Config) expand(name string, done map[string]expansion) expansion {
	if known, ok := done[name]; ok {
		return known
	}
	g := c.group(name)
	if g == nil {
		return expansion{targets: []string{name}}
	}
	// Inside of itself the name is that of a target: both may have it.
	done[name] = expansion{targets: []string{name}}
	all := expansion{groups: []string{name}}
	for _, member := range g.Targets {
		of := c.expand(member, done)
		all.targets, all.groups = append(all.targets, of.targets...), append(all.groups, of.groups...)
	}
	all = expansion{uniqueStrings(all.targets), uniqueStrings(all.groups)}
	done[name] = all
	return all
}
