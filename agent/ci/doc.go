// Package ci knows CI systems, one file each: the variables that a system sets
// for a job, the job's repository and workspace, the registry credentials that
// it hands out, and the commands that it obeys in a job's log: sections, annotations,
// and that a value is secret. systems is the table of all of them. Which commands a log
// must not hold by accident, package sanitize knows.
//
// It reads no environment: the tags env name the variables, and whoever fills
// the fields by them is above this package.
package ci
