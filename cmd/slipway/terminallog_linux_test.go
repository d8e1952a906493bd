package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/slipway-build/slipway/agent/fleet/fleettest"
)

// terminalSystems are a system of each kind: whose lines are commands, whose lines are
// escape sequences, whose agent gives a step a terminal, without commands, and none.
var terminalSystems = []string{"github", "gitlab", "buildkite", "jenkins", "none"}

// terminalCases are what a job may have set of its terminal. Where there is one, it has so
// many columns.
var terminalCases = []struct {
	name      string
	variables map[string]string
	columns   uint16 // 0 for a pipe
}{
	{"no-color", map[string]string{"NO_COLOR": "1", "FORCE_COLOR": "1"}, 0}, // NO_COLOR wins
	{"force-color", map[string]string{"FORCE_COLOR": "1"}, 0},
	{"dumb", map[string]string{"TERM": "dumb"}, 120},
	{"40-columns", map[string]string{"COLUMNS": "40", "TERM": "xterm"}, 0},
	{"terminal-40-columns", map[string]string{"TERM": "xterm"}, 40},
}

// TestLogOfTerminals compares the log of a build that fails with testdata/terminal, for each
// kind of system and what its job may have set. Times are left out, and control
// characters are written as \e and \r.
func TestLogOfTerminals(t *testing.T) {
	for _, system := range terminalSystems {
		for _, tt := range terminalCases {
			if system == "none" && tt.name == "terminal-40-columns" {
				continue // a display for people, which draws itself anew with time
			}
			t.Run(system+"/"+tt.name, func(t *testing.T) {
				alone(t)
				for _, name := range []string{"NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM"} {
					t.Setenv(name, tt.variables[name])
					if tt.variables[name] == "" {
						if err := os.Unsetenv(name); err != nil { // t.Setenv brings it back
							t.Fatal(err)
						}
					}
				}
				got := failingLog(t, system, tt.columns)
				file := filepath.Join("testdata", "terminal", system+"-"+tt.name+".golden")
				if *update {
					if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				if diff := cmp.Diff(readText(t, file), got); diff != "" {
					t.Errorf("%s is out of date, run go test ./cmd/slipway -run LogOfTerminals -update (-file +log):\n%s", file, diff)
				}
			})
		}
	}
}

// failingLog is the log of a build whose last step fails, on a terminal of so many
// columns, or in a pipe.
func failingLog(t *testing.T, system string, columns uint16) string {
	t.Helper()
	const command = "make a step whose name is longer than a narrow terminal is wide"
	refusal := grpcerrors.ToGRPC(t.Context(), errdefs.WithSource(errors.New(`process "/bin/sh -c `+command+`" did not complete successfully: exit code: 2`), &errdefs.Source{
		Info:   &pb.SourceInfo{Filename: "Dockerfile", Data: []byte("FROM scratch as x\n\nRUN " + command + "\n")},
		Ranges: []*pb.Range{{Start: &pb.Position{Line: 3}, End: &pb.Position{Line: 3}}},
	}))
	reports := steps()
	last := reports[0].Vertexes[1]
	last.Name = "[3/3] RUN " + command
	// The displays order steps by when they began.
	first := timestamppb.New(last.Started.AsTime().Add(-time.Second))
	reports[0].Vertexes[0].Started, reports[0].Vertexes[0].Completed = first, first
	reports[0].Logs = []*control.VertexLog{{Vertex: last.Digest, Timestamp: last.Started, Stream: 1, Msg: []byte("\x1b[31mred\x1b[0m, and a line that is longer than a narrow terminal is wide\n")}}
	dir := workspace(t, &fleettest.Daemon{Reports: reports, Refusal: refusal})
	args := []string{"build", "--ci", system, "--heartbeat", "0", "--definitions", filepath.Join(dir, "far.yaml"), "--platform", "linux/amd64", filepath.Join(dir, "docker")}
	var log string
	var code int
	if columns == 0 {
		var errs bytes.Buffer
		code = run(args, streams{strings.NewReader(""), &bytes.Buffer{}, &errs})
		log = errs.String()
	} else {
		log = onTerminal(t, columns, func(terminal *os.File) { code = run(args, streams{strings.NewReader(""), &bytes.Buffer{}, terminal}) })
	}
	if code != exitBuild {
		t.Fatalf("exit code %d:\n%s", code, log)
	}
	return strings.NewReplacer("\x1b", `\e`, "\r", `\r`).Replace(varyingLog.ReplaceAllString(log, "*"))
}

// varyingLog are times, sizes, addresses and paths in a log.
var varyingLog = regexp.MustCompile(`\b[0-9]+(\.[0-9]+)?(ms|s|B|kB)\b|127\.0\.0\.1:[0-9]+|/tmp/[^ )":]*|\b[0-9]+\.[0-9]{3}\b|section_(start|end):[0-9]+`)

// onTerminal returns what a function writes to a terminal of so many columns.
func onTerminal(t *testing.T, columns uint16, do func(terminal *os.File)) string {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = master.Close() }()
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}); err != nil {
		t.Fatal(err)
	}
	read := make(chan string)
	go func() {
		text, _ := io.ReadAll(master) // ends with an error when the other side is closed
		read <- string(text)
	}()
	do(terminal)
	if err := terminal.Close(); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(<-read, "\r\n", "\n") // as a terminal has it
}
