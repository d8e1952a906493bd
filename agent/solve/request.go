package solve

import (
	"io"
	"slices"

	"github.com/slipway-build/slipway/agent/solve/cache"
	"github.com/slipway-build/slipway/agent/solve/contextfs"
	"github.com/slipway-build/slipway/agent/solve/onfailure"
	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/agent/solve/session"
	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/imageindex"
)

// Request is what the user asked for, as parsed values. The fields carry the
// meaning of docker buildx build's flags of the same name.
type Request struct {
	// Context is a directory, "-" for standard input, the path of a pipe, a git
	// URL or an http(s) URL.
	Context string
	// Dockerfile is the value of -f: "" for Dockerfile in the context, a path
	// relative to the working directory (to the context for a URL), "-" for
	// standard input, or an http(s) URL.
	Dockerfile string
	// Inline is the text of the Dockerfile, in place of a file; empty for none.
	Inline        string
	Target        string
	BuildArgs     map[string]string // see ParseBuildArgs
	Labels        map[string]string // see ParseLabels
	NoCache       bool
	NoCacheFilter []string
	Pull          bool
	ExtraHosts    []string // host=ip, see ParseAddHost
	Network       string   // see ParseNetwork
	ShmSize       int64    // bytes, 0 for BuildKit's default
	Ulimits       []string // name=soft:hard, see ParseUlimit
	CgroupParent  string
	Resources     []Resource // see ParseResource
	Allow         []string   // see ParseAllow
	Contexts      []BuildContext
	Secrets       []session.Secret
	SSH           []session.SSH
	Outputs       []output.Output
	// OnFailure are the files that are wanted of a step that fails. The nodes of a build
	// do not wait for each other then: one that fails does not end the others.
	OnFailure []onfailure.Spec
	// Tags are the image references of --tag, normalized (see ParseTag). They
	// become the name of every image output.
	Tags        []string
	Annotations []imageindex.Annotation // see imageindex.ParseAnnotation
	Attests     []Attest                // see ParseAttest
	CacheFrom   []cache.Entry           // see cache.ParseFrom
	CacheTo     []cache.Entry           // see cache.ParseTo

	// PolicyDisabled builds although there is a policy in Rego beside the Dockerfile.
	PolicyDisabled bool

	// Files reads what the other fields name, and standard input; nil reads
	// regular files only.
	Files *source.Reader
	// Stdout is what an output with dest=- is written to; nil when there is
	// none. StdoutTerminal says that it is a terminal, which gets no archive.
	Stdout         io.Writer
	StdoutTerminal bool
	// WorkDir is the working directory. A destination below it must not leave it
	// through a symbolic link; empty allows that.
	WorkDir string
	// Home is the user's home directory; empty is none.
	Home string
	// Lookup reads the environment: values of secrets, SSH_AUTH_SOCK,
	// SOURCE_DATE_EPOCH and the BUILDX_* variables that shape a solve.
	Lookup func(name string) (string, bool)
	// Environ is the environment of programs that are started, which is git, as
	// os.Environ has it.
	Environ []string
	// OnSecret is told the value of each of Secrets before a builder gets it.
	// It may be nil, and is called from several goroutines.
	OnSecret func(value string)
	// Proxy are the proxy variables of the docker config, by upper-case name;
	// a build argument of the same name in any case wins over them.
	Proxy map[string]string
	// ContextKey identifies the context to BuildKit, so that files which were
	// sent once are not sent again. When empty it is what Identify says, else
	// the git remote and the path in its work tree, else the absolute path.
	ContextKey string
	// Identify returns what identifies a directory, by its absolute path, on
	// whichever agent it lies; false when that is not known. May be nil.
	Identify func(dir string) (string, bool)
	// Mtime is which modification times the files of contexts are sent with.
	Mtime contextfs.MtimeMode
	// SumDir is a directory in which digests of files are kept for the next
	// build of the same workspace; empty for none.
	SumDir string
	// Shared is what this build has in common with others of the command; nil for one
	// alone.
	Shared *Shared
	// Keychain answers BuildKit's questions for credentials; nil is anonymous.
	Keychain registry.Keychain
	// Tokens fetches the tokens that BuildKit asks for with it; nil is a
	// client that knows no certificates of registries.
	Tokens session.Tokens
	// RegistryAllow are registries that builders may have credentials for
	// although the build does not name them: mirrors, and what only a frontend
	// knows.
	RegistryAllow []string
	// Warn is told of what shows during a solve and may not be meant; may be
	// nil. It is called from several goroutines.
	Warn func(message string)
	// Registry publishes what several nodes have built as one image; it is
	// not used when one node builds all.
	Registry output.Registry
	// Held is an image that was built before and is exported again. Nothing is built
	// then, and the fields that say what to build are not looked at.
	Held *HeldImage
}

// outputEnv is what the outputs take from the request.
func (r Request) outputEnv() output.Env {
	return output.Env{
		WorkDir:        r.WorkDir,
		Home:           r.Home,
		Stdout:         r.Stdout,
		StdoutTerminal: r.StdoutTerminal,
		Lookup:         r.Lookup,
		Files:          r.Files,
		Registry:       r.Registry,
		Tags:           r.Tags,
		Annotations:    r.Annotations,
		AllowDelete:    slices.Contains(r.Allow, allowLocalDelete),
		MultiPlatform:  enabled(r, argMultiPlatform),
		Attested:       slices.ContainsFunc(r.Attests, func(a Attest) bool { return !a.Disabled }),
		TagLast:        r.Held != nil,
	}
}

// caches are the caches of the request.
func (r Request) caches() cache.Set { return cache.Set{From: r.CacheFrom, To: r.CacheTo} }

// lookup is Lookup with "not set" for a request without an environment.
func (r Request) lookup(name string) (string, bool) {
	if r.Lookup == nil {
		return "", false
	}
	return r.Lookup(name)
}
