package proc

import (
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
)

const leaderEnds = "PROC_TEST_LEADER_ENDS"

// init makes this program one whose first thread ends before the others, when it
// is asked to. It ends with its standard input.
func init() {
	if os.Getenv(leaderEnds) == "" {
		return
	}
	runtime.LockOSThread() // the first thread: no other runs init
	go func() {
		_, _ = os.Stdout.WriteString("ready\n")
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	_, _, _ = syscall.Syscall(syscall.SYS_EXIT, 0, 0, 0) // not Raw: the scheduler must take its place back
}

// TestThreadsOfAZombieAreAlive has a process be a zombie whose other threads
// still hold its files.
func TestThreadsOfAZombieAreAlive(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), leaderEnds+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	id, err := Of(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	for { // the threads end in any order
		stat, err := readStat(id.PID)
		if err != nil {
			t.Fatal(err)
		}
		if stat.state == 'Z' {
			break
		}
		runtime.Gosched()
	}
	if !id.Alive() {
		t.Error("a process with running threads is taken for an ended one")
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if id.Alive() {
		t.Error("it is said to run after its end")
	}
}

func TestParseStat(t *testing.T) {
	tail := " S 1 77 77 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1"
	for _, tt := range []struct {
		name, text string
		want       stat
		fails      bool
	}{
		{name: "plain", text: "77 (sh)" + tail, want: stat{'S', 4711}},
		{name: "name with spaces", text: "77 (my prog)" + tail, want: stat{'S', 4711}},
		{name: "name with parentheses", text: "77 (a) Z 1 (b))" + tail, want: stat{'S', 4711}},
		{name: "empty", text: "", fails: true},
		{name: "cut short", text: "77 (sh) S 1 2", fails: true},
		{name: "not a number", text: "77 (sh) S 1 77 77 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 x 1 1", fails: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseStat(tt.text)
			if (err != nil) != tt.fails || got != tt.want {
				t.Errorf("parseStat(%q) = %v, %v; want %v, failure %v", tt.text, got, err, tt.want, tt.fails)
			}
		})
	}
}

func TestIDAlive(t *testing.T) {
	self, err := Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if !self.Alive() {
		t.Error("this process is said not to run")
	}
	reused := self
	reused.Start--
	if reused.Alive() {
		t.Error("another start time is taken for the same process")
	}
	rebooted := self
	rebooted.Boot = "another"
	if rebooted.Alive() {
		t.Error("a process of another boot is taken for a running one")
	}
	if (ID{}).Alive() {
		t.Error("the zero identity is said to run")
	}
}

func TestZombieIsNotAlive(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := Of(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := End(t.Context(), id, 0); err != nil {
		t.Fatal(err)
	}
	if id.Alive() {
		t.Error("a killed, unreaped process is said to run")
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the process was not killed")
	}
}
