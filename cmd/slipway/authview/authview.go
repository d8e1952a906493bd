// Package authview shows what is known of the credentials for registries.
package authview

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
	"github.com/slipway-build/slipway/internal/table"
	"github.com/slipway-build/slipway/registry"
)

// Status is what is known of the credential for one registry.
type Status struct {
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
	Checks []Check `json:"checks"`
}

// Judge sets Verdict, and those of Checks.
func (s *Status) Judge() {
	s.Verdict = s.verdict()
	for i, check := range s.Checks {
		s.Checks[i].Verdict = checkVerdict(check)
	}
}

// verdict is the word for what the sources answer.
func (s *Status) verdict() string {
	has := func(v registry.Verdict) bool {
		return slices.ContainsFunc(s.Findings, func(f registry.Finding) bool { return f.Verdict == v })
	}
	switch {
	case has(registry.Used):
		return "credential"
	case has(registry.ForPushes):
		return string(registry.ForPushes)
	}
	return Anonymous
}

// Anonymous is the verdict where no source has a credential.
const Anonymous = "anonymous"

// Check is what a registry has said of one right.
type Check struct {
	// Action is "pull" or "push", or "none" for a registry without a repository.
	Action string `json:"action"`
	// Verdict is "allowed", "refused" or "not asked".
	Verdict string `json:"verdict"`
	// Error is absent when the right is there.
	Error string `json:"error,omitempty"`
	// Hints say what to do about it.
	Hints []string `json:"hints"`
	// Err is what the registry has said; nil where it was not asked.
	Err error `json:"-"`
}

// Failed is the error of the checks that failed; nil for none.
func Failed(report []Status) error {
	var all fault.List
	for _, status := range report {
		for _, check := range status.Checks {
			if check.Err != nil {
				all = append(all, check.Err)
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	return fault.With(fault.ClassRegistry, all)
}

// Print prints a row for every registry and below it its sources.
func Print(w io.Writer, report []Status, all bool, now time.Time) error {
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

func checkVerdict(c Check) string {
	switch {
	case c.Error == "":
		return "allowed"
	case c.Err == nil:
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
