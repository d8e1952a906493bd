package solve

import (
	"path/filepath"
	"sync"

	"github.com/slipway-build/slipway/agent/solve/contextfs"
)

// times are the modification times that files of contexts are sent with.
type times struct {
	mode contextfs.MtimeMode // MtimeKeep or MtimeContent; empty without directories
	sums *contextfs.Sums     // what is known of the files; nil without directories
}

// decideTimes decides about the times of the sources' files and opens what is
// known of them. The note says why they are kept, if nobody asked for that.
func decideTimes(r Request, s *sources) (t times, note string) {
	if len(s.inputs.Mounts) == 0 {
		return times{}, ""
	}
	t.mode = r.Mtime
	if t.mode != contextfs.MtimeKeep && t.mode != contextfs.MtimeContent {
		t.mode = contextfs.MtimeContent
		if reason := needsTimes(r, s.inputs); reason != "" {
			t.mode = contextfs.MtimeKeep
			note = "the files of the context keep their times, which differ in every clone, so all are sent: " + reason
		}
	}
	t.sums = r.Shared.sumsOf(r.SumDir, contextfs.SharedKey(s.dir))
	if t.mode == contextfs.MtimeContent {
		t.sums.Load() // with kept times no file may have to be read
	}
	return t, note
}

// Shared is what several builds of one command have in common: files that more than one
// of them sends are read once. It may be used by several goroutines.
type Shared struct {
	mu   sync.Mutex
	sums map[[2]string]*contextfs.Sums
}

// sumsOf is what is known of the files of a directory; of a nil Shared each build has
// its own.
func (s *Shared) sumsOf(dir, key string) *contextfs.Sums {
	if s == nil {
		return contextfs.NewSums(dir, key)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sums == nil {
		s.sums = map[[2]string]*contextfs.Sums{}
	}
	at := [2]string{dir, key}
	if s.sums[at] == nil {
		s.sums[at] = contextfs.NewSums(dir, key)
	}
	return s.sums[at]
}

// needsTimes says why a build may depend on the files' own times; empty when it
// does not. Results that tools keep between builds are one reason: a changed
// file whose derived time lies in the past would look older than what was made
// of it before, and a tool such as make or cargo would not look at it again.
func needsTimes(r Request, in inputs) string {
	for _, o := range r.Outputs {
		if o.RewritesTimes() {
			return "rewrite-timestamp of an output lowers later times to SOURCE_DATE_EPOCH and leaves earlier ones, such as derived ones, as they are"
		}
	}
	dir, name := in.dockerfile()
	if dir == "" {
		return "the Dockerfile is not on the agent, so it is not known whether it has cache mounts"
	}
	return contextfs.ComparesTimes(filepath.Join(dir, name))
}
