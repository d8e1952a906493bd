package color

import "testing"

// TestFor has who gets colours where the output is no terminal.
func TestFor(t *testing.T) {
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
		got := For(false, func(name string) (string, bool) { value, set := tt.set[name]; return value, set })
		if got.on != tt.want {
			t.Errorf("%s: %v", name, got.on)
		}
	}
	if got := (Painter{on: true}).Paint(Bad, "FAIL"); got != "\x1b[1;31mFAIL\x1b[0m" {
		t.Errorf("%q", got)
	}
	if got := (Painter{on: true}).Paint("", "STATUS"); got != "STATUS" {
		t.Errorf("no colour: %q", got)
	}
	if got := (Painter{}).Paint(Bad, "FAIL"); got != "FAIL" {
		t.Errorf("without colours %q", got)
	}
}
