// Package doctor finds what would keep a build from succeeding: a table of probes
// (probes.go), each of which looks at one kind of thing and says what is wrong
// with it and what to do. A new probe is a row of that table and a function. It
// changes nothing; what it finds is printed by its caller.
package doctor
