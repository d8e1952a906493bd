package main

import "fmt"

// largeDockerfile makes a file of so many bytes, once; after that a build only
// fetches it.
const largeDockerfile = `FROM base AS make\nRUN head -c %d /dev/urandom > /large\nFROM scratch\nCOPY --from=make /large /\n`

// large is a build that is cached and has a large output.
func large(s scale, kind, check string) row {
	const dir = clones + "/team/large"
	return row{
		name:  fmt.Sprintf("%s of %s output", s.big, kind),
		tools: []tool{slipway, buildx, buildctl},
		goals: []goal{{against: buildx, faster: 2}},
		runs:  s.heavy, warmUps: s.warmUps,
		work: func(int) work {
			return work{
				before: fmt.Sprintf("set -eu\nrm -rf %s\nmkdir -p %s\nprintf '"+largeDockerfile+"' > %[2]s/Dockerfile\nsync", out, dir, s.big),
				env:    job("team/large", dir, "1"),
				command: building(build{
					builder: kube, platforms: oneNode, context: dir, base: true,
					output: fmt.Sprintf("type=%s,dest=%s", kind, out),
				}),
				check: check,
			}
		},
	}
}

func largeLocal(s scale) row {
	return large(s, "local", fmt.Sprintf("test $(stat -c %%s %s/large) -eq %d", out, s.big))
}

func largeTar(s scale) row {
	return large(s, "tar", fmt.Sprintf("test $(tar -xOf %s large | wc -c) -eq %d", out, s.big))
}
