package registry

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-build/slipway/internal/source"
)

// DockerConfig is a file in the form of docker's config.json: the part of it
// that concerns builds. Kubernetes' pull secrets and podman's auth.json have
// the same form.
type DockerConfig struct {
	file        string
	auths       map[string]authEntry
	credHelpers map[string]string
	credsStore  string
	proxies     map[string]proxyConfig
}

// authEntry is one entry of "auths": its credential, or what is wrong with it.
type authEntry struct {
	credential Credential
	problem    string
}

// proxyConfig is one entry of the file's "proxies".
type proxyConfig struct {
	HTTPProxy  string `json:"httpProxy"`
	HTTPSProxy string `json:"httpsProxy"`
	NoProxy    string `json:"noProxy"`
	FTPProxy   string `json:"ftpProxy"`
}

// ConfigError is a file with credentials, or an entry of one, that cannot be
// used.
type ConfigError struct {
	// File is the file's path, or the variable it stands in. Line and Column
	// are where the mistake is, from 1; 0 when the position is not known.
	File         string
	Line, Column int
	// Problem says what is wrong; it holds nothing of the file's values.
	Problem string
}

// Error implements error.
func (e *ConfigError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("docker config %s:%d:%d: %s", e.File, e.Line, e.Column, e.Problem)
	}
	return fmt.Sprintf("docker config %s: %s", e.File, e.Problem)
}

// Hints says what to do about the error.
func (e *ConfigError) Hints() []string {
	return []string{fmt.Sprintf("mend %s; slipway auth shows what else is asked for credentials", e.File)}
}

// LoadDockerConfig reads config.json in dir, the directory that DOCKER_CONFIG
// names or ~/.docker. A missing file is an empty config. The error is a
// *ConfigError.
func LoadDockerConfig(files *source.Reader, dir string) (*DockerConfig, error) {
	return readDockerConfig(files, filepath.Join(dir, "config.json"))
}

// readDockerConfig reads a file that may be missing.
func readDockerConfig(files *source.Reader, file string) (*DockerConfig, error) {
	data, err := files.Read(file, source.MaxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return &DockerConfig{file: file}, nil
	}
	if err != nil {
		return nil, &ConfigError{File: file, Problem: cause(err)}
	}
	return parseDockerConfig(file, data)
}

// parseDockerConfig reads the content of a file, named for messages. Keys that
// it does not know are left alone: docker and others keep theirs in the same
// file. An entry that is wrong spoils itself only.
func parseDockerConfig(file string, data []byte) (*DockerConfig, error) {
	var raw struct {
		Auths       map[string]json.RawMessage `json:"auths"`
		CredHelpers map[string]string          `json:"credHelpers"`
		CredsStore  string                     `json:"credsStore"`
		Proxies     map[string]proxyConfig     `json:"proxies"`
	}
	// docker takes an empty file for an empty config.
	if len(bytes.TrimSpace(data)) > 0 {
		if err := json.Unmarshal(data, &raw); err != nil {
			return nil, jsonError(file, data, err)
		}
	}
	c := &DockerConfig{
		file:        file,
		auths:       make(map[string]authEntry, len(raw.Auths)),
		credHelpers: raw.CredHelpers,
		credsStore:  raw.CredsStore,
		proxies:     raw.Proxies,
	}
	for key, entry := range raw.Auths {
		c.auths[key] = parseAuthEntry(file, key, entry)
	}
	return c, nil
}

