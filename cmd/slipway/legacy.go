package main

import (
	"strings"

	"github.com/slipway-build/slipway/internal/fault"
)

// limitFlags are limits of the containers of RUN: --resource, and the flags of
// docker build from before BuildKit that docker buildx takes for it.
type limitFlags struct {
	Resource []string `sep:"none" placeholder:"KEY=VALUE" help:"Limit of each container of RUN: memory, memory-swap, cpu-shares, cpu-period, cpu-quota, cpuset-cpus, cpuset-mems."`

	Memory     string `hidden:"" short:"m"`
	MemorySwap string `hidden:""`
	CPUShares  string `hidden:"" name:"cpu-shares" short:"c"`
	CPUPeriod  string `hidden:"" name:"cpu-period"`
	CPUQuota   string `hidden:"" name:"cpu-quota"`
	CpusetCpus string `hidden:"" name:"cpuset-cpus"`
	CpusetMems string `hidden:"" name:"cpuset-mems"`
}

// resources are the limits as --resource has them; those of --resource itself win,
// as with docker buildx.
func (f limitFlags) resources() (list []string) {
	for _, old := range []struct{ key, value string }{
		{"memory", f.Memory},
		{"memory-swap", f.MemorySwap},
		{"cpu-shares", f.CPUShares},
		{"cpu-period", f.CPUPeriod},
		{"cpu-quota", f.CPUQuota},
		{"cpuset-cpus", f.CpusetCpus},
		{"cpuset-mems", f.CpusetMems},
	} {
		if old.value != "" {
			list = append(list, old.key+"="+old.value)
		}
	}
	return append(list, f.Resource...)
}

// legacyFlags are those flags of docker build that have had no effect since
// BuildKit. Pipelines still have them, and docker buildx takes them.
type legacyFlags struct {
	Compress    bool     `hidden:""`
	ForceRm     bool     `hidden:""`
	Isolation   string   `hidden:""`
	Rm          bool     `hidden:""`
	SecurityOpt []string `hidden:"" sep:"none"`
	Squash      bool     `hidden:""`
}

// warning names those of the flags that were given; empty for none.
func (f legacyFlags) warning() string {
	var given []string
	for _, flag := range []struct {
		name string
		set  bool
	}{
		{"--compress", f.Compress},
		{"--force-rm", f.ForceRm},
		{"--isolation", f.Isolation != ""},
		{"--rm", f.Rm},
		{"--security-opt", len(f.SecurityOpt) > 0},
		{"--squash", f.Squash},
	} {
		if flag.set {
			given = append(given, flag.name)
		}
	}
	switch len(given) {
	case 0:
		return ""
	case 1:
		return given[0] + " has no effect with BuildKit"
	}
	return strings.Join(given, ", ") + " have no effect with BuildKit"
}

// policyFlags are docker buildx's policies in Rego, which Slipway does not have.
type policyFlags struct {
	Policy []string `sep:"none" placeholder:"disabled=true" help:"disabled=true builds although there is a policy beside the Dockerfile (Dockerfile.rego); Slipway evaluates none."`
}

// disabled reports whether a policy is passed over. All else is refused: a build
// that a policy was to check must not go on without.
func (f policyFlags) disabled() (bool, error) {
	for _, value := range f.Policy {
		if value != "disabled=true" && value != "disabled=1" {
			return false, &usageError{err: &fault.Usage{
				Flag: "--policy", Value: value, Problem: "policies in Rego are not evaluated by slipway",
				Hint: "--policy disabled=true builds without; a source policy of BuildKit itself, in JSON, works: EXPERIMENTAL_BUILDKIT_SOURCE_POLICY=FILE",
			}}
		}
	}
	return len(f.Policy) > 0, nil
}
