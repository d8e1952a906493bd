// Package results writes what a build came to in the forms in which CI systems read
// it: outputs of a step, variables for the jobs after it, reports of findings, a
// summary for people. The table systems has a row for each CI system, and each system
// with forms of its own has a file here.
//
// What is written is made by pure functions of Results, and tests read it back with
// models of the systems' readers. All text of Results came from outside: secrets and
// control characters are taken out of it once, before any of these functions.
package results
