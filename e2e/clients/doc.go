// Package clients tests what is in pipelines/ with the programs that run such
// pipelines: act runs the workflows of GitHub, gitlab-ci-local those of GitLab. Their
// jobs run on this machine and build on the testbed's cluster, as runners outside of
// the pod network do. What docker's actions call is replayed under the name of docker, and
// parsed by their library.
package clients
