// Package vcs asks git where a build context comes from: its work tree, the commit
// and the remote. The answers name the context in the provenance, and its files in
// a builder's cache. Nothing that a repository's own settings name is run.
package vcs

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/internal/fault"
)

// The variables that shape what is told of a git work tree, as buildx has
// them.
const (
	envGitInfo   = "BUILDX_GIT_INFO"
	envGitLabels = "BUILDX_GIT_LABELS"
	envGitDirty  = "BUILDX_GIT_CHECK_DIRTY"
)

// entrypointLabel is buildx's label for the Dockerfile's path in the work
// tree.
const entrypointLabel = "com.docker.image.source.entrypoint"

// Timeout bounds all of git's work. A work tree on a slow file system must
// not hold up a build over its provenance.
const Timeout = 10 * time.Second

// Query is what is asked of git about a context.
type Query struct {
	Dir        string            // the context
	Dockerfile string            // the Dockerfile, absolute; may be empty
	Mounts     map[string]string // directories that the daemon may read, by name
	Info       bool              // for the provenance
	Labels     bool              // for the image
	Dirty      bool              // mark a revision with changes beside it
	Key        bool              // for the shared keys of contexts
	Timeout    time.Duration     // for all of git's work
	Environ    []string          // that git is started in
}

// NewQuery reads the variables. As with buildx, a value that is no
// boolean changes nothing.
func NewQuery(lookup func(string) (string, bool)) Query {
	on := func(name string, otherwise bool) bool {
		value, _ := lookup(name)
		if b, err := strconv.ParseBool(value); err == nil {
			return b
		}
		return otherwise
	}
	full, _ := lookup(envGitLabels)
	return Query{
		Info:   on(envGitInfo, true),
		Labels: full == "full" || on(envGitLabels, false),
		Dirty:  on(envGitDirty, false),

		Timeout: Timeout,
	}
}

// Facts is what git says of a context.
type Facts struct {
	// Root is the directory of the work tree; empty when there is none.
	Root string
	// Remote is the URL that it was cloned from, without credentials.
	Remote string
	// Attrs are frontend attributes that tell where the context comes from:
	// vcs:source, vcs:revision, vcs:localdir:NAME and labels.
	Attrs map[string]string
}

// ask asks git. The frontend attributes in the answer tell where a context
// comes from: vcs:source, vcs:revision, vcs:localdir:NAME and labels. They are
// a courtesy to whoever reads the provenance: without git, without a work tree
// or in time trouble there are fewer or none, and never an error.
func ask(ctx context.Context, q Query) Facts {
	if !q.Info && !q.Labels && !q.Key || !inWorkTree(q.Dir) {
		return Facts{}
	}
	program, err := exec.LookPath("git")
	if err != nil {
		return Facts{}
	}
	ctx, cancel := context.WithTimeout(ctx, q.Timeout)
	defer cancel()
	g := git{program: program, dir: q.Dir, env: gitEnvironment(q.Environ)}

	var root, revision, remote string
	var dirty bool
	var asked sync.WaitGroup
	asked.Go(fault.Protect(func() { root, revision = g.head(ctx) }))
	asked.Go(fault.Protect(func() { remote = g.remote(ctx) }))
	if q.Dirty {
		asked.Go(fault.Protect(func() { dirty = g.dirty(ctx) }))
	}
	asked.Wait()
	if root == "" {
		return Facts{}
	}
	if revision != "" && dirty {
		revision += "-dirty"
	}
	return Facts{Root: root, Remote: remote, Attrs: q.attrs(root, revision, remote)}
}

// attrs turns git's answers into attributes.
func (q Query) attrs(root, revision, remote string) map[string]string {
	attrs := map[string]string{}
	set := func(info, label, value string) {
		if value != "" && q.Info {
			attrs[info] = value
		}
		if value != "" && q.Labels {
			attrs["label:"+label] = value
		}
	}
	set("vcs:revision", ocispecs.AnnotationRevision, revision)
	set("vcs:source", ocispecs.AnnotationSource, remote)
	if q.Labels && q.Dockerfile != "" {
		if rel, ok := Below(root, q.Dockerfile); ok {
			attrs["label:"+entrypointLabel] = rel
		}
	}
	if q.Info {
		for name, dir := range q.Mounts {
			if rel, ok := Below(root, dir); ok {
				attrs["vcs:localdir:"+name] = rel
			}
		}
	}
	return attrs
}

