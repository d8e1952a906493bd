package buildkit

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	control "github.com/moby/buildkit/api/services/control"
	apitypes "github.com/moby/buildkit/api/types"
	"github.com/moby/buildkit/solver/pb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/slipway-build/slipway/agent/buildkit/buildkittest"
)

// cachedDaemon has a cache, and remembers what was asked of it.
type cachedDaemon struct {
	buildkittest.Server
	records []*control.UsageRecord
	asked   *control.DiskUsageRequest
	pruned  *control.PruneRequest
	failure error
}

func (c *cachedDaemon) DiskUsage(_ context.Context, r *control.DiskUsageRequest) (*control.DiskUsageResponse, error) {
	c.asked = r
	return &control.DiskUsageResponse{Record: c.records}, c.failure
}

func (c *cachedDaemon) Prune(r *control.PruneRequest, s grpc.ServerStreamingServer[control.UsageRecord]) error {
	c.pruned = r
	for _, record := range c.records {
		if err := s.Send(record); err != nil {
			return err
		}
	}
	return c.failure
}

func (c *cachedDaemon) ListWorkers(context.Context, *control.ListWorkersRequest) (*control.ListWorkersResponse, error) {
	return &control.ListWorkersResponse{Record: []*apitypes.WorkerRecord{{
		Labels:    map[string]string{"snapshotter": "overlayfs"},
		Platforms: []*pb.Platform{{OS: "linux", Architecture: "amd64"}},
		GCPolicy:  []*apitypes.GCPolicy{{Filters: []string{"type==regular"}, KeepDuration: int64(time.Hour), ReservedSpace: 1, MaxUsedSpace: 2, MinFreeSpace: 3}, {All: true}},

		BuildkitVersion: &apitypes.BuildkitVersion{Version: "v9.9.9"},
	}}}, nil
}

func connectTo(t *testing.T, b buildkittest.Daemon) *Daemon {
	t.Helper()
	dial, _ := buildkittest.Serve(t, b)
	d, err := Connect(t.Context(), dial)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestDiskUsageAndPrune(t *testing.T) {
	used := time.Unix(2000, 0).UTC()
	b := &cachedDaemon{records: []*control.UsageRecord{
		{ID: "b", Size: 7, Mutable: true, InUse: true, CreatedAt: timestamppb.New(time.Unix(1000, 0)), RecordType: "exec.cachemount"},
		{ID: "a", Size: 3, Shared: true, Parents: []string{"p"}, CreatedAt: timestamppb.New(time.Unix(1000, 0)), LastUsedAt: timestamppb.New(used), UsageCount: 4, Description: "RUN x", RecordType: "regular"},
	}}
	d := connectTo(t, b)
	want := []CacheRecord{
		{ID: "a", Size: 3, Shared: true, Parents: []string{"p"}, CreatedAt: time.Unix(1000, 0).UTC(), LastUsedAt: &used, UsageCount: 4, Description: "RUN x", Type: "regular"},
		{ID: "b", Size: 7, Mutable: true, InUse: true, CreatedAt: time.Unix(1000, 0).UTC(), Type: "exec.cachemount"},
	}
	filter := CacheFilter{Expression: "type==regular", Unused: time.Hour}
	got, err := d.DiskUsage(t.Context(), filter)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("usage (-want +got):\n%s", diff)
	}
	if len(b.asked.Filter) != 1 || b.asked.Filter[0] != "type==regular" || time.Duration(b.asked.AgeLimit) != time.Hour {
		t.Errorf("asked %v", b.asked)
	}
	if _, err := d.DiskUsage(t.Context(), CacheFilter{}); err != nil || len(b.asked.Filter) != 0 {
		t.Errorf("without a filter: asked %v, %v", b.asked, err)
	}

	var removed []CacheRecord
	if err := d.Prune(t.Context(), Prune{Filter: filter, All: true, Reserved: 5}, func(r CacheRecord) { removed = append(removed, r) }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]CacheRecord{want[1], want[0]}, removed); diff != "" {
		t.Errorf("removed (-want +got):\n%s", diff)
	}
	if p := b.pruned; !p.All || p.ReservedSpace != 5 || time.Duration(p.KeepDuration) != time.Hour || len(p.Filter) != 1 {
		t.Errorf("asked %v", p)
	}

	b.failure = errors.New("disk on fire")
	if _, err := d.DiskUsage(t.Context(), filter); err == nil {
		t.Error("a failure of du is lost")
	}
	if err := d.Prune(t.Context(), Prune{}, func(CacheRecord) {}); err == nil {
		t.Error("a failure of prune is lost")
	}
}

func TestWorker(t *testing.T) {
	w, err := connectTo(t, &cachedDaemon{}).Worker(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := Worker{
		Labels: map[string]string{"snapshotter": "overlayfs"},
		GC:     []GCRule{{Filters: []string{"type==regular"}, KeepDuration: time.Hour, ReservedSpace: 1, MaxUsedSpace: 2, MinFreeSpace: 3}, {All: true}},
	}
	if diff := cmp.Diff(want, w); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
