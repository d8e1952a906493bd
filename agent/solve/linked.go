package solve

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/identity"
	"github.com/moby/buildkit/solver/pb"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/solve/job"
	"github.com/slipway-build/slipway/internal/fault"
)

// Linked is a build whose result others have as a context. It is on one daemon, where
// its steps are done, and is kept until Release.
type Linked struct {
	name string
	// results are by platform as BuildKit writes it; "" for a result of one platform.
	results map[string]linkedResult
	release context.CancelFunc
	ended   chan struct{}
}

// linkedResult is one platform's.
type linkedResult struct {
	state  llb.State
	config []byte // of the image; nil for none
}

// Hold builds a job of the plan on a daemon and keeps the result there for other solves
// on the same daemon, until Release; nothing is exported. name is unique among the
// results that a solve has as contexts. Progress, errors and cancellation are those of
// Solve.
func (p *Plan) Hold(ctx context.Context, d *buildkit.Daemon, job job.Job, name string, inputs []Input, events event.Emitter) (*Linked, error) {
	feed := newFeed(events)
	ctx, cancel := context.WithCancelCause(ctx)
	unguard := d.Guard(ctx, cancel)
	opt := callOptions(p.request, p.resolved(), job)
	opt.Ref = identity.NewID()
	opt.CacheImports, _ = p.request.caches().Options(job, false)
	setInputs(&opt, inputs)
	parts, err := p.attach(ctx, d, &opt, feed)
	if err != nil {
		err = buildkit.Explain(ctx, err)
		unguard()
		cancel(nil)
		feed.close()
		return nil, err
	}
	held := &Linked{name: name, results: map[string]linkedResult{}, ended: make(chan struct{})}
	released, release := context.WithCancel(context.WithoutCancel(ctx))
	held.release = release
	built := make(chan error, 1)
	go fault.Protect(func() {
		defer close(held.ended)
		defer feed.close()
		defer cancel(nil)
		defer unguard()
		_, err := d.Client().Build(ctx, opt, "slipway", func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
			result, err := c.Solve(ctx, gateway.SolveRequest{Frontend: opt.Frontend, FrontendOpt: opt.FrontendAttrs, FrontendInputs: definitions(ctx, opt.FrontendInputs), Evaluate: true})
			if err != nil {
				return nil, err
			}
			if err := held.take(result); err != nil {
				return nil, err
			}
			built <- nil
			select { // the daemon drops what it has done when the build ends
			case <-released.Done():
			case <-ctx.Done():
			}
			return gateway.NewResult(), nil
		}, feed.start())
		if err != nil {
			err = feed.located(p.explainStep(parts.explain(ctx, notDecoded(withoutPrefix(err))), feed.seen(), d, job))
		}
		select {
		case built <- err: // it has failed before it was built
		default:
		}
	})()
	if err := <-built; err != nil {
		held.Release()
		return nil, fault.ExplainAgent(err)
	}
	return held, nil
}

// Release ends what holds the result. It may be called once.
func (h *Linked) Release() {
	h.release()
	<-h.ended
}

// take notes the results of the frontend.
func (h *Linked) take(result *gateway.Result) error {
	one := func(platform, key string, ref gateway.Reference) error {
		r := linkedResult{state: llb.Scratch(), config: result.Metadata[key]}
		if ref != nil {
			state, err := ref.ToState()
			if err != nil {
				return fmt.Errorf("read the result of %s: %w", h.name, err)
			}
			r.state = state
		}
		h.results[platform] = r
		return nil
	}
	for platform, ref := range result.Refs {
		if err := one(platform, exptypes.ExporterImageConfigKey+"/"+platform, ref); err != nil {
			return err
		}
	}
	if len(result.Refs) == 0 {
		return one("", exptypes.ExporterImageConfigKey, result.Ref)
	}
	return nil
}

// Input is a context of a solve that is another build's result.
type Input struct {
	// Context is the name by which the Dockerfile has it, as ContextName returns it.
	Context string
	Linked  *Linked
}

// setInputs gives a solve its inputs, as the Dockerfile's frontend looks for them
// (https://github.com/moby/buildkit/blob/v0.34.2/frontend/dockerui/namedcontext.go).
func setInputs(opt *client.SolveOpt, inputs []Input) {
	for _, in := range inputs {
		for platform, result := range in.Linked.results {
			suffix := ""
			if platform != "" {
				suffix = "::" + platform
			}
			key := in.Linked.name + suffix
			if opt.FrontendInputs == nil {
				opt.FrontendInputs = map[string]llb.State{}
			}
			opt.FrontendInputs[key] = result.state
			opt.FrontendAttrs["context:"+in.Context+suffix] = "input:" + key
			if result.config != nil {
				meta, err := json.Marshal(map[string][]byte{exptypes.ExporterImageConfigKey: result.config})
				if err == nil { // bytes can be marshalled
					opt.FrontendAttrs["input-metadata:"+key] = string(meta)
				}
			}
		}
	}
}

// definitions are states as the gateway takes them. One that cannot be marshalled is
// left out, of which the frontend tells by its name.
func definitions(ctx context.Context, states map[string]llb.State) map[string]*pb.Definition {
	if len(states) == 0 {
		return nil
	}
	all := map[string]*pb.Definition{}
	for name, state := range maps.All(states) {
		if def, err := state.Marshal(ctx); err == nil {
			all[name] = def.ToPB()
		}
	}
	return all
}
