package solve

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/tonistiigi/go-csvvalue"

	"github.com/slipway-build/slipway/agent/solve/contextfs"
	"github.com/slipway-build/slipway/internal/suggest"
)

// MissingSourceError is a file that an instruction takes and that is not where it
// takes it from. The Dockerfile's lines are those of the error it wraps.
type MissingSourceError struct {
	// Instruction is its first word, "COPY".
	Instruction string
	// Path is the file: relative to a context, absolute in a stage or an image.
	Path string
	// From says where it is taken from, "the build context .".
	From string

	hints []string
	err   error
}

// Error implements error.
func (e *MissingSourceError) Error() string {
	return fmt.Sprintf("%s %s: not in %s", e.Instruction, e.Path, e.From)
}

func (e *MissingSourceError) reason() string { return e.Path + " is not in " + e.From }

// Unwrap returns the error of the solve.
func (e *MissingSourceError) Unwrap() error { return e.err }

// Hints says what to do about the error.
func (e *MissingSourceError) Hints() []string { return e.hints }

// notFound is BuildKit's message about a file that an instruction takes.
var notFound = regexp.MustCompile(`failed to calculate checksum of ref \S+: "(/[^"]*)": not found$`)

// explainSource explains an instruction whose source is missing.
func explainSource(err error, r Request, in inputs) error {
	missing := notFound.FindStringSubmatch(err.Error())
	if missing == nil {
		return err
	}
	node := failedInstruction(err)
	if node == nil {
		return err
	}
	name := strings.TrimPrefix(path.Clean(missing[1]), "/")
	e := &MissingSourceError{Instruction: strings.ToUpper(node.Value), Path: name, err: err}
	from := sourceOf(node, name)
	switch dir, mount := contextDir(in, from); {
	case from == "":
		e.From = "the build context " + r.Context
		if r.Context == "-" {
			e.From = "the build context on standard input"
		}
		e.hints = missingHints(node, name, dir, ignoreFiles(in, dir, true))
	case mount != "":
		e.From = "--build-context " + from
		e.hints = missingHints(node, name, dir, ignoreFiles(in, dir, false))
	default:
		e.Path, e.From = "/"+name, "the files of "+from
		e.hints = []string{"paths are those of the stage or image from its root, whatever its WORKDIR is"}
	}
	return e
}

// failedInstruction is the instruction of the Dockerfile that an error is about; nil
// where it is not known.
func failedInstruction(err error) *parser.Node {
	for _, source := range errdefs.Sources(err) {
		if source.Info == nil || len(source.Ranges) == 0 || source.Ranges[0].Start == nil {
			continue
		}
		parsed, err := parser.Parse(bytes.NewReader(source.Info.Data))
		if err != nil {
			continue
		}
		line := int(source.Ranges[0].Start.Line)
		i := slices.IndexFunc(parsed.AST.Children, func(n *parser.Node) bool { return n.StartLine <= line && line <= n.EndLine })
		if i >= 0 {
			return parsed.AST.Children[i]
		}
	}
	return nil
}

// sourceOf is where an instruction takes a file from: a stage, an image or a named
// context; empty for the build context.
func sourceOf(node *parser.Node, name string) string {
	for _, flag := range node.Flags {
		if from, ok := strings.CutPrefix(flag, "--from="); ok {
			return from
		}
		mount, ok := strings.CutPrefix(flag, "--mount=")
		if !ok {
			continue
		}
		fields, err := csvvalue.Fields(mount, nil)
		if err != nil {
			continue
		}
		from, ofMount := "", false
		for _, field := range fields {
			key, value, _ := strings.Cut(field, "=")
			switch strings.ToLower(key) {
			case "from":
				from = value
			case "source", "src":
				ofMount = strings.Trim(path.Clean("/"+value), "/") == name
			}
		}
		if ofMount {
			return from
		}
	}
	return ""
}

// contextDir is the directory on the agent that files are taken from, and the name
// by which the daemon asks for it; empty where it is not on the agent.
func contextDir(in inputs, from string) (dir, mount string) {
	mount = mountContext
	if from != "" {
		local, ok := strings.CutPrefix(in.Attrs["context:"+from], "local:")
		if !ok {
			return "", ""
		}
		mount = local
	}
	return in.Mounts[mount], mount
}

