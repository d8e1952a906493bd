package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"
	"github.com/rs/zerolog"
)

// helperTimeout bounds one call of a credential helper. BuildKit waits 60 s
// for a credential; a helper that talks to a cloud's metadata service answers
// within a few.
const helperTimeout = 20 * time.Second

// HelperError is a credential helper that failed. It never holds what the
// helper printed, because that may be a secret.
type HelperError struct {
	// Program is the helper's binary, docker-credential-<name>.
	Program string
	// Host is the registry that it was asked about.
	Host    string
	Problem string
}

// Error implements error.
func (e *HelperError) Error() string {
	return fmt.Sprintf("credential helper %s, asked for %s: %s", e.Program, e.Host, e.Problem)
}

// Hints says what to do about the error.
func (e *HelperError) Hints() []string {
	return []string{fmt.Sprintf("try it by hand: echo %s | %s get", canonicalKey(e.Host), e.Program)}
}

// helpers is the source "credHelpers" and "credsStore": programs that hold or
// mint credentials.
type helpers struct {
	config  *DockerConfig
	log     zerolog.Logger
	timeout time.Duration

	mu     sync.Mutex
	warned map[string]bool
}

func newHelpers(config *DockerConfig, log zerolog.Logger) *helpers {
	return &helpers{config: config, log: log, timeout: helperTimeout, warned: map[string]bool{}}
}

func (h *helpers) credential(ctx context.Context, host string) (Credential, error) {
	cred, err := h.ask(ctx, host)
	if err != nil || !cred.Anonymous() || fallbackHost(host) == host {
		return cred, err
	}
	return h.ask(ctx, fallbackHost(host))
}

func (h *helpers) ask(ctx context.Context, host string) (Credential, error) {
	name := h.config.credsStore
	if keys := lookupKeys(h.config.credHelpers, host); len(keys) > 0 {
		name = h.config.credHelpers[keys[0]]
	}
	if name == "" {
		return Credential{}, nil
	}
	program := "docker-credential-" + name
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()

	call := &helperCall{ctx: ctx, program: program}
	found, err := client.Get(func(args ...string) client.Program {
		call.args = args
		return call
	}, canonicalKey(host))
	var missing *exec.Error
	switch {
	case errors.As(call.err, &missing):
		h.warnOnce(program, missing.Err)
		return Credential{}, nil
	case credentials.IsErrCredentialsNotFound(err):
		return Credential{}, nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return Credential{}, &HelperError{program, host, fmt.Sprintf("no answer within %s", h.timeout)}
	case ctx.Err() != nil:
		return Credential{}, ctx.Err()
	case call.err != nil:
		return Credential{}, &HelperError{program, host, call.err.Error()}
	case err != nil:
		// What remains is output that is not the JSON of a credential; the
		// library's message would quote it.
		return Credential{}, &HelperError{program, host, "its output is not a credential"}
	}
	cred := Credential{
		Username: found.Username,
		Password: found.Secret,
		Source:   fmt.Sprintf("%s (%s)", program, h.config.file),
	}
	// The helper protocol marks an identity token by this user name.
	if found.Username == "<token>" {
		cred.Username, cred.Password, cred.IdentityToken = "", "", found.Secret
	}
	return cred, nil
}

func (h *helpers) warnOnce(program string, reason error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.warned[program] {
		return
	}
	h.warned[program] = true
	h.log.Warn().Str("helper", program).Str("config", h.config.file).Str("reason", reason.Error()).
		Msg("credential helper cannot be run, trying the next source")
}

// helperCall runs a helper under a context, which the library's own Program
// cannot, and keeps its stderr, which the library's own prints to the
// terminal, out of everything.
type helperCall struct {
	ctx     context.Context
	program string
	args    []string
	input   io.Reader
	err     error
}

// Input implements client.Program.
func (c *helperCall) Input(in io.Reader) { c.input = in }

// Output implements client.Program.
func (c *helperCall) Output() ([]byte, error) {
	cmd := exec.CommandContext(c.ctx, c.program, c.args...)
	cmd.Stdin = c.input
	// A helper that forks may leave a child holding the pipe open.
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout = &out
	c.err = cmd.Run()
	return out.Bytes(), c.err
}
