package main

// coldStart is from an empty namespace to the first small build; the nodes
// have the image.
func coldStart(s scale) row {
	const dir = clones + "/team/cold"
	return row{
		name:  "cold start: no workload, image present, to the end of the first small build",
		tools: []tool{slipway, buildx},
		goals: []goal{{against: buildx, faster: 10}},
		runs:  s.cold, warmUps: s.coldWarmUps,
		work: func(int) work {
			return work{
				cold:    true,
				before:  smallContext(dir),
				env:     job("team/cold", dir, "1"),
				command: smallBuild(dir, cold, oneNode),
				check:   "cmp " + out + "/file " + dir + "/file",
			}
		},
	}
}
