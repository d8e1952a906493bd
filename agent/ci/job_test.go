package ci

import "testing"

// TestJobKey tests that runs of jobs have keys of their own, and steps of one the same.
func TestJobKey(t *testing.T) {
	if key := (Variables{}).JobKey(); key != "" {
		t.Errorf("without a system the key is %q", key)
	}
	jobs := []Variables{
		{Job: JobVariables{JenkinsBuild: "jenkins-app-1"}},
		{Job: JobVariables{JenkinsBuild: "jenkins-app-2"}},
		{Job: JobVariables{GitLabJob: "1"}},
		{Job: JobVariables{GitHubRun: "1", GitHubAttempt: "1", GitHubJob: "build", GitHubRunner: "a"}},
		{Job: JobVariables{GitHubRun: "1", GitHubAttempt: "2", GitHubJob: "build", GitHubRunner: "a"}},
		{Job: JobVariables{GitHubRun: "1", GitHubAttempt: "1", GitHubJob: "build", GitHubRunner: "b"}}, // of a matrix
		{Job: JobVariables{GitHubRun: "11", GitHubJob: "build", GitHubRunner: "a"}},
		{Job: JobVariables{AzureBuild: "1", AzureJob: "x"}},
		{Job: JobVariables{BitbucketStep: "{1}"}, Bitbucket: Bitbucket{BuildNumber: "1"}},
		{Job: JobVariables{BuildkiteJob: "1"}},
		{Job: JobVariables{CircleCIJob: "1"}},
	}
	seen := map[string]int{}
	for i, v := range jobs {
		key := v.JobKey()
		if other, ok := seen[key]; ok || key == "" || key != v.JobKey() {
			t.Errorf("job %d has the key %q, as job %d", i, key, other)
		}
		seen[key] = i
	}
}
