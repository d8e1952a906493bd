package registry

import (
	"path/filepath"

	"github.com/slipway-build/slipway/internal/source"
)

// containersSources are the sources of podman, buildah and skopeo: the file of
// REGISTRY_AUTH_FILE, which must be there, else auth.json in the directory for
// what lives as long as a login, then in that for configuration. Their entries
// may be for single repositories.
func containersSources(files *source.Reader, authFile, runtimeDir, configDir string, run *helpers) []CredentialSource {
	const name = "containers auth.json"
	if authFile != "" {
		return fileSources(name, authFile, func() (*DockerConfig, error) {
			data, err := files.Read(authFile, source.MaxConfig)
			if err != nil {
				return nil, &ConfigError{File: authFile, Problem: "REGISTRY_AUTH_FILE names it: " + cause(err)}
			}
			return parseDockerConfig(authFile, data)
		}, false, run)
	}
	var all []CredentialSource
	for _, dir := range []string{runtimeDir, configDir} {
		if dir != "" {
			file := filepath.Join(dir, "containers", "auth.json")
			all = append(all, fileSources(name, file, optional(files, file), false, run)...)
		}
	}
	return all
}
