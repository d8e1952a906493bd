// Package github tests the action and the workflows of pipelines/github, with act as
// the runner.
package github
