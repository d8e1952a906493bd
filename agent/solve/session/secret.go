package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/tonistiigi/go-csvvalue"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/source"
)

// Secret is a parsed --secret.
type Secret struct {
	ID string
	// File and Env say where the value is; at most one of them is set. When
	// neither is, the variable named ID serves, else the file named ID.
	File, Env string
}

// ParseSecret parses id=ID[,src=FILE|,env=NAME][,type=file|env]. The error is
// a *fault.Usage.
func ParseSecret(value string) (Secret, error) {
	s, problem := parseSecret(value)
	if problem != "" {
		return Secret{}, &fault.Usage{Flag: "--secret", Value: value, Problem: problem, Hint: "the form is id=ID,src=FILE or id=ID,env=NAME"}
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
// unset variable is an empty secret, as with buildx, but worth a warning, and so
// is a pipe that nothing was written to.
func (s Secret) resolve(files *source.Reader, lookup func(string) (string, bool)) (_ Secret, warning string, _ *fault.Usage) {
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
	data, err := files.Read(s.File, secretsprovider.MaxSecretSize)
	tooLong := (*source.TooLongError)(nil)
	problem := ""
	switch {
	case errors.As(err, &tooLong):
		problem = fmt.Sprintf("file %q is longer than %d bytes, and BuildKit takes no more", s.File, tooLong.Limit)
	case errors.Is(err, syscall.EISDIR):
		problem = fmt.Sprintf("%q is a directory", s.File)
	case err != nil:
		problem = fmt.Sprintf("file %q cannot be read: %s", s.File, fault.Cause(err))
	case len(data) == 0 && source.IsStream(s.File):
		warning = fmt.Sprintf("--secret id=%s: nothing was written to %s, the secret is empty", s.ID, s.File)
	}
	if problem != "" {
		return s, "", &fault.Usage{Flag: "--secret", Value: "id=" + s.ID, Problem: problem}
	}
	return s, warning, nil
}

// secretStore answers BuildKit's requests. Files are read when they are asked
// for, so that a token which is renewed during a build is fresh.
type secretStore struct {
	byID   map[string]Secret
	files  *source.Reader
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
	return s.files.Read(secret.File, secretsprovider.MaxSecretSize)
}

// OpenSecrets checks secrets and returns what serves them to a daemon; the last
// one of an id wins. told gets every value that is given out; it may be nil.
// Warnings are of secrets that are empty.
func OpenSecrets(list []Secret, files *source.Reader, lookup func(string) (string, bool), told func(value string)) (_ session.Attachable, warnings []string, mistakes fault.UsageList) {
	byID := make(map[string]Secret, len(list))
	for _, s := range list {
		s, warning, problem := s.resolve(files, lookup)
		mistakes.Add(problem)
		if warning != "" {
			warnings = append(warnings, warning)
		}
		byID[s.ID] = s
	}
	return secretsprovider.NewSecretProvider(secretStore{byID, files, lookup, told}), warnings, mistakes
}
