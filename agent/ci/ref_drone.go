package ci

import "github.com/slipway-build/slipway/agent/ci/tagrule"

// DroneRef is what a build of Drone is for,
// https://docs.drone.io/pipeline/environment/reference/.
type DroneRef struct {
	// Event is push, tag, pull_request, cron, promote, rollback or custom.
	Event string `env:"DRONE_BUILD_EVENT"`
	// Branch is that of the target in builds of pull requests.
	Branch        string `env:"DRONE_BRANCH"`
	Tag           string `env:"DRONE_TAG"`
	SHA           string `env:"DRONE_COMMIT_SHA"`
	PullRequest   string `env:"DRONE_PULL_REQUEST"`
	PullTarget    string `env:"DRONE_TARGET_BRANCH"`
	Repository    string `env:"DRONE_REPO_NAME"`
	URL           string `env:"DRONE_REPO_LINK"`
	DefaultBranch string `env:"DRONE_REPO_BRANCH"`
}

func (v Variables) dronePipeline(readFile) Pipeline {
	r := v.Refs.Drone
	if r.PullRequest == "" { // a push has a target too
		r.PullTarget = ""
	}
	started := map[string]string{"cron": tagrule.EventSchedule, "custom": tagrule.EventManual}[r.Event]
	return Pipeline{Context: tagrule.Context{
		Event: eventOf(started, r.PullRequest), Ref: ref(r.PullRequest, r.Tag, r.Branch), SHA: r.SHA,
		DefaultBranch: r.DefaultBranch, BaseRef: r.PullTarget, Title: r.Repository, URL: r.URL,
	}}
}
