package solve

import (
	spb "github.com/moby/buildkit/sourcepolicy/pb"
)

// inputs is what a request reads, in BuildKit's terms, as Prepare found it on
// the agent.
type inputs struct {
	// Attrs are the frontend attributes that tell where context, Dockerfile
	// and named contexts are.
	Attrs map[string]string
	// Mounts are directories that the daemon may read, by the name it asks
	// for.
	Mounts map[string]string
	// Layouts are directories in OCI image layout, by store name.
	Layouts map[string]string
	// ContextFile is the spooled tar of a context from stdin; empty when
	// there is none.
	ContextFile string
	// DockerfileURL is fetched by the daemon before the solve; empty when the
	// Dockerfile comes from elsewhere.
	DockerfileURL string
	// DockerfilePath is the absolute path of the Dockerfile on the agent; empty when
	// it is no file of the user's there.
	DockerfilePath string
	// SharedKey tells the daemon which context this is the next version of.
	SharedKey string
	// SourcePolicy restricts or rewrites what the build may pull; nil for
	// none.
	SourcePolicy *spb.Policy
	// NoDefaultAttestations leaves out the provenance that buildx asks for by
	// itself.
	NoDefaultAttestations bool
}

// The names by which the Dockerfile frontend asks for local directories, and
// its attributes; see BuildKit's frontend/dockerui.
const (
	mountContext    = "context"
	mountDockerfile = "dockerfile"

	attrContext       = "context"
	attrFilename      = "filename"
	attrDockerfileKey = "dockerfilekey"
	attrFrontendCaps  = "frontend.caps"

	defaultDockerfile = "Dockerfile"
)
