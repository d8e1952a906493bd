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
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/distribution/reference"
	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"
	"github.com/moby/sys/atomicwriter"
	"golang.org/x/sys/unix"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/source"
)

// Server is a registry that somebody logs in to.
type Server struct {
	// Host is host[:port] as it stands in image references.
	Host string
	// Key is what docker files its credential under: the host, but for Docker
	// Hub a URL.
	Key string
}

// ParseServer reads a registry as docker login takes it: a host, or a URL of
// which the host counts. Empty is Docker Hub. The error is a *fault.Usage.
func ParseServer(server string) (Server, error) {
	host := dockerHub
	if server != "" {
		host = parseKey(server).host
	}
	if named, err := reference.ParseNormalizedNamed(host + "/name"); err != nil || reference.Domain(named) != host {
		if strings.Contains(server, "@") {
			server = "" // before it may stand a password
		}
		return Server{}, &fault.Usage{Flag: "SERVER", Value: server, Problem: "is not the host of a registry", Hint: "it looks like registry.example or registry.example:5000"}
	}
	return Server{Host: host, Key: canonicalKey(host)}, nil
}

// Stored says where a credential went.
type Stored struct {
	// Where is the file or the credential helper, in words.
	Where string
	// Plain says that it stands there as it is, for whoever reads the file.
	Plain bool
}

// StoreLogin files user name and password of a credential as docker login
// does: with the credential helper that config.json in dir names for the
// registry, else in that file. The file is written whole or not at all, with
// mode 0600, and keeps what else is in it. The error is a *ConfigError or a
// *HelperError.
func StoreLogin(ctx context.Context, dir string, s Server, cred Credential) (Stored, error) {
	stored := Stored{Where: filepath.Join(dir, "config.json"), Plain: true}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return stored, &ConfigError{File: stored.Where, Problem: cause(err)}
	}
	err := editConfig(dir, func(c *configFile) (bool, error) {
		entry := map[string]string{}
		if program := c.helper(s); program != "" {
			stored = Stored{Where: program}
			err := tellHelper(ctx, program, s, func(run client.ProgramFunc) error {
				return client.Store(run, &credentials.Credentials{ServerURL: s.Key, Username: cred.Username, Secret: cred.Password})
			})
			if err != nil {
				return false, err
			}
		} else {
			entry["auth"] = base64.StdEncoding.EncodeToString([]byte(cred.Username + ":" + cred.Password))
		}
		// docker keeps an empty entry of what a helper holds, to know of it. An
		// entry in another spelling must not answer in its place.
		c.remove(s)
		return true, c.add(s, entry)
	})
	return stored, err
}

// EraseLogin removes what StoreLogin or docker login has filed, and reports
// whether there was anything. The error is a *ConfigError or a *HelperError.
func EraseLogin(ctx context.Context, dir string, s Server) (erased bool, err error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	err = editConfig(dir, func(c *configFile) (bool, error) {
		erased = c.remove(s)
		if program := c.helper(s); program != "" && erased {
			return true, tellHelper(ctx, program, s, func(run client.ProgramFunc) error { return client.Erase(run, s.Key) })
		}
		return erased, nil
	})
	return erased, err
}

// tellHelper has a credential helper do something. What it prints may hold a
// secret and is left out of the error.
func tellHelper(ctx context.Context, program string, s Server, do func(client.ProgramFunc) error) error {
	ctx, cancel := context.WithTimeout(ctx, helperTimeout)
	defer cancel()
	call := &helperCall{ctx: ctx, program: program}
	err := do(func(args ...string) client.Program {
		call.args = args
		return call
	})
	var missing *exec.Error
	switch {
	case err == nil:
		return nil
	case errors.As(call.err, &missing):
		return &HelperError{program, s.Host, missing.Err.Error()}
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &HelperError{program, s.Host, fmt.Sprintf("no answer within %s", helperTimeout)}
	case ctx.Err() != nil:
		return ctx.Err()
	case call.err != nil:
		return &HelperError{program, s.Host, call.err.Error()}
	}
	return &HelperError{program, s.Host, "it does not do that"}
}

