// Package agent is the work done on a CI agent: the recipe of a build,
// "definition -> nodes -> solve per node -> publish -> report", and what only
// that needs. It ties together the packages below it, which do not know it.
package agent
