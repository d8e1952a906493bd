package main

import (
	"fmt"
	"strings"
)

// fleetPlatforms are those of the fleet's nodes. Its pods are of one
// architecture all the same: a build that copies a file runs nothing.
var fleetPlatforms = []string{"amd64", "arm64", "386", "ppc64le", "s390x", "riscv64", "loong64", "mips64le"}

// nodesCurve is a warm build for more and more nodes.
func nodesCurve(s scale) curve {
	const dir = clones + "/team/fleet"
	c := curve{name: "curve: nodes, one platform on each, warm, local output", quantity: "nodes"}
	for _, n := range s.curveNodes {
		// One platform writes flat, several write a directory each.
		check := "cmp " + out + "/file " + dir + "/file"
		if n > 1 {
			check = fmt.Sprintf("test $(cat %s/*/file | wc -l) -eq %d", out, n)
		}
		platforms := "linux/" + strings.Join(fleetPlatforms[:n], ",linux/")
		c.points = append(c.points, point{n: n, row: row{
			tools: []tool{slipway, buildx},
			runs:  s.light, warmUps: s.warmUps,
			work: func(int) work {
				return work{
					before:  smallContext(dir),
					env:     job("team/fleet", dir, "1"),
					command: smallBuild(dir, fleet, platforms),
					check:   check,
				}
			},
		}})
	}
	return c
}
