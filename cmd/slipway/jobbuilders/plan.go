package jobbuilders

import (
	"fmt"
	"slices"
	"strings"
)

// Action is what docker buildx create does.
type Action int

// The actions.
const (
	// Make makes or changes a builder of the job.
	Make Action = iota
	// Keep leaves a builder as it is that the job has not made.
	Keep
	// Name makes a name another one of a builder.
	Name
)

// Create is what docker buildx create is asked for.
type Create struct {
	Name, Driver, Endpoint string
	// Change says that a node is to be added or taken away.
	Change bool
}

// engineDrivers run BuildKit in a Docker engine.
var engineDrivers = []string{"docker", "docker-container"}

// Plan decides what is done. The builder is the one that is kept or gets another name;
// standard is the one that is taken where none is named, empty where there is none.
func (s State) Plan(c Create, defined func(string) bool, standard string) (action Action, builder string) {
	if c.Name != "" && defined(c.Name) {
		if _, made := s.Made(c.Name); made {
			return Make, c.Name
		}
		return Keep, c.Name
	}
	switch {
	case c.Name != "" && c.Change && defined(s.Alias(c.Name)): // a node for what is shared
		return Keep, s.Alias(c.Name)
	case c.Change, standard == "":
		return Make, c.Name
	case slices.Contains(engineDrivers, c.Driver):
		return Name, standard
	case c.Driver == "" && !strings.Contains(c.Endpoint, "://"): // buildx takes docker-container
		return Name, standard
	}
	return Make, c.Name
}

// Says says what an action does with a builder, and which flags have no effect by it.
func (a Action) Says(c Create, builder string, without []string) string {
	var text string
	switch a {
	case Keep:
		text = fmt.Sprintf("builder %s is not changed: this job has not made it", builder)
	case Name:
		driver := c.Driver
		if driver == "" {
			driver = "docker-container"
		}
		text = fmt.Sprintf("builder %s is another name of %s in this job: there is no Docker engine for the driver %s", c.Name, builder, driver)
	}
	if len(without) > 0 {
		text += "; without effect: --" + strings.Join(without, ", --")
	}
	return text
}
