package main

var slipway = tool{
	name:    "slipway",
	version: []string{"slipway", "version"},
	build:   func(b build, at place) []string { return buildxWords("slipway", b, at) },
}
