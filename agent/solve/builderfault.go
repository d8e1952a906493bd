package solve

// builderFault is a builder whose answers are not valid, or not what it says
// they are. It has no cause that errors.Is finds: how its stream ended says
// nothing about the connection.
type builderFault struct {
	what string
	err  error
}

// Error implements error.
func (e *builderFault) Error() string { return e.what + ": " + e.err.Error() }

// Hints says what to do about the error.
func (e *builderFault) Hints() []string {
	return []string{"the builder is broken, or something between it and the agent: try again, and look at what its buildkitd says (slipway logs)"}
}
