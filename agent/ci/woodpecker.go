package ci

// Woodpecker is what Woodpecker sets for a step.
type Woodpecker struct {
	// CI and SystemName are both "woodpecker".
	CI         string `env:"CI"`
	SystemName string `env:"CI_SYSTEM_NAME"`
	CloneURL   string `env:"CI_REPO_CLONE_URL"`
	Workspace  string `env:"CI_WORKSPACE"`
}

func (v Variables) onWoodpecker() bool {
	return v.Woodpecker.CI == "woodpecker" || v.Woodpecker.SystemName == "woodpecker"
}

func (v Variables) woodpecker() Identity {
	if !v.onWoodpecker() { // the names are general
		return Identity{}
	}
	return Identity{Repository: remote(v.Woodpecker.CloneURL), Workspace: v.Woodpecker.Workspace}
}
