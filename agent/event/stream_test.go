package event

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-build/slipway/internal/fault"
)

// consume is a Consumer.
type consume func(Event) error

func (c consume) Consume(e Event) error { return c(e) }

// said collects the reasons of Waiting.
type said []string

func (s *said) Consume(e Event) error {
	*s = append(*s, e.Waiting.Reason)
	return nil
}

// waiting is an event of about that size in bytes.
func waiting(reason string, size int) Event {
	return Event{Waiting: &Waiting{Reason: reason}, Progress: &Progress{Logs: []*Log{{Data: make([]byte, size)}}}}
}

func end(t *testing.T, s *Subscription) {
	t.Helper()
	if err := s.End(); err != nil {
		t.Error(err)
	}
}

// TestStreamIsCompleteAndOrdered has several goroutines emit to several consumers, one
// of which is slow and has a queue that is always full.
func TestStreamIsCompleteAndOrdered(t *testing.T) {
	s := &Stream{limit: 1000, patience: time.Minute}
	var one, slow said
	first := s.Subscribe("one", &one)
	second := s.Subscribe("slow", consume(func(e Event) error {
		time.Sleep(10 * time.Microsecond)
		return slow.Consume(e)
	}))
	const emitters, each = 4, 200
	var running sync.WaitGroup
	for n := range emitters {
		running.Go(fault.Protect(func() {
			say := s.Emitter().Node("n").Wait(StageStart)
			for i := range each {
				say(fmt.Sprintf("%d %03d", n, i))
			}
		}))
	}
	running.Wait()
	end(t, first)
	end(t, second)
	if !slices.Equal(one, slow) {
		t.Error("two consumers have different orders")
	}
	if len(one) != emitters*each {
		t.Errorf("%d events of %d came", len(one), emitters*each)
	}
	for n := range emitters {
		own := slices.DeleteFunc(slices.Clone(one), func(r string) bool { return !strings.HasPrefix(r, fmt.Sprint(n)) })
		if !slices.IsSorted(own) {
			t.Errorf("the events of goroutine %d are out of order", n)
		}
	}
	s.Emitter().Wait(StageStart)("late")
	if slices.Contains(one, "late") {
		t.Error("an event came after the end")
	}
}

// TestAnEmitterFillsInThePlace has events of a node, one of its pods, and the build.
func TestAnEmitterFillsInThePlace(t *testing.T) {
	s := NewStream()
	var got []string
	sub := s.Subscribe("test", consume(func(e Event) error {
		if e.Time.IsZero() {
			t.Error("an event without a time")
		}
		got = append(got, fmt.Sprint(e.Node, e.Platforms, e.Pod))
		return nil
	}))
	e := s.Emitter()
	node := e.Node("arm", "linux/arm64")
	for _, from := range []Emitter{e, node, node.Pod("arm-0"), node, node.Pod("arm-0").Node("amd")} {
		from.Emit(Event{Publishing: &Publishing{}})
	}
	end(t, sub)
	if want := []string{"[]", "arm[linux/arm64]", "arm[linux/arm64]arm-0", "arm[linux/arm64]", "amd[]"}; !slices.Equal(got, want) {
		t.Errorf("places %q, want %q", got, want)
	}
}

