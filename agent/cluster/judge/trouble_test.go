package judge

import (
	"errors"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/agent/cluster/kube"
)

func TestTroubleOf(t *testing.T) {
	waiting := finding{line: "pod a: waiting"}
	scaling := finding{line: "pod b: scaling", message: "scaling", reason: kube.ReasonUnschedulable, tolerance: endless}
	crashing := finding{line: "pod c: crashes", message: "crashes", reason: kube.ReasonCrash, crashed: &Crashed{Pod: "c"}}
	pulling := finding{line: "pod d: pulls", message: "pulls", reason: kube.ReasonImage, tolerance: endless}
	for _, tt := range []struct {
		name     string
		findings []finding
		want     kube.Reason
		mayHeal  bool
	}{
		{name: "nothing wrong", findings: []finding{waiting}},
		{"may heal", []finding{waiting, scaling}, kube.ReasonUnschedulable, true},
		{"the worst counts", []finding{scaling, crashing}, kube.ReasonCrash, false},
		{"whatever its place", []finding{crashing, scaling}, kube.ReasonCrash, false},
		{"a pull does not heal", []finding{pulling}, kube.ReasonImage, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, words := troubleOf(tt.findings)
			var reason kube.Reason
			if known := (*kube.Error)(nil); errors.As(got.Err, &known) {
				reason = known.Reason
			}
			if reason != tt.want || got.MayHeal != tt.mayHeal || (words != nil) != (tt.want == kube.ReasonCrash) {
				t.Errorf("%q, may heal %t, log %v", reason, got.MayHeal, words)
			}
			if n := strings.Count(got.Waiting, "; ") + 1; n != len(tt.findings) {
				t.Errorf("waiting: %s", got.Waiting)
			}
		})
	}
}
