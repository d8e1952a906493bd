package scenarios

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

// The fault suite: a fault is planted, and Slipway must come out of it. Each
// fault is a row of the table that is printed with the report.

var longFaults = flag.Bool("faults", false, "run the faults that take long, or that disturb the whole cluster")

// harm is what a fault must not do.
type harm int

const (
	hang harm = iota
	partialOutput
	halfMovedTag
	leak
	foreignTouched
	harms
)

func (h harm) String() string {
	return [harms]string{"hangs", "partial outputs", "tags half-moved", "leaks", "foreign objects touched"}[h]
}

// planted is one planted fault.
type planted struct {
	area, what string
	t          *testing.T
	began      time.Time

	mu      sync.Mutex
	took    time.Duration // 0 while it runs
	outcome string
	looked  [harms]int // how often this harm was looked for
	done    [harms]int // and found
	failed  bool
}

// suite is all faults that have been planted.
var suite struct {
	sync.Mutex
	all     []*planted
	leftOut []string
}

// plant adds a row for a fault that the test is about to plant.
func plant(t *testing.T, area, what string) *planted {
	t.Helper()
	f := &planted{area: area, what: what, t: t, began: time.Now()}
	suite.Lock()
	defer suite.Unlock()
	suite.all = append(suite.all, f)
	t.Cleanup(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.took, f.failed = time.Since(f.began), t.Failed()
		if f.outcome == "" && !f.failed {
			f.failed = true
			t.Errorf("fault %q: the test says nothing of how it ends", f.what)
		}
	})
	return f
}

// long leaves a test out of the short run: it takes longer than half a minute on
// a quiet machine, or disturbs the whole cluster.
func long(t *testing.T) {
	t.Helper()
	if *longFaults {
		return
	}
	suite.Lock()
	suite.leftOut = append(suite.leftOut, t.Name())
	suite.Unlock()
	t.Skip("runs in make faults")
}

// run runs a script in the agent. It must end, in a time that no wait of
// Slipway's own exceeds.
func (f *planted) run(a *agent, script string) result {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 2*patience)
	defer cancel()
	began := time.Now()
	r, err := a.run(ctx, script)
	f.held(hang, !errors.Is(ctx.Err(), context.DeadlineExceeded), "%s: not ended within %s", script, 2*patience)
	if err != nil {
		f.t.Fatalf("%s: %v\n%s%s", script, err, r.Stdout, r.Stderr)
	}
	return result{stdout: r.Stdout, stderr: r.Stderr, code: r.Code, took: time.Since(began)}
}

// explained checks that a command failed with the exit code, and said why.
func (f *planted) explained(r result, code int, words ...string) {
	f.t.Helper()
	missing := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return strings.Contains(r.stderr, w) })
	if r.code != code || len(missing) > 0 {
		f.t.Errorf("%s: exit %d, want %d; standard error lacks %q:\n%s", f.what, r.code, code, missing, r.stderr)
		return
	}
	f.ended(fmt.Sprintf("explained, exit %d", code))
}

// survived checks that a command succeeded in spite of the fault.
func (f *planted) survived(r result) {
	f.t.Helper()
	if r.code != 0 {
		f.t.Errorf("%s: exit %d:\n%s", f.what, r.code, r.stderr)
		return
	}
	f.ended("survived")
}

// refused records that what the fault tried was refused by something other than
// a command of Slipway's, which the test has checked.
func (f *planted) refused(by string) { f.ended("refused by " + by) }

func (f *planted) ended(how string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.outcome = how
}

// held records a look for a harm, and fails the test when it has been done.
func (f *planted) held(h harm, none bool, format string, args ...any) {
	f.t.Helper()
	f.mu.Lock()
	f.looked[h]++
	if !none {
		f.done[h]++
	}
	f.mu.Unlock()
	if !none {
		f.t.Errorf("%s: %s: %s", f.what, h, fmt.Sprintf(format, args...))
	}
}

// writeFaults writes the table.
func writeFaults(out io.Writer) error {
	suite.Lock()
	defer suite.Unlock()
	if len(suite.all) == 0 {
		return nil
	}
	all := slices.Clone(suite.all)
	slices.SortStableFunc(all, func(a, b *planted) int { return cmp.Or(cmp.Compare(a.area, b.area), cmp.Compare(a.what, b.what)) })
	explained := 0
	var looked, done [harms]int
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nAREA\tFAULT\tOUTCOME\tTOOK")
	for _, f := range all {
		f.mu.Lock()
		outcome := f.outcome
		switch {
		case f.took == 0:
			outcome = "unfinished"
		case f.failed:
			outcome = "FAILED"
		default:
			explained++
		}
		for h := range harms {
			looked[h] += f.looked[h]
			done[h] += f.done[h]
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", f.area, f.what, outcome, f.took.Round(time.Second))
		f.mu.Unlock()
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d faults planted, %d explained or survived", len(all), explained)
	for h := range harms {
		fmt.Fprintf(out, ", %d %s in %d looks", done[h], h, looked[h])
	}
	if n := len(suite.leftOut); n > 0 {
		fmt.Fprintf(out, "; make faults runs %d tests more", n)
	}
	_, err := fmt.Fprintln(out)
	return err
}