// Below returns a path relative to a root that is free of symbolic links.
func Below(root, path string) (string, bool) {
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", false
	}
	rel, err := filepath.Rel(root, resolved)
	if err != nil || !filepath.IsLocal(rel) {
		return "", false
	}
	return filepath.ToSlash(rel), true
}

// inWorkTree reports whether a directory or one above it holds .git. Most
// contexts outside of a work tree are recognised without starting git, and a
// directory that is made to look like a bare repository is none.
func inWorkTree(dir string) bool {
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return false
		}
		dir = parent
	}
}

// git runs git in a directory.
type git struct {
	program, dir string
	env          []string
	// settings are more of gitSettings.
	settings []string
}

// gitEnvironment is the environment with what makes git behave on a CI agent.
func gitEnvironment(environ []string) []string {
	return append(slices.Clone(environ),
		"LC_ALL=C",
		"GIT_TERMINAL_PROMPT=0",
		"GIT_OPTIONAL_LOCKS=0",              // read-only checkouts
		"GIT_NO_LAZY_FETCH=1",               // partial clones: no network for this
		"GIT_ALLOW_PROTOCOL=none",           // nor, in git before 2.45, a program that stands for it
		"GIT_DISCOVERY_ACROSS_FILESYSTEM=1", // workspaces are often mounts
	)
}

// gitSettings keep the settings of a repository from naming programs that run
// on the agent: whoever may push a branch does not by that run code there. They
// are arguments because git before 2.31 takes them in no other way.
func gitSettings() []string {
	return []string{
		// The clone often belongs to another user than the one who builds.
		"safe.directory=*",
		// Files of the user must not pass for a repository.
		"safe.bareRepository=explicit",
		"core.fsmonitor=", // git before 2.36 takes false for a program
		"core.hooksPath=/dev/null",
		"log.showSignature=false",
	}
}

// output returns git's output, also when it failed.
func (g git) output(ctx context.Context, args ...string) (string, error) {
	var all []string
	for _, setting := range append(gitSettings(), g.settings...) {
		all = append(all, "-c", setting)
	}
	cmd := exec.CommandContext(ctx, g.program, append(all, args...)...)
	cmd.Dir, cmd.Env = g.dir, g.env
	// What git started may hold its output open after its end.
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	return string(out), err
}

// run returns the lines of git's output, also when it failed.
func (g git) run(ctx context.Context, args ...string) ([]string, error) {
	out, err := g.output(ctx, args...)
	text := strings.TrimRight(out, "\n")
	if text == "" {
		return nil, err
	}
	return strings.Split(text, "\n"), err
}

// line is run for output of one line; empty when git failed.
func (g git) line(ctx context.Context, args ...string) string {
	lines, err := g.run(ctx, args...)
	if err != nil || len(lines) == 0 {
		return ""
	}
	return lines[0]
}

// head returns the root of the work tree and the commit that is checked out,
// empty before the first one.
func (g git) head(ctx context.Context) (root, revision string) {
	lines, err := g.run(ctx, "rev-parse", "--is-inside-work-tree", "--show-toplevel", "HEAD")
	if len(lines) < 2 || lines[0] != "true" {
		return "", ""
	}
	if err == nil && len(lines) == 3 {
		revision = lines[2]
	}
	return lines[1], revision
}

// remote is the URL of the branch's own remote, of origin or of upstream.
func (g git) remote(ctx context.Context) string {
	names := []string{"origin", "upstream"}
	if branch := g.line(ctx, "symbolic-ref", "-q", "HEAD"); branch != "" {
		if name := g.line(ctx, "for-each-ref", "--format=%(upstream:remotename)", branch); name != "" {
			names = slices.Insert(names, 0, name)
		}
	}
	for _, name := range names {
		if address := g.line(ctx, "remote", "get-url", "--", name); address != "" {
			return withoutCredentials(address)
		}
	}
	return ""
}

