package main

import "path"

// clones is where jobs have their clones.
const clones = "/builds"

// job returns the variables of a GitLab job for a project that is cloned into
// dir, as an agent born for one job has them.
func job(project, dir, id string) []string {
	const server = "gitlab.example"
	return []string{
		"CI=true",
		"GITLAB_CI=true",
		"CI_BUILDS_DIR=" + clones,
		"CI_COMMIT_BRANCH=main",
		"CI_COMMIT_REF_NAME=main",
		"CI_JOB_ID=" + id,
		"CI_JOB_NAME=image",
		"CI_JOB_STAGE=build",
		"CI_PIPELINE_ID=" + id,
		"CI_PROJECT_DIR=" + dir,
		"CI_PROJECT_NAME=" + path.Base(project),
		"CI_PROJECT_NAMESPACE=" + path.Dir(project),
		"CI_PROJECT_PATH=" + project,
		"CI_PROJECT_URL=https://" + server + "/" + project,
		"CI_REPOSITORY_URL=https://" + server + "/" + project + ".git",
		"CI_SERVER_HOST=" + server,
		"CI_SERVER_URL=https://" + server,
	}
}
