package registry

import "strings"

// HintOf says what to do about a refusal that has nothing to do with the
// credential, although its status (401, 403) often says so: by the registry's
// own words. It is empty for all others.
func HintOf(message string) string {
	message = strings.ToLower(message)
	for _, known := range refusalWords {
		for _, word := range known.words {
			if strings.Contains(message, word) {
				return known.hint
			}
		}
	}
	return ""
}

var refusalWords = []struct {
	words []string
	hint  string
}{
	// Amazon ECR; Harbor; Quay; Artifactory.
	{
		[]string{"immutable", "cannot be overwritten", "tag already exists", "not allowed to overwrite", "not allowed to be overwritten"},
		"the tag exists and the registry does not let it move: push another tag, or delete this one in the registry",
	},
	// Harbor; GitLab, Nexus and ACR; Amazon ECR's limits are counted in images.
	{
		[]string{"quota", "storage limit", "size limit", "limit exceeded"},
		"the registry is full for this project or user: remove images there, or have its limit raised",
	},
	// Azure Container Registry; others behind a firewall of their own.
	{
		[]string{"is not allowed access", "ip address", "firewall"},
		"the registry's network rules keep this address out: the credential does not matter there",
	},
	{
		[]string{"read-only", "readonly", "read only", "maintenance"},
		"the registry takes no pushes now, from nobody: ask who runs it",
	},
}
