package event

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/slipway-build/slipway/internal/fault"
)

// Consumer does something with the events of a stream, such as showing them.
type Consumer interface {
	// Consume takes one event. It is called by one goroutine, in the order of
	// the events, and may block for as long as the Stream allows. It must not
	// emit events to its own stream. After an error it gets no more events.
	Consume(e Event) error
}

// Closer is a Consumer that has something to do when there are no more events.
type Closer interface {
	Consumer
	// Close is called once, when all events have been consumed or one has failed.
	Close() error
}

// Staller is a Consumer that is told when it gets no more events because it has
// taken none for too long.
type Staller interface {
	Consumer
	// Stalled is called once at most, while Consume or Close may be running. It
	// must not block.
	Stalled()
}

// What a subscription holds for a consumer that is slower than the build.
const (
	// maxWaiting bounds the events that wait for a consumer, in bytes. A cancelled
	// build shows them before it ends, so it is little.
	maxWaiting = 1 << 20
	// Patience is how long a consumer may take nothing while events wait for it.
	Patience = 10 * time.Minute
)

// Stream brings events to consumers. It may be used by several goroutines, and
// every consumer gets the same events in the same order: those of one goroutine in
// the order in which it has emitted them, all of them from Subscribe to End.
//
// Each consumer has a goroutine and a queue of its own, so that none waits for
// another. No event is left out. A consumer that is slower than the build holds
// its events in the queue, and where that is full (1 MiB) it slows the build down,
// as a program does that reads the log slowly. It does not hold the build for
// ever: one that takes no event at all for ten minutes while the queue is full, or
// while End waits for it, gets no more, the build goes on without it, and End says
// so.
//
// A nil Stream has no consumers and drops what is emitted.
type Stream struct {
	limit    int
	patience time.Duration

	// emitting makes one order of what several goroutines emit.
	emitting sync.Mutex

	mu            sync.Mutex
	subscriptions []*Subscription
}

// NewStream returns a stream without consumers.
func NewStream() *Stream { return &Stream{limit: maxWaiting, patience: Patience} }

// Emitter returns an emitter of the stream whose events are about the build as a
// whole.
func (s *Stream) Emitter() Emitter { return Emitter{stream: s} }

// Subscribe has the events from now on brought to a consumer, whose name is for
// messages. The caller must End the subscription.
func (s *Stream) Subscribe(name string, c Consumer) *Subscription {
	sub := &Subscription{
		stream: s, name: name, consumer: c,
		arrived: make(chan struct{}, 1),
		taken:   make(chan struct{}, 1),
		ending:  make(chan struct{}),
		done:    make(chan struct{}),
	}
	s.mu.Lock()
	s.subscriptions = append(s.subscriptions, sub)
	s.mu.Unlock()
	go fault.Protect(func() {
		defer close(sub.done)
		err := fault.Guard(func() error { return sub.bring(c) })()
		if err != nil {
			sub.drop(err)
			<-sub.ending
		}
		if closer, ok := c.(Closer); ok {
			sub.drop(fault.Guard(closer.Close)())
		}
		sub.drop(nil)
	})()
	return sub
}

// emit brings an event to all consumers.
func (s *Stream) emit(e Event) {
	if s == nil {
		return
	}
	s.emitting.Lock()
	defer s.emitting.Unlock()
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	s.mu.Lock()
	all := slices.Clone(s.subscriptions)
	s.mu.Unlock()
	for _, sub := range all {
		sub.put(e)
	}
}

// Subscription is a consumer's place in a stream.
type Subscription struct {
	stream   *Stream
	name     string
	consumer Consumer

	// arrived, taken and ending wake those who wait for an event, for room in the
	// queue and for the end.
	arrived, taken chan struct{}
	ending         chan struct{}
	end            sync.Once
	done           chan struct{} // closed when the consumer gets no more

	mu    sync.Mutex
	queue []Event
	size  int // of the queue, in bytes
	// dropped says that the consumer gets no more events, and err why if it has
	// failed.
	dropped bool
	err     error
	// told says that a Staller knows that it has stalled.
	told bool
}

