package doctor

import (
	"strings"
	"testing"
	"time"

	"github.com/slipway-build/slipway/agent/cluster"
)

// TestFrailPods warns of pods that run and will trouble builds.
func TestFrailPods(t *testing.T) {
	at := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		pods        []cluster.PodStatus
		words, hint string
	}{
		"healthy":             {[]cluster.PodStatus{{Name: "a", Running: true}}, "", ""},
		"out of its memory":   {[]cluster.PodStatus{{Name: "a", Running: true, OutOfMemory: at, MemoryLimit: "2Gi"}}, "pod a was ended for want of memory at 2026-11-27T12:00:00Z: its limit is 2Gi", "raise limits.memory"},
		"out of the node's":   {[]cluster.PodStatus{{Name: "a", Running: true, OutOfMemory: at}}, "for it has no limit", "requests.memory"},
		"injected container":  {[]cluster.PodStatus{{Name: "a", Running: true, Beside: []string{"istio-proxy"}}, {Name: "b", Running: true, Beside: []string{"istio-proxy"}}}, "pod a has a container beside buildkitd", "native sidecar"},
		"that one terminates": {[]cluster.PodStatus{{Name: "a", Running: true, Terminating: true, OutOfMemory: at, Beside: []string{"istio-proxy"}}}, "", ""},
	} {
		detail, hints := frail(tt.pods)
		if tt.words == "" && detail != "" || !strings.Contains(detail, tt.words) || !strings.Contains(strings.Join(hints, "; "), tt.hint) {
			t.Errorf("%s: %q, hints %q", name, detail, hints)
		}
		if strings.Count(detail, "beside buildkitd") > 1 {
			t.Errorf("%s is told more than once: %q", name, detail)
		}
	}
}
