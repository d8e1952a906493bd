package sanitizetest

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// Obeyed is a command that a CI system has found in a log.
type Obeyed struct {
	Name string
	// Properties are as the system reads them.
	Properties map[string]string
	// Data is what follows.
	Data string
}

// parsers are how systems read a log, each by the rules of its own program. A system
// that is not here obeys nothing.
var parsers = map[string]func(line string) []Obeyed{
	"github":    obeyGitHub,
	"gitea":     obeyGitea,
	"forgejo":   obeyGitea,
	"gitlab":    obeyGitLab,
	"azure":     obeyAzure,
	"buildkite": obeyBuildkite,
}

// Obey returns what a system, by the name that --ci has for it, finds in a log.
func Obey(system, text string) []Obeyed {
	parse := parsers[system]
	if parse == nil {
		return nil
	}
	ends := lineEnds
	if system == "gitlab" || system == "buildkite" { // carriage returns are for their terminals
		ends = regexp.MustCompile("\n")
	}
	var all []Obeyed
	for _, line := range ends.Split(text, -1) {
		all = append(all, parse(line)...)
	}
	return all
}

// own match the lines by which a build's log commands each system. A title begins with
// the number of a step.
var own = map[string]*regexp.Regexp{
	"github":    regexp.MustCompile(`^(::group::#\d+ .*|::endgroup::|::(warning|error)( (file|title)=[^:]*)?::.*|::add-mask::.*)$`),
	"gitea":     regexp.MustCompile(`^(::group::#\d+ .*|::endgroup::|::add-mask::.*)$`),
	"gitlab":    regexp.MustCompile("^\x1b\\[0Ksection_(start:\\d+:slipway_\\d+_\\d+(\\[collapsed=true\\])?\r\x1b\\[0K#\\d+ .*|end:\\d+:slipway_\\d+_\\d+\r\x1b\\[0K)$"),
	"azure":     regexp.MustCompile(`^(##\[group\]#\d+ .*|##\[endgroup\]|##vso\[task\.(logissue type=(warning|error);[^\]]*|setsecret)\].*)$`),
	"buildkite": regexp.MustCompile(`^((---|\+\+\+|~~~) (#\d+ .*|slipway)|\^\^\^ \+\+\+)$`),
}

// CommandsBeside is Commands for the log of a build in the form for a system, by the
// name that --ci has for it: of the commands that are Slipway's own it has those that
// hold more than one.
func CommandsBeside(system, text string) []string {
	name := system
	if system == "forgejo" {
		name = "gitea"
	}
	var found, rest []string
	for line := range strings.SplitSeq(text, "\n") {
		if own[name] == nil || !own[name].MatchString(line) {
			rest = append(rest, line)
			continue
		}
		if all := Obey(system, line); len(all) != 1 {
			found = append(found, fmt.Sprintf("%s: %+v in %q", system, all, line))
		}
	}
	return append(found, Commands(strings.Join(rest, "\n"))...)
}

// obeyGitHub is ActionCommand.TryParseV2 and TryParse of
// https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs, for
// commands of any name.
func obeyGitHub(line string) []Obeyed {
	trimmed := strings.TrimLeftFunc(line, unicode.IsSpace)
	if rest, ok := strings.CutPrefix(trimmed, "::"); ok {
		if info, data, ok := strings.Cut(rest, "::"); ok && info != "" {
			name, list, _ := strings.Cut(info, " ")
			return []Obeyed{{name, properties(list, ",", "%3A", ":", "%2C", ",", "%0D", "\r", "%0A", "\n", "%25", "%"), replaced(data, "%0D", "\r", "%0A", "\n", "%25", "%")}}
		}
	}
	if _, rest, ok := strings.Cut(line, "##["); ok {
		if info, data, ok := strings.Cut(rest, "]"); ok {
			name, list, _ := strings.Cut(info, " ")
			return []Obeyed{{"##" + name, properties(list, ";"), data}}
		}
	}
	return nil
}

