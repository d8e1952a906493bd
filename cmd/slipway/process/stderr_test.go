package process

import (
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/slipway-build/slipway/internal/fault"
)

// slowLog takes a text when it is told to.
type slowLog struct {
	begins, takes chan struct{}
	once          sync.Once
	text          strings.Builder
}

func (s *slowLog) Write(p []byte) (int, error) {
	s.once.Do(func() { close(s.begins) })
	<-s.takes
	return s.text.Write(p)
}

// capture has what is written to standard error passed to out.
func capture(t *testing.T, out io.Writer) (stop func()) {
	t.Helper()
	before := os.Stderr
	t.Cleanup(func() { os.Stderr = before })
	stop, err := CaptureStderr(out, false)
	if err != nil {
		t.Fatal(err)
	}
	return stop
}

// inherit returns a copy of standard error, as a program has it.
func inherit(t *testing.T) *os.File {
	t.Helper()
	fd, err := syscall.Dup(int(os.Stderr.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	inherited := os.NewFile(uintptr(fd), "stderr")
	t.Cleanup(func() { _ = inherited.Close() })
	return inherited
}

// TestCaptureStderrOfASlowLog has a command end while its log is slow: what programs have
// written before is in it nevertheless, whether or not they still run.
func TestCaptureStderrOfASlowLog(t *testing.T) {
	for _, running := range []bool{false, true} {
		out := &slowLog{begins: make(chan struct{}), takes: make(chan struct{})}
		stop := capture(t, out)
		program := inherit(t)
		_, _ = program.WriteString("first\n")
		<-out.begins
		long := strings.Repeat("a line of many\n", 2<<10) // more than one read
		_, _ = program.WriteString(long + "without an end")
		if !running {
			_ = program.Close()
		}
		stopped := make(chan struct{})
		go fault.Protect(func() { defer close(stopped); stop() })()
		time.Sleep(2 * lastWords)
		close(out.takes)
		<-stopped
		if want := "first\n" + long + "without an end\n"; out.text.String() != want {
			t.Errorf("running %t: the log has %d bytes, want %d", running, out.text.Len(), len(want))
		}
	}
}

// TestCaptureStderrOfAProgramThatGoesOn has a program write without an end after the
// command has ended: it does not keep the process.
func TestCaptureStderrOfAProgramThatGoesOn(t *testing.T) {
	stop := capture(t, io.Discard)
	program := inherit(t)
	ended := make(chan struct{})
	go fault.Protect(func() {
		defer close(ended)
		for {
			if _, err := program.WriteString("more\n"); err != nil { // nobody reads it any more
				return
			}
		}
	})()
	stopped := make(chan struct{})
	go fault.Protect(func() { defer close(stopped); stop() })()
	select {
	case <-stopped:
	case <-time.After(10 * time.Second):
		t.Fatal("the command does not end")
	}
	<-ended
}
