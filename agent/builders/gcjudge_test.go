package builders

import (
	"strings"
	"testing"
	"time"

	"github.com/slipway-build/slipway/agent/cluster"
)

var gcTime = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// used is a pod whose last use was so long ago.
func used(ago time.Duration) podUse {
	return podUse{name: "p", running: true, used: gcTime.Add(-ago)}
}

// want fails unless the judgment is to act or not, for a reason with the words.
func (j judgment) want(t *testing.T, act bool, words string) {
	t.Helper()
	if j.act != act || !strings.Contains(j.reason, words) {
		t.Errorf("got act=%t, %q; want act=%t, %q", j.act, j.reason, act, words)
	}
}

func TestMayIdle(t *testing.T) {
	for _, tt := range []struct {
		name  string
		is    cluster.Status
		idle  time.Duration
		ask   bool
		words string
	}{
		{"absent", cluster.Status{}, time.Hour, false, "no workload"},
		{"made by buildx", cluster.Status{Exists: true, Replicas: 1}, time.Hour, false, "made by others"},
		{"asleep", cluster.Status{Exists: true, Managed: true}, time.Hour, false, "zero already"},
		{"not asked for", cluster.Status{Exists: true, Managed: true, Replicas: 1}, 0, false, "no idleTimeout"},
		{"awake", cluster.Status{Exists: true, Managed: true, Replicas: 1}, time.Hour, true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ask := mayIdle(tt.is, tt.idle)
			if ask != tt.ask {
				t.Errorf("ask: %t", ask)
			}
			got.want(t, false, tt.words)
		})
	}
}

func TestJudgeIdle(t *testing.T) {
	for _, tt := range []struct {
		name  string
		pods  []podUse
		act   bool
		words string
	}{
		{"long idle", []podUse{used(2 * time.Hour)}, true, "idle for 2h0m0s, longer than its idleTimeout of 1h0m0s"},
		{"just long enough", []podUse{used(time.Hour)}, true, "idle for 1h0m0s"},
		{"used lately", []podUse{used(time.Hour - time.Second)}, false, "used 59m59s ago"},
		{"one of two used lately", []podUse{used(2 * time.Hour), used(time.Minute)}, false, "used 1m0s ago"},
		{"a clock ahead of ours", []podUse{used(-time.Minute)}, false, "used 0s ago"},
		{"a build", []podUse{{name: "p", running: true, active: 1, used: gcTime.Add(-2 * time.Hour)}}, false, "a build runs on it"},
		{"builds on another pod", []podUse{used(2 * time.Hour), {name: "q", running: true, active: 3}}, false, "3 builds run on it"},
		{"a pod that does not tell", []podUse{used(2 * time.Hour), {name: "q", running: true, silent: "no answer"}}, false, "pod q does not say whether builds run on it: no answer"},
		{"no pod", nil, false, "none of its pods runs yet"},
		{"the first pod starts", []podUse{{name: "p", silent: "it is not ready"}}, false, "none of its pods runs yet"},
		{"a further pod never starts", []podUse{used(2 * time.Hour), {name: "q", silent: "it is not ready"}}, true, "idle for 2h0m0s"},
	} {
		t.Run(tt.name, func(t *testing.T) { judgeIdle(tt.pods, time.Hour, gcTime).want(t, tt.act, tt.words) })
	}
}

func TestMayBeLeftOver(t *testing.T) {
	old := gcTime.Add(-48 * time.Hour)
	for _, tt := range []struct {
		name  string
		made  cluster.Made
		ask   bool
		words string
	}{
		{"ours and old", cluster.Made{Owner: "ours", Created: old}, true, ""},
		{"by --owner", cluster.Made{Owner: "also", Created: old}, true, ""},
		{"nobody's", cluster.Made{Created: old}, false, "has no owner"},
		{"another release's", cluster.Made{Owner: "theirs", Created: old}, false, "its owner is theirs"},
		{"new", cluster.Made{Owner: "ours", Created: gcTime.Add(-time.Hour)}, false, "made 1h0m0s ago, and the limit is 24h0m0s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ask := mayBeLeftOver(tt.made, []string{"ours", "also"}, 24*time.Hour, gcTime)
			if ask != tt.ask {
				t.Errorf("ask: %t", ask)
			}
			got.want(t, false, tt.words)
		})
	}
}

func TestJudgeLeftOver(t *testing.T) {
	for _, tt := range []struct {
		name  string
		pods  []podUse
		act   bool
		words string
	}{
		{"asleep", nil, true, "no definition has it"},
		{"unused", []podUse{used(25 * time.Hour)}, true, "no definition has it"},
		{"never started", []podUse{{name: "p", silent: "it is not ready"}}, true, "no definition has it"},
		{"used by an agent with an old definition", []podUse{used(time.Hour)}, false, "used 1h0m0s ago, and the limit is 24h0m0s"},
		{"a build", []podUse{{running: true, active: 1}}, false, "a build runs on it"},
		{"a pod that does not tell", []podUse{{name: "q", running: true, silent: "no answer"}}, false, "pod q does not say"},
	} {
		t.Run(tt.name, func(t *testing.T) { judgeLeftOver(tt.pods, 24*time.Hour, gcTime).want(t, tt.act, tt.words) })
	}
}
