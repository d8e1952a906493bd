//go:build !linux

package target

// isMount is for Linux: what replaces a file elsewhere is a rename that may fail.
func isMount(string) bool { return false }
