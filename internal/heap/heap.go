// Package heap makes the garbage collector spare memory where a build keeps
// much. It knows no other package of the module.
package heap

import (
	"runtime/debug"
	"runtime/metrics"
)

// ManyFiles is the number of files from which on a transfer keeps so much
// about them that memory matters more than time.
const ManyFiles = 10_000

// The collector's percentages: Go's own, and that of large transfers.
const (
	usualGC   = 100
	sparingGC = 50
)

// Spare lets the heap grow by half of what is in use between collections
// instead of by all of it. What is kept of 100,000 files is in use to the end,
// so the heap's largest size is a quarter less, for a tenth of the CPU time.
// Small contexts have little to gain, and each collection costs them time. A
// percentage that somebody has chosen (GOGC) stays.
func Spare() {
	if Percent() == usualGC {
		debug.SetGCPercent(sparingGC)
	}
}

// Percent is the collector's percentage as it is now.
func Percent() uint64 {
	now := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(now)
	return now[0].Value.Uint64()
}
