// Package cache is the caches of a build, --cache-from and --cache-to: their
// types and attributes (ParseFrom, ParseTo), what the environment adds to them
// (Resolve), how several nodes share them (Options), and local ones, which are
// directories of the agent (Present, Store). Its messages show no credential.
package cache
