package registry

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// DockerConfig is the part of docker's config.json that concerns builds.
type DockerConfig struct {
	file        string
	auths       map[string]Credential
	credHelpers map[string]string
	credsStore  string
	proxies     map[string]proxyConfig
}

// proxyConfig is one entry of the file's "proxies".
type proxyConfig struct {
	HTTPProxy  string `json:"httpProxy"`
	HTTPSProxy string `json:"httpsProxy"`
	NoProxy    string `json:"noProxy"`
	FTPProxy   string `json:"ftpProxy"`
}

// ConfigError is a docker config that cannot be used.
type ConfigError struct {
	// File is the config's path, Line and Column where the mistake is, from
	// 1; 0 when the position is not known.
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
	return []string{"mend the file, or point DOCKER_CONFIG at a directory with a valid config.json"}
}

// LoadDockerConfig reads config.json in dir, the directory that DOCKER_CONFIG
// names or ~/.docker. A missing file is an empty config. The error is a
// *ConfigError.
func LoadDockerConfig(dir string) (*DockerConfig, error) {
	file := filepath.Join(dir, "config.json")
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return &DockerConfig{file: file}, nil
	}
	if err != nil {
		return nil, &ConfigError{File: file, Problem: cause(err)}
	}
	return parseDockerConfig(file, data)
}

func parseDockerConfig(file string, data []byte) (*DockerConfig, error) {
	var raw struct {
		Auths map[string]struct {
			Auth          string `json:"auth"`
			Username      string `json:"username"`
			Password      string `json:"password"`
			IdentityToken string `json:"identitytoken"`
			RegistryToken string `json:"registrytoken"`
		} `json:"auths"`
		CredHelpers map[string]string      `json:"credHelpers"`
		CredsStore  string                 `json:"credsStore"`
		Proxies     map[string]proxyConfig `json:"proxies"`
	}
	// docker takes an empty file for an empty config.
	if len(bytes.TrimSpace(data)) > 0 {
		if err := json.Unmarshal(data, &raw); err != nil {
			return nil, jsonError(file, data, err)
		}
	}
	c := &DockerConfig{
		file:        file,
		auths:       make(map[string]Credential, len(raw.Auths)),
		credHelpers: raw.CredHelpers,
		credsStore:  raw.CredsStore,
		proxies:     raw.Proxies,
	}
	for key, a := range raw.Auths {
		cred := Credential{
			Username:      a.Username,
			Password:      a.Password,
			IdentityToken: a.IdentityToken,
			RegistryToken: a.RegistryToken,
			Source:        fmt.Sprintf("%s (auths, %s)", file, key),
		}
		if a.Auth != "" {
			user, password, err := decodeAuth(a.Auth)
			if err != nil {
				return nil, &ConfigError{File: file, Problem: fmt.Sprintf("auths, %s, auth: %s", key, err)}
			}
			cred.Username, cred.Password = user, password
		}
		c.auths[key] = cred
	}
	return c, nil
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
		e.Problem = fmt.Sprintf("%s is of type %s, expected %s", mistyped.Field, kind, mistyped.Type.Kind())
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

// fileAuths is the source "auths": credentials that stand in the file.
type fileAuths struct{ config *DockerConfig }

func (f fileAuths) credential(_ context.Context, host string) (Credential, error) {
	for _, h := range []string{host, fallbackHost(host)} {
		for _, key := range lookupKeys(f.config.auths, h) {
			if cred := f.config.auths[key]; !cred.Anonymous() {
				return cred, nil
			}
		}
	}
	return Credential{}, nil
}

// fallbackHost is the registry whose credential serves when host has none of
// its own; host itself when there is no such registry.
func fallbackHost(host string) string {
	if slices.Contains(hubBackedHosts(), host) {
		return "docker.io"
	}
	return host
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
