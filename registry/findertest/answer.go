// Package findertest has what tests of sources of credentials share. It does not
// import package registry, whose own tests use it.
package findertest

// Answer is what a source says, for tables: the user name of its credential,
// "none", or the reason for which it has none or is passed over. The arguments
// are those of a registry.Finding.
func Answer(verdict, user, why string) string {
	switch {
	case verdict == "used":
		return user
	case verdict == "has none" && why == "":
		return "none"
	case verdict == "has none":
		return "unavailable: " + why
	case verdict == "passed over":
		return "over: " + why
	}
	return verdict + ": " + why
}
