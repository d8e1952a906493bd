package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/builders"
	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/doctor"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/cmd/slipway/authview"
	"github.com/slipway-build/slipway/cmd/slipway/cachetable"
	"github.com/slipway-build/slipway/cmd/slipway/checktable"
	"github.com/slipway-build/slipway/cmd/slipway/detailview"
	"github.com/slipway-build/slipway/cmd/slipway/lstable"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/sanitize"
	"github.com/slipway-build/slipway/internal/sanitize/sanitizetest"
	"github.com/slipway-build/slipway/registry"
)

// hostile is what somebody may give a name to who wants to take over a terminal
// or a CI job, or to make a row of a table that is none.
const hostile = "x\n::error::a\t##vso[b]\r--- c\x1b]52;c;eA==\a\x1b[2J\u202ed\nsection_start:1:e\r\x1b[0K"

// TestTablesHaveNoCommands prints hostile values wherever text is printed for
// people. Each may not begin a line, nor a cell of a table.
func TestTablesHaveNoCommands(t *testing.T) {
	now := time.Now()
	record := buildkit.CacheRecord{ID: hostile, Parents: []string{hostile}, Description: hostile, Type: hostile}
	caches := []builders.PodCache{{Node: hostile, Pod: hostile, Records: []buildkit.CacheRecord{record}}}
	node := builders.NodeDetails{
		NodeStatus: builders.NodeStatus{Name: hostile, Endpoint: hostile, Status: hostile, BuildKit: hostile, Platforms: []string{hostile}, Error: hostile, Reason: hostile, Drifted: true, Hints: []string{hostile}},
		DriverOpts: map[string]string{hostile: hostile},
		Labels:     map[string]string{hostile: hostile},
		Drift:      []string{hostile},
		Pods:       []builders.PodDetails{{Name: hostile, Status: hostile, Reason: hostile, ClusterNode: hostile}},
	}
	defined := configmap.Definition{Nodes: []configmap.Node{{Files: map[string][]byte{hostile: []byte(hostile)}}}}
	for name, print := range map[string]func(io.Writer) error{
		"ls": func(w io.Writer) error {
			return lstable.Print(w, []builders.Status{{Name: hostile, Driver: hostile, Nodes: []builders.NodeStatus{node.NodeStatus}}}, lstable.Style{})
		},
		"inspect": func(w io.Writer) error {
			return detailview.Print(w, builders.Details{Name: hostile, Driver: hostile, Nodes: []builders.NodeDetails{node}}, defined, now)
		},
		"du":         func(w io.Writer) error { return cachetable.Table(w, caches, true, now) },
		"du verbose": func(w io.Writer) error { return cachetable.Verbose(w, hostile, hostile, record, now) },
		"gc": func(w io.Writer) error {
			return (&gcCmd{}).print(w, []builders.Collected{{Namespace: hostile, Name: hostile, Reason: hostile, Kept: []string{hostile}}})
		},
		"doctor": func(w io.Writer) error {
			table := &checktable.Table{Out: w}
			table.Report(doctor.Check{Probe: "probe", About: hostile, Detail: hostile, Hints: []string{"do this:\nto: paste"}})
			return table.Err
		},
		"auth": func(w io.Writer) error {
			return authview.Print(w, []authview.Status{{
				Registry: hostile, Alike: []string{hostile},
				Findings: []registry.Finding{{Source: hostile, Username: hostile, Why: hostile}},
				Checks:   []authview.Check{{Action: hostile, Error: hostile}},
			}}, true, now)
		},
		"diagnostics": func(w io.Writer) error {
			log := newLogger(progress.NewTerminal(w, nil), w, &global{LogLevel: "info"}, "slipway")
			log.Warn().Str("field", hostile).AnErr(zerolog.ErrorFieldName, hinted{message: hostile}).Msg(hostile)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			gate := sanitize.NewWriter(&out)
			if err := print(gate); err != nil {
				t.Fatal(err)
			}
			if err := gate.Flush(); err != nil {
				t.Fatal(err)
			}
			for _, command := range sanitizetest.Commands(out.String()) {
				t.Error(command)
			}
			for line := range strings.Lines(out.String()) {
				indented := strings.TrimLeft(line, " ") != line
				if text := strings.TrimSpace(line); !indented && (strings.HasPrefix(text, ": :error") || strings.HasPrefix(text, "--- c")) {
					t.Errorf("a value begins the line %q", line)
				}
			}
			if !strings.Contains(out.String(), "error::a") {
				t.Errorf("what there is to read is lost: %q", out.String())
			}
		})
	}
}

// Secrets of a build are kept out of its log like credentials.
func TestSecretsOfABuildAreMasked(t *testing.T) {
	alone(t)
	mask := &progress.Mask{}
	in := &invocation{secrets: &secrets{mask: mask}, global: &global{}, env: environment{lookup: os.LookupEnv}, log: zerolog.Nop(), ctx: t.Context()}
	request, err := (&buildCmd{Context: "."}).request(in)
	if err != nil {
		t.Fatal(err)
	}
	request.OnSecret("s3cret-of-a-file\n")
	if got := mask.String("is s3cret-of-a-file"); got != "is ***" {
		t.Errorf("%q", got)
	}
}

// TestTextPassesTheGate holds that commands print values through package
// sanitize, and data past the gate: in.out is for people.
func TestTextPassesTheGate(t *testing.T) {
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	files := token.NewFileSet()
	formatted := false
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			where := files.Position(call.Pos())
			switch name := selector(call.Fun); {
			case name == "fmt.Fprintf" || name == "fmt.Fprint" || name == "fmt.Fprintln":
				formatted = true
				if selector(call.Args[0]) == "in.data" || unguarded[where.Filename] != "" {
					return true
				}
				for _, arg := range call.Args[1:] {
					if _, ok := arg.(*ast.BasicLit); !ok {
						t.Errorf("%s: %s prints a value: print it with package sanitize", where, name)
					}
				}
			case name == "json.NewEncoder" && strings.HasPrefix(selector(call.Args[0]), "in."):
				t.Errorf("%s: write JSON to in.output(formatJSON)", where)
			}
			return true
		})
	}
	if !formatted {
		t.Error("found nothing that prints")
	}
}

// unguarded are the files that print values of their own with package fmt.
var unguarded = map[string]string{
	"auth.go":       "lines of a table that is made of sanitized values",
	"du.go":         "rows that are made of sanitized values",
	"prune.go":      "the same rows",
	"signals.go":    "the name of a signal",
	"profile_on.go": "not in released binaries",
}

// selector is x.y of an expression, "" for any other.
func selector(e ast.Expr) string {
	if s, ok := e.(*ast.SelectorExpr); ok {
		if x, ok := s.X.(*ast.Ident); ok {
			return x.Name + "." + s.Sel.Name
		}
	}
	return ""
}
