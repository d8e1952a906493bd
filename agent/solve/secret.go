package solve

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/tonistiigi/go-csvvalue"
)

// Secret is a parsed --secret.
type Secret struct {
	ID string
	// File and Env say where the value is; at most one of them is set. When
	// neither is, the variable named ID serves, else the file named ID.
	File, Env string
}

// ParseSecret parses id=ID[,src=FILE|,env=NAME][,type=file|env]. The error is
// a *UsageError.
func ParseSecret(value string) (Secret, error) {
	s, problem := parseSecret(value)
	if problem != "" {
		return Secret{}, &UsageError{Flag: "--secret", Value: value, Problem: problem, Hint: "the form is id=ID,src=FILE or id=ID,env=NAME"}
	}
	return s, nil
}

func parseSecret(value string) (s Secret, problem string) {
	if value == "" {
		return Secret{}, "is empty"
	}
	fields, err := csvvalue.Fields(value, nil)
	if err != nil {
		return Secret{}, fmt.Sprintf("is not valid CSV: %s", err)
	}
	var kind, source string
	for _, field := range fields {
		key, v, ok := strings.Cut(field, "=")
		if !ok {
			return Secret{}, fmt.Sprintf("%q is not key=value", field)
		}
		switch strings.ToLower(key) {
		case "type":
			if v != "file" && v != "env" {
				return Secret{}, fmt.Sprintf("unknown type %q, expected file or env", v)
			}
			kind = v
		case "id":
			s.ID = v
		case "src", "source":
			source = v
		case "env":
			s.Env = v
		default:
			return Secret{}, fmt.Sprintf("unknown key %q", key)
		}
	}
	switch {
	case s.ID == "":
		return Secret{}, "the id is missing"
	case source != "" && s.Env != "":
		return Secret{}, "src and env exclude each other"
	case kind == "file" && s.Env != "":
		return Secret{}, "type=file and env exclude each other"
	case kind == "env" && s.Env == "":
		// buildx takes type=env,src=NAME for env=NAME.
		s.Env = source
	default:
		s.File = source
	}
	return s, ""
}

// resolve settles where the value comes from and checks that it is there. An
// unset variable is an empty secret, as with buildx, but worth a warning.
func (s Secret) resolve(lookup func(string) (string, bool)) (_ Secret, warning string, _ *UsageError) {
	if s.Env == "" && s.File == "" {
		if _, ok := lookup(s.ID); ok {
			s.Env = s.ID
		} else {
			s.File = s.ID
		}
	}
	if s.Env != "" {
		if _, ok := lookup(s.Env); !ok {
			warning = fmt.Sprintf("--secret id=%s: the environment variable %s is not set, the secret is empty", s.ID, s.Env)
		}
		return s, warning, nil
	}
	problem := func(text string) *UsageError {
		return &UsageError{Flag: "--secret", Value: "id=" + s.ID, Problem: text}
	}
	info, err := os.Stat(s.File)
	if err != nil {
		return s, "", problem(fmt.Sprintf("file %q cannot be read: %s", s.File, cause(err)))
	}
	if info.IsDir() {
		return s, "", problem(fmt.Sprintf("%q is a directory", s.File))
	}
	if info.Size() > secretsprovider.MaxSecretSize {
		return s, "", problem(fmt.Sprintf("file %q has %d bytes, BuildKit takes at most %d", s.File, info.Size(), secretsprovider.MaxSecretSize))
	}
	f, err := os.Open(s.File)
	if err != nil {
		return s, "", problem(fmt.Sprintf("file %q cannot be read: %s", s.File, cause(err)))
	}
	if err := f.Close(); err != nil {
		return s, "", problem(fmt.Sprintf("file %q cannot be read: %s", s.File, cause(err)))
	}
	return s, "", nil
}

// secretStore answers BuildKit's requests. Files are read when they are asked
// for, so that a token which is renewed during a build is fresh.
type secretStore struct {
	byID   map[string]Secret
	lookup func(string) (string, bool)
	// told gets every value that is given out.
	told func(value string)
}

// GetSecret implements secrets.SecretStore.
func (s secretStore) GetSecret(_ context.Context, id string) ([]byte, error) {
	secret, ok := s.byID[id]
	if !ok {
		return nil, fmt.Errorf("secret %s: %w", id, secrets.ErrNotFound)
	}
	value, err := s.read(secret)
	if err == nil && s.told != nil {
		s.told(string(value))
	}
	return value, err
}

func (s secretStore) read(secret Secret) ([]byte, error) {
	if secret.Env != "" {
		value, _ := s.lookup(secret.Env)
		return []byte(value), nil
	}
	return os.ReadFile(secret.File)
}

// secretProvider is the session's side of resolved secrets; the last one of
// an id wins.
func secretProvider(list []Secret, lookup func(string) (string, bool), told func(string)) session.Attachable {
	byID := make(map[string]Secret, len(list))
	for _, s := range list {
		byID[s.ID] = s
	}
	return secretsprovider.NewSecretProvider(secretStore{byID, lookup, told})
}
