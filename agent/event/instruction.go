package event

import "regexp"

// instruction matches the name of a step that is an instruction of a Dockerfile,
// such as "[linux/amd64 build 2/3] RUN make". FROM is none: it makes nothing.
var instruction = regexp.MustCompile(`^\[(?:[^\]]* )?\d+/\d+\] (FROM )?`)

// IsInstruction reports whether a step of this name is an instruction of a Dockerfile
// that makes something, which all but FROM do.
func IsInstruction(name string) bool {
	m := instruction.FindStringSubmatch(name)
	return m != nil && m[1] == ""
}
