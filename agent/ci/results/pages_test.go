package results

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestPagesShowWhatIsWritten compares the examples of the pages with what is written.
func TestPagesShowWhatIsWritten(t *testing.T) {
	text := func(data []byte) string { return string(data) }
	outputs, _ := githubOutputs(built(), func() string { return "6DAYYFZ" })
	env, _ := dotenv(built())
	quality, _ := codeQuality(broken())
	links, _ := annotations(built(), GitLab{})
	issues, _ := warningsNG(broken())
	variables, _ := azureCommands(built())
	for page, examples := range map[string][]string{
		"github":     {text(outputs), strings.TrimSpace(summary(broken())) + "\n"},
		"gitlab":     {text(env), text(quality), text(links)},
		"jenkins":    {text(properties(built())), text(issues)},
		"azure":      {strings.Join(variables, "\n") + "\n"},
		"woodpecker": {text(env)},
	} {
		content := read(t, filepath.Join("../../../docs/ci", page+".md"))
		for _, example := range examples {
			if !strings.Contains(content, "\n"+example+"```\n") {
				t.Errorf("%s.md does not show:\n%s", page, example)
			}
		}
	}
	page := read(t, "../../../docs/outputs.md")
	for _, s := range systems {
		for _, f := range s.formats {
			for _, name := range f.names {
				if !strings.Contains(page, "`"+name+"`") {
					t.Errorf("docs/outputs.md does not name %s", name)
				}
			}
		}
	}
}
