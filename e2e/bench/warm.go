package main

import "fmt"

// smallContext makes a context of one small file, always the same, unless it
// is there, and clears the output away.
func smallContext(dir string) string {
	return fmt.Sprintf(`set -eu
rm -rf %[2]s
test -d %[1]s || { mkdir -p %[1]s && printf 'FROM scratch\nCOPY file /\n' > %[1]s/Dockerfile && echo small > %[1]s/file; }`, dir, out)
}

// smallBuild builds it.
func smallBuild(dir, builder, platforms string) func(tool, place) []string {
	return building(build{builder: builder, platforms: platforms, context: dir, output: "type=local,dest=" + out})
}

// warmOneNode is the build that a pipeline does most: everything is cached.
func warmOneNode(s scale) row {
	const dir = clones + "/team/warm"
	return row{
		name:  "warm, fully cached build, one node, local output",
		tools: []tool{slipway, buildx, buildctl},
		goals: []goal{{against: buildx, faster: 2.5}, {against: buildctl, within: 1.3}},
		runs:  s.light, warmUps: s.warmUps,
		work: func(int) work {
			return work{
				before:  smallContext(dir),
				env:     job("team/warm", dir, "1"),
				command: smallBuild(dir, kube, oneNode),
				check:   "cmp " + out + "/file " + dir + "/file",
			}
		},
	}
}

// warmFreshAgent is the same from an agent that was born for it, which is what
// CI does: whatever a tool keeps on the agent is not there.
func warmFreshAgent(s scale) row {
	r := warmOneNode(s)
	r.name = "warm, fully cached build, one node, a fresh agent every time"
	r.goals = nil
	r.runs, r.fresh = 2*s.heavy, true
	return r
}

// warmTwoNodes needs both architectures.
func warmTwoNodes(s scale) row {
	const dir = clones + "/team/warm"
	return row{
		name:  "warm, fully cached build, two nodes, local output",
		tools: []tool{slipway, buildx},
		goals: []goal{{against: buildx, faster: 2.5}},
		runs:  s.light, warmUps: s.warmUps,
		work: func(int) work {
			return work{
				before:  smallContext(dir),
				env:     job("team/warm", dir, "1"),
				command: smallBuild(dir, kube, twoNodes),
				check:   fmt.Sprintf("cmp %[1]s/linux_amd64/file %[2]s/file && cmp %[1]s/linux_arm64/file %[2]s/file", out, dir),
			}
		},
	}
}
