package main

import "time"

// scale is how much work there is.
type scale struct {
	// light, heavy and cold are counted runs: of builds that take less than
	// seconds, of those that move a lot, and of those that start builders.
	light, heavy, cold int
	// warmUps are the runs before the counted ones, coldWarmUps those of cold
	// starts.
	warmUps, coldWarmUps int

	big             size // a large context, and a large output
	repository      size
	repositoryFiles int
	small           size // a repository of many small files
	smallFiles      int
	agents          int
	throughAgent    int // builds at once through one slipway agent
	// idle is how long builders are watched that do nothing.
	idle time.Duration

	// Points of the curves.
	curveAgents, curveFiles, curveNodes, curveDefinitions []int
}

// full takes about half an hour, and its curves as long again.
var full = scale{
	light: 15, heavy: 3, cold: 3,
	warmUps: 1, coldWarmUps: 1,
	big:        gib,
	repository: 500 * mb, repositoryFiles: 5000,
	small: 100 * mb, smallFiles: 100_000,
	agents:           50,
	throughAgent:     64,
	idle:             3 * time.Minute,
	curveAgents:      []int{1, 2, 4, 8, 16, 32, 64},
	curveFiles:       []int{10, 100, 1000, 10_000, 100_000},
	curveNodes:       []int{1, 2, 4, 8},
	curveDefinitions: []int{1, 10, 50, 200},
}

// quick shows in minutes that every row works; its figures mean nothing.
var quick = scale{
	light: 2, heavy: 1, cold: 1,
	warmUps: 1, coldWarmUps: 0,
	big:        32 * mib,
	repository: 20 * mb, repositoryFiles: 200,
	small: 1 * mb, smallFiles: 1000,
	agents:           6,
	throughAgent:     8,
	idle:             15 * time.Second,
	curveAgents:      []int{1, 4},
	curveFiles:       []int{10, 1000},
	curveNodes:       []int{1, 3},
	curveDefinitions: []int{1, 20},
}

// rows is the table.
func rows(s scale) []row {
	return append([]row{
		warmOneNode(s),
		warmFreshAgent(s),
		warmTwoNodes(s),
		coldStart(s),
		firstUpload(s),
		changedFile(s),
		changedFileMounted(s),
		unchangedFiles(s),
		largeLocal(s),
		largeTar(s),
		manyAgents(s),
		startUp(s),
		kanikoCold(s),
		kanikoWarm(s),
		kanikoUncached(s),
	}, sidecarRows(s)...)
}

// curves are the tables that -curves adds.
func curves(s scale) []curve {
	return []curve{
		agentsCurve(s),
		filesCurve(s),
		nodesCurve(s),
		definitionsCurve(s),
	}
}
