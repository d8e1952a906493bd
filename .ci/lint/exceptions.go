package main

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// An exception names its linters and its reason:
//
//	//nolint:unused,errcheck // why
//
// It holds for its own line.
var exception = regexp.MustCompile(`^//nolint:([a-zA-Z0-9_,]+) // \S`)

// exceptions reports those without a name or a reason.
var exceptions = &analysis.Analyzer{
	Name: "nolintlint",
	Doc:  "reports exceptions that name no linter or no reason",
	Run: func(pass *analysis.Pass) (any, error) {
		if !ours(pass) {
			return nil, nil
		}
		for _, f := range pass.Files {
			eachComment(f, func(c *ast.Comment) {
				if strings.HasPrefix(strings.TrimLeft(c.Text, "/ "), "nolint") && !exception.MatchString(c.Text) {
					pass.Reportf(c.Pos(), "an exception has the form //nolint:LINTER // REASON")
				}
			})
		}
		return nil, nil
	},
}

func eachComment(f *ast.File, do func(*ast.Comment)) {
	for _, group := range f.Comments {
		for _, c := range group.List {
			do(c)
		}
	}
}

// excuse makes an analyzer honour the exceptions that name it; those of
// staticcheck's family are also named by "staticcheck".
func excuse(a *analysis.Analyzer) {
	run := a.Run
	a.Run = func(pass *analysis.Pass) (any, error) {
		lines := excused(pass, a.Name)
		if len(lines) == 0 {
			return run(pass)
		}
		quiet := *pass
		quiet.Report = func(d analysis.Diagnostic) {
			if !lines[lineOf(pass.Fset, d.Pos)] {
				pass.Report(d)
			}
		}
		return run(&quiet)
	}
}

// line is one of a file.
type line struct {
	file string
	n    int
}

func lineOf(files *token.FileSet, pos token.Pos) line {
	at := files.Position(pos)
	return line{at.Filename, at.Line}
}

// excused are the lines on which the linter's reports are excepted.
func excused(pass *analysis.Pass, name string) map[line]bool {
	lines := map[line]bool{}
	for _, f := range pass.Files {
		eachComment(f, func(c *ast.Comment) {
			found := exception.FindStringSubmatch(c.Text)
			if found == nil {
				return
			}
			named := strings.Split(found[1], ",")
			if slices.Contains(named, name) || slices.Contains(named, "staticcheck") && len(name) > 2 && strings.HasPrefix(name, "S") {
				lines[lineOf(pass.Fset, c.Pos())] = true
			}
		})
	}
	return lines
}
