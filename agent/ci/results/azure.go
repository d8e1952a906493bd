package results

import "context"

// maxAzure bounds a variable of Azure Pipelines, which becomes one of the environment,
// in bytes.
const maxAzure = 32 << 10

// azure sets variables of an Azure pipeline by commands in the log.
type azure struct{}

// open implements teller.
func (azure) open(*Writer) {}

// tell implements teller.
func (azure) tell(_ context.Context, w *Writer, r Results) error {
	lines, left := azureCommands(r)
	w.left("variables of Azure Pipelines", left)
	for _, line := range lines {
		w.command(line)
	}
	return nil
}

// azureCommands are the commands that set output variables. It also returns what is left
// out, with the reason.
//
//	https://learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands#setvariable-initialize-or-modify-the-value-of-a-variable
func azureCommands(r Results) (lines, left []string) {
	for _, one := range r.values(",") {
		switch {
		case !plain(one.value):
			left = append(left, one.variable()+" (its value has characters that need quotes)")
		case len(one.value) > maxAzure:
			left = append(left, tooLarge(one.variable(), len(one.value), maxAzure))
		default:
			lines = append(lines, "##vso[task.setvariable variable="+one.variable()+";isOutput=true]"+one.value)
		}
	}
	return lines, left
}
