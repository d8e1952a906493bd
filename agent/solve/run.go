package solve

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/identity"
	"github.com/moby/buildkit/session/upload/uploadprovider"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/solve/cache"
	"github.com/slipway-build/slipway/agent/solve/contextfs"
	"github.com/slipway-build/slipway/agent/solve/job"
	"github.com/slipway-build/slipway/agent/solve/layout"
	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/agent/solve/session"
	"github.com/slipway-build/slipway/internal/fault"
)

// Result is what a solve returned.
type Result struct {
	// Job is the one that was solved.
	Job job.Job
	// Ref is the name of the solve in the daemon's history.
	Ref string
	// Response are the exporters' answers, by BuildKit's keys. Several
	// exporters overwrite each other's; an image that was pushed wins.
	Response map[string]string
	// Descriptor is the image that Response describes; nil when no output is
	// one.
	Descriptor *ocispecs.Descriptor
	// Started and Completed are when the solve ran, by the agent's clock.
	Started, Completed time.Time
}

// Solve runs one job of the plan on a daemon and emits its progress. All of it has
// been emitted when Solve returns. When ctx is cancelled
// the solve is cancelled on the daemon and Solve returns within seconds, with
// an error that wraps the context's cause; the Daemon may be unusable then. inputs are
// contexts that are held on the same daemon.
// Errors are classified by Classify.
func (p *Plan) Solve(ctx context.Context, d *buildkit.Daemon, job job.Job, events event.Emitter, inputs ...Input) (*Result, error) {
	feed := newFeed(events)
	defer feed.close()

	outputs, err := p.outputs.Begin(job)
	if err == nil {
		err = output.CheckVersion(d.Version(), outputs.Entries())
	}
	if err != nil {
		return nil, fault.ExplainAgent(errors.Join(err, outputs.End(nil, false)))
	}
	started := time.Now()
	result, err := p.solve(ctx, d, job, inputs, outputs, feed)
	if err == nil {
		result.Started, result.Completed = started, time.Now()
		result.Descriptor, err = outputs.Check(result.Response)
	} else if ctx.Err() == nil {
		// While everything that was written is still there.
		err = outputs.Explain(err)
	}
	var response map[string]string
	if err == nil {
		response = result.Response
	}
	if endErr := outputs.End(response, err == nil); endErr != nil {
		err = errors.Join(err, endErr)
	}
	if err != nil {
		return nil, feed.located(fault.ExplainAgent(err))
	}
	return result, nil
}

func (p *Plan) solve(ctx context.Context, d *buildkit.Daemon, job job.Job, inputs []Input, outputs *output.Attempt, feed *feed) (*Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	unguard := d.Guard(ctx, cancel)
	defer unguard()

	for try := 1; ; try++ {
		result, err := p.solveOnce(ctx, cancel, d, job, inputs, outputs, feed)
		if err == nil || !errors.Is(err, contextfs.ErrChanged) || try == contextTries {
			return result, err
		}
	}
}

// contextTries is how often a context is sent that changes while it is sent.
// It is rare and over in a moment: a file that is written at that very time.
const contextTries = 3

func (p *Plan) solveOnce(ctx context.Context, cancel context.CancelCauseFunc, d *buildkit.Daemon, job job.Job, inputs []Input, outputs *output.Attempt, feed *feed) (*Result, error) {
	if p.request.Held != nil {
		return p.exportHeld(ctx, cancel, d, job, outputs, feed)
	}
	opt := solveOptions(p.request, p.resolved(), job, outputs.Entries())
	opt.Ref = identity.NewID()
	setInputs(&opt, inputs)
	opt.CacheImports = cache.Present(opt.CacheImports)
	feed.expectAbsent(p.request.caches().MayBeAbsent(opt.CacheImports))
	parts, err := p.attach(ctx, d, &opt, feed)
	if err != nil {
		return nil, buildkit.Explain(ctx, err)
	}
	exports, end, err := openSession(ctx, cancel, d.Client(), &opt, outputs)
	if err != nil {
		return nil, buildkit.Explain(ctx, err)
	}
	feed.events.Emit(event.Event{Submitted: &event.Submitted{Ref: opt.Ref}})
	response, err := p.submit(ctx, d, opt, job, feed)
	endErr := end()
	incomplete := exports.End()
	switch {
	case err != nil && endErr != nil:
		err = endErr
	case err == nil:
		err = incomplete
	}
	if err != nil {
		return nil, p.explainStep(parts.explain(ctx, notDecoded(withoutPrefix(err))), feed.seen(), d, job)
	}
	return &Result{Job: job, Ref: opt.Ref, Response: response.ExporterResponse}, nil
}

