// Package variables knows the environment variables of other tools that Slipway
// reads: what each one means, and which values it may have. A value that its
// owner would not take counts as not set, with a warning: such variables stand in
// agent images and pod templates, and must not end every command.
//
// It reads no environment itself.
package variables

import (
	"slices"
	"strconv"
	"strings"
)

// Variable is an environment variable of another tool.
type Variable struct {
	Name string
	// Owner is the tool that defines it.
	Owner string
	// Help says what Slipway takes from it.
	Help string
	// Form says in words which values are valid; empty where any text is.
	Form string

	valid func(value string) bool
}

// Valid tells whether a value that is not empty has the variable's form.
func (v Variable) Valid(value string) bool { return v.valid == nil || v.valid(value) }

// Named returns the variable of that name, false if there is none.
func Named(name string) (Variable, bool) {
	i := slices.IndexFunc(All, func(v Variable) bool { return v.Name == name })
	if i < 0 {
		return Variable{}, false
	}
	return All[i], true
}

// isBool accepts what Go's strconv does: docker and buildx are written in Go.
func isBool(value string) bool {
	_, err := strconv.ParseBool(value)
	return err == nil
}

func orBool(words ...string) func(string) bool {
	return func(value string) bool { return slices.Contains(words, value) || isBool(value) }
}

func oneOf(words ...string) func(string) bool {
	return func(value string) bool { return slices.Contains(words, value) }
}

// isLength accepts the digits that a commit can have.
func isLength(value string) bool {
	n, err := strconv.Atoi(value)
	return err == nil && n >= 1 && n <= 64
}

const boolean = "true or false"

// The tools.
const (
	buildx     = "buildx"
	buildKit   = "BuildKit"
	docker     = "docker"
	kubectl    = "Kubernetes"
	metadata   = "docker/metadata-action"
	argo       = "Argo Workflows"
	aws        = "AWS"
	azure      = "Azure Pipelines"
	bitbucket  = "Bitbucket"
	buildkite  = "Buildkite"
	circle     = "CircleCI"
	drone      = "Drone"
	github     = "GitHub"
	gitea      = "Gitea, Forgejo"
	gitlab     = "GitLab"
	jenkins    = "Jenkins"
	kaniko     = "kaniko"
	golang     = "Go"
	podman     = "podman"
	system     = "the system"
	woodpecker = "Woodpecker"
)

