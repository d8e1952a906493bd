package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent"
	"github.com/slipway-build/slipway/agent/report"
	"github.com/slipway-build/slipway/cmd/slipway/kaniko"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/internal/target"
	"github.com/slipway-build/slipway/registry/remote"
)

// The names of kaniko's programs.
const (
	executorName = "executor"
	warmerName   = "warmer"
)

func (c called) kaniko() bool { return c == executorName || c == warmerName }

// executor is a build by the command line of kaniko's executor; nil for any other.
type executor struct {
	plan kaniko.Plan
	// checked says that the destinations may be pushed to; refused that they may not.
	checked, refused bool
	made             *report.Report
	temp             string // empty as long as none is needed
}

// executor translates the command line of kaniko's executor, and gives docker's config.json
// the place that kaniko has for it. Other command lines stay as they are.
func (c called) executor(args []string, env *environment) (*executor, []string, error) {
	switch c {
	default:
		return nil, args, nil
	case warmerName:
		return nil, nil, &usageError{err: errors.New("warmer: builders keep the base images that they have pulled"), hints: []string{"leave the step out"}}
	case executorName:
	}
	own := platforms.DefaultSpec()
	plan, err := kaniko.Translate(args, kaniko.Surroundings{
		Lookup:   env.lookup,
		Platform: platforms.Format(platforms.Normalize(ocispecs.Platform{OS: "linux", Architecture: own.Architecture, Variant: own.Variant})),
	})
	if err != nil {
		return nil, nil, &usageError{err: err}
	}
	for _, dir := range []string{filepath.Join(plan.Dir, ".docker"), env.DockerConfig, kaniko.DefaultDir + "/.docker"} {
		if exists(filepath.Join(dir, "config.json")) && filepath.IsAbs(dir) {
			env.DockerConfig = dir
			break
		}
	}
	return &executor{plan: plan}, append(plan.Args, "."), nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// run builds: what kaniko does before and after is done around it.
func (e *executor) run(in *invocation, c *buildCmd) (err error) {
	defer func() { kaniko.Rename(err) }()
	defer func() {
		if e.temp != "" {
			err = errors.Join(err, os.RemoveAll(e.temp))
		}
	}()
	for _, note := range e.plan.Notes {
		in.log.Info().Msg(note)
	}
	for _, warning := range e.plan.Warnings {
		in.log.Warn().Msg(warning)
	}
	files, err := e.open(in)
	if err != nil {
		return &usageError{err: err}
	}
	if err := e.prepare(in, c); err != nil {
		return &usageError{err: err}
	}
	c.executor = e
	for try, wait := 0, time.Second; ; try, wait = try+1, 2*wait {
		err = c.Run(in)
		if err == nil || try >= e.plan.Retries || e.refused || fault.ClassOf(err) != fault.ClassRegistry {
			break
		}
		in.log.Warn().Err(err).Msgf("the build is tried again in %s (%d of %d)", wait, try+1, e.plan.Retries)
		select {
		case <-in.ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
	if err != nil {
		return err
	}
	return e.write(in, files)
}

// open finds out where the files with the digest go. As with kaniko their directories are
// made.
func (e *executor) open(in *invocation) ([]*target.File, error) {
	files := make([]*target.File, len(e.plan.Files))
	for i, f := range e.plan.Files {
		if f.Remote() {
			continue
		}
		path := f.Path
		if !filepath.IsAbs(path) {
			path = filepath.Join(in.workdir, path)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, &fault.Usage{Flag: f.Flag, Value: f.Path, Problem: fault.Cause(err)}
		}
		var err error
		if files[i], err = in.openResult(f.Flag, f.Path); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// write writes the files with the digest.
func (e *executor) write(in *invocation, files []*target.File) error {
	if len(files) == 0 {
		return nil
	}
	image := e.made.Outcome.Image
	if image == nil {
		return fmt.Errorf("%s: the builder has not said which image it has made", e.plan.Files[0].Flag)
	}
	digest := image.Digest.String()
	for i, f := range e.plan.Files {
		if f.Remote() {
			if err := f.Put(in.ctx, &http.Client{}, digest); err != nil {
				return fault.With(fault.ClassRegistry, err)
			}
		} else if err := writeResult(in.ctx, f.Flag, files[i], f.Content(digest)); err != nil {
			return err
		}
	}
	return nil
}

// prepare puts into the command what depends on the machine.
func (e *executor) prepare(in *invocation, c *buildCmd) (err error) {
	if c.Context, err = e.context(in, c); err != nil {
		return err
	}
	dir := c.Context
	if e.plan.Context.Form == kaniko.FormGit {
		dir = ""
	}
	c.File = e.plan.FindDockerfile(in.workdir, dir, exists)
	variables := e.plan.Variables
	for _, value := range variables {
		in.secrets.hideValues(value)
	}
	if e.plan.Policy != nil {
		temp, err := e.tempDir()
		if err != nil {
			return err
		}
		file := filepath.Join(temp, "policy.json")
		if err := os.WriteFile(file, e.plan.Policy, 0o600); err != nil {
			return err
		}
		variables[kaniko.PolicyVariable] = file
	}
	lookup := in.env.lookup
	in.env.lookup = func(name string) (string, bool) {
		if value, ok := variables[name]; ok {
			return value, true
		}
		return lookup(name)
	}
	return e.trust(in)
}

// context is the build context as slipway build has it. Tarballs are unpacked.
func (e *executor) context(in *invocation, c *buildCmd) (string, error) {
	k := e.plan.Context
	var stream io.ReadCloser
	var err error
	value := k.URL
	switch k.Form {
	case kaniko.FormDir:
		return k.Path, nil
	case kaniko.FormGit:
		return k.URL, nil
	case kaniko.FormStdin:
		value = "tar://stdin"
		stream, err = in.files.StreamStdin()
	case kaniko.FormTar:
		value = "tar://" + k.Path
		stream, err = os.Open(k.Path)
	case kaniko.FormHTTPS:
		stream, err = kaniko.Fetch(in.ctx, &http.Client{}, k.URL)
	}
	fail := func(err error) (string, error) {
		return "", &fault.Usage{Flag: "--context", Value: value, Problem: fault.Cause(err)}
	}
	if err != nil {
		return fail(err)
	}
	defer func() { _ = stream.Close() }() // it was only read
	temp, err := e.tempDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(temp, "context")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	if err := kaniko.Unpack(in.ctx, stream, dir); err != nil {
		return fail(err)
	}
	if c.ContextKey == "" { // not the temporary directory, which is another one each time
		id, _ := in.env.CI.Identify()
		c.ContextKey = id.Repository + " " + value + " " + k.Sub
	}
	return filepath.Join(dir, k.Sub), nil
}

// tempDir is the directory of the build's temporary files.
func (e *executor) tempDir() (string, error) {
	if e.temp != "" {
		return e.temp, nil
	}
	dir, err := target.TempDir()
	if err == nil {
		e.temp, err = os.MkdirTemp(dir, "slipway-executor-")
	}
	if err != nil {
		return "", &usageError{err: err, hints: []string{target.TempHint}}
	}
	return e.temp, nil
}

// trust reads the certificates of registries.
func (e *executor) trust(in *invocation) error {
	in.trusted = remote.Hosts{}
	for host, files := range e.plan.Certificates {
		read := func(flag, path string) (data []byte, err error) {
			if path != "" {
				if data, err = in.files.Read(path, source.MaxConfig); err != nil {
					err = &fault.Usage{Flag: flag, Value: path, Problem: fault.Cause(err)}
				}
			}
			return data, err
		}
		ca, err := read("--registry-certificate", files.CA)
		cert, certErr := read("--registry-client-cert", files.Cert)
		key, keyErr := read("--registry-client-cert", files.Key)
		if err := errors.Join(err, certErr, keyErr); err != nil {
			return err
		}
		var trusted remote.Host
		if ca != nil {
			trusted.CAs = [][]byte{ca}
		}
		if cert != nil {
			trusted.KeyPairs = []remote.KeyPair{{Cert: cert, Key: key}}
		}
		in.trusted[host] = trusted
	}
	return nil
}

// ready is called before the builders are looked for, with what speaks to registries: as
// kaniko does it checks the right to push. A build by another command line has nothing to
// check.
func (e *executor) ready(in *invocation, client *remote.Client, definition configmap.Definition) error {
	if e == nil || e.checked {
		return nil
	}
	hosts, err := agent.RegistryHosts(definition)
	if err != nil {
		return err
	}
	mirrors, err := agent.RegistryMirrors(definition)
	if err != nil {
		return err
	}
	for _, warning := range e.plan.RegistryWarnings(hosts, mirrors) {
		in.log.Warn().Msg(warning)
	}
	for _, repository := range e.plan.Check {
		if err := client.Check(in.ctx, repository, true); err != nil {
			e.refused = true
			return fault.With(fault.ClassRegistry, fmt.Errorf("check that %s may be pushed to: %w", repository, err))
		}
	}
	e.checked = true
	return nil
}

// succeeded notes what was built.
func (e *executor) succeeded(made *report.Report) {
	if e != nil {
		e.made = made
	}
}

// answerKaniko answers what needs no build: help and the version.
func (c called) answerKaniko(args []string, out io.Writer) (done bool, err error) {
	switch {
	case c != executorName || len(args) != 1:
		return false, nil
	case slices.Contains([]string{"--help", "-h", "help"}, args[0]):
		_, err = sanitize.Fprintf(out, "%s", kaniko.Help())
	case args[0] == "version":
		_, err = sanitize.Fprintf(out, "%s\n", versionLine())
	default:
		return false, nil
	}
	return true, err
}
