package scenarios

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/slipway-build/slipway/e2e/yardstick"
)

// reportVariable names a file that is to hold what each scenario took. go test
// prints nothing of a package whose tests pass.
const reportVariable = "SCENARIO_REPORT"

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run runs the scenarios, as many at once as the machine takes, and reports
// what they took, also when they do not end within go test's own limit.
func run(m *testing.M) int {
	flag.Parse()
	if !given("test.parallel") {
		n, err := atOnce()
		if err == nil {
			err = flag.Set("test.parallel", strconv.Itoa(n))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			return 1
		}
	}
	defer timings.report()
	if limit := testLimit(); limit > 0 {
		// A little earlier than go test, which would end the process without a report.
		end := time.AfterFunc(limit-limit/50, func() {
			fmt.Fprintf(os.Stderr, "error: the scenarios have not ended within %s\n", limit)
			timings.report()
			os.Exit(1)
		})
		defer end.Stop()
	}
	code := m.Run()
	if err := errors.Join(spaces.remove(), removePrograms()); err != nil {
		fmt.Fprintln(os.Stderr, "error: clean up after the tests:", err)
		return 1
	}
	return code
}

func given(name string) bool {
	found := false
	flag.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

func atOnce() (int, error) {
	available, err := yardstick.Available()
	return yardstick.AtOnce(runtime.GOMAXPROCS(0), yardstick.Factor(), available), err
}

// testLimit is go test's -timeout; 0 for none.
func testLimit() time.Duration {
	limit, err := time.ParseDuration(flag.Lookup("test.timeout").Value.String())
	if err != nil {
		return 0
	}
	return limit
}

// timing is what one scenario took, and what of it was waiting for what.
type timing struct {
	name       string
	began      time.Time
	took       time.Duration // 0 while it runs
	waits      map[string]time.Duration
	failed     bool
	concurrent int
}

// ledger is the timings of all scenarios, in the order in which they began.
type ledger struct {
	mu      sync.Mutex
	began   time.Time
	running int
	all     []*timing
}

var timings = ledger{began: time.Now()}

// begin takes the time of a scenario until its test ends.
func (l *ledger) begin(t *testing.T) *timing {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running++
	of := &timing{name: t.Name(), began: time.Now(), waits: map[string]time.Duration{}, concurrent: l.running}
	l.all = append(l.all, of)
	t.Cleanup(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		of.took, of.failed = time.Since(of.began), t.Failed()
		l.running--
	})
	return of
}

// waiting takes the time of one wait of a scenario; the function that it
// returns ends it.
func (l *ledger) waiting(of *timing, what string) func() {
	began := time.Now()
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		of.waits[what] += time.Since(began)
	}
}

func (l *ledger) report() {
	file := os.Getenv(reportVariable)
	if file == "" {
		return
	}
	out, err := os.Create(file)
	if err == nil {
		err = cmp.Or(l.write(out), writeFaults(out), out.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error: report what the scenarios took:", err)
	}
}

// write tells what each scenario took, the slowest first.
func (l *ledger) write(out io.Writer) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.Clone(l.all)
	slices.SortStableFunc(all, func(a, b *timing) int { return cmp.Compare(b.so(), a.so()) })
	if _, err := fmt.Fprintf(out, "%d scenarios in %s, %s at once, this machine %.1f times slower than the reference; waits up to %s, at most %s in all\n",
		len(all), time.Since(l.began).Round(time.Second), flag.Lookup("test.parallel").Value, yardstick.Factor(), patience, testLimit()); err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, t := range all {
		ended := ""
		switch {
		case t.failed:
			ended = "FAILED"
		case t.took == 0:
			ended = "unfinished"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", t.so().Round(time.Second), t.name, ended, t.longest())
	}
	return table.Flush()
}

// so is how long the scenario has taken until now.
func (t *timing) so() time.Duration {
	if t.took > 0 {
		return t.took
	}
	return time.Since(t.began)
}

// longest names the two longest waits.
func (t *timing) longest() string {
	type wait struct {
		what string
		took time.Duration
	}
	var all []wait
	for what, took := range t.waits {
		if took >= time.Second {
			all = append(all, wait{what, took})
		}
	}
	slices.SortFunc(all, func(a, b wait) int { return cmp.Or(cmp.Compare(b.took, a.took), cmp.Compare(a.what, b.what)) })
	text := ""
	for i, w := range all[:min(len(all), 2)] {
		if i > 0 {
			text += "; "
		}
		text += fmt.Sprintf("%s for %s", w.took.Round(time.Second), w.what)
	}
	return text
}
