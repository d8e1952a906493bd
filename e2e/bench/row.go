package main

// row is one line of a table: the same work done by several tools.
type row struct {
	name string
	// tools do the work in turn, Slipway first.
	tools []tool
	goals []goal
	// runs are counted; warmUps before them are not.
	runs, warmUps int
	// fresh gives every run an agent pod of its own, born for it.
	fresh bool
	// registry gives agents the testbed's registry, and the executor.
	registry bool
	// atOnce is how many agents build at the same moment, as processes of one
	// pod, each with a home, a clone and a project of its own; 0 is one.
	atOnce int
	// agentMemory is how many bytes slipway agent may take at most; 0 where that is not
	// of interest, and 1 where it is only told.
	agentMemory size
	// work says what a run is, counted from 0 with the warm-ups. It is the
	// same for every tool.
	work func(run int) work
}

// work is one run. Its scripts are for the shell of the agent pod, where
// bench's helpers are on the PATH; {n} in command, env and check is the number
// of the agent among those that build at once.
type work struct {
	// cold removes the builder named cold and all that was made with it first.
	cold bool
	// prune empties the builders' caches first.
	prune bool
	// before makes the context and clears away results; it is not counted.
	before string
	// env are variables of the command.
	env []string
	// command is what is measured.
	command func(t tool, at place) []string
	// check must succeed after it: a build that is fast and wrong has failed.
	check string
}

// building is the command of a build.
func building(b build) func(tool, place) []string {
	return func(t tool, at place) []string { return t.build(b, at) }
}

// goal is what Slipway is to reach in a row. One of the bounds is set.
type goal struct {
	against tool
	// faster is how many times the peer's time must be Slipway's at least.
	faster float64
	// within is how many times Slipway's time may be the peer's at most.
	within float64
	// atMost is how many times Slipway's time the other one's may be at most.
	atMost float64
}

// curve is how time grows with a quantity: rows that differ in it alone.
type curve struct {
	name, quantity string
	points         []point
}

type point struct {
	n int
	row
}

// The builders. A fleet has one node for each of the platforms.
const (
	oneNode  = "linux/amd64"
	twoNodes = "linux/amd64,linux/arm64"
	kube     = "kube"
	cold     = "cold"
	pool     = "pool"
	fleet    = "fleet"
)

// out is where builds put what they make.
const out = "/bench/out"
