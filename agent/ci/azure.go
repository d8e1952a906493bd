package ci

import (
	"fmt"
	"strings"
	"time"
)

// Azure is what Azure Pipelines sets for a job.
type Azure struct {
	// Build is "True" in a job.
	Build            string `env:"TF_BUILD"`
	RepositoryURI    string `env:"BUILD_REPOSITORY_URI"`
	SourcesDirectory string `env:"BUILD_SOURCESDIRECTORY"`
}

func (v Variables) onAzure() bool { return strings.EqualFold(v.Azure.Build, "true") }

func (v Variables) azure() Identity {
	return Identity{Repository: remote(v.Azure.RepositoryURI), Workspace: v.Azure.SourcesDirectory}
}

// azureCommands are the logging commands of Azure Pipelines
// (https://learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands).
// Groups do not nest. Values are escaped as its agent's task library does.
type azureCommands struct{ noCommands }

var (
	azureData     = strings.NewReplacer("%", "%AZP25", "\r", "%0D", "\n", "%0A")
	azureProperty = strings.NewReplacer("%", "%AZP25", "\r", "%0D", "\n", "%0A", "]", "%5D", ";", "%3B")
)

// Begin implements Commands.
func (azureCommands) Begin(_, title string, _ time.Time, folded bool) string {
	if !folded {
		return ""
	}
	return "##[group]" + title
}

// End implements Commands.
func (azureCommands) End(string, time.Time) string { return "##[endgroup]" }

// Annotate implements Commands.
func (azureCommands) Annotate(a Annotation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "##vso[task.logissue type=%s;", a.Level)
	if a.File != "" {
		fmt.Fprintf(&b, "sourcepath=%s;", azureProperty.Replace(a.File))
		if a.Line > 0 {
			fmt.Fprintf(&b, "linenumber=%d;", a.Line)
		}
	}
	message := a.Message
	if a.Title != "" {
		message = a.Title + ": " + message
	}
	return b.String() + "]" + azureData.Replace(message)
}

// Mask implements Commands.
func (azureCommands) Mask(value string) string {
	return "##vso[task.setsecret]" + azureData.Replace(value)
}
