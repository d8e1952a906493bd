package enforce

import (
	"errors"
	"slices"
	"sync"
)

// errFull says that too many builds wait already.
var errFull = errors.New("too many builds wait")

// queue gives places to builds in the order in which they came. It may be used by several
// goroutines.
type queue struct {
	total int // places for all clients together; 0 is no bound

	mu      sync.Mutex
	running map[string]int // by client
	waiting []*ticket
	// moved is closed and made anew whenever places are given or taken.
	moved chan struct{}
}

// ticket is the place of a build.
type ticket struct {
	queue  *queue
	client string
	limit  int // places for the client; 0 is no bound
	// ready is closed when the build may run.
	ready chan struct{}
	gone  bool
}

func newQueue(total int) *queue {
	return &queue{total: total, running: map[string]int{}, moved: make(chan struct{})}
}

// enter asks for a place for a client that may have limit of them, and have maxWaiting
// builds wait.
func (q *queue) enter(client string, limit, maxWaiting int) (*ticket, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	t := &ticket{queue: q, client: client, limit: limit, ready: make(chan struct{})}
	q.waiting = append(q.waiting, t)
	q.admit()
	if !slices.Contains(q.waiting, t) {
		return t, nil
	}
	waiting := 0
	for _, other := range q.waiting {
		if other.client == client {
			waiting++
		}
	}
	if waiting > maxWaiting {
		q.waiting = q.waiting[:len(q.waiting)-1]
		return nil, errFull
	}
	return t, nil
}

// admit gives free places to those who wait. The lock is held.
func (q *queue) admit() {
	all := 0
	for _, n := range q.running {
		all += n
	}
	q.waiting = slices.DeleteFunc(q.waiting, func(t *ticket) bool {
		if (q.total > 0 && all >= q.total) || (t.limit > 0 && q.running[t.client] >= t.limit) {
			return false
		}
		all++
		q.running[t.client]++
		close(t.ready)
		return true
	})
	close(q.moved)
	q.moved = make(chan struct{})
}

// leave gives the place back, or ends the waiting for it. It may be called again.
func (t *ticket) leave() {
	q := t.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if t.gone {
		return
	}
	t.gone = true
	select {
	case <-t.ready:
		if q.running[t.client]--; q.running[t.client] == 0 {
			delete(q.running, t.client)
		}
	default:
		q.waiting = slices.DeleteFunc(q.waiting, func(other *ticket) bool { return other == t })
	}
	q.admit()
}

// place tells how many builds get a place before this one, how many run at a time, and
// what is closed when that changes.
func (t *ticket) place() (before, places int, moved <-chan struct{}) {
	q := t.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	places = q.total
	ofClient := t.limit > 0 && (q.total == 0 || t.limit < q.total)
	if ofClient {
		places = t.limit
	}
	for i := range max(slices.Index(q.waiting, t), 0) { // it may have its place by now
		if !ofClient || q.waiting[i].client == t.client {
			before++
		}
	}
	return before, places, q.moved
}