// StalledError is a consumer that takes no events.
type StalledError struct {
	// Consumer is its name, After how long it has taken none.
	Consumer string
	After    time.Duration
}

// Error implements error.
func (e *StalledError) Error() string {
	return fmt.Sprintf("the %s has taken no event of the build for %s", e.Consumer, e.After)
}

// End returns when the consumer has taken all events that were emitted before, and
// has closed if it is a Closer, with the first error of both. A *StalledError, of
// class usage as any output that cannot be written, says that it does not get on:
// it may be in Consume or Close then and never return. It comes beside the error of
// a Consume that has failed before. Later events do not reach
// it. End may be called several times.
func (sub *Subscription) End() error {
	sub.end.Do(func() {
		s := sub.stream
		s.mu.Lock()
		s.subscriptions = slices.DeleteFunc(s.subscriptions, func(one *Subscription) bool { return one == sub })
		s.mu.Unlock()
		close(sub.ending)
	})
	for {
		if err := sub.failure(); errors.As(err, new(*StalledError)) {
			return err // it may never return
		}
		select {
		case <-sub.done:
			return sub.failure()
		case <-sub.taken: // it gets on
		case <-time.After(sub.stream.patience):
			select {
			case <-sub.done: // at the last moment
			default:
				sub.stalled(true)
			}
		}
	}
}

// failure is why the consumer gets no more events, nil where it has not failed.
func (sub *Subscription) failure() error {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	return sub.err
}

// put gives the consumer an event, once there is room for it. One that is larger
// than the queue has room when it is alone.
func (sub *Subscription) put(e Event) {
	size := e.size()
	for !sub.tryPut(e, size) {
		select {
		case <-sub.taken:
		case <-sub.ending:
			return
		case <-time.After(sub.stream.patience):
			sub.stalled(false)
			return
		}
	}
	wake(sub.arrived)
}

// tryPut reports false when there is no room.
func (sub *Subscription) tryPut(e Event, size int) bool {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if sub.dropped {
		return true
	}
	if len(sub.queue) > 0 && sub.size+size > sub.stream.limit {
		return false
	}
	sub.queue = append(sub.queue, e)
	sub.size += size
	return true
}

// bring brings events to the consumer until the subscription ends and the queue is
// empty, or the consumer fails.
func (sub *Subscription) bring(c Consumer) error {
	for {
		e, ok := sub.take()
		if ok {
			if err := c.Consume(e); err != nil {
				return err
			}
			continue
		}
		select {
		case <-sub.arrived:
		case <-sub.ending:
			if sub.isEmpty() {
				return nil
			}
		}
	}
}

// take removes the first event of the queue; false when there is none.
func (sub *Subscription) take() (Event, bool) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if sub.dropped || len(sub.queue) == 0 {
		return Event{}, false
	}
	e := sub.queue[0]
	sub.queue[0] = Event{}
	sub.queue = sub.queue[1:]
	sub.size -= e.size()
	wake(sub.taken)
	return e, true
}

func (sub *Subscription) isEmpty() bool {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	return len(sub.queue) == 0
}

// drop ends the consumer's part, if it has not ended before.
func (sub *Subscription) drop(err error) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if sub.dropped {
		return
	}
	sub.dropped, sub.err, sub.queue, sub.size = true, err, nil, 0
	wake(sub.taken)
}

// stalled ends the part of a consumer that does not get on. At the end that holds
// for one, too, that has failed before and does not close.
func (sub *Subscription) stalled(atEnd bool) {
	err := fault.With(fault.ClassUsage, &StalledError{sub.name, sub.stream.patience})
	sub.drop(err)
	if staller, ok := sub.consumer.(Staller); sub.keepStalled(err, atEnd) && ok {
		staller.Stalled()
	}
}

// keepStalled adds the error of a consumer that has stalled to those that failure
// returns, and reports whether the consumer is to be told.
func (sub *Subscription) keepStalled(err error, atEnd bool) bool {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if !errors.As(sub.err, new(*StalledError)) {
		if !atEnd {
			return false // it has failed at the last moment
		}
		sub.err = errors.Join(sub.err, err)
	}
	tell := !sub.told
	sub.told = true
	return tell
}

// wake wakes who waits on the channel, now or next.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
