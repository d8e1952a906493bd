package ci

import "strings"

// JobVariables are what systems call one run of one job by. They tell jobs apart that
// share a home directory, and are the same in all steps of a job.
type JobVariables struct {
	// JenkinsBuild is jenkins-JOB-NUMBER.
	JenkinsBuild string `env:"BUILD_TAG"`
	GitLabJob    string `env:"CI_JOB_ID"`
	// GitHub's, also Gitea's and Forgejo's. Jobs of a matrix have the same name, and
	// different runners while they run at the same time.
	GitHubRun       string `env:"GITHUB_RUN_ID"`
	GitHubAttempt   string `env:"GITHUB_RUN_ATTEMPT"`
	GitHubJob       string `env:"GITHUB_JOB"`
	GitHubRunner    string `env:"RUNNER_NAME"`
	AzureBuild      string `env:"BUILD_BUILDID"`
	AzureJob        string `env:"SYSTEM_JOBID"`
	BitbucketBuild  string `env:"BITBUCKET_BUILD_NUMBER"`
	BitbucketStep   string `env:"BITBUCKET_STEP_UUID"`
	BuildkiteJob    string `env:"BUILDKITE_JOB_ID"`
	CircleCIJob     string `env:"CIRCLE_WORKFLOW_JOB_ID"`
	WoodpeckerBuild string `env:"CI_PIPELINE_URL"`
	DroneBuild      string `env:"DRONE_BUILD_LINK"`
}

// Key is what the variables say of the job; empty where no system says anything.
func (v JobVariables) Key() string {
	values := []string{
		v.JenkinsBuild, v.GitLabJob, v.GitHubRun, v.GitHubAttempt, v.GitHubJob, v.GitHubRunner, v.AzureBuild, v.AzureJob,
		v.BitbucketBuild, v.BitbucketStep, v.BuildkiteJob, v.CircleCIJob, v.WoodpeckerBuild, v.DroneBuild,
	}
	if strings.Join(values, "") == "" {
		return ""
	}
	return strings.Join(values, "\x00")
}
