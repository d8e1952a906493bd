package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/distribution/reference"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
	"github.com/slipway-build/slipway/internal/table"
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

// authStatus is what is known of the credential for one registry.
type authStatus struct {
	// Registry is the registry or the repository that was asked about; empty text
	// for credentials that name none.
	Registry string `json:"registry"`
	// Verdict is "credential", "only for pushes" where builds that push there are the
	// only ones with a credential, "anonymous" where no source has one, or "not used"
	// for credentials that name no registry.
	Verdict string `json:"verdict"`
	// Findings are what the sources answer, in order.
	Findings []registry.Finding `json:"sources"`
	// Alike are registries that there are credentials for, where there is none
	// for this one and its name is like theirs.
	Alike []string `json:"alike"`
	// Checks are the rights that were asked for, with --check.
	Checks []authCheck `json:"checks"`
}

// verdict is the word for what the sources answer.
func (s authStatus) verdict() string {
	has := func(v registry.Verdict) bool {
		return slices.ContainsFunc(s.Findings, func(f registry.Finding) bool { return f.Verdict == v })
	}
	switch {
	case has(registry.Used):
		return "credential"
	case has(registry.ForPushes):
		return string(registry.ForPushes)
	}
	return anonymous
}

// anonymous is the verdict where no source has a credential.
const anonymous = "anonymous"

// authCheck is what a registry has said of one right.
type authCheck struct {
	// Action is "pull" or "push", or "none" for a registry without a repository.
	Action string `json:"action"`
	// Verdict is "allowed", "refused" or "not asked".
	Verdict string `json:"verdict"`
	// Error is absent when the right is there.
	Error string `json:"error,omitempty"`
	// Hints say what to do about it.
	Hints []string `json:"hints"`
	err   error
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
			asked = append(asked, authTarget{registry.Request{Host: host, Repository: path}, path != ""})
		}
	}
	client, err := in.authClient(keychain, c.Check)
	if err != nil {
		return err
	}
	report := make([]authStatus, 0, len(asked))
	if unplaced := keychain.Unplaced(); len(c.Ref) == 0 && len(unplaced) > 0 {
		report = append(report, authStatus{Verdict: "not used", Findings: unplaced})
	}
	for _, target := range asked {
		findings, err := keychain.Explain(in.ctx, target.Request)
		if err != nil {
			return classifyRegistry(err)
		}
		status := authStatus{Registry: target.String(), Findings: findings}
		if status.Verdict = status.verdict(); status.Verdict == anonymous {
			status.Alike = keychain.Alike(in.ctx, target.Host)
		}
		if c.Check {
			if status.Checks, err = c.checks(in, client, target); err != nil {
				return err
			}
			for i, check := range status.Checks {
				status.Checks[i].Verdict = checkVerdict(check)
			}
		}
		report = append(report, status)
	}
	if c.Format == formatJSON {
		err = in.printJSON(report)
	} else {
		err = printAuth(in.out, report, c.All, time.Now())
	}
	if err != nil {
		return err
	}
	return failedChecks(report)
}

// authTarget is what is asked about; named says that its repository is one.
type authTarget struct {
	registry.Request
	named bool
}

// asked parses the arguments; all mistakes are reported at once.
func (c *authCmd) asked() ([]authTarget, error) {
	var all fault.List
	targets := fault.Each(&all, c.Ref, parseAuthTarget)
	if len(all) > 0 {
		return nil, all
	}
	return targets, nil
}

// authTags are what the arguments would be as tags of a build: those name the
// registry of a login without one.
func authTags(asked []authTarget) []string {
	var tags []string
	for _, target := range asked {
		tags = append(tags, target.Host+"/"+cmp.Or(target.Repository, "any"))
	}
	return tags
}

