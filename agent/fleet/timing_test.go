package fleet

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestTiming(t *testing.T) {
	began := time.Now().Add(-time.Second)
	l := NewTiming(began)
	l.add(timingEntry{"m", "second", began.Add(20 * time.Millisecond), began.Add(30 * time.Millisecond)})
	l.add(timingEntry{"", "first", began.Add(10 * time.Millisecond), began.Add(40 * time.Millisecond)})
	l.add(timingEntry{"m", "around the second", began.Add(20 * time.Millisecond), began.Add(35 * time.Millisecond)})
	l.Since("from the start", began)
	l.observe("n")("a request")()
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

func TestNoTiming(t *testing.T) {
	var none *Timing
	none.Begin("m", "something")()
	none.Since("something", time.Now())
	if none.observe("m") != nil {
		t.Error("requests are observed for nobody")
	}
}
