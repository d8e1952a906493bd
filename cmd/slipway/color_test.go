package main

import (
	"strings"
	"testing"
)

// TestPainterFor has who gets colours where the output is no terminal.
func TestPainterFor(t *testing.T) {
	for name, tt := range map[string]struct {
		set  map[string]string
		want bool
	}{
		"no terminal":         {nil, false},
		"forced":              {map[string]string{"FORCE_COLOR": "1"}, true},
		"forced by any value": {map[string]string{"FORCE_COLOR": "true", "TERM": "dumb"}, true},
		"forced off":          {map[string]string{"FORCE_COLOR": "0"}, false},
		"forced off in words": {map[string]string{"FORCE_COLOR": "false"}, false},
		"set but empty":       {map[string]string{"FORCE_COLOR": "", "NO_COLOR": ""}, false},
		"both":                {map[string]string{"FORCE_COLOR": "1", "NO_COLOR": "1"}, false},
	} {
		got := painterFor(&strings.Builder{}, func(name string) (string, bool) { value, set := tt.set[name]; return value, set })
		if got.on != tt.want {
			t.Errorf("%s: %v", name, got.on)
		}
	}
	if got := (painter{on: true}).paint(colorBad, "FAIL"); got != "\x1b[1;31mFAIL\x1b[0m" {
		t.Errorf("%q", got)
	}
	if got := (painter{on: true}).paint("", "STATUS"); got != "STATUS" {
		t.Errorf("no colour: %q", got)
	}
	if got := (painter{}).paint(colorBad, "FAIL"); got != "FAIL" {
		t.Errorf("without colours %q", got)
	}
}
