// Package fault is the ground for errors that a user meets: what kind of failure
// they are (Class), what to do about them (Hints), several of them at once (List),
// a mistake in what was asked for (Usage), and a fault of the program itself
// (Panic). It says what an error is; which exit code that has and how it is
// printed is for the command line to say. Of the module it knows package sanitize
// alone.
package fault

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// Panic is a fault of the program itself, caught where it would have ended the
// process. It holds no value of what was worked on: that may be a secret.
type Panic struct {
	// What is the runtime's own message, or the type of what was thrown.
	What string
	// Where are the places of the program on the way there, innermost first.
	Where []string
}

// Error implements error.
func (p *Panic) Error() string {
	text := "slipway has a fault: " + p.What
	if len(p.Where) > 0 {
		text += ", at " + strings.Join(p.Where, " < ")
	}
	return text
}

// Hints says what to do about the error.
func (p *Panic) Hints() []string {
	return []string{"neither you nor your build is to blame: report the line above, and the output of slipway version, at https://github.com/slipway-build/slipway/issues"}
}

// Catch turns a panic into the error of the function that defers it.
func Catch(err *error) {
	if thrown := recover(); thrown != nil {
		*err = Caught(thrown)
	}
}

// Guard is f with its panics as errors: for goroutines, whose panics nobody
// else can catch.
func Guard(f func() error) func() error {
	return func() (err error) {
		defer Catch(&err)
		return f()
	}
}

// watchers are told of panics that nobody gets as an error.
var watchers struct {
	sync.Mutex
	next int
	all  map[int]func(*Panic)
}

// OnPanic has the panics of functions that Protect has made told to do, which
// ends what the process is doing. The returned function ends that.
func OnPanic(do func(*Panic)) (stop func()) {
	watchers.Lock()
	defer watchers.Unlock()
	if watchers.all == nil {
		watchers.all = map[int]func(*Panic){}
	}
	id := watchers.next
	watchers.next++
	watchers.all[id] = do
	return func() {
		watchers.Lock()
		defer watchers.Unlock()
		delete(watchers.all, id)
	}
}

// Protect is Guard for functions without an error: a panic is told to what
// OnPanic has been given, before the goroutine ends. Where there is nothing, it
// ends the process as any panic.
func Protect(f func()) func() {
	return func() {
		defer func() {
			thrown := recover()
			if thrown == nil {
				return
			}
			known := Caught(thrown)
			watchers.Lock()
			told := slices.Collect(maps.Values(watchers.all))
			watchers.Unlock()
			if len(told) == 0 {
				panic(thrown)
			}
			for _, tell := range told {
				tell(known)
			}
		}()
		f()
	}
}

// places is how many places of the program a message has.
const places = 5

// Caught is what recover has returned as an error, for functions that do more
// than Catch. It is called by the deferred function itself.
func Caught(thrown any) *Panic {
	if known, ok := thrown.(*Panic); ok {
		return known // thrown on
	}
	p := &Panic{What: fmt.Sprintf("panic of type %T", thrown)}
	if known, ok := thrown.(runtime.Error); ok {
		p.What = known.Error() // indexes, types, lengths
	}
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for len(p.Where) < places {
		frame, more := frames.Next()
		// The program's own: what libraries do is seen by who called them.
		if strings.HasPrefix(frame.Function, "github.com/slipway-build/slipway/") || strings.HasPrefix(frame.Function, "main.") {
			// A closure of this package may have the name of what it is inlined into.
			if !strings.HasSuffix(frame.File, "internal/fault/panic.go") {
				p.Where = append(p.Where, place(frame))
			}
		}
		if !more {
			break
		}
	}
	return p
}

// place is a frame's file, with its directory, and line.
func place(frame runtime.Frame) string {
	parts := strings.Split(frame.File, "/")
	return fmt.Sprintf("%s:%d", strings.Join(parts[max(0, len(parts)-2):], "/"), frame.Line)
}
