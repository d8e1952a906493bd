package main

// startUp is the time that the programs themselves take.
func startUp(s scale) row {
	return row{
		name:  "start-up (`version`)",
		tools: []tool{slipway, buildx, buildctl},
		runs:  s.light, warmUps: s.warmUps,
		work: func(int) work {
			return work{command: func(t tool, _ place) []string { return t.version }}
		},
	}
}
