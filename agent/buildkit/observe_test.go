package buildkit

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/slipway-build/slipway/agent/buildkit/buildkittest"
)

func TestObserve(t *testing.T) {
	b := &busyDaemon{active: 2}
	b.Workers = 1
	dial, _ := buildkittest.Serve(t, b)
	var mu sync.Mutex
	var seen []string
	d, err := Connect(t.Context(), dial, Observe(func(method string) func() {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, method+" begins")
		return func() {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, method+" ends")
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Active(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	const service = "/moby.buildkit.v1.Control/"
	mu.Lock()
	defer mu.Unlock()
	for _, method := range []string{"ListWorkers", "ListenBuildHistory"} {
		begins, ends := slices.Index(seen, service+method+" begins"), slices.Index(seen, service+method+" ends")
		if begins < 0 || ends < begins {
			t.Errorf("%s: begins at %d, ends at %d of %s", method, begins, ends, fmt.Sprint(seen))
		}
	}
}