// configFile is a config.json that is changed: what is not known of it is kept
// as it is.
type configFile struct {
	all   map[string]json.RawMessage
	auths map[string]json.RawMessage

	credsStore  string
	credHelpers map[string]string
}

// helper is the program that holds the registry's credential; empty for the
// file itself.
func (c *configFile) helper(s Server) string {
	name := c.credsStore
	if keys := matching(c.credHelpers, Request{Host: s.Host}, true); len(keys) > 0 {
		name = c.credHelpers[keys[0]]
	}
	if name == "" {
		return ""
	}
	return "docker-credential-" + name
}

// remove drops all entries for the registry as a whole, in whatever spelling,
// and reports whether there were any. Entries for single repositories stay.
func (c *configFile) remove(s Server) bool {
	removed := false
	for text := range c.auths {
		if k := parseKey(text); k.host == s.Host && k.path == "" {
			delete(c.auths, text)
			removed = true
		}
	}
	return removed
}

func (c *configFile) add(s Server, entry map[string]string) error {
	raw, err := json.Marshal(entry)
	c.auths[s.Key] = raw
	return err
}

// editConfig changes config.json in dir if edit says so. Others that log in at
// the same time, as the stages of one job do, wait for each other.
func editConfig(dir string, edit func(*configFile) (changed bool, err error)) error {
	file := filepath.Join(dir, "config.json")
	lock, err := os.Open(dir)
	if err != nil {
		return &ConfigError{File: file, Problem: cause(err)}
	}
	defer func() { _ = lock.Close() }() // which unlocks
	// A file system without locks is no reason not to log in.
	_ = unix.Flock(int(lock.Fd()), unix.LOCK_EX)

	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target // the link stays, what it points at is replaced
	}
	removeLeftovers(file)
	c, err := readConfigFile(file)
	if err != nil {
		return err
	}
	changed, err := edit(c)
	if err != nil || !changed {
		return err
	}
	data, err := c.encode()
	if err == nil {
		err = atomicwriter.WriteFile(file, data, 0o600)
	}
	if err != nil {
		return &ConfigError{File: file, Problem: "cannot be written: " + cause(err)}
	}
	return nil
}

func readConfigFile(file string) (*configFile, error) {
	data, err := (*source.Reader)(nil).Read(file, source.MaxConfig) // a pipe is no place to store it
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, &ConfigError{File: file, Problem: cause(err)}
	}
	c := &configFile{all: map[string]json.RawMessage{}, auths: map[string]json.RawMessage{}}
	if len(bytes.TrimSpace(data)) == 0 {
		return c, nil
	}
	var known struct {
		Auths       map[string]json.RawMessage `json:"auths"`
		CredHelpers map[string]string          `json:"credHelpers"`
		CredsStore  string                     `json:"credsStore"`
	}
	for _, into := range []any{&c.all, &known} {
		if err := json.Unmarshal(data, into); err != nil {
			return nil, jsonError(file, data, err)
		}
	}
	c.credsStore, c.credHelpers = known.CredsStore, known.CredHelpers
	if c.all == nil { // the file says null
		c.all = map[string]json.RawMessage{}
	}
	if known.Auths != nil {
		c.auths = known.Auths
	}
	return c, nil
}

// encode is the file as docker lays it out.
func (c *configFile) encode() ([]byte, error) {
	// Keys are read in any case; two spellings of one would be two answers.
	for key := range c.all {
		if strings.EqualFold(key, "auths") {
			delete(c.all, key)
		}
	}
	auths, err := json.Marshal(c.auths)
	if err != nil {
		return nil, err
	}
	c.all["auths"] = auths
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "\t")
	err = encoder.Encode(c.all)
	return out.Bytes(), err
}
