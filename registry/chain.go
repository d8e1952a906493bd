package registry

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/internal/sanitize"
)

// CredentialSource is one place where credentials are looked for.
type CredentialSource struct {
	// Name says which, for people: "docker config".
	Name string
	// Reads says what it reads: a file, variables, a program.
	Reads string
	Finder
}

// Finder finds credentials in one place.
type Finder interface {
	// Find returns the zero Credential when the place has none for the
	// request; an *Unavailable may say why. A *PassedOver says that it has one
	// which must not be used; any other error that the place is broken. Neither holds a secret. It is safe
	// for concurrent use.
	Find(ctx context.Context, r Request) (Credential, error)
}

// Lister is a Finder that knows for which registries it has credentials, as
// keys of a file have them.
type Lister interface {
	// Registries lists the registries, or paths in them.
	Registries(ctx context.Context) []string
}

// Unplacer is a Finder that may hold a credential without knowing for which
// registry it is.
type Unplacer interface {
	// Unplaced says why no request at all gets the credential; empty when some
	// do, or when there is none.
	Unplaced() string
}

// Limited is a Finder whose credential may serve a registry in some commands
// and not in others.
type Limited interface {
	// Only says where the credential for the request is used; empty for
	// everywhere.
	Only(r Request) string
}

// PassedOver is why a source does not answer although it could.
type PassedOver struct{ Why string }

// Error implements error.
func (p *PassedOver) Error() string { return p.Why }

// Unavailable is why a source has nothing where that is nothing to mend: most
// agents are without it.
type Unavailable struct{ Why string }

// Error implements error.
func (u *Unavailable) Error() string { return u.Why }

// Chain is a keychain that asks its sources in order and takes the first
// credential. A source that is broken is warned of once and passed by: what it
// should have held may not be needed.
type Chain struct {
	sources []CredentialSource
	log     zerolog.Logger

	mu     sync.Mutex
	warned map[string]bool
	missed map[string]missed // by host, of requests that stayed anonymous
}

// missed is what kept the sources from having a credential for a request.
type missed struct {
	broken []error
	over   []string
}

// NewKeychain returns the keychain of all sources. The log receives one warning
// for every source that is broken.
func NewKeychain(i Inputs, log zerolog.Logger) *Chain {
	return newChain(i.sources(newHelpers()), log)
}

func newChain(sources []CredentialSource, log zerolog.Logger) *Chain {
	return &Chain{sources: sources, log: log, warned: map[string]bool{}, missed: map[string]missed{}}
}

// Resolve implements Keychain. Its only error is that of the context.
func (c *Chain) Resolve(ctx context.Context, r Request) (Credential, error) {
	var m missed
	for _, asked := range withFallback(r) {
		for _, source := range c.sources {
			cred, err := source.Find(ctx, asked)
			if ctx.Err() != nil {
				return Credential{}, ctx.Err()
			}
			if !cred.Anonymous() && err == nil {
				c.keep(r.Host, missed{})
				return cred, nil
			}
			if passed := (*PassedOver)(nil); errors.As(err, &passed) {
				m.over = append(m.over, passed.Why)
			} else if isBroken(err) {
				c.warn(source, err)
				m.broken = append(m.broken, err)
			}
		}
	}
	c.keep(r.Host, m)
	return Credential{}, nil
}

// isBroken tells errors from reasons.
func isBroken(err error) bool {
	passed, unavailable := (*PassedOver)(nil), (*Unavailable)(nil)
	return err != nil && !errors.As(err, &passed) && !errors.As(err, &unavailable)
}

func (c *Chain) keep(host string, m missed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.missed[host] = m
}

// warn logs a broken source, once.
func (c *Chain) warn(source CredentialSource, err error) {
	once := source.Name + err.Error()
	if helper := (*HelperError)(nil); errors.As(err, &helper) {
		once = source.Name + helper.Program + helper.Problem // for all hosts
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.warned[once] {
		return
	}
	c.warned[once] = true
	c.log.Warn().Str("source", source.Name).Str("reason", err.Error()).
		Msg("a source of registry credentials cannot be used, trying the next one")
}

// Broken returns what was wrong with the sources when a request to the host
// was last left without a credential; nil if nothing was.
func (c *Chain) Broken(host string) []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.missed[host].broken)
}

// PassedOver returns why credentials that are there were not used when a
// request to the host was last left without one; nil if there were none.
func (c *Chain) PassedOver(host string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.missed[host].over)
}

// Verdict is what came of asking a source.
type Verdict string