// TestASlowConsumerSlowsTheBuild has a queue that takes two events.
func TestASlowConsumerSlowsTheBuild(t *testing.T) {
	s := &Stream{limit: 3000, patience: time.Minute}
	release := make(chan struct{})
	var got said
	sub := s.Subscribe("display", consume(func(e Event) error {
		<-release
		return got.Consume(e)
	}))
	emitted := make(chan int, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 5 {
			s.emit(waiting(fmt.Sprint(i), 1000))
			emitted <- i
		}
	}()
	// One is being consumed, two wait.
	for range 3 {
		<-emitted
	}
	select {
	case i := <-emitted:
		t.Errorf("event %d has found room", i)
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	<-done
	end(t, sub)
	if want := []string{"0", "1", "2", "3", "4"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// TestAnEventThatIsLargerThanTheQueue comes through alone.
func TestAnEventThatIsLargerThanTheQueue(t *testing.T) {
	s := &Stream{limit: 10, patience: time.Minute}
	var got said
	sub := s.Subscribe("test", &got)
	s.emit(waiting("large", 1000))
	s.emit(waiting("again", 1000))
	end(t, sub)
	if len(got) != 2 {
		t.Errorf("got %q", got)
	}
}

// TestAStalledConsumerHoldsNoBuild has a consumer that never returns, and another
// that gets all events all the same.
func TestAStalledConsumerHoldsNoBuild(t *testing.T) {
	s := &Stream{limit: 2000, patience: time.Second} // the other one runs on a busy machine
	forever := make(chan struct{})
	defer close(forever)
	stuck := s.Subscribe("display", consume(func(Event) error {
		<-forever
		return nil
	}))
	var got said
	other := s.Subscribe("other", &got)
	for i := range 10 {
		s.emit(waiting(fmt.Sprint(i), 1000))
	}
	end(t, other)
	if len(got) != 10 {
		t.Errorf("the other consumer has got %d events", len(got))
	}
	var stalled *StalledError
	if err := stuck.End(); !errors.As(err, &stalled) || stalled.Consumer != "display" {
		t.Errorf("error %v", err)
	}

	// One that stalls while nothing is to be emitted any more.
	s = &Stream{limit: 2000, patience: 20 * time.Millisecond}
	last := s.Subscribe("display", consume(func(Event) error {
		<-forever
		return nil
	}))
	s.emit(waiting("last", 0))
	if err := last.End(); !errors.As(err, &stalled) || fault.ClassOf(err) != fault.ClassUsage {
		t.Errorf("error %v of class %d", err, fault.ClassOf(err))
	}
}

// closing is a Closer.
type closing struct {
	said
	close func() error
}

func (c *closing) Close() error { return c.close() }

// TestEndCloses has consumers that close, fail to close, fail before and never close.
func TestEndCloses(t *testing.T) {
	unclosed, failed := errors.New("not closed"), errors.New("failed")
	forever := make(chan struct{})
	defer close(forever)
	for _, tt := range []struct {
		name         string
		fails, close error
		want         error
	}{
		{"closes", nil, nil, nil},
		{"does not close", nil, unclosed, unclosed},
		{"fails before", failed, nil, failed},
		{"fails before and does not close", failed, unclosed, failed},
	} {
		s, closed := NewStream(), 0
		c := &closing{}
		c.close = func() error {
			closed++
			if len(c.said) != 1 {
				t.Errorf("%s: it is closed after %q", tt.name, c.said)
			}
			return tt.close
		}
		sub := s.Subscribe("test", failing{c, tt.fails})
		s.Emitter().Wait(StageStart)("one")
		for range 2 {
			if err := sub.End(); !errors.Is(err, tt.want) {
				t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
			}
		}
		if closed != 1 {
			t.Errorf("%s: closed %d times", tt.name, closed)
		}
	}
	s := &Stream{limit: 1000, patience: 20 * time.Millisecond}
	stuck := s.Subscribe("display", &closing{close: func() error { <-forever; return nil }})
	if err := stuck.End(); !errors.As(err, new(*StalledError)) {
		t.Errorf("never closes: error %v", err)
	}
}

// failing is a Closer that takes an event and fails.
type failing struct {
	*closing
	err error
}

func (f failing) Consume(e Event) error {
	_ = f.closing.Consume(e)
	return f.err
}

// TestAFailedConsumer has one that fails and one that panics.
func TestAFailedConsumer(t *testing.T) {
	failure := errors.New("no paper")
	for name, tt := range map[string]struct {
		fail func() error
		is   func(error) bool
	}{
		"fails":  {func() error { return failure }, func(err error) bool { return errors.Is(err, failure) }},
		"panics": {func() error { panic("x") }, func(err error) bool { return errors.As(err, new(*fault.Panic)) }},
	} {
		s := &Stream{limit: 200, patience: time.Minute}
		calls := 0
		sub := s.Subscribe("printer", consume(func(Event) error {
			calls++
			return tt.fail()
		}))
		for range 5 { // more than the queue holds
			s.emit(waiting("x", 100))
		}
		for range 2 {
			if err := sub.End(); !tt.is(err) {
				t.Errorf("%s: error %v", name, err)
			}
		}
		if calls != 1 {
			t.Errorf("%s: it was called %d times", name, calls)
		}
	}
}

// TestNobodyListens has emitters without a stream, and a stream without consumers.
func TestNobodyListens(t *testing.T) {
	var none *Stream
	for _, e := range []Emitter{{}, none.Emitter(), NewStream().Emitter()} {
		e.Node("n").Pod("p").Emit(Event{Publishing: &Publishing{}})
		e.Begin("something")()
		e.Since("something", time.Now())
		e.Wait(StageReady)("something")
	}
	if (Emitter{}).Node("n").Observe() != nil {
		t.Error("requests are observed for nobody")
	}
	if NewStream().Emitter().Observe() == nil {
		t.Error("requests are not observed")
	}
}

// TestSpans has what Timing is made of.
func TestSpans(t *testing.T) {
	s := NewStream()
	var got []Event
	sub := s.Subscribe("test", consume(func(e Event) error {
		got = append(got, e)
		return nil
	}))
	began := time.Now().Add(-time.Second)
	s.Emitter().Since("from the start", began)
	s.Emitter().Node("n").Observe()("a request")()
	end(t, sub)
	if len(got) != 2 || got[0].Span.What != "from the start" || !got[0].Span.From.Equal(began) || got[0].Span.To.Sub(began) < time.Second {
		t.Fatalf("got %+v", got)
	}
	if got[1].Node != "n" || got[1].Span.What != "a request" || got[1].Span.To.Before(got[1].Span.From) {
		t.Errorf("got %+v", got[1].Span)
	}
}

// telling is a Staller.
type telling struct {
	*closing
	consume
	stalled chan string
}

func (t telling) Consume(e Event) error { return t.consume(e) }
func (t telling) Stalled()              { t.stalled <- "stalled" }

// TestAStalledConsumerIsTold has consumers that stall in the middle, at the end, and
// in Close after they have failed.
func TestAStalledConsumerIsTold(t *testing.T) {
	forever := make(chan struct{})
	defer close(forever)
	late := errors.New("too late")
	wait := func() error { <-forever; return late }
	failure := errors.New("no paper")
	for _, tt := range []struct {
		name    string
		consume error // nil waits for ever
		events  int
		early   bool // before End
	}{
		{"while the build goes on", nil, 5, true},
		{"at the end", nil, 1, false},
		{"in Close, after it has failed", failure, 1, false},
	} {
		s := &Stream{limit: 1000, patience: 20 * time.Millisecond}
		c := telling{&closing{close: wait}, func(Event) error {
			if tt.consume != nil {
				return tt.consume
			}
			return wait()
		}, make(chan string, 10)}
		sub := s.Subscribe("display", c)
		for range tt.events {
			s.emit(waiting("x", 1000))
		}
		if got := len(c.stalled) == 1; got != tt.early {
			t.Errorf("%s: told before the end: %t", tt.name, got)
		}
		for range 2 {
			ended := make(chan error, 1)
			go func() { ended <- sub.End() }()
			select {
			case err := <-ended:
				if !errors.As(err, new(*StalledError)) || fault.ClassOf(err) != fault.ClassUsage || tt.consume != nil && !errors.Is(err, tt.consume) {
					t.Errorf("%s: error %v of class %d", tt.name, err, fault.ClassOf(err))
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("%s: End does not return", tt.name)
			}
		}
		if len(c.stalled) != 1 {
			t.Errorf("%s: told %d times", tt.name, len(c.stalled))
		}
	}
}
