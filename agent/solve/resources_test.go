package solve

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseResource(t *testing.T) {
	for _, tt := range []struct{ value, want, fails string }{
		{value: "memory=2g", want: "2147483648"},
		{value: " memory = 512 ", want: "512"},
		{value: "memory=0"},
		{value: "memory=lots", fails: "is not a size"},
		{value: "memory=-1", fails: "is not a size"},
		{value: "memory-swap=-1", want: "-1"},
		{value: "memory-swap=4k", want: "4096"},
		{value: "memory-swap=-2", fails: "not -1 for no limit"},
		{value: "cpu-shares=512", want: "512"},
		{value: "cpu-period=0"},
		{value: "cpu-shares=-1", fails: "is not a whole number"},
		{value: "cpu-quota=50000", want: "50000"},
		{value: "cpu-quota=-1"},
		{value: "cpu-quota=half", fails: "is not a whole number"},
		{value: "cpuset-cpus=0-3,5", want: "0-3,5"},
		{value: "cpuset-mems="},
		{value: "cpuset-cpus=a", fails: "is not a list"},
		{value: "memory", fails: "is not KEY=VALUE"},
		{value: "memroy=1g", fails: `there is no limit "memroy"`},
		{value: "disk=1g", fails: `there is no limit "disk"`},
	} {
		got, err := ParseResource(tt.value)
		if tt.fails != "" {
			wantUsage(t, err, "--resource", tt.fails)
		} else if err != nil || got.Value != tt.want {
			t.Errorf("%q: %+v, error %v", tt.value, got, err)
		}
	}
}

// TestSetResources has the attributes of BuildKit's Dockerfile frontend.
func TestSetResources(t *testing.T) {
	got := attrs("memory", "of another build")
	setResources(got, []Resource{
		{"memory", "1"}, {"memory-swap", "2"}, {"cpu-shares", "3"}, {"cpu-period", "4"}, {"cpu-quota", "5"}, {"cpuset-cpus", "6"}, {"cpuset-mems", "7"},
		{"memory", "8"}, {"cpu-quota", ""},
	})
	want := attrs("memory", "8", "memswap", "2", "cpushares", "3", "cpuperiod", "4", "cpusetcpus", "6", "cpusetmems", "7")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
}

func TestCheckResources(t *testing.T) {
	for _, list := range [][]Resource{nil, {{"memory", "2"}}, {{"memory-swap", "1"}}, {{"memory", "2"}, {"memory-swap", "2"}}, {{"memory", "2"}, {"memory-swap", "-1"}}} {
		if problem := checkResources(list); problem != nil {
			t.Errorf("%v: %v", list, problem)
		}
	}
	wantUsage(t, checkResources([]Resource{{"memory", "2"}, {"memory-swap", "1"}}), "--resource", "is less than memory")
}
