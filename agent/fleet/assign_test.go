package fleet

import (
	"strings"
	"testing"

	"github.com/containerd/platforms"
	"github.com/google/go-cmp/cmp"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

func parse(t *testing.T, list ...string) []ocispecs.Platform {
	t.Helper()
	var out []ocispecs.Platform
	for _, s := range list {
		p, err := platforms.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, platforms.Normalize(p))
	}
	return out
}

func TestAssign(t *testing.T) {
	amd := claim{node: "amd", declared: parse(t, "linux/amd64")}
	arm := claim{node: "arm", declared: parse(t, "linux/arm64")}
	asked := func(c claim, reported ...string) claim {
		c.reported = parse(t, reported...)
		return c
	}
	type jobs map[string][]string // node name -> platforms
	for _, tt := range []struct {
		name    string
		want    []string
		claims  []claim
		jobs    jobs
		missing []string
	}{
		{"one each", []string{"linux/arm64", "linux/amd64"}, []claim{amd, arm}, jobs{"amd": {"linux/amd64"}, "arm": {"linux/arm64"}}, nil},
		{"one node for both", []string{"linux/amd64", "linux/arm64"}, []claim{{node: "both", declared: parse(t, "linux/amd64", "linux/arm64")}}, jobs{"both": {"linux/amd64", "linux/arm64"}}, nil},
		{"first claim wins", []string{"linux/amd64"}, []claim{arm, amd, {node: "second", declared: parse(t, "linux/amd64")}}, jobs{"amd": {"linux/amd64"}}, nil},
		{"nobody", []string{"linux/amd64", "linux/s390x"}, []claim{amd, arm}, jobs{"amd": {"linux/amd64"}}, []string{"linux/s390x"}},
		{"never emulated unasked", []string{"linux/arm64"}, []claim{asked(amd, "linux/amd64", "linux/arm64")}, nil, []string{"linux/arm64"}},
		{"undeclared: what buildkitd reports", []string{"linux/arm64"}, []claim{asked(claim{node: "any"}, "linux/amd64", "linux/arm64")}, jobs{"any": {"linux/arm64"}}, nil},
		{"undeclared and not asked", []string{"linux/arm64"}, []claim{{node: "any"}}, nil, []string{"linux/arm64"}},
		{"386 on amd64, reported", []string{"linux/386"}, []claim{asked(amd, "linux/amd64", "linux/386")}, jobs{"amd": {"linux/386"}}, nil},
		{"arm/v7 on an arm64 that cannot", []string{"linux/arm/v7"}, []claim{asked(arm, "linux/arm64")}, nil, []string{"linux/arm/v7"}},
		{"amd64/v3, reported", []string{"linux/amd64/v3"}, []claim{asked(amd, "linux/amd64", "linux/amd64/v3")}, jobs{"amd": {"linux/amd64/v3"}}, nil},
		{"nothing wanted: first node", nil, []claim{{node: "odd", declared: parse(t, "linux/s390x")}, {node: "other", declared: parse(t, "linux/riscv64")}}, jobs{"odd": {"linux/s390x"}}, nil},
		{"nothing wanted, nothing known", nil, []claim{{node: "any"}}, jobs{"any": nil}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, missing := assign(parse(t, tt.want...), tt.claims)
			gotJobs := jobs(nil)
			for _, j := range got {
				if gotJobs == nil {
					gotJobs = jobs{}
				}
				var names []string
				for _, p := range j.Platforms {
					names = append(names, platforms.Format(p))
				}
				gotJobs[tt.claims[j.Node].node] = names
			}
			if diff := cmp.Diff(tt.jobs, gotJobs); diff != "" {
				t.Errorf("jobs (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(parse(t, tt.missing...), missing); diff != "" {
				t.Errorf("missing (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAssignAll is about the platforms that no node claims.
func TestAssignAll(t *testing.T) {
	amd, arm := claim{node: "amd", declared: parse(t, "linux/amd64")}, claim{node: "arm", declared: parse(t, "linux/arm64")}
	free := claim{node: "free"}
	with := func(c claim, change func(*claim)) claim {
		change(&c)
		return c
	}
	strict := func(c *claim) { c.strict = true }
	emulates := func(c *claim) { c.emulates = true }
	reports := func(names ...string) func(*claim) { return func(c *claim) { c.reported = parse(t, names...) } }
	for _, tt := range []struct {
		name   string
		want   []string
		claims []claim
		jobs   []string // node: platforms, those that it does not claim with a ?
		fails  bool
	}{
		{name: "all claimed", want: []string{"linux/arm64", "linux/amd64"}, claims: []claim{amd, arm}, jobs: []string{"arm: linux/arm64", "amd: linux/amd64"}},
		{name: "the cross-compile pattern on one node", want: []string{"linux/amd64", "linux/riscv64", "windows/amd64", "darwin/arm64"}, claims: []claim{amd}, jobs: []string{"amd: linux/amd64 linux/riscv64? windows/amd64? darwin/arm64?"}},
		{name: "one node for all of them, beside another", want: []string{"windows/amd64", "linux/arm64", "linux/riscv64", "linux/amd64"}, claims: []claim{amd, arm}, jobs: []string{"amd: windows/amd64? linux/riscv64? linux/amd64", "arm: linux/arm64"}},
		{name: "a node that builds anyway", want: []string{"linux/arm64", "windows/amd64"}, claims: []claim{amd, arm}, jobs: []string{"arm: linux/arm64 windows/amd64?"}},
		{name: "nothing is claimed", want: []string{"linux/s390x"}, claims: []claim{amd, arm}, jobs: []string{"amd: linux/s390x?"}},
		{name: "one that can emulate", want: []string{"linux/s390x"}, claims: []claim{amd, with(arm, emulates)}, jobs: []string{"arm: linux/s390x?"}},
		{name: "one that can emulate beside one that builds", want: []string{"linux/amd64", "linux/s390x"}, claims: []claim{with(amd, reports("linux/amd64")), with(arm, reports("linux/arm64", "linux/s390x")), with(free, reports("linux/s390x"))}, jobs: []string{"amd: linux/amd64", "free: linux/s390x"}},
		{name: "the one of two that can emulate", want: []string{"linux/amd64", "linux/arm64", "linux/s390x", "linux/riscv64"}, claims: []claim{with(amd, reports("linux/amd64", "linux/riscv64")), with(arm, reports("linux/arm64", "linux/s390x", "linux/riscv64"))}, jobs: []string{"amd: linux/amd64", "arm: linux/arm64 linux/s390x? linux/riscv64?"}},
		{name: "a node with emulators beside one that builds", want: []string{"linux/amd64", "linux/s390x"}, claims: []claim{amd, with(arm, emulates)}, jobs: []string{"amd: linux/amd64", "arm: linux/s390x?"}},
		{name: "an emulator that would help nothing", want: []string{"linux/amd64", "windows/amd64"}, claims: []claim{amd, with(arm, emulates)}, jobs: []string{"amd: linux/amd64 windows/amd64?"}},
		{name: "emulators that were asked for and are not there", want: []string{"linux/amd64", "linux/s390x"}, claims: []claim{with(amd, reports("linux/amd64", "linux/s390x")), with(arm, func(c *claim) { emulates(c); reports("linux/arm64")(c) })}, jobs: []string{"amd: linux/amd64 linux/s390x?"}},
		{name: "a node of no declared platforms", want: []string{"linux/s390x"}, claims: []claim{amd, with(free, reports("linux/amd64"))}, jobs: []string{"free: linux/s390x?"}},
		{name: "a strict node takes none", want: []string{"linux/amd64", "linux/s390x"}, claims: []claim{with(amd, strict), arm}, jobs: []string{"amd: linux/amd64", "arm: linux/s390x?"}},
		{name: "all nodes are strict", want: []string{"linux/amd64", "linux/s390x"}, claims: []claim{with(amd, strict), with(arm, strict)}, fails: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			jobs, ok := assignAll(parse(t, tt.want...), tt.claims)
			var got []string
			for _, j := range jobs {
				line := tt.claims[j.Node].node + ":"
				for _, p := range j.Platforms {
					line += " " + platforms.Format(p)
					if contains(j.Unclaimed, p) {
						line += "?"
					}
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(tt.jobs, got); diff != "" || ok == tt.fails {
				t.Errorf("ok %t, jobs (-want +got):\n%s", ok, diff)
			}
		})
	}
}

func TestNothingWantedPrefersTheAgentsPlatform(t *testing.T) {
	own := claim{node: "own", declared: []ocispecs.Platform{agentPlatform()}}
	jobs, _ := assign(nil, []claim{{node: "odd", declared: parse(t, "linux/s390x")}, own})
	if len(jobs) != 1 || jobs[0].Node != 1 {
		t.Errorf("jobs = %+v, want the node of the agent's platform", jobs)
	}
}

func TestMayHave(t *testing.T) {
	amd := claim{declared: parse(t, "linux/amd64")}
	for _, tt := range []struct {
		name string
		c    claim
		p    string
		want bool
	}{
		{"undeclared", claim{}, "linux/s390x", true},
		{"undeclared, asked already", claim{reported: parse(t, "linux/amd64")}, "linux/s390x", false},
		{"386 on amd64", amd, "linux/386", true},
		{"amd64/v3 on amd64", amd, "linux/amd64/v3", true},
		{"arm64 on amd64", amd, "linux/arm64", false},
		{"windows on linux", amd, "windows/amd64", false},
	} {
		if got := tt.c.mayHave(parse(t, tt.p)[0]); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestUnclaimedListsWhatThereIs(t *testing.T) {
	err := &unclaimed{builder: "kube", missing: parse(t, "linux/s390x"), claims: []claim{
		{node: "amd", declared: parse(t, "linux/amd64")},
		{node: "any", reported: parse(t, "linux/arm64")},
	}}
	if got, want := err.Error(), `no node of builder "kube" builds for linux/s390x`; got != want {
		t.Errorf("message %q, want %q", got, want)
	}
	hints := strings.Join(err.Hints(), "\n")
	for _, want := range []string{"node amd builds for linux/amd64", "node any builds for linux/arm64"} {
		if !strings.Contains(hints, want) {
			t.Errorf("hints lack %q:\n%s", want, hints)
		}
	}
}