// The verdicts.
const (
	// Used: its credential is used.
	Used Verdict = "used"
	// ForPushes: its credential is used by a build that pushes to the registry, for its
	// base images there too, and by no other command.
	ForPushes Verdict = "only for pushes"
	// HasNone: it has no credential for the request.
	HasNone Verdict = "has none"
	// Over: it has a credential that is not used.
	Over Verdict = "passed over"
	// Broken: it cannot be read or run.
	Broken Verdict = "broken"
)

// Finding says what one source answers to a request. It holds no secret.
type Finding struct {
	// Source is the name of the source, Reads what it reads.
	Source string `json:"source"`
	Reads  string `json:"reads"`
	// Verdict is what came of asking it.
	Verdict Verdict `json:"verdict"`
	// Why explains the verdict where that needs it.
	Why string `json:"why,omitempty"`
	// Only says where a credential that is only for pushes is used.
	Only string `json:"only,omitempty"`
	// Username, Kind, From and Expires describe the credential, if there is
	// one: Kind is "password", "identity token" or "registry token", From is where
	// exactly it stands, Expires is absent where it does not say.
	Username string    `json:"user,omitempty"`
	Kind     string    `json:"kind,omitempty"`
	From     string    `json:"from,omitempty"`
	Expires  time.Time `json:"expires,omitzero"`
}

// Explain asks every source about a request, also those behind the one whose
// credential is used, and says what each answers, in order.
func (c *Chain) Explain(ctx context.Context, r Request) ([]Finding, error) {
	var findings []Finding
	var first firstFound
	for i, asked := range withFallback(r) {
		for _, source := range c.sources {
			cred, err := source.Find(ctx, asked)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			f := found(source, cred, err)
			if f.Verdict == Used {
				if l, ok := source.Finder.(Limited); ok {
					f.Only = l.Only(asked)
				}
				first.rank(&f)
			}
			if i > 0 && (f.Verdict == Used || f.Verdict == ForPushes) {
				f.Why = "a credential of " + asked.Host + " serves " + r.Host + " as well"
			}
			if i == 0 || f.Verdict != HasNone {
				findings = append(findings, f)
			}
		}
		if first.used != "" {
			break
		}
	}
	return findings, nil
}

// firstFound are the sources whose credential is used, by their names: by every
// command, and by builds that push to the registry; empty for none so far.
type firstFound struct{ used, pushes string }

// rank is told the findings that have a credential, in order, and says which of
// them is used where.
func (first *firstFound) rank(f *Finding) {
	limited := f.Only != ""
	switch {
	case first.used != "":
		f.Verdict, f.Why, f.Only = Over, first.used+" comes first", ""
	case limited && first.pushes != "":
		f.Verdict, f.Why, f.Only = Over, first.pushes+" comes first", ""
	case limited:
		f.Verdict, first.pushes = ForPushes, f.Source
	default:
		first.used = f.Source
	}
}

// found is the finding of one answer, as if no other source were there.
func found(source CredentialSource, cred Credential, err error) Finding {
	f := Finding{Source: source.Name, Reads: source.Reads}
	passed, unavailable := (*PassedOver)(nil), (*Unavailable)(nil)
	switch {
	case errors.As(err, &unavailable):
		f.Verdict, f.Why = HasNone, unavailable.Why
	case errors.As(err, &passed):
		f.Verdict, f.Why = Over, passed.Why
	case err != nil:
		f.Verdict, f.Why = Broken, sanitize.RedactURLs(err.Error())
	case cred.Anonymous():
		f.Verdict = HasNone
	default:
		f.Verdict = Used
		f.Username, f.Kind, f.From, f.Expires = cred.Username, cred.Kind(), cred.Source, cred.Expires()
	}
	return f
}

// Unplaced are the findings of credentials that no request gets, because
// nothing says for which registry they are.
func (c *Chain) Unplaced() []Finding {
	var findings []Finding
	for _, source := range c.sources {
		if u, ok := source.Finder.(Unplacer); ok {
			if why := u.Unplaced(); why != "" {
				findings = append(findings, Finding{Source: source.Name, Reads: source.Reads, Verdict: Over, Why: why})
			}
		}
	}
	return findings
}

// Registries are the registries, or paths in them, that the sources have
// entries for: those that can tell. Each is there once, in alphabetical order.
func (c *Chain) Registries(ctx context.Context) []string {
	var all []string
	for _, source := range c.sources {
		if l, ok := source.Finder.(Lister); ok {
			for _, key := range l.Registries(ctx) {
				if k := parseKey(key); k.host != "" && !k.glob() {
					all = append(all, k.registry())
				}
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
