package cluster

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
)

// wakeRole lets an agent wake a workload that sleeps, and do nothing else to
// it: a builder that garbage collection may put to sleep is of no use to agents
// that cannot wake it, and manageRules let them do much more.
func wakeRole(workload string) role {
	return role{"slipway-wake-" + workload, []rbacv1.PolicyRule{
		{APIGroups: []string{"apps"}, Resources: []string{"deployments/scale", "statefulsets/scale"}, ResourceNames: []string{workload}, Verbs: []string{"patch"}},
	}}
}

// wakes is true for the right that wakeRole gives.
func (m missingRight) wakes() bool {
	return m.name != "" && m.verb == "patch" && m.group == "apps" && slices.Contains([]string{"deployments/scale", "statefulsets/scale"}, m.resource)
}
