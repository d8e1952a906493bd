package scenarios

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/e2e/testbed/state"
)

// requirement is a feature of Kubernetes that not every version on which the
// scenarios run has. docs/clusters.md lists it with the same words.
type requirement struct {
	feature string
	// since is the first minor version that has it by default.
	since int
}

var (
	userNamespaces            = requirement{"user namespaces", 33}
	mutatingAdmissionPolicies = requirement{"mutating admission policies", 36}
	forcedDeletion            = requirement{"a forced deletion that ends the pod", 31}
)

// requirements are all that scenarios have.
var requirements = []requirement{userNamespaces, mutatingAdmissionPolicies, forcedDeletion}

// has tells whether the cluster has a feature. Where it does not, the log says
// which part of the scenario was left out.
func (s *space) has(r requirement, part string) bool {
	s.t.Helper()
	missing := r.missing(s.Bed)
	if missing != "" {
		s.t.Logf("not applicable: %s: %s", part, missing)
	}
	return missing == ""
}

// needs skips the scenario on a cluster that lacks a feature.
func (s *space) needs(r requirement) {
	s.t.Helper()
	if missing := r.missing(s.Bed); missing != "" {
		s.t.Skip("not applicable: " + missing)
	}
}

// missing says what the testbed lacks; empty where it lacks nothing, or is another
// cluster, of which nothing is known.
func (r requirement) missing(bed state.State) string {
	version := bed.Versions["kubernetes"]
	_, rest, _ := strings.Cut(version, ".")
	number, _, _ := strings.Cut(rest, ".")
	if minor, err := strconv.Atoi(number); err != nil || minor >= r.since {
		return ""
	}
	return fmt.Sprintf("needs %s (Kubernetes 1.%d), this is %s", r.feature, r.since, version)
}

func TestRequirements(t *testing.T) {
	t.Parallel()
	r := requirement{"something", 33}
	for version, want := range map[string]string{
		"v1.30.14": "needs something (Kubernetes 1.33), this is v1.30.14",
		"v1.32.9":  "needs something (Kubernetes 1.33), this is v1.32.9",
		"v1.33.0":  "",
		"v1.37.2":  "",
		"":         "",
	} {
		if got := r.missing(state.State{Versions: map[string]string{"kubernetes": version}}); got != want {
			t.Errorf("missing on %q: %q, want %q", version, got, want)
		}
	}
	page := readFile(t, "../docs/clusters.md")
	for _, r := range requirements {
		if !regexp.MustCompile(fmt.Sprintf(`(?m)^\| \[?%s\b[^|]*\| 1\.%d `, r.feature, r.since)).MatchString(page) {
			t.Errorf("the table of docs/clusters.md has no row of %s that begins with 1.%d", r.feature, r.since)
		}
	}
}
