package cluster

import (
	"slices"
	"strings"
	"sync"
)

// Drifts collects the workloads that are used although they are not as their
// definition says, for one warning when a command's display is closed: within a
// log of steps it is not seen. It may be used by several goroutines; the zero
// Drifts is ready to use.
type Drifts struct {
	mu    sync.Mutex
	found []drifted
}

// drifted is workloads that differ in the same.
type drifted struct {
	workloads []string
	differ    string
}

// Note notes a workload, by kind, name and namespace, and in what it differs.
func (d *Drifts) Note(workload, differ string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := slices.IndexFunc(d.found, func(known drifted) bool { return known.differ == differ })
	if at < 0 {
		d.found = append(d.found, drifted{differ: differ})
		at = len(d.found) - 1
	}
	if !slices.Contains(d.found[at].workloads, workload) {
		d.found[at].workloads = append(d.found[at].workloads, workload)
		slices.Sort(d.found[at].workloads)
	}
}

// Take returns one line about all workloads that were noted since it was called
// last, empty for none.
func (d *Drifts) Take() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.found) == 0 {
		return ""
	}
	slices.SortFunc(d.found, func(a, b drifted) int { return strings.Compare(a.workloads[0], b.workloads[0]) })
	var parts []string
	several := len(d.found) > 1
	for _, one := range d.found {
		are := " is not as its definition says: "
		if len(one.workloads) > 1 {
			are, several = " are not as their definition says: ", true
		}
		parts = append(parts, strings.Join(one.workloads, " and ")+are+one.differ)
	}
	d.found = nil
	them := "it"
	if several {
		them = "them"
	}
	// An agent may have the older definition: up would then take the builders back.
	return strings.Join(parts, "; ") + "; if the definition here is the newer one, slipway up brings " + them + " up to date"
}
