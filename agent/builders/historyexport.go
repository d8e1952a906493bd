package builders

import (
	"context"
	"encoding/json"
	"io"

	"github.com/containerd/platforms"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/internal/fault"
)

// HistoryExport writes builds that have ended into a .dockerbuild archive.
type HistoryExport struct {
	History
	// Refs name the builds; empty for the latest one.
	Refs []BuildRef
	// All exports all builds, and has no Refs.
	All bool
	// Finalize has the daemons complete the records first: without it a trace may be
	// missing.
	Finalize bool
	// LocalState returns docker buildx's file of a build as JSON, nil where there is
	// none.
	LocalState func(PodBuild) json.RawMessage
}

// Run writes the archive to out.
func (x HistoryExport) Run(ctx context.Context, out io.Writer) error {
	builds, err := x.builds(ctx)
	if err != nil {
		return err
	}
	connector := x.connector()
	daemons := map[string]*buildkit.Daemon{}
	defer func() {
		for _, d := range daemons {
			_ = d.Close() // what was asked for has been answered
		}
	}()
	var records []buildkit.ExportedRecord
	seen := map[string]bool{}
	for _, b := range builds {
		pod := b.Node + "/" + b.Pod
		if seen[pod+"/"+b.Ref] { // two references may name the same one
			continue
		}
		seen[pod+"/"+b.Ref] = true
		d := daemons[pod]
		if d == nil {
			if d, err = x.connect(ctx, connector, b); err != nil {
				return err
			}
			daemons[pod] = d
		}
		if x.Finalize && !b.HasTrace() {
			if b.BuildRecord, err = finalized(ctx, d, b.BuildRecord); err != nil {
				return b.where(err)
			}
		}
		records = append(records, buildkit.ExportedRecord{Daemon: d, Record: b.BuildRecord, Platform: x.platform(b.Node), LocalState: x.LocalState(b)})
	}
	err = buildkit.ExportRecords(ctx, out, records)
	if ctx.Err() != nil {
		return fault.With(fault.ClassCancelled, context.Cause(ctx))
	}
	if err != nil && fault.ClassOf(err) == 0 {
		err = fault.With(fault.ClassCluster, err)
	}
	return err
}

// platform is the first that a node claims; empty where it claims none.
func (x HistoryExport) platform(node string) string {
	for _, n := range x.Definition.Nodes {
		if n.Name == node && len(n.Platforms) > 0 {
			return platforms.FormatAll(n.Platforms[0])
		}
	}
	return ""
}

func (x HistoryExport) builds(ctx context.Context) ([]PodBuild, error) {
	if x.All {
		builds, err := x.query(ctx, x.Definition.Nodes, buildkit.RecordQuery{Completed: true})
		if err == nil && len(builds) == 0 {
			err = fault.With(fault.ClassUsage, &noSuchBuild{builder: x.Definition.Name})
		}
		return builds, err // an archive of all holds all or is none
	}
	refs := x.Refs
	if len(refs) == 0 {
		refs = []BuildRef{{}}
	}
	var builds []PodBuild
	for _, ref := range refs {
		found, err := x.find(ctx, ref, true)
		if err != nil {
			return nil, err
		}
		builds = append(builds, found...)
	}
	return builds, nil
}

// finalized is a record as it is once its daemon has completed it.
func finalized(ctx context.Context, d *buildkit.Daemon, r buildkit.BuildRecord) (buildkit.BuildRecord, error) {
	if err := d.FinalizeRecord(ctx, r.Ref); err != nil {
		return r, err
	}
	again, err := d.Records(ctx, buildkit.RecordQuery{Ref: r.Ref, Completed: true})
	if err != nil || len(again) == 0 {
		return r, err
	}
	return again[0], nil
}
