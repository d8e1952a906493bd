package fleet

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/slipway-build/slipway/agent/event"
)

func TestTiming(t *testing.T) {
	began := time.Now().Add(-time.Second)
	l := NewTiming(began)
	stream := event.NewStream()
	sub := stream.Subscribe("timing", l)
	span := func(node, what string, from, to time.Duration) {
		stream.Emitter().Node(node).Emit(event.Event{Span: &event.Span{What: what, From: began.Add(from), To: began.Add(to)}})
	}
	span("m", "second", 20*time.Millisecond, 30*time.Millisecond)
	span("", "first", 10*time.Millisecond, 40*time.Millisecond)
	span("m", "around the second", 20*time.Millisecond, 35*time.Millisecond)
	stream.Emitter().Emit(event.Event{Publishing: &event.Publishing{}}) // takes no time
	stream.Emitter().Since("from the start", began)
	stream.Emitter().Node("n").Observe()("a request")()
	if err := sub.End(); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := l.Print(&out); err != nil {
		t.Fatal(err)
	}
	want := `^ +AT +TOOK +WHAT
 +0\.0 ms +1\d\d\d\.\d ms +from the start
 +10\.0 ms +30\.0 ms +first
 +20\.0 ms +15\.0 ms +\[m\] around the second
 +20\.0 ms +10\.0 ms +\[m\] second
 +1\d\d\d\.\d ms +\d+\.\d ms +\[n\] a request
 +0\.0 ms +1\d\d\d\.\d ms +the command
$`
	if !regexp.MustCompile(want).MatchString(out.String()) {
		t.Errorf("printed:\n%s", out.String())
	}
}
