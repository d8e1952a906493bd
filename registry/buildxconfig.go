package registry

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-build/slipway/internal/source"
)

// buildxSources are the docker configs that buildx takes instead of the usual
// one for single registries, repositories and rights: files
// config/HOST[/REPOSITORY][@pull|@push|@pull,push]/config.json in its
// directory.
func buildxSources(reader *source.Reader, dir string, run *helpers) []CredentialSource {
	const name = "buildx config"
	if dir == "" {
		return nil
	}
	base := filepath.Join(dir, "config")
	var files []buildxFile
	err := filepath.WalkDir(base, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() != "config.json" {
			return err
		}
		below, err := filepath.Rel(base, filepath.Dir(path))
		if err != nil {
			return err
		}
		files = append(files, buildxFile{parseBuildxScope(filepath.ToSlash(below)), path})
		return nil
	})
	slices.SortStableFunc(files, func(a, b buildxFile) int {
		return -cmp.Or(compareBool(a.scope.repository != "", b.scope.repository != ""), compareBool(a.scope.push, b.scope.push))
	})
	var all []CredentialSource
	for _, f := range files {
		for _, found := range fileSources(name, f.path, optional(reader, f.path), true, run) {
			found.Finder = buildxFinder{f.scope, found.Finder}
			all = append(all, found)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		broken := &ConfigError{File: base, Problem: cause(err)}
		all = append(all, CredentialSource{name, base, finderFunc(func(context.Context, Request) (Credential, error) {
			return Credential{}, broken
		})})
	}
	return all
}

// buildxScope is what one of buildx's files is for. Unlike other paths its
// repository is a whole name.
type buildxScope struct {
	host, repository string
	// push is a file for requests that push.
	push bool
}

// buildxFile is one of the files.
type buildxFile struct {
	scope buildxScope
	path  string
}

// parseBuildxScope reads HOST[/REPOSITORY][@ACTIONS].
func parseBuildxScope(path string) buildxScope {
	target, actions, _ := strings.Cut(path, "@")
	host, repository, _ := strings.Cut(target, "/")
	return buildxScope{host: canonicalHost(host), repository: repository, push: strings.Contains(actions, "push")}
}

// serves reports whether the file is for a request. buildx asks for at least
// the actions that the name of the file has; every request has pull.
func (s buildxScope) serves(r Request) bool {
	return s.host == canonicalHost(r.Host) &&
		(r.Repository == "" || (s.repository == "" || s.repository == r.Repository) && (!s.push || r.Push))
}

// buildxFinder asks a file for what it is for only.
type buildxFinder struct {
	scope buildxScope
	file  Finder
}

// Find implements Finder.
func (f buildxFinder) Find(ctx context.Context, r Request) (Credential, error) {
	if !f.scope.serves(r) {
		return Credential{}, nil
	}
	return f.file.Find(ctx, r)
}

// Registries implements Lister.
func (f buildxFinder) Registries(_ context.Context) []string {
	return []string{authKey{host: f.scope.host, path: f.scope.repository}.registry()}
}
