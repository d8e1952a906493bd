package solve

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/suggest"
)

// maxStages is how many stages a message lists.
const maxStages = 20

// checkTarget finds a target that the Dockerfile does not have, if that is on the
// agent and Docker's frontend reads it: another one may make targets of anything.
func checkTarget(r Request, in inputs) *fault.Usage {
	if r.Target == "" || !utf8.ValidString(r.Target) {
		return nil
	}
	names, count, known := readStages(r, in)
	if !known {
		return nil // the builder says what is wrong with it, and where
	}
	if slices.Contains(names, strings.ToLower(r.Target)) {
		return nil
	}
	if n, err := strconv.Atoi(r.Target); err == nil && n >= 0 && n < count {
		return nil
	}
	return &fault.Usage{Flag: "--target", Value: r.Target, Problem: "the Dockerfile has no such stage", Hint: stagesHint(r.Target, names)}
}

// readStages are the names of the Dockerfile's stages and how many stages there are,
// as stagesOf has them. They are not known where it is not on the agent, cannot be
// parsed, or is for another frontend than Docker's.
func readStages(r Request, in inputs) (names []string, count int, known bool) {
	dir, name := in.dockerfile()
	if dir == "" {
		return nil, 0, false
	}
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, 0, false // found and reported already
	}
	syntax, _, _, _ := parser.DetectSyntax(data)
	if given := r.BuildArgs[argSyntax]; given != "" {
		syntax = given
	}
	if ref, _, _ := strings.Cut(strings.TrimSpace(syntax), " "); ref != "" && !isDockerfileFrontend(ref) {
		return nil, 0, false
	}
	names, count, err = stagesOf(data)
	return names, count, err == nil && count > 0
}

// stagesOf are the names of a Dockerfile's stages, in lower case as the frontend
// compares them, and how many stages there are.
func stagesOf(data []byte) (names []string, count int, err error) {
	parsed, err := parser.Parse(bytes.NewReader(data))
	if err != nil {
		return nil, 0, err
	}
	for _, node := range parsed.AST.Children {
		if !strings.EqualFold(node.Value, "from") || node.Next == nil {
			continue
		}
		count++
		if as := node.Next.Next; as != nil && strings.EqualFold(as.Value, "as") && as.Next != nil {
			names = append(names, strings.ToLower(as.Next.Value))
		}
	}
	return names, count, nil
}

func stagesHint(target string, names []string) string {
	if len(names) == 0 {
		return "its stages have no names: FROM IMAGE AS NAME gives one"
	}
	list := "its stages are " + strings.Join(names[:min(maxStages, len(names))], ", ")
	if more := len(names) - maxStages; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	if near := suggest.Nearest(target, names); near != "" {
		return fmt.Sprintf("did you mean %q? %s", near, list)
	}
	return list
}
