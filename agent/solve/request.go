package solve

import (
	"io"

	"github.com/slipway-build/slipway/registry"
)

// Request is what the user asked for, as parsed values. The fields carry the
// meaning of docker buildx build's flags of the same name.
type Request struct {
	// Context is a directory, "-" for Stdin, a git URL or an http(s) URL.
	Context string
	// Dockerfile is the value of -f: "" for Dockerfile in the context, a path
	// relative to the working directory (to the context for a URL), "-" for
	// Stdin, or an http(s) URL.
	Dockerfile    string
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
	Allow         []string // see ParseAllow
	Contexts      []BuildContext
	Secrets       []Secret
	SSH           []SSH
	Outputs       []Output

	// Stdin is read when Context or Dockerfile is "-".
	Stdin io.Reader
	// Lookup reads the environment: values of secrets, SSH_AUTH_SOCK,
	// SOURCE_DATE_EPOCH and the BUILDX_* variables that shape a solve.
	Lookup func(name string) (string, bool)
	// Proxy are the proxy variables of the docker config, by upper-case name;
	// a build argument of the same name in any case wins over them.
	Proxy map[string]string
	// ContextKey identifies the context to BuildKit, so that files which were
	// sent once are not sent again. When empty it is derived from the
	// context's absolute path.
	ContextKey string
	// Keychain answers BuildKit's questions for credentials; nil is anonymous.
	Keychain registry.Keychain
}

// lookup is Lookup with "not set" for a request without an environment.
func (r Request) lookup(name string) (string, bool) {
	if r.Lookup == nil {
		return "", false
	}
	return r.Lookup(name)
}
