package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"
)

// helperTimeout bounds one call of a credential helper. BuildKit waits 60 s
// for a credential; a helper that talks to a cloud's metadata service answers
// within a few.
const helperTimeout = 20 * time.Second

// helperMemory is how long a helper's answer is kept. BuildKit asks several
// times for one image and a helper may take seconds; the shortest tokens that
// clouds give out live five minutes, and helpers hand out none that is about
// to end.
const helperMemory = time.Minute

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

// fileHelpers is the source "credHelpers" and "credsStore" of a file: programs
// that hold or mint credentials.
type fileHelpers struct {
	read  func() (*DockerConfig, error)
	loose bool
	run   *helpers
}

// Find implements Finder.
func (f fileHelpers) Find(ctx context.Context, r Request) (Credential, error) {
	c, err := f.read()
	if err != nil {
		return Credential{}, nil // the source of the same file's auths says so
	}
	name := c.credsStore
	if keys := matching(c.credHelpers, r, f.loose); len(keys) > 0 {
		name = c.credHelpers[keys[0]]
	}
	switch {
	case name == "":
		return Credential{}, nil
	case strings.ContainsAny(name, `/\`):
		return Credential{}, &ConfigError{File: c.file, Problem: fmt.Sprintf("credential helper %q is not a name", name)}
	}
	return f.run.get(ctx, "docker-credential-"+name, r.Host, c.file)
}

// Registries implements Lister.
func (f fileHelpers) Registries(_ context.Context) []string {
	c, err := f.read()
	if err != nil {
		return nil
	}
	return slices.Collect(maps.Keys(c.credHelpers))
}

// helpers runs credential helpers and keeps what they answer for a while,
// failures too: one that hangs should not hold up every request.
type helpers struct {
	timeout time.Duration
	now     func() time.Time

	mu      sync.Mutex
	answers map[helperQuestion]*helperAnswer
}

// helperQuestion is what a helper is asked.
type helperQuestion struct{ program, key string }

// helperAnswer is what it answered, or is answering.
type helperAnswer struct {
	// turn is held by who asks the helper; others wait for the answer.
	turn       chan struct{}
	until      time.Time
	credential Credential
	err        error
}

func newHelpers() *helpers {
	return &helpers{timeout: helperTimeout, now: time.Now, answers: map[helperQuestion]*helperAnswer{}}
}

// get returns what a helper knows of a host; the zero Credential for nothing.
// named says where the helper is named, for messages.
func (h *helpers) get(ctx context.Context, program, host, named string) (Credential, error) {
	question := helperQuestion{program, canonicalKey(host)}
	h.mu.Lock()
	answer, ok := h.answers[question]
	if !ok {
		answer = &helperAnswer{turn: make(chan struct{}, 1)}
		h.answers[question] = answer
	}
	h.mu.Unlock()

	select {
	case answer.turn <- struct{}{}:
		defer func() { <-answer.turn }()
	case <-ctx.Done():
		return Credential{}, ctx.Err()
	}
	if h.now().Before(answer.until) {
		return answer.credential, answer.err
	}
	cred, err := h.ask(ctx, program, host)
	if ctx.Err() != nil {
		return Credential{}, ctx.Err() // the caller's end is no answer
	}
	if !cred.Anonymous() {
		cred.Source = fmt.Sprintf("%s (%s)", program, named)
	}
	answer.credential, answer.err = cred, err
	answer.until = h.now().Add(helperMemory)
	if end := cred.Expires(); !end.IsZero() && end.Before(answer.until) {
		answer.until = end
	}
	return cred, err
}

// ask runs a helper.
func (h *helpers) ask(ctx context.Context, program, host string) (Credential, error) {
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
		return Credential{}, &HelperError{program, host, missing.Err.Error()}
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
	// The helper protocol marks an identity token by this user name.
	if found.Username == "<token>" {
		return Credential{IdentityToken: found.Secret}, nil
	}
	if found.Username != "" && found.Secret == "" {
		return Credential{}, &HelperError{program, host, "its answer has a user name and no secret"}
	}
	return Credential{Username: found.Username, Password: found.Secret}, nil
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
