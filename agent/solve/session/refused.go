package session

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/remote"
)

// RefusedError is a registry that refused what a build asked of it, with the
// credential that was used.
type RefusedError struct {
	refusal
	// credential is whose it was and where it came from, never a secret.
	credential string
	anonymous  bool
	// standing is what is known of a credential that was not accepted.
	standing remote.Standing
	hints    []string
	// local is true when it was the agent that was refused, which reads the
	// definition itself.
	local bool
	err   error
}

// Error implements error.
func (e *RefusedError) Error() string {
	verb := "pull"
	if e.target.Push {
		verb = "push"
	}
	return fmt.Sprintf("cannot %s %s: %s (%s): %s", verb, e.target, e.what(), e.credential, remote.BareText(e.err.Error()))
}

// Target is the repository, and whether it was written to.
func (e *RefusedError) Target() registry.Request { return e.target }

// Unwrap returns what buildkitd said.
func (e *RefusedError) Unwrap() error { return e.err }

// Hints says what to do about the error.
func (e *RefusedError) Hints() []string { return e.hints }

// DefinitionParts are buildkitd.toml and the authorities beside it, where those
// say how the builder reaches the registry.
func (e *RefusedError) DefinitionParts() []fault.Part {
	switch e.reason {
	case registry.TooManyRequests, registry.UnknownAuthority, registry.WrongCertificate, registry.PlainHTTP, registry.UnknownHost, registry.NotListening:
		if !e.local {
			return []fault.Part{fault.PartFiles}
		}
	}
	return nil
}

// what is the reason in words.
func (e *RefusedError) what() string {
	switch e.reason {
	case registry.NotAccepted:
		switch {
		case e.anonymous:
			return "the registry wants a credential and none was found"
		case e.standing.MayPull:
			return "the credential may pull and may not push"
		case e.standing.Accepted:
			return "the credential is valid and has no right to it, or it does not exist"
		case e.target.Push && !e.standing.Rejected:
			return "the registry has refused the credential for this"
		}
		return "the registry does not accept the credential"
	case registry.NoRight:
		if e.anonymous {
			return "it does not exist, or the registry wants a credential and none was found"
		}
		return "the credential has no right to it, or it does not exist"
	case registry.TooManyRequests:
		return "the registry limits how often it is asked"
	case registry.UnknownRepository:
		return "the repository does not exist"
	case registry.UnknownAuthority:
		return "the registry's certificate is signed by an unknown authority"
	case registry.WrongCertificate:
		return "the registry's certificate is not valid"
	case registry.PlainHTTP:
		return "the registry speaks plain HTTP"
	case registry.UnknownHost:
		return "the name of the registry is not found in the DNS"
	case registry.NotListening:
		return "the registry does not answer"
	case registry.Forbidden:
		return "the registry does not take it"
	}
	return "the registry refused"
}

// informed is a keychain that can say more of itself.
type informed interface {
	// Alike are registries that there are credentials for and that the host may
	// be mistaken for.
	Alike(ctx context.Context, host string) []string
	// Broken is what was wrong with the sources of credentials when there was
	// none for a host.
	Broken(host string) []error
	// PassedOver is why credentials that are there were not used then.
	PassedOver(host string) []string
}

// Explain adds to the error of a solve in which a registry refused something
// which repository it is about, whose credential was used and what the likely
// mistake is: it returns a *RefusedError, or err where that is not known.
func (c *Credentials) Explain(ctx context.Context, err error) error {
	text := err.Error()
	r, ok := parseRefusal(text)
	if !ok {
		return err
	}
	cred, resolveErr := c.resolve(ctx, r.target)
	if resolveErr != nil {
		return err // the reason is more likely there than in what follows
	}
	refused := &RefusedError{refusal: r, credential: cred.String(), anonymous: cred.Anonymous(), err: err}
	if r.reason == registry.NotAccepted && r.target.Push && !cred.Anonymous() {
		refused.standing = c.tokens.Standing(ctx, r.target.String())
	}
	refused.hints = r.hints(cred, refused.standing, time.Now())
	if !c.hosts.allows(r.target.Host) {
		refused.hints = append([]string{fmt.Sprintf("this build does not name %s, so its builders get no credential for it: if they need one, add --registry-allow %s", r.target.Host, r.target.Host)}, refused.hints...)
	} else if cred.Anonymous() {
		if known, ok := c.keychain.(informed); ok {
			refused.hints = append(absentHints(ctx, r.target, known), refused.hints...)
		}
	}
	refused.hints = append(r.meantHints(text), refused.hints...)
	// What failed on the agent is typed there, and its hints are about the
	// agent and not about the builder.
	if local, ok := c.refusal(text).(interface{ Hints() []string }); ok && r.reason > registry.UnknownRepository {
		refused.hints, refused.local = local.Hints(), true
	}
	return refused
}

