// Package ci knows CI systems, one file each: the variables that a system sets
// for a job, the job's repository and workspace, the registry credentials that
// it hands out, the command by which it learns of a secret value, and the reporter
// that shows a build in its log. Which of
// its commands a log must not hold by accident, package sanitize knows.
//
// It reads no environment: the tags env name the variables, and whoever fills
// the fields by them is above this package.
package ci
