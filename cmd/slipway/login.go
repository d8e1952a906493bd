package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/slipway-build/slipway/cmd/slipway/process"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/registry"
)

// maxPassword bounds in bytes what is read as a password: more than the
// longest key file in use, less than what is piped in by mistake.
const maxPassword = 1 << 20

type loginCmd struct {
	Server string `arg:"" optional:"" help:"The registry (default: Docker Hub)."`

	Username      string `short:"u" placeholder:"NAME" help:"User name."`
	Password      string `short:"p" placeholder:"PASSWORD" help:"Password or access token; everybody on the machine can read it, --password-stdin is safer."`
	PasswordStdin bool   `help:"Read the password or access token from standard input."`
}

// Help is shown by --help.
func (c *loginCmd) Help() string {
	return "The flags are those of docker login, and the credential is stored where docker would: with the credential helper of docker's config.json or in that file, after the registry has accepted it."
}

// Run tries the credential and stores it.
func (c *loginCmd) Run(in *invocation) error {
	server, err := registry.ParseServer(c.Server)
	if err != nil {
		return &usageError{err: err}
	}
	cred, err := c.credential(in)
	if err != nil {
		return err
	}
	in.secrets.hide(cred)
	definitions, err := in.optionalDefinitions()
	if err != nil {
		return err
	}
	client, err := in.registryClient(registry.Fixed(cred), nil, definitions...)
	if err != nil {
		return err
	}
	if err := client.Login(in.ctx, server); err != nil {
		return classifyRegistry(err)
	}
	stored, err := registry.StoreLogin(in.ctx, in.env.dockerDir(), server, cred)
	if err != nil {
		return storeError(err)
	}
	if stored.Plain {
		in.log.Warn().Str("file", stored.Where).Msg("the password is stored as it is; a credential helper in the file's credsStore would keep it safe")
	}
	_, err = fmt.Fprintln(in.out, "Login Succeeded")
	return err
}

// credential is what the user has given, on the command line, by standard
// input or, at a terminal, when asked.
func (c *loginCmd) credential(in *invocation) (registry.Credential, error) {
	cred := registry.Credential{Username: c.Username, Password: c.Password, Source: "the command line"}
	if err := c.check(); err != nil {
		return cred, &usageError{err: err}
	}
	if c.Password != "" {
		in.log.Warn().Msg("everybody on the machine can read the arguments of a command: use --password-stdin")
	}
	var err error
	if c.PasswordStdin {
		cred.Password, err = readPassword(in.files)
	} else {
		err = askFor(in, &cred)
	}
	if err != nil {
		return cred, err
	}
	if err := checkLogin(cred); err != nil {
		return cred, &usageError{err: err}
	}
	return cred, nil
}

// check finds flags that do not go together.
func (c *loginCmd) check() error {
	switch {
	case c.PasswordStdin && c.Password != "":
		return errors.New("--password and --password-stdin exclude each other")
	case c.PasswordStdin && c.Username == "":
		return &fault.Usage{Flag: "--username", Problem: "is missing", Hint: "--password-stdin reads the password only; a token has a user name too, often any or the one that the registry's manual names"}
	}
	return nil
}

// checkLogin finds what could not be stored so that it can be read again.
func checkLogin(cred registry.Credential) error {
	switch {
	case cred.Username == "":
		return errors.New("the user name is empty")
	case cred.Password == "":
		return errors.New("the password is empty")
	case strings.Contains(cred.Username, ":"):
		return &fault.Usage{Flag: "--username", Problem: "holds a colon, which ends a user name where it is stored and sent"}
	}
	return nil
}

// readPassword reads all of standard input but the end of its last line, which
// echo and files add.
func readPassword(files *source.Reader) (string, error) {
	raw, err := files.ReadStdin(maxPassword)
	if tooLong := (*source.TooLongError)(nil); errors.As(err, &tooLong) {
		return "", &usageError{err: fmt.Errorf("standard input is no password: it has more than %d bytes", maxPassword)}
	}
	if err != nil {
		return "", fmt.Errorf("read the password from standard input: %w", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r"), nil
}

// askFor asks for what is missing. Only a terminal is asked: a pipeline would
// wait for ever.
func askFor(in *invocation, cred *registry.Credential) error {
	if cred.Username != "" && cred.Password != "" {
		return nil
	}
	file, ok := in.in.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		missing := "--username"
		if cred.Username != "" {
			missing = "--password-stdin"
		}
		return &usageError{
			err:   fmt.Errorf("%s is missing, and standard input is no terminal to ask at", missing),
			hints: []string{"pipe the password in: printf %s \"$PASSWORD\" | slipway login --username NAME --password-stdin SERVER"},
		}
	}
	if cred.Username == "" {
		if _, err := fmt.Fprint(in.err, "Username: "); err != nil {
			return err
		}
		name, err := answerAt(in.ctx, file, process.ReadLine)
		if err != nil {
			return err
		}
		cred.Username = name
	}
	if cred.Password == "" {
		if _, err := fmt.Fprint(in.err, "Password: "); err != nil {
			return err
		}
		password, err := answerAt(in.ctx, file, func(file *os.File) (string, error) {
			raw, err := term.ReadPassword(int(file.Fd()))
			return string(raw), err
		})
		_, _ = fmt.Fprintln(in.err) // the end of the line was not echoed
		if err != nil {
			return err
		}
		cred.Password = password
	}
	return nil
}

// storeError gives an error of storing or erasing its exit code: the file and
// the helper are the user's.
func storeError(err error) error {
	if errors.Is(err, context.Canceled) {
		return fault.With(fault.ClassCancelled, err)
	}
	return &usageError{err: err}
}
