package model

import "fmt"

// MaxArguments bounds the arguments of a command line. For every flag, kong copies the
// arguments that are left, so that its time grows with the square of their number: half a
// second for this many, minutes for ten times as many.
const MaxArguments = 10_000

// CheckArguments refuses a command line with too many arguments. It is called before kong
// parses them.
func CheckArguments(args []string) error {
	if len(args) > MaxArguments {
		return fmt.Errorf("the command line has %d arguments, and at most %d are taken", len(args), MaxArguments)
	}
	return nil
}