// notDecoded explains an answer of the daemon that BuildKit's client has tried to
// decode.
func notDecoded(err error) error {
	if errors.As(err, new(*json.SyntaxError)) || errors.As(err, new(*json.UnmarshalTypeError)) || errors.As(err, new(base64.CorruptInputError)) {
		return &fault.Builder{What: "the builder's answer is not valid", Err: err}
	}
	return err
}

// attached are the parts of a session that know why a solve failed.
type attached struct {
	auth  *session.Credentials
	files *contextfs.Server
	ssh   *session.SSHServer
}

// explain gives a failed solve its reason.
func (a attached) explain(ctx context.Context, err error) error {
	if failed := a.files.Failed(); failed != nil && ctx.Err() == nil {
		return failed
	}
	if own := a.auth.Panicked(); own != nil {
		return own
	}
	err = buildkit.Explain(ctx, err)
	switch Classify(err) {
	case KindRegistry:
		return a.auth.Explain(ctx, err)
	case KindBuild:
		return a.ssh.Explain(err)
	case KindBuilder:
		if damagedState.MatchString(err.Error()) {
			return &fault.BuilderDamaged{Err: err}
		}
	}
	return err
}

// attach adds the session: what the daemon may ask the agent for.
func (p *Plan) attach(ctx context.Context, d *buildkit.Daemon, opt *client.SolveOpt, feed *feed) (attached, error) {
	auth, err := session.NewCredentials(p.request.Keychain, p.request.Tokens, p.hosts, feed.send)
	if err != nil {
		return attached{}, err
	}
	opt.Session = append(opt.Session, auth, p.secrets, p.ssh)
	files := contextfs.NewServer(p.mounts)
	opt.Session = append(opt.Session, files)
	opt.OCIStores = make(map[string]content.Store, len(p.inputs.Layouts))
	for name, dir := range p.inputs.Layouts {
		opt.OCIStores[name] = layout.Store{Dir: dir}
	}
	if p.inputs.ContextFile != "" {
		f, err := os.Open(p.inputs.ContextFile)
		if err != nil {
			return attached{}, fmt.Errorf("open the spooled context: %w", err)
		}
		uploads := uploadprovider.New()
		opt.FrontendAttrs[attrContext] = uploads.Add(f)
		opt.Session = append(opt.Session, uploads)
		// The provider closes the file when it has been sent, which does not
		// happen in every solve.
		context.AfterFunc(ctx, func() { closeQuietly(f) })
	}
	if p.inputs.DockerfileURL != "" {
		dir, err := fetchDockerfile(ctx, d.Client(), p.inputs.DockerfileURL, feed)
		if err != nil {
			return attached{}, err
		}
		files.Add(mountDockerfile, dir)
	}
	return attached{auth, files, p.ssh}, nil
}

// closeQuietly closes a file that was only read and may be closed already.
func closeQuietly(c io.Closer) { _ = c.Close() }

// Seal makes the outputs ready: it merges what several nodes have sent and
// pushes merged images by digest. Nothing has appeared yet when it fails. It
// is called once all solves have succeeded.
func (p *Plan) Seal(ctx context.Context) error { return p.outputs.Seal(ctx) }

// Commit makes the outputs appear, each whole: files by a rename, then the
// tags of pushed images. Seal must have succeeded.
func (p *Plan) Commit(ctx context.Context) (*output.Outcome, error) { return p.outputs.Commit(ctx) }

// Written says what has become of the outputs, once Commit has succeeded.
func (p *Plan) Written() []output.Written { return p.outputs.Written() }

// Publishes are the references that Commit tags through Request.Registry,
// known once the first solve has begun: none when one node builds all.
func (p *Plan) Publishes() []string { return p.outputs.Publishes() }
