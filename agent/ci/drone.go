package ci

// Drone is what Drone sets for a step.
type Drone struct {
	Drone     string `env:"DRONE"`
	CloneURL  string `env:"DRONE_GIT_HTTP_URL"`
	Workspace string `env:"DRONE_WORKSPACE"`
}

func (v Variables) onDrone() bool { return v.Drone.Drone == "true" }

func (v Variables) drone() Identity {
	return Identity{Repository: remote(v.Drone.CloneURL), Workspace: v.Drone.Workspace}
}
