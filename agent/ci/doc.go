// Package ci knows CI systems by the variables that they set for a job. It
// reads no environment: the values are given to it.
package ci