// hints says what to do about a refusal, by the credential that was used and what
// is known of it.
func (r refusal) hints(cred registry.Credential, standing remote.Standing, now time.Time) []string {
	host := r.target.Host
	login := fmt.Sprintf("give it one: slipway login %s; slipway auth %s shows where it is looked for", host, r.target)
	right := "pull"
	if r.target.Push {
		right = "push"
	}
	grant := fmt.Sprintf("give user %q the right to %s %s; a token needs that scope itself", cred.Username, prepositions[right], r.target)
	switch r.reason {
	case registry.NotAccepted:
		if cred.Anonymous() {
			return []string{login}
		}
		if valid := standing.Hint(cred.Source, right, r.target.String()); valid != "" {
			return []string{valid, grant}
		}
		if end := cred.Expires(); !end.IsZero() && end.Before(now) {
			return []string{fmt.Sprintf("the credential from %s has expired at %s: renew it", cred.Source, end.UTC().Format(time.RFC3339))}
		}
		if r.target.Push && !standing.Rejected {
			return []string{fmt.Sprintf("either the credential from %s is not valid, or it has no right to push to %s: slipway auth --check %s asks the registry", cred.Source, r.target, r.target)}
		}
		return []string{fmt.Sprintf("the credential from %s is wrong or has expired, or has no right to %s %s: renew it, and look at its user name", cred.Source, prepositions[right], r.target)}
	case registry.NoRight:
		if cred.Anonymous() {
			return []string{login, "look at the spelling of the repository as well"}
		}
		return []string{
			grant,
			"look at the spelling of the repository; some registries want it to be made first",
		}
	case registry.Forbidden:
		return []string{r.hint}
	case registry.TooManyRequests:
		if cred.Anonymous() {
			return []string{"log in for a higher limit, or try again later: slipway login " + host}
		}
		return []string{"try again later, or pull through a mirror: [registry.\"" + host + "\"] mirrors in buildkitd.toml of the builder's definition"}
	case registry.UnknownRepository:
		return []string{"make the repository first, and look at its spelling"}
	case registry.UnknownAuthority:
		return []string{fmt.Sprintf("the builder must trust it: put the authority into Files of the definition as certs/%s/ca.pem, and name it in its buildkitd.toml: [registry.%q] ca = [%q]",
			strings.ReplaceAll(host, ":", "_"), host, "/etc/buildkit/certs/"+strings.ReplaceAll(host, ":", "_")+"/ca.pem")}
	case registry.WrongCertificate:
		return []string{"use the name that stands in the certificate, and look at its dates"}
	case registry.PlainHTTP:
		return []string{fmt.Sprintf("set it in buildkitd.toml of the builder's definition: [registry.%q] http = true", host)}
	case registry.UnknownHost:
		return []string{"look at the spelling of the registry's host, and at the DNS of the builder's pod: it is the builder that asks"}
	case registry.NotListening:
		return []string{"the builder's pod must reach the registry: look at its host and port, and at network policies and proxies"}
	}
	return nil
}

// prepositions are the rights with the word that stands before a repository.
var prepositions = map[string]string{"pull": "pull from", "push": "push to"}

// absentHints says what may be the matter with the sources of credentials when
// there is none for a registry.
func absentHints(ctx context.Context, target registry.Request, keychain informed) []string {
	hints := keychain.PassedOver(target.Host)
	for _, err := range keychain.Broken(target.Host) {
		hints = append(hints, "this source of credentials could not be used: "+err.Error())
	}
	if alike := keychain.Alike(ctx, target.Host); len(alike) > 0 {
		hints = append(hints, fmt.Sprintf("there is a credential for %s, which is not the same as %s", strings.Join(alike, ", "), target.Host))
	}
	return hints
}
