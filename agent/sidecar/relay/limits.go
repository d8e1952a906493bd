package relay

import (
	"errors"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Limits bound what the connections of relays take together. They may be used by several
// goroutines.
type Limits struct {
	memory int64
	calls  int64

	held    atomic.Int64
	running atomic.Int64

	mu       sync.Mutex
	accounts map[*account]struct{}
}

// NewLimits returns limits of memory for what was received and is not passed on yet, in
// bytes, and of calls that run. Beyond the first, the connection that holds the most is
// closed; beyond the second, calls are refused.
func NewLimits(memory, calls int64) *Limits {
	return &Limits{memory: memory, calls: calls, accounts: map[*account]struct{}{}}
}

// ErrMemory ends a connection that holds the most of too much memory.
var ErrMemory = errors.New("it holds the most of what is received and not read, which is too much")

// begin counts a call, until the returned function is called.
func (l *Limits) begin() (end func(), err error) {
	if l == nil {
		return func() {}, nil
	}
	end = func() { l.running.Add(-1) }
	if n := l.running.Add(1); n > l.calls {
		end()
		return nil, status.Errorf(codes.ResourceExhausted, "slipway agent: %d calls are running: another one is refused", l.calls)
	}
	return end, nil
}

// account counts the memory of one connection. It implements mem.BufferPool.
type account struct {
	limits *Limits
	over   func()
	held   atomic.Int64
	closed atomic.Bool
}

// open returns an account whose connection over ends. Without limits there is nothing to
// count.
func (l *Limits) open(over func()) *account {
	a := &account{limits: l, over: over}
	if l != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.accounts[a] = struct{}{}
	}
	return a
}

// close takes what is held out of the sum: it is freed with the connection.
func (a *account) close() {
	if a.limits == nil || a.closed.Swap(true) {
		return
	}
	a.limits.mu.Lock()
	delete(a.limits.accounts, a)
	a.limits.mu.Unlock()
	a.limits.held.Add(-a.held.Swap(0))
}

// Get implements mem.BufferPool.
func (a *account) Get(length int) *[]byte {
	buffer := pooled.Get(length)
	a.add(int64(cap(*buffer)))
	return buffer
}

// Put implements mem.BufferPool.
func (a *account) Put(buffer *[]byte) {
	a.add(-int64(cap(*buffer)))
	pooled.Put(buffer)
}

func (a *account) add(n int64) {
	if a.limits == nil || a.closed.Load() {
		return
	}
	a.held.Add(n)
	if a.limits.held.Add(n) > a.limits.memory && n > 0 {
		a.limits.closeLargest()
	}
}

// closeLargest closes the connection that holds the most.
func (l *Limits) closeLargest() {
	l.mu.Lock()
	var most *account
	for a := range l.accounts {
		if most == nil || a.held.Load() > most.held.Load() {
			most = a
		}
	}
	l.mu.Unlock()
	if most != nil {
		most.close()
		most.over()
	}
}
