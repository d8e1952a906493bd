package configmap

import (
	"fmt"
	"slices"
	"strings"
)

// Drift is what is done about a workload that is not as its definition says.
type Drift string

// The policies.
const (
	// DriftWarn says so and goes on.
	DriftWarn Drift = "warn"
	// DriftApply brings the workload up to date.
	DriftApply Drift = "apply"
	// DriftFail ends the work.
	DriftFail Drift = "fail"
	// DriftIgnore does not look.
	DriftIgnore Drift = "ignore"
)

// drifts are all of them.
func drifts() []string {
	return []string{string(DriftWarn), string(DriftApply), string(DriftFail), string(DriftIgnore)}
}

// ParseDrift reads the name of a policy.
func ParseDrift(name string) (Drift, error) {
	if !slices.Contains(drifts(), name) {
		return "", fmt.Errorf("%q is not a policy for drift; there are %s", name, strings.Join(drifts(), ", "))
	}
	return Drift(name), nil
}

// WithDrift returns the definition with a policy for every node of the driver
// kubernetes: chosen where it is not empty, else the definition's own, else
// standard.
func (d Definition) WithDrift(chosen, standard Drift) Definition {
	d.Nodes = slices.Clone(d.Nodes)
	for i, n := range d.Nodes {
		if n.Kubernetes == nil {
			continue
		}
		settings := *n.Kubernetes
		if chosen != "" {
			settings.Drift = chosen
		}
		if settings.Drift == "" {
			settings.Drift = standard
		}
		d.Nodes[i].Kubernetes = &settings
	}
	return d
}
