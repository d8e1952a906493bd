package solve

import (
	"context"
	"errors"
	"regexp"
	"strings"

	solvererrdefs "github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/sidecar/api"
	"github.com/slipway-build/slipway/agent/solve/contextfs"
	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/agent/solve/session"
	"github.com/slipway-build/slipway/internal/fault"
)

// Kind is whose fault a failed solve is. It decides whether trying again can
// help.
type Kind int

// The kinds of failure.
const (
	// KindInternal is what no other kind fits.
	KindInternal Kind = iota
	// KindBuild is the user's Dockerfile or code.
	KindBuild
	// KindUsage is a request that cannot be carried out as it is.
	KindUsage
	// KindLost is a builder or connection that went away.
	KindLost
	// KindRegistry is a registry that refused or could not be reached.
	KindRegistry
	// KindBuilder is a builder whose answers are not valid, or one without room.
	KindBuilder
	// KindCancelled is the caller's own doing.
	KindCancelled
)

// String names the kind for logs.
func (k Kind) String() string {
	switch k {
	case KindBuild:
		return "build"
	case KindUsage:
		return "usage"
	case KindLost:
		return "lost"
	case KindRegistry:
		return "registry"
	case KindBuilder:
		return "builder"
	case KindCancelled:
		return "cancelled"
	default:
		return "internal"
	}
}

// Classify finds the kind of an error of this package.
func Classify(err error) Kind {
	var usage *fault.Usage
	var gone *buildkit.LostError
	var call *CallError
	var refused *output.RegistryError
	var file *contextfs.FileError
	var agent *fault.Agent
	var invalid *fault.Builder
	var room *fault.BuilderFull
	var emulator *EmulatorError
	switch {
	case err == nil:
		return KindInternal
	// A mistake in a request that a registry's client was to make after the solve
	// is not one that was found before anything was touched.
	case errors.As(err, &usage) && !errors.As(err, &refused):
		return KindUsage
	case errors.As(err, &gone):
		return KindLost
	case errors.As(err, &call), errors.As(err, &emulator):
		return KindBuild
	case errors.Is(err, contextfs.ErrChanged):
		return KindBuild // by what runs beside it
	case errors.As(err, &file):
		return KindUsage
	case errors.As(err, &agent):
		return KindUsage
	case errors.As(err, &refused):
		return KindRegistry
	case errors.As(err, &invalid), errors.As(err, new(*NotHeldError)):
		return KindBuilder
	case errors.Is(err, context.Canceled):
		return KindCancelled
	}
	text := err.Error()
	switch {
	case buildkit.IsLost(err):
		return KindLost
	// Before anything else is read from the message: it quotes the user's
	// command, which may say what it likes.
	case strings.Contains(text, failedProcess):
		return KindBuild
	case strings.Contains(text, api.PolicyError) && grpcerrors.Code(err) == codes.PermissionDenied:
		return KindUsage
	case strings.Contains(text, api.PolicyError) && grpcerrors.Code(err) == codes.DeadlineExceeded:
		return KindBuild
	case errors.As(err, &room) && !strings.Contains(text, "failed to push"): // a registry has disks, too
		return KindBuilder
	case damagedState.MatchString(text):
		return KindBuilder
	case strings.Contains(text, "no active session"), strings.Contains(text, "session healthcheck failed"):
		return KindLost
	case refusedByConfig(text):
		return KindUsage
	case registryTrouble(text):
		return KindRegistry
	case len(solvererrdefs.Sources(err)) > 0:
		return KindBuild
	}
	switch grpcerrors.Code(err) {
	case codes.Unknown, codes.InvalidArgument, codes.NotFound, codes.FailedPrecondition:
		// What buildkitd answers about the request: a Dockerfile that is
		// missing or has no such stage, a git reference that does not exist.
		if _, ok := grpcerrors.AsGRPCStatus(err); ok {
			return KindBuild
		}
	case codes.Unimplemented:
		return KindUsage
	case codes.ResourceExhausted: // a message that is too large
		if _, ok := grpcerrors.AsGRPCStatus(err); ok {
			return KindBuilder
		}
	}
	return KindInternal
}

// damagedState is what a snapshotter says whose directories and whose database
// do not fit each other, as after its daemon was killed in the middle of a write.
var damagedState = regexp.MustCompile(`failed to prepare \S+ as \S+: `)

// HoldsPart reports whether a solve has failed because its builder holds a part of an
// image that an interrupted build has begun to send from an OCI layout: BuildKit asks
// for the rest, which its own reader of such a layout cannot skip to, in each build
// for a day (util/contentutil/fetcher.go of BuildKit 0.34.2). Collecting its garbage
// takes the part away.
func HoldsPart(err error) bool {
	return strings.Contains(err.Error(), "failed to copy: unsupported offset")
}

// refusedByConfig reports whether the daemon's configuration forbids what was
// asked for.
func refusedByConfig(text string) bool {
	return strings.Contains(text, "granting entitlement") || strings.Contains(text, "is not allowed by build daemon configuration") ||
		regexp.MustCompile(`(network\.host|security\.insecure) is not allowed`).MatchString(text)
}

// registryTrouble reports whether a registry refused a request or could not
// be reached. BuildKit passes these errors on as text. An image that does not
// exist is not among them: another try would not find it.
func registryTrouble(text string) bool {
	registry := false
	for _, sign := range []string{
		"failed to resolve source metadata for",
		"failed to push",
		"failed to copy",
		"unexpected commit digest", // of content that is not what it should be
		"failed to do request",
		"failed to authorize",
		"failed to fetch oauth token",
		"failed to fetch anonymous token",
		"pull access denied",
		"push access denied",
		"unexpected status from",
		"credential helper",
	} {
		if strings.Contains(text, sign) {
			registry = true
		}
	}
	if !registry {
		return false
	}
	text, _ = session.CutSuggestion(text)
	return !strings.HasSuffix(text, ": not found") && !strings.Contains(text, "no match for platform in manifest")
}
