package cluster

import rbacv1 "k8s.io/api/rbac/v1"

// removeRole lets somebody remove the workload and what belongs to it. It is a
// role of its own, and bound to names where that can be: who builds, or starts
// builders, needs none of it.
func removeRole(workload string, secrets []string) role {
	return role{"slipway-remove-" + workload, []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list"}},
		{APIGroups: []string{"apps"}, Resources: []string{"deployments", "statefulsets"}, ResourceNames: []string{workload}, Verbs: []string{"get", "delete"}},
		{APIGroups: []string{""}, Resources: []string{"configmaps", "persistentvolumeclaims"}, Verbs: []string{"list", "delete"}},
		{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: secrets, Verbs: []string{"get", "delete"}},
	}}
}
