package kaniko

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/internal/target"
	"github.com/slipway-build/slipway/registry/remote"
)

// Around is what is done on the agent before and after the build of a plan.
type Around struct {
	Plan Plan
	// WorkDir is what relative paths are relative to.
	WorkDir string
	// Files reads standard input and the files that flags name.
	Files *source.Reader

	temp    string         // empty as long as none is needed
	targets []*target.File // of Plan.Files; nil for those that are put to a URL
}

// Prepared is what slipway build gets besides Plan.Args.
type Prepared struct {
	// Context is a directory on the agent or the URL of a repository; Dockerfile is the
	// value of -f.
	Context, Dockerfile string
	// Key is what the builder knows the context by; empty for its own choice.
	Key string
	// Variables are those of the plan, and that of its source policy.
	Variables map[string]string
	// Trusted are the certificates of registries.
	Trusted remote.Hosts
}

// Prepare checks where the results go, unpacks the context and reads the files that the
// plan names. Mistakes of the user's are *fault.Usage. Close must be called whatever
// happens.
func (a *Around) Prepare(ctx context.Context) (p Prepared, err error) {
	if err := a.open(); err != nil {
		return p, err
	}
	if p.Trusted, err = a.trusted(); err != nil {
		return p, err
	}
	if p.Context, p.Key, err = a.context(ctx); err != nil {
		return p, err
	}
	dir := p.Context
	if a.Plan.Context.Form == FormGit {
		dir = ""
	}
	p.Dockerfile = a.Plan.FindDockerfile(a.WorkDir, dir, exists)
	p.Variables = maps.Clone(a.Plan.Variables)
	if a.Plan.Policy == nil {
		return p, nil
	}
	temp, err := a.tempDir()
	if err != nil {
		return p, err
	}
	file := filepath.Join(temp, "policy.json")
	p.Variables[PolicyVariable] = file
	return p, os.WriteFile(file, a.Plan.Policy, 0o600)
}

// Close removes temporary files.
func (a *Around) Close() error {
	if a.temp == "" {
		return nil
	}
	return os.RemoveAll(a.temp)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// DockerConfig is the directory of docker's config.json: the first that has one of the
// directory of kaniko's files, the one given, and that of kaniko's image.
func (p Plan) DockerConfig(given string) string {
	const dir, file = ".docker", "config.json"
	candidates := []string{given, filepath.Join(DefaultDir, dir)}
	if p.Dir != "" {
		candidates = slices.Insert(candidates, 0, filepath.Join(p.Dir, dir))
	}
	for _, candidate := range candidates {
		if candidate != "" && exists(filepath.Join(candidate, file)) {
			return candidate
		}
	}
	return given
}

// open finds out where the files with the digest go, and fails when they could not be
// written after the build. As with kaniko their directories are made.
func (a *Around) open() error {
	for _, f := range a.Plan.Files {
		if f.Remote() {
			a.targets = append(a.targets, nil)
			continue
		}
		path := f.Path
		if !filepath.IsAbs(path) {
			path = filepath.Join(a.WorkDir, path)
		}
		err := os.MkdirAll(filepath.Dir(path), 0o700)
		var opened target.File
		if err == nil {
			opened, err = target.Open(a.WorkDir, f.Path)
		}
		if err != nil {
			return &fault.Usage{Flag: f.Flag, Value: f.Path, Problem: fault.Cause(err)}
		}
		a.targets = append(a.targets, &opened)
	}
	return nil
}

// Write writes the files that say what was built.
func (a *Around) Write(ctx context.Context, digest string) error {
	for i, f := range a.Plan.Files {
		if f.Remote() {
			if err := f.Put(ctx, &http.Client{}, digest); err != nil {
				return fault.With(fault.ClassRegistry, err)
			}
			continue
		}
		if err := a.targets[i].Write(ctx, f.Content(digest), 0o644); err != nil {
			return fault.With(fault.ClassUsage, fmt.Errorf("%s: %w", f.Flag, fault.ExplainAgent(err)))
		}
	}
	return nil
}

// context is the build context as slipway build has it, and its key. Tarballs are
// unpacked.
func (a *Around) context(ctx context.Context) (value, key string, err error) {
	c := a.Plan.Context
	given := c.URL
	var stream io.ReadCloser
	switch c.Form {
	case FormDir:
		return c.Path, "", nil
	case FormGit:
		return c.URL, "", nil
	case FormStdin:
		given = "tar://stdin"
		stream, err = a.Files.StreamStdin()
	case FormTar:
		given = "tar://" + c.Path
		stream, err = os.Open(c.Path)
	case FormHTTPS:
		stream, err = Fetch(ctx, &http.Client{}, c.URL)
	}
	fail := func(err error) (string, string, error) {
		if ctx.Err() != nil {
			return "", "", fault.With(fault.ClassCancelled, context.Cause(ctx))
		}
		return "", "", &fault.Usage{Flag: "--context", Value: given, Problem: fault.Cause(err)}
	}
	if err != nil {
		return fail(err)
	}
	defer func() { _ = stream.Close() }() // it was only read
	temp, err := a.tempDir()
	if err != nil {
		return "", "", err
	}
	dir := filepath.Join(temp, "context")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", "", err
	}
	if err := Unpack(ctx, stream, dir); err != nil {
		return fail(err)
	}
	sub := filepath.Join(dir, c.Sub)
	if info, err := os.Stat(sub); err != nil || !info.IsDir() {
		return "", "", &fault.Usage{Flag: "--context-sub-path", Value: c.Sub, Problem: "is no directory of the context"}
	}
	// The temporary directory is another one each time.
	return sub, given + " " + c.Sub, nil
}

// tempDir is the directory of the build's temporary files.
func (a *Around) tempDir() (string, error) {
	if a.temp != "" {
		return a.temp, nil
	}
	dir, err := target.TempDir()
	if err == nil {
		a.temp, err = os.MkdirTemp(dir, "slipway-executor-")
	}
	if err != nil {
		return "", &fault.Usage{Flag: "TMPDIR", Problem: err.Error(), Hint: target.TempHint}
	}
	return a.temp, nil
}

// trusted reads the certificates of registries.
func (a *Around) trusted() (remote.Hosts, error) {
	hosts := remote.Hosts{}
	read := func(flag, path string) (data []byte, err error) {
		if path == "" {
			return nil, nil
		}
		if data, err = a.Files.Read(path, source.MaxConfig); err != nil {
			err = &fault.Usage{Flag: flag, Value: path, Problem: fault.Cause(err)}
		}
		return data, err
	}
	for _, name := range slices.Sorted(maps.Keys(a.Plan.Certificates)) {
		files := a.Plan.Certificates[name]
		ca, err := read("--registry-certificate", files.CA)
		cert, certErr := read("--registry-client-cert", files.Cert)
		key, keyErr := read("--registry-client-cert", files.Key)
		if err := errors.Join(err, certErr, keyErr); err != nil {
			return nil, err
		}
		var trusted remote.Host
		if ca != nil {
			trusted.CAs = [][]byte{ca}
		}
		if cert != nil {
			trusted.KeyPairs = []remote.KeyPair{{Cert: cert, Key: key}}
		}
		hosts[name] = trusted
	}
	return hosts, nil
}
