package gateway

import "strings"

// ServerName is the TLS server name by which clients choose a node of a builder:
// NODE.BUILDER, in lower case and with a hyphen for each underscore, which no name of a
// host has.
func ServerName(builder, node string) string {
	return strings.ReplaceAll(strings.ToLower(node+"."+builder), "_", "-")
}

// Route returns the longest of the names that serverName is, or that it begins with
// before a dot: builder-amd64.kube.builders.example is builder-amd64.kube. It is empty
// where none is.
func Route(names []string, serverName string) string {
	asked := strings.TrimSuffix(strings.ToLower(serverName), ".")
	longest := ""
	for _, name := range names {
		if len(name) > len(longest) && (asked == name || strings.HasPrefix(asked, name+".")) {
			longest = name
		}
	}
	return longest
}
