package registry

import (
	"context"
	"slices"
	"strings"
)

// Alike are the registries that the sources have credentials for and that are
// not the host, but may have been meant to be.
func (c *Chain) Alike(ctx context.Context, host string) []string {
	return alike(host, c.Registries(ctx))
}

// alike are the registries that host may have been meant to be: its name
// with another port, or one is a part of the other's name.
func alike(host string, known []string) []string {
	name := registryName(host)
	var found []string
	for _, key := range known {
		other := registryName(key)
		if key == host || other == "" {
			continue
		}
		if other == name || strings.HasSuffix(name, "."+other) || strings.HasSuffix(other, "."+name) {
			found = append(found, key)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// registryName is the name of a registry's host without port and path, Docker
// Hub under its one name.
func registryName(key string) string {
	key, _, _ = strings.Cut(key, "/")
	name, _ := CutPort(strings.ToLower(key))
	if slices.Contains([]string{"hub.docker.com", "registry.hub.docker.com", "docker.com"}, name) {
		return "docker.io"
	}
	return name
}
