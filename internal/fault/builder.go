package fault

// Builder is a builder whose answers are not valid, or not what it says they
// are. It has no cause that errors.Is finds: how its stream ended says nothing
// about the connection.
type Builder struct {
	// What says what is not valid.
	What string
	// Err is the reason, for the message only.
	Err error
}

// Error implements error.
func (e *Builder) Error() string { return e.What + ": " + e.Err.Error() }

// Hints says what to do about the error.
func (e *Builder) Hints() []string {
	return []string{"the builder is broken, or something between it and the agent: try again, and look at what its buildkitd says (slipway logs)"}
}

// BuilderFull is a solve that failed for lack of room on the builder.
type BuilderFull struct {
	// Err is the failure.
	Err error
}

// Error implements error.
func (e *BuilderFull) Error() string { return e.Err.Error() }

// Unwrap returns the failure.
func (e *BuilderFull) Unwrap() error { return e.Err }

// DefinitionParts are where the builder's disk and what it keeps are bounded.
func (e *BuilderFull) DefinitionParts() []Part { return []Part{PartFiles, PartResources} }

// Hints says what to do about the error.
func (e *BuilderFull) Hints() []string {
	return []string{"the agent has room, it is the disk of the builder that is full: give the builder a larger one, or limit its build cache (gc in buildkitd.toml)"}
}

// BuilderDamaged is a solve that failed because what the builder keeps on its
// disk does not fit together.
type BuilderDamaged struct {
	// Err is the failure.
	Err error
}

// Error implements error.
func (e *BuilderDamaged) Error() string { return e.Err.Error() }

// Unwrap returns the failure.
func (e *BuilderDamaged) Unwrap() error { return e.Err }

// Hints says what to do about the error.
func (e *BuilderDamaged) Hints() []string {
	return []string{"the builder's state is damaged, as after its buildkitd was killed in the middle of a write: give it a new one (delete the pod, and its claim if it has one)"}
}
