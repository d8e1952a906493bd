package solve

import "context"

// checkOCI finds mistakes in a type=oci output.
func checkOCI(o Output) (problem, hint string) { return checkArchive(o) }

func openOCI(_ context.Context, o Output, r Request) (sink, *UsageError) { return openArchive(o, r) }
