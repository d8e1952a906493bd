package main

import "fmt"

// agentDir is all that agent {n} has of its own.
const agentDir = "/bench/agents/{n}"

// manyAgents start at the same moment and share a builder of several pods,
// which have their caches warm. They are processes, not pods: 50 pods more
// would measure how fast the machine starts pods. Each is a job of another
// project, with a home, a temporary directory and a clone of its own.
func manyAgents(s scale) row {
	r := atOnce(s.agents)
	r.runs, r.warmUps = s.heavy+2, s.warmUps+1 // in the first one the pods start
	r.goals = []goal{{against: buildx, faster: 2}}
	return r
}

func atOnce(agents int) row {
	const clone = agentDir + "/clone"
	return row{
		name:   fmt.Sprintf("%d agents at once on %d pods, warm", agents, poolPods),
		tools:  []tool{slipway, buildx},
		atOnce: agents,
		work: func(int) work {
			env := append(job("team/service-{n}", clone, "{n}"), "HOME="+agentDir, "TMPDIR="+agentDir+"/tmp", "XDG_RUNTIME_DIR="+agentDir+"/run")
			return work{
				// All have the same content: one build of it warms a pod for all.
				before: fmt.Sprintf(`set -eu
for n in $(seq %d); do
	dir=/bench/agents/$n
	rm -rf $dir/out
	test -d $dir && continue
	mkdir -p $dir/clone $dir/tmp $dir/run && cp -R $HOME/.docker $dir
	printf 'FROM scratch\nCOPY file /\n' > $dir/clone/Dockerfile && echo small > $dir/clone/file
done`, agents),
				env: env,
				command: building(build{
					builder: pool, platforms: oneNode, context: clone,
					output: "type=local,dest=" + agentDir + "/out",
				}),
				check: "cmp " + agentDir + "/out/file " + clone + "/file",
			}
		},
	}
}

// agentsCurve is the same with fewer and more of them.
func agentsCurve(s scale) curve {
	c := curve{name: "curve: agents at once on the same pods, warm", quantity: "agents"}
	for _, n := range s.curveAgents {
		r := atOnce(n)
		r.runs, r.warmUps = s.heavy, s.warmUps+1
		c.points = append(c.points, point{n: n, row: r})
	}
	return c
}
