package main

import (
	"fmt"

	"github.com/alecthomas/kong"
)

// refusedFlags are the flags of docker buildx build that Slipway does not do.
// They are parsed so that a pipeline that uses one is told so by name.
type refusedFlags struct {
	Policy   []string `hidden:"" sep:"none" refused:"leave it out: source policies cannot be given yet"`
	Resource []string `hidden:"" sep:"none" refused:"set limits.cpu and limits.memory of the builder in its definition"`

	// What docker build had before BuildKit. buildx takes and ignores most of
	// these.
	Compress    bool     `hidden:"" refused:"leave it out: it has had no effect since BuildKit"`
	CPUPeriod   string   `hidden:"" name:"cpu-period" refused:"set limits.cpu of the builder in its definition"`
	CPUQuota    string   `hidden:"" name:"cpu-quota" refused:"set limits.cpu of the builder in its definition"`
	CPUShares   string   `hidden:"" name:"cpu-shares" short:"c" refused:"set requests.cpu of the builder in its definition"`
	CpusetCpus  string   `hidden:"" name:"cpuset-cpus" refused:"place the builder by nodeselector in its definition"`
	CpusetMems  string   `hidden:"" name:"cpuset-mems" refused:"place the builder by nodeselector in its definition"`
	ForceRm     bool     `hidden:"" refused:"leave it out: it has had no effect since BuildKit"`
	Isolation   string   `hidden:"" refused:"leave it out: it has had no effect since BuildKit"`
	Memory      string   `hidden:"" short:"m" refused:"set limits.memory of the builder in its definition"`
	MemorySwap  string   `hidden:"" refused:"set limits.memory of the builder in its definition"`
	Rm          bool     `hidden:"" refused:"leave it out: it has had no effect since BuildKit"`
	SecurityOpt []string `hidden:"" sep:"none" refused:"leave it out: it has had no effect since BuildKit; see --allow"`
	Squash      bool     `hidden:"" refused:"leave it out: it has had no effect since BuildKit; use several stages"`
}

// refuse ends the command when a flag was given that docker buildx has and
// Slipway does not do. Such flags are declared, with a tag `refused:"…"` that
// says what to do instead, so that none is ever ignored.
func refuse(parsed *kong.Context) error {
	for _, flag := range parsed.Flags() {
		if instead := flag.Tag.Get("refused"); instead != "" && flag.Set {
			return &usageError{
				err:   fmt.Errorf("--%s is not supported by slipway %s", flag.Name, parsed.Selected().Name),
				hints: []string{instead},
			}
		}
	}
	return nil
}
