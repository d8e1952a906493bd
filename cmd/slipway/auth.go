package main

import (
	"cmp"
	"errors"
	"strings"
	"time"

	"github.com/slipway-build/slipway/cmd/slipway/authview"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/remote"
)

type authCmd struct {
	Ref []string `arg:"" optional:"" help:"Images, repositories or hosts of registries (default: whatever there are credentials for)."`

	Check  bool   `help:"Ask the registries whether the credentials may pull and push; nothing is changed."`
	Push   bool   `help:"With --check: ask for the right to push only."`
	All    bool   `short:"a" help:"Show the sources without a credential too."`
	Format string `enum:"table,json" default:"table" help:"Output format (${enum})."`
	registryFlags
}

// Help is shown by --help.
func (c *authCmd) Help() string {
	return "For every registry the sources of credentials are listed in the order in which they are asked: the one that is used, those that are passed over or broken, and why. No secret is ever shown. The exit code is 5 when a check fails."
}

// Run explains the credentials and, if asked to, tries them.
func (c *authCmd) Run(in *invocation) error {
	if c.Push && !c.Check {
		return &usageError{err: errors.New("--push asks for nothing without --check")}
	}
	asked, err := c.asked()
	if err != nil {
		return &usageError{err: err}
	}
	keychain, err := in.keychain(c.registryFlags, authTags(asked))
	if err != nil {
		return err
	}
	if len(c.Ref) == 0 {
		for _, name := range keychain.Registries(in.ctx) {
			host, path, _ := strings.Cut(name, "/")
			asked = append(asked, authview.Target{Request: registry.Request{Host: host, Repository: path}, Named: path != ""})
		}
	}
	client, err := in.authClient(keychain, c.Check)
	if err != nil {
		return err
	}
	report := make([]authview.Status, 0, len(asked))
	if unplaced := keychain.Unplaced(); len(c.Ref) == 0 && len(unplaced) > 0 {
		report = append(report, authview.Status{Verdict: "not used", Findings: unplaced})
	}
	for _, target := range asked {
		findings, err := keychain.Explain(in.ctx, target.Request)
		if err != nil {
			return classifyRegistry(err)
		}
		status := authview.Status{Registry: target.String(), Findings: findings}
		if c.Check {
			if status.Checks, err = c.checks(in, client, target); err != nil {
				return err
			}
		}
		if status.Judge(); status.Verdict == authview.Anonymous {
			status.Alike = keychain.Alike(in.ctx, target.Host)
		}
		report = append(report, status)
	}
	if c.Format == formatJSON {
		err = in.printJSON(report)
	} else {
		err = authview.Print(in.out, report, c.All, time.Now())
	}
	if err != nil {
		return err
	}
	return authview.Failed(report)
}

// asked parses the arguments; all mistakes are reported at once.
func (c *authCmd) asked() ([]authview.Target, error) {
	var all fault.List
	targets := fault.Each(&all, c.Ref, authview.ParseTarget)
	if len(all) > 0 {
		return nil, all
	}
	return targets, nil
}

// authTags are what the arguments would be as tags of a build: those name the
// registry of a login without one.
func authTags(asked []authview.Target) []string {
	var tags []string
	for _, target := range asked {
		tags = append(tags, target.Host+"/"+cmp.Or(target.Repository, "any"))
	}
	return tags
}

// authClient is the registry client of --check; nil without it.
func (in *invocation) authClient(keychain registry.Keychain, check bool) (*remote.Client, error) {
	if !check {
		return nil, nil
	}
	definitions, err := in.optionalDefinitions()
	if err != nil {
		return nil, err
	}
	return in.registryClient(keychain, nil, definitions...)
}

// checks asks for the rights to a repository. A registry without one cannot be
// asked for any.
func (c *authCmd) checks(in *invocation, client *remote.Client, target authview.Target) ([]authview.Check, error) {
	if !target.Named {
		return []authview.Check{{Action: "none", Error: "a right is one to a repository: name one"}}, nil
	}
	var checks []authview.Check
	for _, action := range []string{"pull", "push"} {
		if c.Push && action == "pull" {
			continue
		}
		check := authview.Check{Action: action}
		err := client.Check(in.ctx, target.String(), action == "push")
		if in.ctx.Err() != nil {
			return nil, classifyRegistry(err)
		}
		if err != nil {
			check.Err, check.Error, check.Hints = err, sanitize.RedactURLs(err.Error()), fault.Hints(err)
		}
		checks = append(checks, check)
	}
	return checks, nil
}
