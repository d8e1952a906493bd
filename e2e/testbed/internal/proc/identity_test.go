package proc

import (
	"os"
	"os/exec"
	"testing"
)

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
