package compile

import (
	"fmt"
	"sync"
	"time"

	"github.com/slipway-build/slipway/e2e/testbed/internal/report"
)

// Estimate foretells how long a build still takes. A package counts with the
// size of its source, because a generated API package takes a thousand times
// as long as a package of constants.
type Estimate struct {
	mu          sync.Mutex
	sizes       map[string]int64
	total, done int64
	seen        int
}

// minimum is what compiling even the smallest package costs, in bytes of source.
const minimum = 4 << 10

// NewEstimate takes the packages that are still to compile, with the size of
// the source of each.
func NewEstimate(sizes map[string]int64) *Estimate {
	e := &Estimate{sizes: make(map[string]int64, len(sizes))}
	for name, size := range sizes {
		e.sizes[name] = size + minimum
		e.total += size + minimum
	}
	return e
}

// Packages is how many packages there are to compile.
func (e *Estimate) Packages() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.sizes) + e.seen
}

// Seen is how many of them have begun to compile.
func (e *Estimate) Seen() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.seen
}

// Begin counts a package; one that was not to compile, or is counted already,
// changes nothing.
func (e *Estimate) Begin(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	size, ok := e.sizes[name]
	if !ok {
		return
	}
	delete(e.sizes, name)
	e.done += size
	e.seen++
}

// Left is how long the rest takes if it goes on as it went; ok is false while
// it is too early to tell.
func (e *Estimate) Left(elapsed time.Duration) (left time.Duration, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done*20 < e.total || elapsed < 5*time.Second {
		return 0, false
	}
	return time.Duration(float64(elapsed) * float64(e.total-e.done) / float64(e.done)), true
}

// text is the estimate for people. Once everything has begun to compile, the
// programs are linked, which takes half a minute and says nothing.
func (e *Estimate) text(elapsed time.Duration) string {
	text := fmt.Sprintf("package %d of %d, %s gone", e.Seen(), e.Packages(), report.Duration(elapsed))
	if left, ok := e.Left(elapsed); ok && left > 0 {
		return text + ", about " + report.Duration(left) + " left"
	} else if ok {
		return text + ", linking"
	}
	return text
}