// ignoreFiles are the ignore files of a directory, of which the first that exists
// counts. The main context's may lie beside the Dockerfile, under its name.
func ignoreFiles(in inputs, dir string, main bool) []string {
	var files []string
	if beside, name := in.dockerfile(); main && beside != "" {
		files = append(files, filepath.Join(beside, name+contextfs.IgnoreFile))
	}
	return append(files, filepath.Join(dir, contextfs.IgnoreFile))
}

// maxSearched is how many files are looked at for one of the same name elsewhere.
const maxSearched = 20_000

// maxNear is how many names are proposed.
const maxNear = 3

// missingHints says why a file is not in a directory: it lies outside, it is
// excluded, it is called otherwise or lies elsewhere. Without a directory, which is
// a context that only the builder has, nothing is known.
func missingHints(node *parser.Node, name, dir string, ignore []string) []string {
	for _, word := range sourceWords(node) {
		if clean := path.Clean(word); clean == ".." || strings.HasPrefix(clean, "../") {
			return []string{"files outside of the context cannot be reached by ../: give their directory a name, --build-context NAME=DIR, and take them by --from=NAME, or build with the directory above as the context and name the Dockerfile with --file"}
		}
	}
	if dir == "" {
		return nil
	}
	root, err := os.OpenRoot(dir) // no link leads out of it
	if err != nil {
		return nil
	}
	defer closeQuietly(root)
	files := root.FS()
	if _, err := fs.Lstat(files, name); err == nil {
		for _, file := range ignore {
			if _, err := os.Stat(file); err != nil {
				continue
			}
			if rule, found := contextfs.Excludes(file, name); found {
				return []string{fmt.Sprintf("%s line %d excludes it: %s; if the build needs it, add a line !%s below", filepath.Base(file), rule.Line, rule.Pattern, name)}
			}
			break
		}
		return nil
	}
	near := append(nearNames(files, name), sameName(files, name)...)
	near = slices.Compact(near[:min(maxNear, len(near))])
	hints := []string{"paths are relative to the context, wherever the Dockerfile lies"}
	if len(near) > 0 {
		hints = append([]string{"did you mean " + strings.Join(near, ", ") + "?"}, hints...)
	}
	return hints
}

// sourceWords are the words of an instruction that name sources: all but the last of
// COPY and ADD, which is the destination. The words of other instructions are none.
func sourceWords(node *parser.Node) []string {
	if !slices.Contains([]string{"copy", "add"}, strings.ToLower(node.Value)) {
		return nil
	}
	var words []string
	for word := node.Next; word != nil && word.Next != nil; word = word.Next {
		words = append(words, word.Value)
	}
	return words
}

// nearNames are names like that of a missing file, in the deepest of its directories
// that exists.
func nearNames(files fs.FS, name string) []string {
	parts := strings.Split(name, "/")
	dir := "."
	for len(parts) > 1 {
		next := path.Join(dir, parts[0])
		if info, err := fs.Stat(files, next); err != nil || !info.IsDir() {
			break
		}
		dir, parts = next, parts[1:]
	}
	entries, err := fs.ReadDir(files, dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, entry := range entries[:min(maxSearched, len(entries))] {
		names = append(names, entry.Name())
	}
	var near []string
	for _, found := range suggest.Near(parts[0], names, maxNear) {
		whole := path.Join(append([]string{dir, found}, parts[1:]...)...)
		if _, err := fs.Lstat(files, whole); err == nil {
			near = append(near, whole)
		}
	}
	return near
}

// sameName are files of the same name elsewhere.
func sameName(files fs.FS, name string) []string {
	var found []string
	seen := 0
	_ = fs.WalkDir(files, ".", func(at string, entry fs.DirEntry, err error) error {
		seen++
		switch {
		case seen > maxSearched || len(found) == maxNear:
			return fs.SkipAll
		case err != nil:
			return fs.SkipDir
		case entry.IsDir() && slices.Contains([]string{".git", "node_modules"}, entry.Name()):
			return fs.SkipDir
		case entry.Name() == path.Base(name):
			found = append(found, at)
		}
		return nil
	})
	return found
}
