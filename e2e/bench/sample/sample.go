// Package sample is what the timer in an agent pod tells the bench.
package sample

// Round is one measurement: one process, or several started at once.
type Round struct {
	// WallMS is from the start to the end of the last process, in milliseconds.
	WallMS float64 `json:"wallMs"`
	// Processes are in the order of their numbers.
	Processes []Process `json:"processes"`
}

// Process is the measure of one process.
type Process struct {
	WallMS float64 `json:"wallMs"`
	// CPUMS is user and system time, in milliseconds.
	CPUMS float64 `json:"cpuMs"`
	// MaxRSSKB is the largest resident size, in KiB.
	MaxRSSKB int64 `json:"maxRssKb"`
	// Failure says how it failed and what it said last; empty if it did not.
	Failure string `json:"failure,omitempty"`
}

// Succeeded is the number of processes that did not fail.
func (r Round) Succeeded() int {
	n := 0
	for _, p := range r.Processes {
		if p.Failure == "" {
			n++
		}
	}
	return n
}
