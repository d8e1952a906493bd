package solve

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/subrequests"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/tonistiigi/go-csvvalue"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/solve/job"
	"github.com/slipway-build/slipway/internal/fault"
)

// Call is a parsed --call: what is asked of the frontend in place of a build.
type Call struct {
	// Name is "outline", "targets", "lint" or what else the frontend knows;
	// empty for a build.
	Name string
	// Format is "json" or "text", the default.
	Format string
	// IgnoreStatus makes a call succeed whatever its findings are.
	IgnoreStatus bool
	// Dockerfile is the path by which findings name the Dockerfile, so that what
	// annotates sources finds it; empty leaves the frontend's name of it.
	Dockerfile string
}

// The formats of a call's result.
const (
	FormatText = "text"
	FormatJSON = "json"
)

// callLint is the one call whose findings fail it.
const callLint = "lint"

// ParseCall parses --call: build (the default), outline, targets, check or
// lint, or another request of the frontend, followed by
// [,format=json|text][,ignorestatus=BOOL]. The error is a *fault.Usage.
func ParseCall(value string) (Call, error) {
	fail := func(problem, hint string) (Call, error) {
		return Call{}, &fault.Usage{Flag: "--call", Value: value, Problem: problem, Hint: hint}
	}
	const form = "the form is check, outline or targets[,format=json|text][,ignorestatus=true]"
	if value == "" {
		return Call{}, nil
	}
	fields, err := csvvalue.Fields(value, nil)
	if err != nil {
		return fail(fmt.Sprintf("is not valid CSV: %s", err), form)
	}
	c := Call{Format: FormatText}
	for _, field := range fields {
		key, v, ok := strings.Cut(field, "=")
		switch {
		case !ok && c.Name != "":
			return fail("names two methods", form)
		case !ok:
			c.Name = field
		case key == "format":
			if v != FormatText && v != FormatJSON {
				return fail(fmt.Sprintf("unknown format %q", v), "there are json and text")
			}
			c.Format = v
		case key == "ignorestatus":
			if c.IgnoreStatus, err = strconv.ParseBool(v); err != nil {
				return fail(fmt.Sprintf("ignorestatus=%q is neither true nor false", v), "")
			}
		default:
			return fail(fmt.Sprintf("unknown key %q", key), form)
		}
	}
	switch c.Name {
	case "":
		return fail("names no method", form)
	case "build":
		return Call{}, nil
	case "check":
		c.Name = callLint
	}
	return c, nil
}

// frontendRequests starts the names of a frontend's requests.
const frontendRequests = "frontend."

// capSubrequests makes the frontend image of a #syntax line, which may be
// older than the daemon, say so when it knows no requests. Forwarded, it asks
// that frontend and not the one in the daemon.
const capSubrequests = "moby.buildkit.frontend.subrequests+forward"

// Call asks the frontend of a job on a daemon instead of building it. Nothing is exported.
// Progress and cancellation are those of Solve. What the frontend does not
// know is a *fault.Usage that lists what it does.
func (p *Plan) Call(ctx context.Context, d *buildkit.Daemon, job job.Job, call Call, events event.Emitter, inputs ...Input) (*CallResult, error) {
	feed := newFeed(events)
	defer feed.close()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	unguard := d.Guard(ctx, cancel)
	defer unguard()

	opt := callOptions(p.request, p.resolved(), job)
	setInputs(&opt, inputs)
	auth, err := p.attach(ctx, d, &opt, feed)
	if err != nil {
		return nil, buildkit.Explain(ctx, err)
	}
	request := callRequest(ctx, opt, call)
	var meta map[string][]byte
	var known []string
	_, err = d.Client().Build(ctx, opt, "slipway", func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		result, err := c.Solve(ctx, request)
		if err != nil {
			if unsupported(err, call) {
				known = describe(ctx, c)
			}
			return nil, err
		}
		meta = result.Metadata
		return result, nil
	}, feed.start())
	if err != nil {
		if unsupported(err, call) {
			return nil, unknownCall(call, known)
		}
		return nil, auth.explain(ctx, buildkit.Explain(ctx, withoutPrefix(err)))
	}
	return &CallResult{Call: call, meta: meta}, nil
}

// callOptions are the options of a solve without what only a result needs.
func callOptions(r Request, in inputs, job job.Job) client.SolveOpt {
	opt := solveOptions(r, in, job, nil)
	opt.Internal = true // it has no place in the history
	opt.CacheImports, opt.CacheExports = nil, nil
	maps.DeleteFunc(opt.FrontendAttrs, func(key, _ string) bool { return strings.HasPrefix(key, "attest:") })
	return opt
}

// callRequest is the gateway's form of a call.
func callRequest(ctx context.Context, opt client.SolveOpt, call Call) gateway.SolveRequest {
	attrs := maps.Clone(opt.FrontendAttrs)
	caps := []string{capSubrequests}
	if given := attrs[attrFrontendCaps]; given != "" {
		caps = append([]string{given}, caps...)
	}
	attrs[attrFrontendCaps] = strings.Join(caps, ",")
	attrs["requestid"] = frontendRequests + call.Name
	return gateway.SolveRequest{Frontend: opt.Frontend, FrontendOpt: attrs, FrontendInputs: definitions(ctx, opt.FrontendInputs)}
}

// unsupported reports whether the frontend does not know the request.
func unsupported(err error, call Call) bool {
	var request *errdefs.UnsupportedSubrequestError
	var frontendCap *errdefs.UnsupportedFrontendCapError
	return errors.As(err, &request) || errors.As(err, &frontendCap) ||
		// Frontends from before typed errors.
		strings.Contains(err.Error(), "unsupported request "+frontendRequests+call.Name)
}

// describe lists the requests of the daemon's frontend; none when it cannot
// tell.
func describe(ctx context.Context, c gateway.Client) []string {
	requests, err := subrequests.Describe(ctx, c)
	if err != nil {
		return nil
	}
	var names []string
	for _, r := range requests {
		names = append(names, strings.TrimPrefix(r.Name, frontendRequests))
	}
	// BuildKit's own frontend answers lint without listing it.
	return append(names, "check (from Dockerfile syntax 1.8 on)")
}

func unknownCall(call Call, known []string) error {
	hint := "a newer frontend may know it: # syntax=docker/dockerfile:1 in the first line of the Dockerfile"
	if len(known) > 0 {
		hint = "it knows " + strings.Join(known, ", ")
	}
	return &fault.Usage{Flag: "--call", Value: call.Name, Problem: "the frontend of the builder does not know this method", Hint: hint}
}
