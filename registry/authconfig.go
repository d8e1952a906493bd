package registry

import (
	"github.com/slipway-build/slipway/internal/source"
)

// variable reads a docker config that stands in a variable: JSON, or the path
// of a file with it, as GitLab's variables of type File have it. What is
// neither is never shown, for it may be an encoded credential.
func variable(files *source.Reader, name, value string) func() (*DockerConfig, error) {
	return func() (*DockerConfig, error) {
		if value == "" || isJSON([]byte(value)) {
			return parseDockerConfig(name, []byte(value))
		}
		data, err := files.Read(value, source.MaxConfig)
		if err != nil {
			return nil, &ConfigError{File: name, Problem: "is neither JSON nor the path of a file that can be read"}
		}
		return parseDockerConfig(name+", "+value, data)
	}
}
