package registry

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/source"
)

// explicitFlag is the flag that Explicit is parsed from.
const explicitFlag = "--registry-auth"

// explicitForm is said of values that have another form.
const explicitForm = "the forms are HOST[/PATH][@pull|@push]=env:USER_VARIABLE:PASSWORD_VARIABLE, HOST=jenkins:VARIABLE, HOST=file:FILE and file:DOCKER_CONFIG"

// Explicit is a parsed --registry-auth: which registry, and where its
// credential stands. It holds no secret, so that none is ever an argument.
type Explicit struct {
	// key says what it is for; its host is empty for a docker config that
	// serves whatever it has entries for.
	key authKey
	// user and password are names of variables; file is the path of a docker
	// config or of a file with user:password.
	user, password, file string
	// jenkins is the variable that Jenkins was asked to fill.
	jenkins string
}

var (
	explicitHost = regexp.MustCompile(`^[a-zA-Z0-9*?\[\]._:-]+$`)
	explicitPath = regexp.MustCompile(`^[a-z0-9._/-]*$`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// ParseRegistryAuth parses HOST[/PATH][@pull|@push]=WHERE, with WHERE being
// env:USER_VARIABLE:PASSWORD_VARIABLE, jenkins:VARIABLE (which means
// VARIABLE_USR and VARIABLE_PSW) or file:FILE (a docker config or one line
// user:password). A docker config may stand without HOST. The error is a
// *fault.Usage; it does not repeat what stands in the place of WHERE, which may
// be a password.
func ParseRegistryAuth(value string) (Explicit, error) {
	target, where, ok := strings.Cut(value, "=")
	if strings.HasPrefix(value, "file:") {
		target, where, ok = "", value, true
	}
	e, problem := Explicit{}, "is not HOST=WHERE"
	if ok {
		e, problem = parseExplicit(target, where)
	}
	if problem != "" {
		shown := target
		if !ok {
			shown = ""
		}
		return Explicit{}, &fault.Usage{Flag: explicitFlag, Value: shown, Problem: problem, Hint: explicitForm}
	}
	return e, nil
}

func parseExplicit(target, where string) (e Explicit, problem string) {
	kind, rest, _ := strings.Cut(where, ":")
	if target != "" || kind != "file" {
		registry, only, limited := strings.Cut(target, "@")
		e.key = parseKey(registry)
		e.key.only = right(only)
		_, port := CutPort(e.key.host)
		switch {
		case !explicitHost.MatchString(e.key.host) || strings.ContainsAny(port, "*?"):
			return e, "does not begin with the host of a registry"
		case !explicitPath.MatchString(e.key.path):
			return e, "has a path that no repository has"
		case limited && e.key.only != pullRight && e.key.only != pushRight:
			return e, fmt.Sprintf("is limited to %q, expected pull or push", only)
		}
	}
	switch kind {
	case "env":
		e.user, e.password, _ = strings.Cut(rest, ":")
		if !variableName.MatchString(e.user) || !variableName.MatchString(e.password) {
			return e, "env: is not followed by the names of two variables"
		}
	case "jenkins":
		if !variableName.MatchString(rest) {
			return e, "jenkins: is not followed by the name of a variable"
		}
		e.jenkins, e.user, e.password = rest, rest+"_USR", rest+"_PSW"
	case "file":
		if rest == "" {
			return e, "file: is not followed by a path"
		}
		e.file = rest
	default:
		return e, "does not say where the credential stands"
	}
	return e, ""
}

// explicitSources is the source of the flag's values; none without values.
func explicitSources(all []Explicit, files *source.Reader, lookup func(string) (string, bool), run *helpers) []CredentialSource {
	if len(all) == 0 {
		return nil
	}
	return []CredentialSource{{explicitFlag, "what the flag names", explicits{all, files, lookup, run}}}
}

// explicits is the source of all values of the flag.
type explicits struct {
	all    []Explicit
	files  *source.Reader
	lookup func(string) (string, bool)
	run    *helpers
}

// Find implements Finder. The best match for the request is asked, then the
// docker configs that serve whatever they have entries for.
func (s explicits) Find(ctx context.Context, r Request) (Credential, error) {
	var named, open []Explicit
	for _, e := range s.all {
		switch {
		case e.key.host == "":
			open = append(open, e)
		case e.key.serves(r, false):
			named = append(named, e)
		}
	}
	if len(named) > 0 {
		order := bestFirst(r)
		best := slices.MinFunc(named, func(a, b Explicit) int { return order(a.key, b.key) })
		return s.credential(ctx, best, r)
	}
	for _, e := range open {
		if cred, err := s.credential(ctx, e, r); err != nil || !cred.Anonymous() {
			return cred, err
		}
	}
	return Credential{}, nil
}

// credential reads the credential for a request that the key serves.
func (s explicits) credential(ctx context.Context, e Explicit, r Request) (Credential, error) {
	cred, config, err := e.read(s.files, s.lookup)
	if err != nil || config == nil {
		return cred, err
	}
	read := func() (*DockerConfig, error) { return config, nil }
	if cred, err := (fileHelpers{read, true, s.run}).Find(ctx, r); err != nil || !cred.Anonymous() {
		return cred, err
	}
	return fileAuths{read, true}.Find(ctx, r)
}

// Registries implements Lister.
func (s explicits) Registries(ctx context.Context) []string {
	var keys []string
	for _, e := range s.all {
		if e.key.host != "" {
			keys = append(keys, e.key.registry())
		} else {
			keys = append(keys, fileAuths{read: optional(s.files, e.file)}.Registries(ctx)...)
		}
	}
	return keys
}

// read reads the variables or the file: a credential, or a docker config that
// may hold one.
func (e Explicit) read(files *source.Reader, lookup func(string) (string, bool)) (Credential, *DockerConfig, error) {
	if e.file == "" {
		cred, err := e.fromVariables(lookup)
		return cred, nil, err
	}
	data, err := files.Read(e.file, source.MaxConfig)
	if err != nil {
		return Credential{}, nil, &ConfigError{File: e.file, Problem: cause(err)}
	}
	if isJSON(data) {
		config, err := parseDockerConfig(e.file, data)
		return Credential{}, config, err
	}
	user, password, ok := strings.Cut(strings.TrimRight(string(data), "\r\n"), ":")
	switch {
	case !ok || user == "" || password == "" || strings.Contains(password, "\n"):
		return Credential{}, nil, &ConfigError{File: e.file, Problem: "is neither a docker config nor one line user:password"}
	case e.key.host == "":
		return Credential{}, nil, &ConfigError{File: e.file, Problem: "is no docker config, so the flag must name the host that it is for"}
	}
	return Credential{Username: user, Password: password, Source: e.file}, nil, nil
}

func (e Explicit) fromVariables(lookup func(string) (string, bool)) (Credential, error) {
	read := func(name string) (string, error) {
		if lookup != nil {
			if value, ok := lookup(name); ok && value != "" {
				return value, nil
			}
		}
		return "", fmt.Errorf("variable %s is not set or empty", name)
	}
	user, err := read(e.user)
	if err != nil {
		return Credential{}, err
	}
	password, err := read(e.password)
	if err != nil {
		return Credential{}, err
	}
	return Credential{Username: user, Password: password, Source: e.password}, nil
}

// check fails with a *fault.Usage when the credential cannot be read.
func (e Explicit) check(files *source.Reader, lookup func(string) (string, bool)) error {
	_, config, err := e.read(files, lookup)
	if err == nil && config != nil {
		err = e.inConfig(config)
	}
	if err == nil {
		return nil
	}
	hint := ""
	switch {
	case e.jenkins != "":
		hint = fmt.Sprintf("environment { %s = credentials('ID') } with a credential of user name and password sets both", e.jenkins)
	case e.file == "":
		hint = "set the variables in the job, masked; protected variables are there on protected branches only"
	}
	return &fault.Usage{Flag: explicitFlag, Value: e.key.registry(), Problem: err.Error(), Hint: hint}
}

// inConfig fails when a docker config has nothing for the registry that the
// flag names, or nothing that can be used.
func (e Explicit) inConfig(config *DockerConfig) error {
	if e.key.host == "" || config.credsStore != "" || len(config.credHelpers) > 0 {
		return nil
	}
	for key, entry := range config.auths {
		if k := parseKey(key); k.isHost(e.key.host) || e.key.isHost(k.host) {
			if entry.problem == "" {
				return nil
			}
		}
	}
	return &ConfigError{File: config.file, Problem: "has no credential for " + e.key.registry()}
}

// isJSON tells a docker config from other content.
func isJSON(data []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) }