// All are the variables, by owner: those that Slipway reads, and those that the
// libraries in it read for it.
var All = []Variable{
	{Name: "BUILDX_BUILDER", Owner: buildx, Help: "The builder, as --builder."},
	{Name: "BUILDX_CONFIG", Owner: buildx, Help: "buildx's state directory, with definitions below instances and the selected builder."},
	{Name: "BUILDX_GIT_CHECK_DIRTY", Owner: buildx, Help: "Add -dirty to the revision of a work tree with changes.", Form: boolean, valid: isBool},
	{Name: "BUILDX_GIT_INFO", Owner: buildx, Help: "Tell BuildKit the context's repository and revision (default: true).", Form: boolean, valid: isBool},
	{Name: "BUILDX_GIT_LABELS", Owner: buildx, Help: "Label images with repository, revision and path of the Dockerfile.", Form: "true, false or full", valid: orBool("full")},
	{Name: "BUILDX_METADATA_PROVENANCE", Owner: buildx, Help: "Which provenance goes into --metadata-file (default: min).", Form: "min, max, disabled, true or false", valid: orBool("min", "max", "disabled")},
	{Name: "BUILDX_BAKE_DISABLE_VARS_ENV_LOOKUP", Owner: buildx, Help: "Do not take variables of bake files from the environment.", Form: boolean, valid: isBool},
	{Name: "BUILDX_BAKE_ENTITLEMENTS_FS", Owner: buildx, Help: "Whether bake files need permission for paths outside of the current directory, and for the SSH agent (default: true).", Form: boolean, valid: isBool},
	{Name: "BUILDX_BAKE_FILE", Owner: buildx, Help: "Bake files, as slipway bake --file."},
	{Name: "BUILDX_BAKE_FILE_RELATIVE_PATHS", Owner: buildx, Help: "Not supported: refused when it is true.", Form: boolean, valid: isBool},
	{Name: "BUILDX_BAKE_PATH_SEPARATOR", Owner: buildx, Help: "What is between the files of BUILDX_BAKE_FILE (default: that of PATH)."},
	{Name: "BUILDX_METADATA_WARNINGS", Owner: buildx, Help: "Add the warnings of the Dockerfile's linter to --metadata-file.", Form: boolean, valid: isBool},
	{Name: "BUILDX_NO_DEFAULT_ATTESTATIONS", Owner: buildx, Help: "Make no provenance unless it is asked for.", Form: boolean, valid: isBool},
	{Name: "BUILDX_NO_DEFAULT_LOAD", Owner: buildx, Help: "Ignore the driver-opt default-load.", Form: boolean, valid: isBool},
	{Name: "BUILDX_NO_DEFAULT_OCI_ARTIFACT", Owner: buildx, Help: "Do not push attestations as OCI artifacts.", Form: boolean, valid: isBool},
	{Name: "BUILDKIT_HOST", Owner: buildKit, Help: "Address of a buildkitd, for slipway create --driver=remote without one, and for all commands where no builder is defined and no cluster is at hand."},
	{Name: "BUILDKIT_COLORS", Owner: buildKit, Help: "Colours of the display of --progress=tty, as in run=green:error=1,2,3."},
	{Name: "BUILDKIT_TTY_LOG_LINES", Owner: buildKit, Help: "Lines of output of a step that runs, with --progress=tty (default: 6)."},
	{Name: "PROGRESS_NO_TRUNC", Owner: buildKit, Help: "0 cuts the names of steps to 72 characters, with --progress=plain."},
	{Name: "TTY_DISPLAY_RATE", Owner: buildKit, Help: "Milliseconds between two pictures of --progress=tty (default: 150)."},
	{Name: "BUILDKIT_PROGRESS", Owner: buildKit, Help: "Type of progress output, as --progress.", Form: "auto, plain, tty, rawjson, quiet or none", valid: oneOf("auto", "plain", "tty", "rawjson", "quiet", "none")},
	{Name: "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY", Owner: buildKit, Help: "File with a source policy."},
	{Name: "SOURCE_DATE_EPOCH", Owner: buildKit, Help: "Time stamp of what is built, in seconds; the build argument of that name wins. One that BuildKit would refuse is an error."},
	{Name: "DOCKER_AUTH_CONFIG", Owner: docker, Help: "Credentials in the form of docker's config.json, or a file with them."},
	{Name: "DOCKER_CERT_PATH", Owner: docker, Help: "Directory with ca.pem, cert.pem and key.pem for the engine of --load."},
	{Name: "DOCKER_CONFIG", Owner: docker, Help: "Directory of docker's config.json (default: ~/.docker)."},
	{Name: "DOCKER_CONTEXT", Owner: docker, Help: "Refused by --load without DOCKER_HOST: contexts of docker are not read."},
	{Name: "DOCKER_DEFAULT_PLATFORM", Owner: docker, Help: "Platforms to build for, as --platform. One that does not exist is an error, as with buildx.", Form: "OS/ARCH[/VARIANT], comma-separated"},
	{Name: "DOCKER_HOST", Owner: docker, Help: "The engine of --load, and which proxies of docker's config.json are taken."},
	{Name: "DOCKER_METADATA_ANNOTATIONS_LEVELS", Owner: metadata, Help: "Levels of the annotations of --annotations-from (default: manifest)."},
	{Name: "DOCKER_METADATA_PR_HEAD_SHA", Owner: metadata, Help: "Take the commit of a pull request's branch, not that of its merge, with --tags-from.", Form: boolean, valid: isBool},
	{Name: "DOCKER_METADATA_SHORT_SHA_LENGTH", Owner: metadata, Help: "How many digits a short commit has, with --tags-from (default: 7).", Form: "a number from 1 to 64", valid: isLength},
	{Name: "DOCKER_TLS_VERIFY", Owner: docker, Help: "Speak TLS to the engine of --load. Any value that is not empty counts."},
	{Name: "BUILDER_OUTPUT", Owner: kaniko, Help: "Directory in which executor writes a file images with names and digest."},
	{Name: "GIT_PASSWORD", Owner: kaniko, Help: "Credential of a git:// context of executor, with GIT_USERNAME."},
	{Name: "GIT_PULL_METHOD", Owner: kaniko, Help: "How executor fetches a git:// context (default: https).", Form: "https or http", valid: oneOf("https", "http")},
	{Name: "GIT_TOKEN", Owner: kaniko, Help: "Credential of a git:// context of executor."},
	{Name: "GIT_USERNAME", Owner: kaniko, Help: "User of GIT_PASSWORD."},
	{Name: "KANIKO_DIR", Owner: kaniko, Help: "As --kaniko-dir of executor."},
	{Name: "KANIKO_NO_PUSH", Owner: kaniko, Help: "As --no-push of executor, before which it goes.", Form: boolean, valid: isBool},
	{Name: "KANIKO_REGISTRY_MAP", Owner: kaniko, Help: "As --registry-map of executor."},
	{Name: "KANIKO_REGISTRY_MIRROR", Owner: kaniko, Help: "As --registry-mirror of executor."},
	{Name: "REGISTRY_AUTH_FILE", Owner: podman, Help: "File with credentials, in the form of docker's config.json."},
	{Name: "KUBECONFIG", Owner: kubectl, Help: "Kubeconfig files, where there is no service account."},
	{Name: "KUBERNETES_SERVICE_HOST", Owner: kubectl, Help: "The API server, in a pod."},
	{Name: "KUBERNETES_SERVICE_PORT", Owner: kubectl, Help: "The API server's port, in a pod."},
	{Name: "DISABLE_HTTP2", Owner: kubectl, Help: "Any value: speak HTTP/1.1 to the API server."},
	{Name: "HTTP2_PING_TIMEOUT_SECONDS", Owner: kubectl, Help: "When a connection to the API server is lost that does not answer a ping (default: 15)."},
	{Name: "HTTP2_READ_IDLE_TIMEOUT_SECONDS", Owner: kubectl, Help: "How long a connection to the API server is silent before it is pinged (default: 30)."},
	{Name: "AWS_ACCESS_KEY_ID", Owner: aws, Help: "Credential of type=s3 caches."},
	{Name: "AWS_BUCKET", Owner: aws, Help: "Bucket of type=s3 caches."},
	{Name: "AWS_DEFAULT_REGION", Owner: aws, Help: "Region of type=s3 caches, without AWS_REGION."},
	{Name: "AWS_REGION", Owner: aws, Help: "Region of type=s3 caches."},
	{Name: "AWS_SECRET_ACCESS_KEY", Owner: aws, Help: "Credential of type=s3 caches."},
	{Name: "AWS_SESSION_TOKEN", Owner: aws, Help: "Credential of type=s3 caches."},
	{Name: "BUILDKIT_AZURE_STORAGE_ACCOUNT_URL", Owner: buildKit, Help: "Account of type=azblob caches."},
	{Name: "ACTIONS_CACHE_SERVICE_V2", Owner: github, Help: "Version 2 of the service of type=gha caches.", Form: boolean, valid: isBool},
	{Name: "ACTIONS_CACHE_URL", Owner: github, Help: "Service of type=gha caches."},
	{Name: "ACTIONS_RESULTS_URL", Owner: github, Help: "Service of type=gha caches, version 2."},
	{Name: "ACTIONS_RUNTIME_TOKEN", Owner: github, Help: "Credential of type=gha caches."},
	{Name: "GITHUB_ACTIONS", Owner: github, Help: "That a workflow runs."},
	{Name: "GITHUB_ACTOR", Owner: github, Help: "User of the credential for ghcr.io."},
	{Name: "GITHUB_BASE_REF", Owner: github, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "GITHUB_EVENT_NAME", Owner: github, Help: "Whether the job runs for a pull request; what the pipeline runs for, with --tags-from."},
	{Name: "GITHUB_EVENT_PATH", Owner: github, Help: "Whether the pull request is from a fork; what the pipeline runs for, with --tags-from."},
	{Name: "GITHUB_JOB", Owner: github, Help: "Which job it is, for what docker build keeps."},
	{Name: "GITHUB_OUTPUT", Owner: github, Help: "File of the outputs of the step."},
	{Name: "GITHUB_REF", Owner: github, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "GITHUB_REPOSITORY", Owner: github, Help: "Identity of the context."},
	{Name: "GITHUB_RUN_ATTEMPT", Owner: github, Help: "Which job it is, for what docker build keeps."},
	{Name: "GITHUB_RUN_ID", Owner: github, Help: "Which job it is, for what docker build keeps."},
	{Name: "GITHUB_SERVER_URL", Owner: github, Help: "Identity of the context."},
	{Name: "GITHUB_SHA", Owner: github, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "GITHUB_STEP_SUMMARY", Owner: github, Help: "File of the summary of the job."},
	{Name: "GITHUB_TOKEN", Owner: github, Help: "Credential for ghcr.io."},
	{Name: "GITHUB_WORKSPACE", Owner: github, Help: "Identity of the context."},
	{Name: "RUNNER_NAME", Owner: github, Help: "Which job it is, for what docker build keeps."},
	{Name: "FORGEJO_ACTIONS", Owner: gitea, Help: "That Forgejo's runner runs the job."},
	{Name: "GITEA_ACTIONS", Owner: gitea, Help: "That Gitea's runner runs the job."},
	{Name: "CI_COMMIT_BRANCH", Owner: gitlab, Help: "What the pipeline runs for, with --tags-from; Woodpecker's too."},
	{Name: "CI_COMMIT_SHA", Owner: gitlab, Help: "What the pipeline runs for, with --tags-from; Woodpecker's too."},
	{Name: "CI_COMMIT_TAG", Owner: gitlab, Help: "What the pipeline runs for, with --tags-from; Woodpecker's too."},
	{Name: "CI_COMMIT_TIMESTAMP", Owner: gitlab, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "CI_DEFAULT_BRANCH", Owner: gitlab, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "CI_DEPENDENCY_PROXY_PASSWORD", Owner: gitlab, Help: "Credential for the dependency proxy."},
	{Name: "CI_DEPENDENCY_PROXY_SERVER", Owner: gitlab, Help: "The dependency proxy."},
	{Name: "CI_DEPENDENCY_PROXY_USER", Owner: gitlab, Help: "User of the credential for the dependency proxy."},
	{Name: "CI_DEPLOY_PASSWORD", Owner: gitlab, Help: "Credential for the project's registry, without CI_REGISTRY_PASSWORD and CI_JOB_TOKEN."},
	{Name: "CI_DEPLOY_USER", Owner: gitlab, Help: "User of CI_DEPLOY_PASSWORD."},
	{Name: "CI_JOB_ID", Owner: gitlab, Help: "Which job it is, for what docker build keeps."},
	{Name: "CI_JOB_TOKEN", Owner: gitlab, Help: "Credential for the project's registry, without CI_REGISTRY_PASSWORD."},
	{Name: "CI_MERGE_REQUEST_IID", Owner: gitlab, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "CI_MERGE_REQUEST_PROJECT_ID", Owner: gitlab, Help: "Whether the merge request is from a fork."},
	{Name: "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", Owner: gitlab, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "CI_MERGE_REQUEST_SOURCE_PROJECT_ID", Owner: gitlab, Help: "Whether the merge request is from a fork."},
	{Name: "CI_MERGE_REQUEST_SOURCE_PROJECT_PATH", Owner: gitlab, Help: "The fork that the merge request is from."},
	{Name: "CI_MERGE_REQUEST_TARGET_BRANCH_NAME", Owner: gitlab, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "CI_PIPELINE_SOURCE", Owner: gitlab, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "CI_PROJECT_DESCRIPTION", Owner: gitlab, Help: "Labels, with --labels-from."},
	{Name: "CI_PROJECT_DIR", Owner: gitlab, Help: "Identity of the context."},
	{Name: "CI_PROJECT_ID", Owner: gitlab, Help: "Whether the merge request is from a fork."},
	{Name: "CI_PROJECT_NAME", Owner: gitlab, Help: "Labels, with --labels-from."},
	{Name: "CI_PROJECT_PATH", Owner: gitlab, Help: "Identity of the context."},
	{Name: "CI_PROJECT_URL", Owner: gitlab, Help: "Links to the images in the annotations report; labels, with --labels-from."},
	{Name: "CI_REGISTRY", Owner: gitlab, Help: "The project's registry."},
	{Name: "CI_REGISTRY_IMAGE", Owner: gitlab, Help: "The image of --tags-from, without --image."},
	{Name: "CI_REGISTRY_PASSWORD", Owner: gitlab, Help: "Credential for the project's registry."},
	{Name: "CI_REGISTRY_USER", Owner: gitlab, Help: "User of CI_REGISTRY_PASSWORD."},
	{Name: "CI_SERVER_URL", Owner: gitlab, Help: "Identity of the context."},
	{Name: "GITLAB_CI", Owner: gitlab, Help: "That GitLab runs the job."},
	{Name: "BRANCH_IS_PRIMARY", Owner: jenkins, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "BRANCH_NAME", Owner: jenkins, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "BUILD_ID", Owner: jenkins, Help: "That a step of a job runs, with JENKINS_URL."},
	{Name: "BUILD_TAG", Owner: jenkins, Help: "Which job it is, for what docker build keeps."},
	{Name: "CHANGE_FORK", Owner: jenkins, Help: "The fork that the pull request is from."},
	{Name: "CHANGE_ID", Owner: jenkins, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "CHANGE_TARGET", Owner: jenkins, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "GIT_BRANCH", Owner: jenkins, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "GIT_COMMIT", Owner: jenkins, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "GIT_LOCAL_BRANCH", Owner: jenkins, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "GIT_URL", Owner: jenkins, Help: "Identity of the context, with JENKINS_URL."},
	{Name: "JENKINS_URL", Owner: jenkins, Help: "That Jenkins runs the job."},
	{Name: "REGISTRY", Owner: jenkins, Help: "The registry that REGISTRY_USERNAME and REGISTRY_PASSWORD are for."},
	{Name: "REGISTRY_PASSWORD", Owner: jenkins, Help: "Credential for REGISTRY, else for the registry of the tags."},
	{Name: "REGISTRY_USERNAME", Owner: jenkins, Help: "User of REGISTRY_PASSWORD."},
	{Name: "TAG_NAME", Owner: jenkins, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "WORKSPACE", Owner: jenkins, Help: "Identity of the context, with JENKINS_URL."},
	{Name: "BUILD_BUILDID", Owner: azure, Help: "Which job it is, for what docker build keeps."},
	{Name: "BUILD_REASON", Owner: azure, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "BUILD_REPOSITORY_NAME", Owner: azure, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "BUILD_REPOSITORY_URI", Owner: azure, Help: "Identity of the context."},
	{Name: "BUILD_SOURCEBRANCH", Owner: azure, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "BUILD_SOURCESDIRECTORY", Owner: azure, Help: "Identity of the context."},
	{Name: "BUILD_SOURCEVERSION", Owner: azure, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "SYSTEM_JOBID", Owner: azure, Help: "Which job it is, for what docker build keeps."},
	{Name: "SYSTEM_PULLREQUEST_ISFORK", Owner: azure, Help: "Whether the pull request is from a fork."},
	{Name: "SYSTEM_PULLREQUEST_SOURCECOMMITID", Owner: azure, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "SYSTEM_PULLREQUEST_TARGETBRANCH", Owner: azure, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "TF_BUILD", Owner: azure, Help: "That Azure Pipelines runs the job."},
	{Name: "BITBUCKET_BRANCH", Owner: bitbucket, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "BITBUCKET_BUILD_NUMBER", Owner: bitbucket, Help: "That Bitbucket Pipelines runs the job."},
	{Name: "BITBUCKET_CLONE_DIR", Owner: bitbucket, Help: "Identity of the context."},
	{Name: "BITBUCKET_COMMIT", Owner: bitbucket, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "BITBUCKET_GIT_HTTP_ORIGIN", Owner: bitbucket, Help: "Identity of the context."},
	{Name: "BITBUCKET_PR_DESTINATION_BRANCH", Owner: bitbucket, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "BITBUCKET_PR_ID", Owner: bitbucket, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "BITBUCKET_REPO_SLUG", Owner: bitbucket, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "BITBUCKET_STEP_UUID", Owner: bitbucket, Help: "Which job it is, for what docker build keeps."},
	{Name: "BITBUCKET_TAG", Owner: bitbucket, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "BUILDKITE", Owner: buildkite, Help: "That Buildkite runs the job."},
	{Name: "BUILDKITE_BRANCH", Owner: buildkite, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "BUILDKITE_BUILD_CHECKOUT_PATH", Owner: buildkite, Help: "Identity of the context."},
	{Name: "BUILDKITE_COMMIT", Owner: buildkite, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "BUILDKITE_JOB_ID", Owner: buildkite, Help: "Which job it is, for what docker build keeps."},
	{Name: "BUILDKITE_PIPELINE_DEFAULT_BRANCH", Owner: buildkite, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "BUILDKITE_PULL_REQUEST", Owner: buildkite, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "BUILDKITE_PULL_REQUEST_BASE_BRANCH", Owner: buildkite, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "BUILDKITE_PULL_REQUEST_REPO", Owner: buildkite, Help: "The repository that the pull request is from."},
	{Name: "BUILDKITE_REPO", Owner: buildkite, Help: "Identity of the context."},
	{Name: "BUILDKITE_SOURCE", Owner: buildkite, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "BUILDKITE_STEP_KEY", Owner: buildkite, Help: "Name of the meta-data and of the annotation."},
	{Name: "BUILDKITE_TAG", Owner: buildkite, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "CIRCLECI", Owner: circle, Help: "That CircleCI runs the job."},
	{Name: "CIRCLE_BRANCH", Owner: circle, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "CIRCLE_PROJECT_REPONAME", Owner: circle, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "CIRCLE_PR_NUMBER", Owner: circle, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "CIRCLE_PR_USERNAME", Owner: circle, Help: "Whose fork the pull request is from."},
	{Name: "CIRCLE_REPOSITORY_URL", Owner: circle, Help: "Identity of the context."},
	{Name: "CIRCLE_SHA1", Owner: circle, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "CIRCLE_TAG", Owner: circle, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "CIRCLE_WORKFLOW_JOB_ID", Owner: circle, Help: "Which job it is, for what docker build keeps."},
	{Name: "CIRCLE_WORKING_DIRECTORY", Owner: circle, Help: "Identity of the context."},
	{Name: "CI", Owner: woodpecker, Help: "That Woodpecker runs the step, if it is woodpecker."},
	{Name: "CI_COMMIT_PULL_REQUEST", Owner: woodpecker, Help: "Whether a push may be refused; what the pipeline runs for, with --tags-from."},
	{Name: "CI_COMMIT_TARGET_BRANCH", Owner: woodpecker, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "CI_PIPELINE_EVENT", Owner: woodpecker, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "CI_REPO_CLONE_URL", Owner: woodpecker, Help: "Identity of the context."},
	{Name: "CI_REPO_DEFAULT_BRANCH", Owner: woodpecker, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "CI_REPO_NAME", Owner: woodpecker, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "CI_REPO_URL", Owner: woodpecker, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "CI_SYSTEM_NAME", Owner: woodpecker, Help: "That Woodpecker runs the step, if it is woodpecker."},
	{Name: "CI_WORKSPACE", Owner: woodpecker, Help: "Identity of the context."},
	{Name: "DRONE", Owner: drone, Help: "That Drone runs the step."},
	{Name: "DRONE_BRANCH", Owner: drone, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "DRONE_BUILD_EVENT", Owner: drone, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "DRONE_COMMIT_SHA", Owner: drone, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "DRONE_GIT_HTTP_URL", Owner: drone, Help: "Identity of the context."},
	{Name: "DRONE_PULL_REQUEST", Owner: drone, Help: "Whether a push may be refused; what the pipeline runs for, with --tags-from."},
	{Name: "DRONE_REPO_BRANCH", Owner: drone, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "DRONE_REPO_LINK", Owner: drone, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "DRONE_REPO_NAME", Owner: drone, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "DRONE_TAG", Owner: drone, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "DRONE_TARGET_BRANCH", Owner: drone, Help: "What the pipeline runs for, with --tags-from."},
	{Name: "DRONE_WORKSPACE", Owner: drone, Help: "Identity of the context."},
	{Name: "ARGO_NODE_ID", Owner: argo, Help: "That a container of a workflow runs."},
	{Name: "GODEBUG", Owner: golang, Help: "Settings of Go's runtime and libraries, such as http2client=0 (https://go.dev/doc/godebug)."},
	{Name: "GOGC", Owner: golang, Help: "How much the heap may grow before it is collected, in percent (default: 100)."},
	{Name: "GOMAXPROCS", Owner: golang, Help: "CPUs that are used at the same time (default: the limit of the container)."},
	{Name: "GOMEMLIMIT", Owner: golang, Help: "Memory that the collector tries to stay below, such as 512MiB."},
	{Name: "SSL_CERT_DIR", Owner: golang, Help: "Directories with certificates of authorities, separated by colons, in the place of the system's."},
	{Name: "SSL_CERT_FILE", Owner: golang, Help: "File with the certificates of the authorities that registries and other servers are checked with, in the place of the system's."},
	{Name: "COLUMNS", Owner: system, Help: "Width of help (default: that of the terminal)."},
	{Name: "FORCE_COLOR", Owner: system, Help: "Colours, wherever output goes; 0 for none (https://force-color.org)."},
	{Name: "HOME", Owner: system, Help: "Where docker's and buildx's directories are, and caches."},
	{Name: "HTTPS_PROXY", Owner: system, Help: "Proxy on the way to registries and to the API server; https_proxy, too."},
	{Name: "HTTP_PROXY", Owner: system, Help: "Proxy on the way to registries and to the API server, for those that speak plain HTTP; http_proxy, too."},
	{Name: "NO_COLOR", Owner: system, Help: "No colours (https://no-color.org)."},
	{Name: "NO_PROXY", Owner: system, Help: "Hosts that are reached without a proxy; no_proxy, too."},
	{Name: "PATH", Owner: system, Help: "Where git and the credential helpers of docker are."},
	{Name: "SSH_AUTH_SOCK", Owner: system, Help: "The SSH agent of --ssh=default."},
	{Name: "TMPDIR", Owner: system, Help: "Directory of temporary files."},
	{Name: "TZ", Owner: system, Help: "Time zone of times in text that people read."},
	{Name: "XDG_CACHE_HOME", Owner: system, Help: "Directory of caches (default: ~/.cache)."},
	{Name: "XDG_CONFIG_HOME", Owner: system, Help: "Directory with containers/auth.json, podman's credentials."},
	{Name: "XDG_RUNTIME_DIR", Owner: system, Help: "Directory with containers/auth.json, podman's credentials."},
}

// Lookup reads the environment of one command, as os.LookupEnv does. A variable
// of the table with a form is not set when its value is empty or has not that
// form. Report is called for the latter, at every read.
type Lookup struct {
	// Env reads the environment as it is.
	Env func(name string) (string, bool)
	// Report is told of a value without the variable's form; nil tells nobody.
	Report func(v Variable, value string)
}

// Value is the value of a variable, false when it is not set.
func (l Lookup) Value(name string) (string, bool) {
	value, ok := l.Env(name)
	v, known := Named(name)
	if !known || v.Form == "" || !ok {
		return value, ok
	}
	if strings.TrimSpace(value) == "" {
		return "", false
	}
	if !v.Valid(value) {
		if l.Report != nil {
			l.Report(v, value)
		}
		return "", false
	}
	return value, true
}
