package ci

// TektonSteps is the directory that Tekton mounts into the container of every step. It
// sets no variable.
const TektonSteps = "/tekton/steps"

// Tekton is what Tekton puts into the container of a step.
type Tekton struct {
	// Steps says that TektonSteps is there; it is not filled by a tag.
	Steps bool
}

func (v Variables) onTekton() bool { return v.Tekton.Steps }
