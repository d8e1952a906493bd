package main

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/slipway-build/slipway/agent/ci"
	"github.com/slipway-build/slipway/agent/progress"
)

// TestFormOfTheLog has which log is printed, by system, mode and flags.
func TestFormOfTheLog(t *testing.T) {
	known := ci.System{Name: "github"}
	for _, tt := range []struct {
		name   string
		flags  ciFlags
		system ci.System
		mode   progress.Mode
		want   *progress.StepLog
	}{
		{"no system", ciFlags{Heartbeat: time.Minute}, ci.System{}, progress.Auto, nil},
		{"a system", ciFlags{Heartbeat: time.Minute}, known, progress.Auto, &progress.StepLog{Heartbeat: time.Minute}},
		{"a form that programs may parse", ciFlags{Heartbeat: time.Minute}, known, progress.Plain, nil},
		{"no log", ciFlags{Heartbeat: time.Minute}, known, progress.Quiet, nil},
		{"grouped", ciFlags{LogGroup: true}, ci.System{}, progress.Plain, &progress.StepLog{Grouped: true}},
	} {
		if got := tt.flags.steps(tt.system, tt.mode); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestAbleMode(t *testing.T) {
	for _, tt := range []struct {
		mode   progress.Mode
		system ci.System
		term   string
		want   progress.Mode
	}{
		{progress.Auto, ci.System{}, "dumb", progress.Plain},
		{progress.Auto, ci.System{}, "xterm", progress.Auto},
		{progress.Auto, ci.System{}, "", progress.Auto},
		{progress.TTY, ci.System{}, "dumb", progress.TTY}, // somebody wants it
		{progress.Auto, ci.System{Name: "jenkins"}, "dumb", progress.Auto},
	} {
		if got := ableMode(tt.mode, tt.system, tt.term); got != tt.want {
			t.Errorf("%s with TERM=%s: %s, want %s", tt.mode, tt.term, got, tt.want)
		}
	}
}

// TestHelpNamesAllCISystems compares the help of --ci with the table of systems.
func TestHelpNamesAllCISystems(t *testing.T) {
	field, _ := reflect.TypeFor[ciFlags]().FieldByName("CI")
	help := field.Tag.Get("help")
	for _, name := range ci.Names() {
		if !strings.Contains(help, name) {
			t.Errorf("%q does not name %s", help, name)
		}
	}
}