// giteaCommand is cmdRegex of internal/pkg/report/reporter.go in
// https://gitea.com/gitea/act_runner and of Forgejo's runner; giteaOld is the other form
// that pkg/runner/command.go of act knows, which also takes spaces in front.
var (
	giteaCommand = regexp.MustCompile(`^\s*::([^ :]+)( .*)?::(.*)$`)
	giteaOld     = regexp.MustCompile(`##\[([^ \]]+)( [^\]]+)?\](.*)$`)
)

func obeyGitea(line string) []Obeyed {
	if m := giteaCommand.FindStringSubmatch(line); m != nil {
		return []Obeyed{{m[1], properties(strings.TrimSpace(m[2]), ","), replaced(m[3], "%0D", "\r", "%0A", "\n", "%25", "%")}}
	}
	if m := giteaOld.FindStringSubmatch(line); m != nil {
		return []Obeyed{{"##" + m[1], nil, m[3]}}
	}
	return nil
}

// gitlabSection is the marker of Gitlab::Ci::Ansi2json in
// https://gitlab.com/gitlab-org/gitlab/-/blob/master/lib/gitlab/ci/ansi2json/converter.rb,
// wherever it stands in a line.
var gitlabSection = regexp.MustCompile("section_((?:start)|(?:end)):(\\d+):([a-zA-Z0-9_.-]+)(\\[[^\\]]*\\])?\r\x1b\\[0K([^\n]*)")

func obeyGitLab(line string) []Obeyed {
	var all []Obeyed
	for rest := line; ; {
		m := gitlabSection.FindStringSubmatchIndex(rest)
		if m == nil {
			return all
		}
		one := Obeyed{Name: "section_" + rest[m[2]:m[3]], Properties: map[string]string{"name": rest[m[6]:m[7]]}, Data: rest[m[10]:m[11]]}
		if m[8] >= 0 {
			one.Properties["options"] = rest[m[8]:m[9]]
		}
		all = append(all, one)
		rest = rest[m[10]:]
	}
}

// obeyAzure is Command.TryParse of
// https://github.com/microsoft/azure-pipelines-agent/blob/master/src/Agent.Sdk/CommandStringConvertor.cs
// and the formats that the web page shows, ##[group] and the like.
func obeyAzure(line string) []Obeyed {
	if _, rest, ok := strings.Cut(strings.ToLower(line), "##vso["); ok {
		rest = line[len(line)-len(rest):]
		if info, data, ok := strings.Cut(rest, "]"); ok {
			name, list, _ := strings.Cut(info, " ")
			escapes := []string{"%3B", ";", "%0D", "\r", "%0A", "\n", "%5D", "]", "%AZP25", "%"}
			return []Obeyed{{name, properties(list, ";", escapes...), replaced(data, escapes[2:]...)}}
		}
	}
	if _, rest, ok := strings.Cut(line, "##["); ok {
		if name, data, ok := strings.Cut(rest, "]"); ok {
			return []Obeyed{{"##" + name, nil, data}}
		}
	}
	return nil
}

// obeyBuildkite has the headings of
// https://buildkite.com/docs/pipelines/configure/managing-log-output.
func obeyBuildkite(line string) []Obeyed {
	if m := header.FindStringSubmatch(line); m != nil {
		return []Obeyed{{Name: m[1], Data: m[2]}}
	}
	if expansion.MatchString(line) {
		return []Obeyed{{Name: "^^^"}}
	}
	return nil
}

// properties reads a list of names and values.
func properties(list, separator string, escapes ...string) map[string]string {
	var all map[string]string
	for part := range strings.SplitSeq(list, separator) {
		if name, value, ok := strings.Cut(part, "="); ok {
			if all == nil {
				all = map[string]string{}
			}
			all[strings.TrimSpace(name)] = replaced(value, escapes...)
		}
	}
	return all
}

// replaced replaces one after the other, as the systems do.
func replaced(text string, oldNew ...string) string {
	for i := 0; i+1 < len(oldNew); i += 2 {
		text = strings.ReplaceAll(text, oldNew[i], oldNew[i+1])
	}
	return text
}
