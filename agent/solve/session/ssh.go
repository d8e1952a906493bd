package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/sshforward"
	"github.com/moby/buildkit/session/sshforward/sshprovider"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/source"
)

// sshAuthSock is where an SSH agent says where it listens.
const sshAuthSock = "SSH_AUTH_SOCK"

// SSH is a parsed --ssh.
type SSH struct {
	ID string
	// Paths is one agent socket, or private keys; empty for the agent of
	// SSH_AUTH_SOCK.
	Paths []string
}

// ParseSSH parses default|ID[=SOCKET|KEY[,KEY]]. The error is a *fault.Usage.
func ParseSSH(value string) (SSH, error) {
	if value == "" {
		return SSH{}, &fault.Usage{Flag: "--ssh", Problem: "is empty"}
	}
	id, paths, ok := strings.Cut(value, "=")
	s := SSH{ID: id}
	if id == "" {
		s.ID = sshforward.DefaultID
	}
	if ok && paths != "" {
		s.Paths = strings.Split(paths, ",")
	}
	for _, p := range s.Paths {
		if p == "" {
			return SSH{}, &fault.Usage{Flag: "--ssh", Value: value, Problem: "a path is empty", Hint: "the form is default or ID=SOCKET or ID=KEY[,KEY]"}
		}
	}
	return s, nil
}

// sshDialTimeout bounds the question whether an agent is alive. It listens on
// this machine.
const sshDialTimeout = 2 * time.Second

// sshAgents opens the keys and finds the agents of all --ssh; nil when there
// are none.
func sshAgents(ctx context.Context, list []SSH, files *source.Reader, lookup func(string) (string, bool), found *fault.UsageList) session.Attachable {
	var configs []sshprovider.AgentConfig
	seen := map[string]bool{}
	for _, s := range list {
		config, err := s.agent(ctx, files, lookup)
		if err == nil && seen[s.ID] {
			err = s.problem("the id is given twice", "")
		}
		seen[s.ID] = true
		if err != nil {
			found.Add(err)
			continue
		}
		configs = append(configs, config)
	}
	if len(configs) == 0 {
		return nil
	}
	provider, err := sshprovider.NewSSHAgentProvider(configs)
	if err != nil {
		// Each was tried alone before, so this is a change on disk since.
		found.Add(&fault.Usage{Flag: "--ssh", Problem: err.Error()})
		return nil
	}
	return provider
}

func (s SSH) problem(text, hint string) *fault.Usage {
	value := s.ID
	if len(s.Paths) > 0 {
		value += "=" + strings.Join(s.Paths, ",")
	}
	return &fault.Usage{Flag: "--ssh", Value: value, Problem: text, Hint: hint}
}

func (s SSH) agent(ctx context.Context, files *source.Reader, lookup func(string) (string, bool)) (sshprovider.AgentConfig, *fault.Usage) {
	config := sshprovider.AgentConfig{ID: s.ID, Paths: s.Paths}
	if len(s.Paths) == 0 {
		sock, _ := lookup(sshAuthSock)
		if sock == "" {
			return config, s.problem("there is no SSH agent, "+sshAuthSock+" is not set", fmt.Sprintf("start one (eval $(ssh-agent); ssh-add KEY), or give a key: --ssh %s=KEYFILE", s.ID))
		}
		config.Paths = []string{sock}
	}
	paths := slices.Clone(config.Paths)
	for i, p := range config.Paths {
		info, err := os.Stat(p)
		if err != nil {
			return config, s.problem(fmt.Sprintf("%q cannot be used: %s", p, fault.Cause(err)), "")
		}
		if info.Mode()&os.ModeSocket == 0 {
			// BuildKit's provider opens it itself, here and for each build.
			if paths[i], err = files.Path(p, source.MaxConfig); err != nil {
				return config, s.problem(fmt.Sprintf("%q cannot be used: %s", p, fault.Cause(err)), "")
			}
			continue
		}
		dialer := net.Dialer{Timeout: sshDialTimeout}
		conn, err := dialer.DialContext(ctx, "unix", p)
		if err != nil {
			var op *net.OpError
			if errors.As(err, &op) {
				err = op.Err
			}
			return config, s.problem(fmt.Sprintf("no SSH agent answers on socket %q: %s", p, err), "")
		}
		if err := conn.Close(); err != nil {
			return config, s.problem(fmt.Sprintf("no SSH agent answers on socket %q: %s", p, err), "")
		}
	}
	config.Paths = paths
	if _, err := sshprovider.NewSSHAgentProvider([]sshprovider.AgentConfig{config}); err != nil {
		hint := ""
		if strings.Contains(err.Error(), "passphrase") {
			hint = "add the key to an agent (ssh-add) and give --ssh " + s.ID
		}
		return config, s.problem(innermost(err).Error(), hint)
	}
	return config, nil
}

// innermost is the first cause of an error, without the wrapping of BuildKit's
// internals.
func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
