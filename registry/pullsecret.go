package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/slipway-build/slipway/internal/source"
)

// defaultSecretsPath is where pull secrets are mounted by convention, each in a
// directory of its own or one in the directory itself.
const defaultSecretsPath = "/etc/slipway/registry"

// dockercfg is the file of a secret of the old type kubernetes.io/dockercfg.
const dockercfg = ".dockercfg"

// secretFiles are the names that a mounted pull secret's file may have.
func secretFiles() []string { return []string{".dockerconfigjson", dockercfg, "config.json"} }

// pullSecretSources are the sources of Kubernetes' pull secrets that are
// mounted below path, or of the one file that path is.
func pullSecretSources(files *source.Reader, path string, run *helpers) []CredentialSource {
	const name = "pull secret"
	given := path != ""
	if !given {
		path = defaultSecretsPath
	}
	found, err := findSecrets(path)
	if err == nil && given && len(found) == 0 {
		err = fmt.Errorf("holds none of the files %s", strings.Join(secretFiles(), ", "))
	}
	switch {
	case err != nil && (given || !errors.Is(err, fs.ErrNotExist)):
		broken := &ConfigError{File: path, Problem: cause(err)}
		return []CredentialSource{{name, path, finderFunc(func(context.Context, Request) (Credential, error) {
			return Credential{}, broken
		})}}
	case len(found) == 0:
		return []CredentialSource{{name, path, finderFunc(func(context.Context, Request) (Credential, error) {
			return Credential{}, nil
		})}}
	}
	var all []CredentialSource
	for _, file := range found {
		all = append(all, fileSources(name, file, func() (*DockerConfig, error) { return readPullSecret(files, file) }, false, run)...)
	}
	return all
}

// findSecrets lists the files of pull secrets in a directory and those below
// it, in alphabetical order. Kubernetes' own entries, which begin with two
// dots, hold the same files once more.
func findSecrets(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	dirs := []string{path}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), "..") {
			dirs = append(dirs, filepath.Join(path, entry.Name()))
		}
	}
	var files []string
	for _, dir := range dirs {
		for _, name := range secretFiles() {
			file := filepath.Join(dir, name)
			if info, err := os.Stat(file); err == nil && !info.IsDir() {
				files = append(files, file)
			}
		}
	}
	return files, nil
}

// readPullSecret reads the file of a pull secret, of the old type too.
func readPullSecret(files *source.Reader, file string) (*DockerConfig, error) {
	data, err := files.Read(file, source.MaxConfig)
	if err != nil {
		return nil, &ConfigError{File: file, Problem: cause(err)}
	}
	return parsePullSecret(file, data)
}

// parsePullSecret reads a pull secret: a docker config, or its "auths" alone,
// which is what .dockercfg was. The content decides, for secrets are mounted
// under any name.
func parsePullSecret(file string, data []byte) (*DockerConfig, error) {
	var top map[string]json.RawMessage
	if len(bytes.TrimSpace(data)) == 0 || json.Unmarshal(data, &top) != nil {
		return parseDockerConfig(file, data)
	}
	for _, key := range []string{"auths", "credHelpers", "credsStore"} {
		if _, ok := top[key]; ok {
			return parseDockerConfig(file, data)
		}
	}
	c := &DockerConfig{file: file, auths: make(map[string]authEntry, len(top))}
	for key := range top {
		c.auths[key] = parseAuthEntry(file, key, top[key])
	}
	return c, nil
}