// dirty reports whether there is more in the work tree than the commit holds,
// or might be. As with buildx, files that git ignores count, because the build
// sees them.
func (g git) dirty(ctx context.Context) bool {
	filters, err := g.withoutFilters(ctx)
	if err != nil {
		return true
	}
	// Git would ask submodules by running itself in them, with their settings.
	lines, err := filters.run(ctx, "status", "--porcelain", "--ignored", "--ignore-submodules=dirty")
	if err != nil || len(lines) > 0 {
		return true
	}
	modules, err := g.submodules(ctx)
	if err != nil {
		return true
	}
	return slices.ContainsFunc(modules, func(dir string) bool {
		return git{program: g.program, dir: dir, env: g.env}.dirty(ctx)
	})
}

// filterName is the name of a filter that can be part of a setting.
var filterName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// withoutFilters is git without the filters that the repository's own settings
// name: git runs them to compare files. Those of the machine and of the user,
// such as git-lfs, stay.
func (g git) withoutFilters(ctx context.Context) (git, error) {
	out, err := g.output(ctx, "config", "--show-scope", "--null", "--name-only", "--get-regexp", `^filter\.`)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 1 && out == "" {
		return g, nil // there are none
	}
	if err != nil {
		return g, err
	}
	words := strings.Split(strings.TrimSuffix(out, "\x00"), "\x00")
	for i := 0; i+1 < len(words); i += 2 {
		scope, key := words[i], words[i+1]
		if scope == "system" || scope == "global" || scope == "command" {
			continue
		}
		name := strings.TrimPrefix(key, "filter.")
		name = name[:max(strings.LastIndexByte(name, '.'), 0)]
		if !filterName.MatchString(name) {
			return g, fmt.Errorf("filter %q cannot be switched off", name)
		}
		for _, off := range []string{"clean=", "smudge=", "process=", "required=false"} {
			g.settings = append(g.settings, "filter."+name+"."+off)
		}
	}
	return g, nil
}

// submodules are the directories of submodules that are checked out.
func (g git) submodules(ctx context.Context) ([]string, error) {
	const mode = "160000 " // of a submodule in git's index
	out, err := g.output(ctx, "ls-files", "--stage", "-z", "--", ":/")
	if err != nil {
		return nil, err
	}
	var dirs []string
	for entry := range strings.SplitSeq(out, "\x00") {
		_, path, ok := strings.Cut(entry, "\t")
		if !ok || !strings.HasPrefix(entry, mode) {
			continue
		}
		dir := filepath.Join(g.dir, path)
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			dirs = append(dirs, dir)
		}
	}
	return dirs, nil
}

// withoutCredentials strips a remote's URL of what CI systems put into it:
// https://token@host/… The user of ssh://git@host is part of the address.
func withoutCredentials(address string) string {
	if !strings.Contains(address, "://") {
		return address // git@host:path, or a path
	}
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	if u.User == nil {
		return address
	}
	switch u.Scheme {
	case "ssh", "git+ssh":
		u.User = url.User(u.User.Username())
	default:
		u.User = nil
	}
	return u.String()
}

// Task is a query that is under way: reaching the builder takes longer, so a build
// does not wait for git.
type Task struct {
	cancel context.CancelFunc
	done   chan struct{}
	facts  Facts // valid once done is closed
}

// Start starts a query; Stop must be called.
func Start(ctx context.Context, q Query) *Task {
	ctx, cancel := context.WithCancel(ctx)
	task := &Task{cancel: cancel, done: make(chan struct{})}
	go fault.Protect(func() {
		defer close(task.done)
		task.facts = ask(ctx, q)
	})()
	return task
}

// Wait returns the facts. A nil task has none.
func (t *Task) Wait() Facts {
	if t == nil {
		return Facts{}
	}
	<-t.done
	return t.facts
}

// Stop ends the task.
func (t *Task) Stop() {
	if t != nil {
		t.cancel()
		<-t.done
	}
}
