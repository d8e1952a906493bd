package agent

import (
	"errors"
	"testing"

	"github.com/slipway-build/slipway/internal/fault"
)

// TestFailuresOfLinkedTargets tests that the failure of a target is told once, whatever kind
// of error it is and however far the targets are that have it as a context.
func TestFailuresOfLinkedTargets(t *testing.T) {
	several := fault.List{errors.New("one"), errors.New("two")} // cannot be compared
	base := &linkedError{target: "base", err: several}
	middle := &linkedError{target: "middle", err: base}
	err := failures([]Baked{{Name: "app", Err: middle}, {Name: "web", Err: base}, {Name: "fine"}, {Name: "ended", Err: errNotBuilt}})
	if want := fault.Prefixed("target app", middle).Error(); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	other := &linkedError{target: "base", err: errors.New("on another pod")}
	list := fault.List(nil)
	if err := failures([]Baked{{Name: "app", Err: base}, {Name: "web", Err: other}}); !errors.As(err, &list) || len(list) != 2 {
		t.Errorf("%v, want two failures", err)
	}
}
