package cluster

import (
	"os"
	"testing"
)

// TestCgroupIsTheOneOfTheStart takes a cluster that was started with one value
// of TESTBED_CGROUP down with another.
func TestCgroupIsTheOneOfTheStart(t *testing.T) {
	c := Cluster{State: t.TempDir()}
	t.Setenv("TESTBED_CGROUP", "/slow/testbed")
	if got := c.cgroup(); got != "slow/testbed" {
		t.Errorf("before the start: %q, want slow/testbed", got)
	}
	if err := noteHost(c.journal()); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TESTBED_CGROUP", "")
	if got := c.cgroup(); got != "slow/testbed" {
		t.Errorf("while it runs: %q, want slow/testbed", got)
	}
	if err := os.Remove(c.journal()); err != nil {
		t.Fatal(err)
	}
	if got := c.cgroup(); got != "slipway-testbed" {
		t.Errorf("after it was taken down: %q, want slipway-testbed", got)
	}
}
