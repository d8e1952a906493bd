package solve

import (
	"bytes"
	"regexp"
	"slices"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

// steps are what the progress of a solve says of its steps, as far as it explains
// why one failed. What is kept is bounded by feedLimit, which it passes first.
type steps struct {
	known map[digest.Digest]step
}

type step struct {
	name   string
	inputs []digest.Digest
	// notExecutable says that the kernel did not take the step's program for one:
	// it is of another architecture.
	notExecutable bool
	// unfinished are the beginnings of the lines that its streams have not ended yet.
	unfinished [lastStream + 1][]byte
}

const (
	// lastStream is the number of a step's last stream, standard error.
	lastStream = 2
	// maxUnfinished bounds what is kept of a line, in bytes: the path of a program.
	maxUnfinished = 1 << 10
)

// notExecutable is what runc prints when the program of a step is not for the
// machine. A program that the step's own shell cannot start reads otherwise.
var notExecutable = regexp.MustCompile(`(?m)^exec \S+: exec format error\r?$`)

// note takes an increment of the progress.
func (s *steps) note(status *client.SolveStatus) {
	if s.known == nil {
		s.known = map[digest.Digest]step{}
	}
	for _, v := range status.Vertexes {
		of := s.known[v.Digest]
		of.name, of.inputs = v.Name, v.Inputs
		s.known[v.Digest] = of
	}
	for _, l := range status.Logs {
		if of, ok := s.known[l.Vertex]; ok && !of.notExecutable {
			of.read(l)
			s.known[l.Vertex] = of
		}
	}
}

// read takes a piece of the step's output, which may begin and end anywhere in a line.
func (of *step) read(l *client.VertexLog) {
	line := &of.unfinished[min(max(l.Stream, 0), lastStream)]
	text := l.Data
	if len(*line) > 0 {
		text = slices.Concat(*line, l.Data)
	}
	of.notExecutable = bytes.Contains(text, []byte("exec format error")) && notExecutable.Match(text)
	rest := text[bytes.LastIndexByte(text, '\n')+1:]
	*line = slices.Clone(rest[:min(len(rest), maxUnfinished)])
}

// platformPrefix is how the Dockerfile frontend begins the names of steps of builds
// for several platforms: "[linux/arm64 build 2/3] …", and "[linux/amd64->arm64 …"
// for a step that runs on one platform for another.
var platformPrefix = regexp.MustCompile(`^\[([a-z0-9.]+/[a-z0-9]+(?:/[a-z0-9.]+)?)(?:->\S+)? `)

// platform is the name of the platform that a step runs on; empty where it is not
// known. A step says so itself or those do that it builds on: the frontend leaves
// the platform out in stages from scratch, but for the first step.
func (s *steps) platform(of digest.Digest) string {
	seen := map[digest.Digest]bool{}
	for queue := []digest.Digest{of}; len(queue) > 0; queue = queue[1:] {
		at, ok := s.known[queue[0]]
		if !ok || seen[queue[0]] {
			continue
		}
		seen[queue[0]] = true
		if found := platformPrefix.FindStringSubmatch(at.name); found != nil {
			return found[1]
		}
		if len(at.inputs) > 0 { // the first is what the step's files are
			queue = append(queue, at.inputs[0])
		}
	}
	return ""
}
