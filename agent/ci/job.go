package ci

import "strings"

// JobVariables are what systems call one run of one job by.
type JobVariables struct {
	// JenkinsBuild is jenkins-JOB-NUMBER.
	JenkinsBuild string `env:"BUILD_TAG"`
	GitLabJob    string `env:"CI_JOB_ID"`
	// GitHub's, also Gitea's and Forgejo's. Jobs of a matrix have the same name, and
	// different runners while they run at the same time.
	GitHubRun     string `env:"GITHUB_RUN_ID"`
	GitHubAttempt string `env:"GITHUB_RUN_ATTEMPT"`
	GitHubJob     string `env:"GITHUB_JOB"`
	GitHubRunner  string `env:"RUNNER_NAME"`
	AzureBuild    string `env:"BUILD_BUILDID"`
	AzureJob      string `env:"SYSTEM_JOBID"`
	BitbucketStep string `env:"BITBUCKET_STEP_UUID"`
	BuildkiteJob  string `env:"BUILDKITE_JOB_ID"`
	CircleCIJob   string `env:"CIRCLE_WORKFLOW_JOB_ID"`
}

// JobKey is what tells this run of the job from all others that may share its home
// directory, the same in all steps of the job; empty where no system says anything.
func (v Variables) JobKey() string {
	j := v.Job
	values := []string{
		j.JenkinsBuild, j.GitLabJob, j.GitHubRun, j.GitHubAttempt, j.GitHubJob, j.GitHubRunner,
		j.AzureBuild, j.AzureJob, v.Bitbucket.BuildNumber, j.BitbucketStep, j.BuildkiteJob, j.CircleCIJob,
	}
	if strings.Join(values, "") == "" {
		return ""
	}
	return strings.Join(values, "\x00")
}