// parseAuthTarget parses an image, a repository or the host of a registry.
func parseAuthTarget(value string) (authTarget, error) {
	if isRegistryHost(value) {
		return authTarget{Request: registry.Request{Host: value, Push: true}}, nil
	}
	named, err := reference.ParseNormalizedNamed(value)
	if err != nil {
		return authTarget{}, &fault.Usage{Flag: "image", Value: value, Problem: "is neither an image nor a registry: " + err.Error()}
	}
	return authTarget{registry.Request{Host: reference.Domain(named), Repository: reference.Path(named), Push: true}, true}, nil
}

// isRegistryHost tells registry.example, registry.example:5000 and
// localhost:5000 from app and app:1.
func isRegistryHost(value string) bool {
	if strings.ContainsAny(value, "/@") {
		return false
	}
	name, port := registry.CutPort(value)
	if _, notPort := strconv.ParseUint(port, 10, 16); notPort != nil && value != name {
		return false
	}
	return strings.ContainsAny(name, ".:") || name == "localhost"
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
func (c *authCmd) checks(in *invocation, client *remote.Client, target authTarget) ([]authCheck, error) {
	if !target.named {
		return []authCheck{{Action: "none", Error: "a right is one to a repository: name one"}}, nil
	}
	var checks []authCheck
	for _, action := range []string{"pull", "push"} {
		if c.Push && action == "pull" {
			continue
		}
		check := authCheck{Action: action}
		err := client.Check(in.ctx, target.String(), action == "push")
		if in.ctx.Err() != nil {
			return nil, classifyRegistry(err)
		}
		if err != nil {
			check.err, check.Error, check.Hints = err, sanitize.RedactURLs(err.Error()), fault.Hints(err)
		}
		checks = append(checks, check)
	}
	return checks, nil
}

// failedChecks is the error of the checks that failed; nil for none.
func failedChecks(report []authStatus) error {
	var all fault.List
	for _, status := range report {
		for _, check := range status.Checks {
			if check.err != nil {
				all = append(all, check.err)
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	return fault.With(fault.ClassRegistry, all)
}

// printAuth prints a row for every registry and below it its sources.
func printAuth(w io.Writer, report []authStatus, all bool, now time.Time) error {
	if len(report) == 0 {
		_, err := fmt.Fprintln(w, "no source has a credential for any registry; slipway auth REGISTRY --all lists the sources")
		return err
	}
	t := table.New(w, 3, 0)
	fmt.Fprintln(t, "REGISTRY/SOURCE\tVERDICT\tUSER\tEXPIRES\tDETAIL")
	for _, status := range report {
		sanitize.Fprintf(t, "%s\t%s\t\t\t\n", cmp.Or(status.Registry, "(no registry)"), status.Verdict)
		for _, f := range status.Findings {
			if f.Verdict != registry.HasNone || all {
				sanitize.Fprintf(t, " \\_ %s\t%s\t%s\t%s\t%s\n", f.Source, f.Verdict, cmp.Or(f.Username, "-"), expires(f.Expires, now), detail(f))
			}
		}
		if len(status.Alike) > 0 {
			sanitize.Fprintf(t, " \\_ alike\t\t\t\tthere is a credential for %s, which is not for this one\n", strings.Join(status.Alike, ", "))
		}
		for _, check := range status.Checks {
			sanitize.Fprintf(t, " \\_ check %s\t%s\t\t\t%s\n", check.Action, check.Verdict, check.Error)
		}
	}
	return t.Flush()
}

// detail is what there is to say of a source: why it is as it is, or where its
// credential stands.
func detail(f registry.Finding) string {
	text := cmp.Or(f.Why, f.From, f.Reads)
	if f.Only != "" {
		text += ", " + f.Only
	}
	return text
}

func checkVerdict(c authCheck) string {
	switch {
	case c.Error == "":
		return "allowed"
	case c.err == nil:
		return "not asked"
	}
	return "refused"
}

// expires says when a secret ends: "-" if it does not say.
func expires(at, now time.Time) string {
	switch {
	case at.IsZero():
		return "-"
	case at.Before(now):
		return "expired " + at.Format(time.RFC3339)
	}
	return at.Format(time.RFC3339)
}
