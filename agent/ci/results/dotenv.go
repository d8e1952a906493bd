package results

import (
	"bytes"
	"fmt"
	"slices"
)

// maxDotenv is the size in bytes that a dotenv report of GitLab has to stay below, by
// default.
//
//	https://docs.gitlab.com/administration/instance_limits/#limit-dotenv-file-size
const maxDotenv = 5 << 10

// dotenv are the results as a file of variables, for GitLab's dotenv report and for
// shells: GitLab knows no quotes, no line ends in a value and no comments, and fills in
// variables that a value names, so that values are written that need none of it. It also
// returns what is left out, with the reason.
//
//	https://gitlab.com/gitlab-org/gitlab/-/blob/master/app/services/ci/parse_dotenv_artifact_service.rb
func dotenv(r Results) (data []byte, left []string) {
	var out bytes.Buffer
	for _, one := range r.values(",") {
		switch line := one.variable() + "=" + one.value + "\n"; {
		case !plain(one.value):
			left = append(left, one.variable()+" (its value has characters that need quotes)")
		case out.Len()+len(line) >= maxDotenv:
			left = append(left, tooLarge(one.variable(), len(one.value), max(maxDotenv-out.Len()-len(line)+len(one.value)-1, 0)))
		default:
			out.WriteString(line)
		}
	}
	return out.Bytes(), left
}

// properties are the results as a file of java.util.Properties, which readProperties of
// Jenkins reads. Lists have commas between.
func properties(r Results) []byte {
	var out bytes.Buffer
	for _, one := range r.values(",") {
		fmt.Fprintf(&out, "%s=%s\n", one.variable(), escapeProperty(one.value))
	}
	return out.Bytes()
}

// escapeProperty escapes a value as java.util.Properties does in store: all but ASCII by
// its UTF-16 units, so that it does not matter in which encoding the file is read.
func escapeProperty(value string) []byte {
	var out []byte
	for i, r := range value {
		switch {
		case r == ' ' && i == 0:
			out = append(out, `\ `...)
		case r == '\t':
			out = append(out, `\t`...)
		case r == '\n':
			out = append(out, `\n`...)
		case r == '\r':
			out = append(out, `\r`...)
		case r == '\f':
			out = append(out, `\f`...)
		case r == '\\', r == '=', r == ':', r == '#', r == '!':
			out = append(out, '\\', byte(r))
		case r >= ' ' && r <= '~':
			out = append(out, byte(r))
		case r > 0xffff:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04X\u%04X`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
		default:
			out = fmt.Appendf(out, `\u%04X`, r)
		}
	}
	return slices.Clip(out)
}
