package main

import "fmt"

// definitionsCurve is a warm build with more and more builders defined: the
// same definition under many names.
func definitionsCurve(s scale) curve {
	const dir = clones + "/team/warm"
	c := curve{name: "curve: definitions, warm build with one of them", quantity: "definitions"}
	for _, n := range s.curveDefinitions {
		// buildx finds them below its own directory, Slipway in any.
		config := fmt.Sprintf("/bench/definitions-%d", n)
		c.points = append(c.points, point{n: n, row: row{
			tools: []tool{slipway, buildx},
			runs:  s.light, warmUps: s.warmUps,
			work: func(int) work {
				return work{
					before: smallContext(dir) + fmt.Sprintf(`
test -d %[1]s || {
	mkdir -p %[1]s/instances && cp $HOME/.docker/buildx/instances/kube %[1]s/instances
	for n in $(seq 2 %[2]d); do sed "s/\"Name\":\"kube\"/\"Name\":\"kube$n\"/" %[1]s/instances/kube > %[1]s/instances/kube$n; done
}`, config, n),
					env:     append(job("team/warm", dir, "1"), "BUILDX_CONFIG="+config, "SLIPWAY_DEFINITIONS="+config+"/instances"),
					command: smallBuild(dir, kube, oneNode),
					check:   "cmp " + out + "/file " + dir + "/file",
				}
			},
		}})
	}
	return c
}
