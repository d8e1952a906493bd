package cluster

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
)

// collectRules are what garbage collection needs on top of buildRules: it asks
// pods how busy they are, puts workloads to sleep and removes those that are
// left over. Nothing can be bound to names, for it is about workloads that no
// definition names any more; so it is a role of its own, which neither agents
// nor who starts builders should have.
func collectRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{"apps"}, Resources: []string{"deployments/scale", "statefulsets/scale"}, Verbs: []string{"patch"}},
		{APIGroups: []string{"apps"}, Resources: []string{"deployments", "statefulsets"}, Verbs: []string{"delete"}},
		{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"list", "delete"}},
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get", "delete"}},
	}
}

// collectClaimRules let garbage collection remove claims, which it does only
// when told to.
func collectClaimRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"persistentvolumeclaims"}, Verbs: []string{"list", "delete"}},
	}
}

// collectRole is all that garbage collection needs.
func collectRole() role {
	rules := slices.Concat(buildRules(), execRules(), collectRules())
	return role{"slipway-gc", append(rules, collectClaimRules()...)}
}
