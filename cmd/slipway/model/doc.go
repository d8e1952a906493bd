// Package model says what references, completions and help have of the command
// line: commands, flags and values, from kong's model of them.
package model
