package buildkit

import (
	"context"
	"time"

	"github.com/moby/buildkit/client"
)

// CacheRecord is one entry of a builder's cache.
type CacheRecord struct {
	ID        string
	Parents   []string
	CreatedAt time.Time
	// LastUsedAt is nil for what was never used again.
	LastUsedAt *time.Time
	// Mutable is true for what builds still write to, such as cache mounts.
	Mutable bool
	// InUse is true for what cannot be removed now.
	InUse bool
	// Shared is true for what images or other records hold as well, so that
	// its removal may free nothing.
	Shared bool
	// Size is in bytes.
	Size        int64
	Description string
	UsageCount  int
	// Type is BuildKit's word, for example "regular" or "exec.cachemount".
	Type string
}

func recordOf(u *client.UsageInfo) CacheRecord {
	return CacheRecord{
		ID:          u.ID,
		Parents:     u.Parents,
		CreatedAt:   u.CreatedAt,
		LastUsedAt:  u.LastUsedAt,
		Mutable:     u.Mutable,
		InUse:       u.InUse,
		Shared:      u.Shared,
		Size:        u.Size,
		Description: u.Description,
		UsageCount:  u.UsageCount,
		Type:        string(u.RecordType),
	}
}

// DiskUsage lists the records of the daemon's cache that the filter chooses,
// the smallest first.
func (d *Daemon) DiskUsage(ctx context.Context, filter CacheFilter) ([]CacheRecord, error) {
	found, err := d.client.DiskUsage(ctx, client.WithFilter(filter.list()), client.WithAgeLimit(filter.Unused))
	if err != nil {
		return nil, explainRequest(ctx, "ask buildkitd for its cache", err)
	}
	records := make([]CacheRecord, 0, len(found))
	for _, u := range found {
		records = append(records, recordOf(u))
	}
	return records, nil
}
