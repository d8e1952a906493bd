package agent

import (
	"context"
	"fmt"
	"slices"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/agent/solve/job"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// assign gives the platforms of the build to nodes. Those of an image that builders hold
// stay where they are, each a job of its own.
func (w *work) assign(ctx context.Context) ([]fleet.Job, error) {
	held := w.Request.Held
	if held == nil {
		return w.nodes.Assign(ctx, w.Platforms)
	}
	jobs, pods, err := heldJobs(w.Fleet.Definition(), *held)
	if err != nil {
		return nil, err
	}
	w.nodes.Prefer(pods)
	return jobs, nil
}

// heldJobs are the jobs that export a held image, and the pods that hold it, by node.
func heldJobs(d configmap.Definition, held solve.HeldImage) (jobs []fleet.Job, pods map[int]string, err error) {
	pods = map[int]string{}
	for _, part := range held.Parts {
		i := slices.IndexFunc(d.Nodes, func(n configmap.Node) bool { return n.Name == part.Node })
		if i < 0 {
			return nil, nil, fault.With(fault.ClassUsage, fmt.Errorf("builder %s has no node %s, where the image was built: build it again", d.Name, part.Node))
		}
		pods[i] = part.Pod
		jobs = append(jobs, fleet.Job{Node: i, Platforms: []ocispecs.Platform{part.Platform}})
	}
	return jobs, pods, nil
}

// keep tells Keep of the images of a solve.
func (w *work) keep(ctx context.Context, of job.Job, conn *fleet.Connection, result *solve.Result) error {
	if w.Keep == nil || result.Descriptor == nil {
		return nil
	}
	images, err := conn.Images(ctx, result.Ref, *result.Descriptor)
	if err != nil {
		return err
	}
	for _, image := range images {
		held := Held{
			Part: solve.HeldPart{
				Platform: image.Platform, Node: of.Node, Pod: conn.Pod,
				Manifest: image.Descriptor, ConfigDigest: image.ConfigDigest, Sources: image.Sources,
			},
			Affinity: w.plan.Affinity(), Manifest: image.Manifest, Config: image.Config,
		}
		if w.Redact != nil {
			held.Config, held.Part.AtBuilder = w.Redact(image.Config)
		}
		w.Keep(held)
	}
	return nil
}

// Held is the image of one platform that a builder has exported and holds.
type Held struct {
	Part solve.HeldPart
	// Affinity is solve.HeldImage.Affinity.
	Affinity string
	// Manifest and Config are the exact bytes of its manifest and configuration; the latter
	// is redacted where Part.AtBuilder.
	Manifest, Config []byte
}
