package main

import (
	"fmt"
	"math"
	"slices"

	"github.com/slipway-build/slipway/e2e/bench/sample"
)

// stats are the figures of a result. Without a single success there are none.
type stats struct {
	// runs are the counted ones, ok those without a failure.
	runs, ok int
	// median, least and most are times in ms, from the start to the end of the
	// last process of a run.
	median, least, most float64
	// cpu is the median of CPU time in ms, memory the largest resident size in
	// bytes, both of one process.
	cpu, memory float64
	// agent is the largest resident size of slipway agent, in bytes.
	agent float64
	// The rest is of runs with several processes: builds a minute, the median
	// of the builds, and the slowest build as a multiple of its run's median.
	perMinute, build, slowest float64
	// builds and failed count processes; faults also what could not be measured.
	builds, failed, faults int
}

// of takes the times from runs that succeeded whole; among several processes
// at once a failed one is time spent for nothing, and the run counts for less.
func of(r result) stats {
	s := stats{runs: len(r.rounds), faults: len(r.failures), agent: float64(r.agentKB) * 1024}
	var walls, cpus, rates, builds []float64
	for _, round := range r.rounds {
		succeeded := round.Succeeded()
		s.builds += len(round.Processes)
		s.failed += len(round.Processes) - succeeded
		rates = append(rates, float64(succeeded)/round.WallMS*60_000)
		if succeeded == len(round.Processes) {
			s.ok++
			walls = append(walls, round.WallMS)
		}
		own := processWalls(round)
		if len(own) > 0 {
			s.slowest = max(s.slowest, slices.Max(own)/median(own))
		}
		builds = append(builds, own...)
		for _, p := range round.Processes {
			if p.Failure == "" {
				cpus = append(cpus, p.CPUMS)
				s.memory = max(s.memory, float64(p.MaxRSSKB)*1024)
			}
		}
	}
	if len(walls) > 0 {
		s.median, s.least, s.most = median(walls), slices.Min(walls), slices.Max(walls)
	}
	s.cpu, s.perMinute, s.build = median(cpus), median(rates), median(builds)
	return s
}

// processWalls are the times of the processes that succeeded.
func processWalls(round sample.Round) []float64 {
	var walls []float64
	for _, p := range round.Processes {
		if p.Failure == "" {
			walls = append(walls, p.WallMS)
		}
	}
	return walls
}

// ratio is how many times a is faster than b: by medians, and for several
// processes at once by builds a minute, in which failures count. It is NaN if
// one of them has no figure.
func ratio(a, b stats) float64 {
	if a.builds > a.runs || b.builds > b.runs {
		if a.perMinute == 0 || b.perMinute == 0 {
			return math.NaN()
		}
		return a.perMinute / b.perMinute
	}
	if a.ok == 0 || b.ok == 0 {
		return math.NaN()
	}
	return b.median / a.median
}

// median of no values is 0.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// verdict is whether a goal is reached, and by what figure.
type verdict struct {
	text    string
	reached bool
}

// judge compares a row's results with its goals. A figure that is not there
// reaches nothing.
func judge(r row, results map[string]stats) []verdict {
	var verdicts []verdict
	own := results[slipway.name]
	for _, g := range r.goals {
		faster := ratio(own, results[g.against.name])
		switch {
		case g.faster > 0:
			verdicts = append(verdicts, verdict{fmt.Sprintf("%.3gx faster than %s", g.faster, g.against.name), faster >= g.faster})
		case g.atMost > 0:
			verdicts = append(verdicts, verdict{fmt.Sprintf("%s within %.3gx of %s", g.against.name, g.atMost, slipway.name), faster <= g.atMost})
		default:
			verdicts = append(verdicts, verdict{fmt.Sprintf("within %.3gx of %s", g.within, g.against.name), 1/faster <= g.within})
		}
	}
	if used := results[sidecar.name].agent; r.agentMemory > 0 {
		text := fmt.Sprintf("memory of the agent %.0f MB", used/1e6)
		if r.agentMemory > 1 {
			text += ", at most " + r.agentMemory.String()
		}
		verdicts = append(verdicts, verdict{text, used > 0 && (r.agentMemory == 1 || used <= float64(r.agentMemory))})
	}
	if r.atOnce > 0 && len(r.goals) > 0 {
		verdicts = append(verdicts,
			verdict{"slowest within 3x of the median", own.ok > 0 && own.slowest <= 3},
			verdict{"no failure", own.runs > 0 && own.faults == 0})
	}
	return verdicts
}