// parseAuthEntry reads one entry of "auths".
func parseAuthEntry(file, key string, data []byte) authEntry {
	var raw struct {
		Auth          string `json:"auth"`
		Username      string `json:"username"`
		Password      string `json:"password"`
		IdentityToken string `json:"identitytoken"`
		RegistryToken string `json:"registrytoken"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return authEntry{problem: jsonError(file, data, err).Problem}
	}
	cred := Credential{
		Username:      raw.Username,
		Password:      raw.Password,
		IdentityToken: raw.IdentityToken,
		RegistryToken: raw.RegistryToken,
		Source:        fmt.Sprintf("%s (auths, %s)", file, key),
	}
	if raw.Auth != "" {
		user, password, err := decodeAuth(raw.Auth)
		if err != nil {
			return authEntry{problem: "auth " + err.Error()}
		}
		cred.Username, cred.Password = user, password
	}
	if cred.Username != "" && cred.secret() == "" {
		return authEntry{problem: "has a user name and no password"}
	}
	return authEntry{credential: cred}
}

// decodeAuth splits base64(user:password). Its errors hold nothing of the
// value.
func decodeAuth(auth string) (user, password string, err error) {
	decoded, err := base64.StdEncoding.DecodeString(auth)
	if err != nil {
		return "", "", errors.New("is not base64")
	}
	user, password, ok := strings.Cut(string(decoded), ":")
	if !ok || user == "" {
		return "", "", errors.New("is not the base64 of user:password")
	}
	// Old versions of docker padded the password with zero bytes.
	return user, strings.Trim(password, "\x00"), nil
}

// jsonError turns an error of encoding/json into one with a position. The
// messages of encoding/json name types, fields and at most one character.
func jsonError(file string, data []byte, err error) *ConfigError {
	e := &ConfigError{File: file, Problem: err.Error()}
	var offset int64
	var syntax *json.SyntaxError
	var mistyped *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		// The offset is that after the offending byte.
		offset = max(syntax.Offset-1, 0)
	case errors.As(err, &mistyped):
		offset = mistyped.Offset
		// Value is "number 12" for a number: the value itself stays out.
		kind, _, _ := strings.Cut(mistyped.Value, " ")
		want := mistyped.Type.Kind().String()
		if want == "struct" || want == "map" {
			want = "object"
		}
		e.Problem = strings.TrimSpace(fmt.Sprintf("%s is of type %s, expected %s", mistyped.Field, kind, want))
	default:
		return e
	}
	before := data[:min(offset, int64(len(data)))]
	e.Line = bytes.Count(before, []byte("\n")) + 1
	e.Column = len(before) - bytes.LastIndexByte(before, '\n')
	return e
}

// Proxies returns the proxy variables that docker and buildx hand to every
// build as build arguments: the "proxies" entry of the docker host (as
// DOCKER_HOST has it), else the entry "default". The environment of the agent
// plays no part in it, as with buildx.
func (c *DockerConfig) Proxies(dockerHost string) map[string]string {
	p, ok := c.proxies[dockerHost]
	if !ok {
		p = c.proxies["default"]
	}
	vars := map[string]string{
		"HTTP_PROXY":  p.HTTPProxy,
		"HTTPS_PROXY": p.HTTPSProxy,
		"NO_PROXY":    p.NoProxy,
		"FTP_PROXY":   p.FTPProxy,
	}
	for name, value := range vars {
		if value == "" {
			delete(vars, name)
		}
	}
	return vars
}

// fileAuths is the source "auths": credentials that stand in a file. It is read
// anew for every request, for whoever wrote it may renew it during a build.
type fileAuths struct {
	read func() (*DockerConfig, error)
	// loose takes an entry for other repositories of its registry too, if no
	// better one is there: docker itself ignores the paths of keys.
	loose bool
}

// Find implements Finder.
func (f fileAuths) Find(_ context.Context, r Request) (Credential, error) {
	c, err := f.read()
	if err != nil {
		return Credential{}, err
	}
	var broken error
	for _, key := range matching(c.auths, r, f.loose) {
		entry := c.auths[key]
		if !entry.credential.Anonymous() {
			return entry.credential, nil
		}
		if entry.problem != "" && broken == nil {
			broken = &ConfigError{File: c.file, Problem: fmt.Sprintf("auths, %s: %s", key, entry.problem)}
		}
	}
	return Credential{}, broken
}

// Registries implements Lister.
func (f fileAuths) Registries(_ context.Context) []string {
	c, err := f.read()
	if err != nil {
		return nil
	}
	return slices.Collect(maps.Keys(c.auths))
}

// cause is the bare reason of a file error, without the operation and the
// path that the message around it names already.
func cause(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}
