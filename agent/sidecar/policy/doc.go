// Package policy decides what clients of a builder may ask of it: a file has the rules,
// and requests of BuildKit's API are held against them. It does no I/O and keeps no
// state; package enforce does. What it does not know it refuses by name: unknown
// fields, attributes, exporters, operations and sources.
package policy
