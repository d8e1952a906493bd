package buildkit

import (
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"time"

	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// BuildRecord is one build in the history of a daemon.
type BuildRecord struct {
	// Ref is the ID of the build.
	Ref string
	// Attrs are the attributes that the frontend was given, such as "platform".
	Attrs map[string]string
	// CreatedAt and CompletedAt are by the daemon's clock, as is Now: when it was
	// asked. CompletedAt is zero while the build runs, Now where a daemon does not
	// tell it (BuildKit before 0.20).
	CreatedAt, CompletedAt, Now time.Time
	// Failed is true for a build that has ended with an error, Cancelled for one
	// that was ended by its client. Code is gRPC's number of the error, CodeName its
	// name.
	Failed, Cancelled bool
	Code              int
	CodeName          string
	Message           string
	// TotalSteps, CompletedSteps and CachedSteps count the steps.
	TotalSteps, CompletedSteps, CachedSteps int32

	record *control.BuildHistoryRecord
}

// Duration is how long the build took, or has taken so far; it is false where that is
// not known.
func (r BuildRecord) Duration() (time.Duration, bool) {
	switch {
	case !r.CompletedAt.IsZero():
		return r.CompletedAt.Sub(r.CreatedAt), true
	case !r.Now.IsZero():
		return r.Now.Sub(r.CreatedAt), true
	}
	return 0, false
}

// RecordQuery says which records of a history are wanted.
type RecordQuery struct {
	// Ref is the ID of the one that is wanted; empty for all.
	Ref    string
	Filter RecordFilter
	// Completed leaves out builds that run.
	Completed bool
	// Limit is how many of the latest are wanted at most; 0 is no limit.
	Limit int32
}

// maxRecords bounds the records that are taken of one daemon, in bytes of BuildKit's own
// form: a full history has some hundred KiB.
const maxRecords = 64 << 20

// errManyRecords is a daemon that sends more.
var errManyRecords = errors.New("its history is larger than 64 MiB")

// headerTimestamp is the header in which a daemon tells its time
// (https://github.com/moby/buildkit/blob/v0.34.2/control/control.go).
const headerTimestamp = "buildkit-current-timestamp"

// Records returns the records of the daemon's history that the query chooses, in no
// order. The error is ErrNoHistory where there is no history.
func (d *Daemon) Records(ctx context.Context, q RecordQuery) ([]BuildRecord, error) {
	var records []BuildRecord
	var now time.Time
	size := 0
	began := func(header metadata.MD) {
		if told := header.Get(headerTimestamp); len(told) > 0 {
			now, _ = time.Parse(time.RFC3339Nano, told[0]) // without it a running build has no duration
		}
	}
	request := &control.BuildHistoryRequest{EarlyExit: true, Ref: q.Ref, Limit: q.Limit, Filter: q.Filter.request()}
	err := d.historySince(ctx, "builds", request, began, func(event *control.BuildHistoryEvent) error {
		record := event.GetRecord()
		switch {
		case record == nil || event.Type == control.BuildHistoryEventType_DELETED:
			return nil
		case q.Ref != "" && record.Ref != q.Ref: // a daemon from before this request
			return nil
		}
		if size += proto.Size(record); size > maxRecords {
			return errManyRecords
		}
		r := buildRecord(record, now)
		if q.Completed && r.CompletedAt.IsZero() || !q.Filter.match(r) {
			return nil
		}
		records = append(records, r)
		return nil
	})
	if err != nil && q.Ref != "" && strings.Contains(err.Error(), "ref "+q.Ref+" is deleted") { // a daemon remembers that for a while
		return nil, nil
	}
	return records, err
}

func buildRecord(record *control.BuildHistoryRecord, now time.Time) BuildRecord {
	if imports, ok := record.FrontendAttrs["cache-imports"]; ok { // neither printed nor exported with credentials
		record.FrontendAttrs["cache-imports"] = withoutCacheSecrets(imports)
	}
	r := BuildRecord{
		Ref:       record.Ref,
		Attrs:     record.FrontendAttrs,
		CreatedAt: timeOf(record.CreatedAt), CompletedAt: timeOf(record.CompletedAt), Now: now,
		TotalSteps: record.NumTotalSteps, CompletedSteps: record.NumCompletedSteps, CachedSteps: record.NumCachedSteps,
		record: record,
	}
	if e := record.Error; e != nil {
		code := codes.Code(uint32(e.Code)) //nolint:gosec // any number has a name
		r.Failed, r.Cancelled = true, code == codes.Canceled
		r.Code, r.CodeName, r.Message = int(e.Code), code.String(), e.Message
	}
	return r
}

// timeOf is zero for a time that is none: encoding/json refuses some of them.
func timeOf(t *timestamppb.Timestamp) time.Time {
	if t.CheckValid() != nil {
		return time.Time{}
	}
	return t.AsTime()
}

// RemoveRecord removes the record of a build that has ended.
func (d *Daemon) RemoveRecord(ctx context.Context, ref string) error {
	return d.updateHistory(ctx, "remove build "+ref+" from the history", &control.UpdateBuildHistoryRequest{Ref: ref, Delete: true})
}

// FinalizeRecord has the daemon complete the record of a build that has ended: it
// otherwise adds the trace some time later.
func (d *Daemon) FinalizeRecord(ctx context.Context, ref string) error {
	return d.updateHistory(ctx, "finalize the record of build "+ref, &control.UpdateBuildHistoryRequest{Ref: ref, Finalize: true})
}

func (d *Daemon) updateHistory(ctx context.Context, doing string, request *control.UpdateBuildHistoryRequest) error {
	if _, err := d.client.ControlClient().UpdateBuildHistory(ctx, request); err != nil {
		return explainRequest(ctx, doing, err)
	}
	return nil
}

// RecordProgress is what the daemon reports, or has reported, of a build: steps,
// logs and warnings. It ends with the build, or with an error, which is the last
// value.
func (d *Daemon) RecordProgress(ctx context.Context, ref string) iter.Seq2[*client.SolveStatus, error] {
	return func(yield func(*client.SolveStatus, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel() // ends the stream
		stream, err := d.client.ControlClient().Status(ctx, &control.StatusRequest{Ref: ref})
		for err == nil {
			var response *control.StatusResponse
			if response, err = stream.Recv(); err == nil && !yield(client.NewSolveStatus(response), nil) {
				return
			}
		}
		if !errors.Is(err, io.EOF) {
			yield(nil, explainRequest(ctx, "read the log of build "+ref, err))
		}
	}
}
