package solve

import (
	"runtime/debug"
	"runtime/metrics"
)

// manyFilesListed is the number of files from which on a transfer keeps so much
// about them that memory matters more than time.
const manyFilesListed = 10_000

// The collector's percentages: Go's own, and that of large contexts.
const (
	usualGC   = 100
	sparingGC = 50
)

// spareMemory lets the heap grow by half of what is in use between collections
// instead of by all of it. What is kept of 100,000 files is in use to the end,
// so the heap's largest size is a quarter less, for a tenth of the CPU time.
// Small contexts have little to gain, and each collection costs them time. A
// percentage that somebody has chosen (GOGC) stays.
func spareMemory() {
	if gcPercent() == usualGC {
		debug.SetGCPercent(sparingGC)
	}
}

func gcPercent() uint64 {
	now := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(now)
	return now[0].Value.Uint64()
}
