package main

import (
	"fmt"
	"time"
)

// size is a number of bytes.
type size int64

const (
	kb  size = 1e3
	mb  size = 1e6
	mib size = 1 << 20
	gib size = 1 << 30
)

// String gives the unit in which the size is a round number.
func (s size) String() string {
	for _, unit := range []struct {
		bytes size
		name  string
	}{{gib, "GiB"}, {mib, "MiB"}, {mb, "MB"}, {kb, "kB"}} {
		if s >= unit.bytes && s%unit.bytes == 0 {
			return fmt.Sprintf("%d %s", s/unit.bytes, unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", int64(s))
}

// count writes 100000 as 100,000.
func count(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", count(n/1000), n%1000)
}

// milliseconds writes a time as tables show it.
func milliseconds(ms float64) string {
	switch {
	case ms < 1000:
		return fmt.Sprintf("%.0f ms", ms)
	case ms < 10_000:
		return fmt.Sprintf("%.2f s", ms/1000)
	default:
		return fmt.Sprintf("%.1f s", ms/1000)
	}
}

func rounded(d time.Duration) time.Duration { return d.Round(time.Second) }
