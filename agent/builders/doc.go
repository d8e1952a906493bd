// Package builders is the verbs on builders: start one (Up), list and inspect
// them, their caches (DiskUsage, Prune) and logs, remove one, collect what is idle
// or left over (Collect), and write definitions into a ConfigMap
// (ConfigMapEditor). Each verb is a struct of parsed values with a method Run;
// errors have a fault.Class. Building is for package agent, finding faults for
// package doctor.
package builders
