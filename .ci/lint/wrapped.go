package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"go/token"
	"os"
	"regexp"

	"github.com/golangci/misspell"
	"github.com/kisielk/errcheck/errcheck"
	revive "github.com/mgechev/revive/lint"
	"github.com/mgechev/revive/rule"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/buildssa"
	"golang.org/x/tools/go/packages"
	"golang.org/x/tools/imports"
	"honnef.co/go/tools/unused"
	"mvdan.cc/unparam/check"
)

// loaded is the package of a pass in the form that older linters take.
func loaded(pass *analysis.Pass) *packages.Package {
	return &packages.Package{PkgPath: pass.Pkg.Path(), Fset: pass.Fset, Syntax: pass.Files, Types: pass.Pkg, TypesInfo: pass.TypesInfo}
}

// unchecked are functions whose errors may be dropped: they print to standard
// streams or close what was only read.
var unchecked = regexp.MustCompile(`^((os\.)?[Ss]td(out|err)\..*|.*Close|.*Flush|os\.Remove(All)?|.*[Pp]rint(f|ln)?|os\.(Un)?[Ss]etenv)$`)

// neverFail are functions whose errors are nil, or come back from another one.
var neverFail = []string{
	"fmt.Fprintf(*strings.Builder)",
	"fmt.Fprint(*strings.Builder)",
	"fmt.Fprintln(*text/tabwriter.Writer)", // from Flush
	"fmt.Fprintf(*text/tabwriter.Writer)",
}

var errorReturns = &analysis.Analyzer{
	Name: "errcheck",
	Doc:  "reports errors that are dropped, those of type assertions as well",
	Run: func(pass *analysis.Pass) (any, error) {
		if !ours(pass) {
			return nil, nil
		}
		checker := errcheck.Checker{Exclusions: errcheck.Exclusions{
			BlankAssignments: true,
			Symbols:          append(neverFail, errcheck.DefaultExcludedSymbols...),
		}}
		for _, e := range checker.CheckPackage(loaded(pass)).Unique().UncheckedErrors {
			if name := e.SelectorName; !unchecked.MatchString(name) {
				report(pass, e.Pos, "%s is not checked", cmp.Or(e.FuncName, "the result of a type assertion"))
			}
		}
		return nil, nil
	},
}

var parameters = &analysis.Analyzer{
	Name:     "unparam",
	Doc:      "reports parameters and results that never differ",
	Requires: []*analysis.Analyzer{buildssa.Analyzer},
	Run: func(pass *analysis.Pass) (any, error) {
		if !ours(pass) {
			return nil, nil
		}
		c := &check.Checker{}
		c.Packages([]*packages.Package{loaded(pass)})
		built, ok := pass.ResultOf[buildssa.Analyzer].(*buildssa.SSA)
		if !ok {
			return nil, errors.New("there is no SSA form of the package")
		}
		c.ProgramSSA(built.Pkg.Prog)
		issues, err := c.Check()
		if err != nil {
			return nil, err
		}
		for _, i := range issues {
			pass.Reportf(i.Pos(), "%s", i.Message())
		}
		return nil, nil
	},
}

var unusedCode = &analysis.Analyzer{
	Name:     "unused",
	Doc:      "reports code that nothing uses",
	Requires: []*analysis.Analyzer{unused.Analyzer.Analyzer},
	Run: func(pass *analysis.Pass) (any, error) {
		if !ours(pass) {
			return nil, nil
		}
		found, ok := pass.ResultOf[unused.Analyzer.Analyzer].(unused.Result)
		if !ok {
			return nil, errors.New("there is no result of unused")
		}
		used := map[token.Position]bool{}
		for _, o := range found.Used {
			used[o.Position] = true
		}
		for _, o := range found.Unused {
			if !used[o.Position] {
				report(pass, o.Position, "%s %s is unused", o.Kind, o.Name)
			}
		}
		return nil, nil
	},
}

var comments = &analysis.Analyzer{
	Name: "revive",
	Doc:  "reports missing doc comments, and how errors and contexts are passed",
	Run: func(pass *analysis.Pass) (any, error) {
		if !ours(pass) {
			return nil, nil
		}
		rules := []revive.Rule{&rule.ExportedRule{}, &rule.PackageCommentsRule{}, &rule.ErrorStringsRule{}, &rule.ContextAsArgumentRule{}}
		settings := revive.RulesConfig{}
		for _, r := range rules {
			settings[r.Name()] = revive.RuleConfig{}
			if configurable, ok := r.(revive.ConfigurableRule); ok {
				if err := configurable.Configure(nil); err != nil {
					return nil, err
				}
			}
		}
		linter := revive.New(os.ReadFile, 64)
		failures, err := linter.Lint([][]string{files(pass)}, rules, revive.Config{Confidence: 0.8, Rules: settings})
		if err != nil {
			return nil, err
		}
		for f := range failures {
			if f.Confidence >= 0.8 {
				report(pass, f.Position.Start, "%s: %s", f.RuleName, f.Failure)
			}
		}
		return nil, nil
	},
}

var spelling = &analysis.Analyzer{
	Name: "misspell",
	Doc:  "reports words that are often misspelled",
	Run: func(pass *analysis.Pass) (any, error) {
		return nil, eachSource(pass, func(name string, text []byte) error {
			replacer := misspell.New()
			replacer.Compile()
			_, found := replacer.ReplaceGo(string(text))
			for _, d := range found {
				report(pass, token.Position{Filename: name, Line: d.Line}, "%q is a misspelling of %q", d.Original, d.Corrected)
			}
			return nil
		})
	},
}

var format = &analysis.Analyzer{
	Name: "goimports",
	Doc:  "reports files that gofmt or goimports would change",
	Run: func(pass *analysis.Pass) (any, error) {
		imports.LocalPrefix = module
		return nil, eachSource(pass, func(name string, text []byte) error {
			formatted, err := imports.Process(name, text, &imports.Options{FormatOnly: true, Comments: true, TabIndent: true, TabWidth: 8})
			if err != nil {
				return err
			}
			if !bytes.Equal(formatted, text) {
				report(pass, token.Position{Filename: name, Line: 1}, "is not as goimports formats it: run go run golang.org/x/tools/cmd/goimports -local %s -w", module)
			}
			return nil
		})
	},
}

// files are the names of the pass's files as they are on disk; those that the
// go command made are left out.
func files(pass *analysis.Pass) []string {
	var names []string
	for _, f := range pass.Files {
		tokens := pass.Fset.File(f.FileStart)
		if tokens != nil && tokens.Name() == pass.Fset.Position(f.FileStart).Filename {
			names = append(names, tokens.Name())
		}
	}
	return names
}

func eachSource(pass *analysis.Pass, look func(name string, text []byte) error) error {
	if !ours(pass) {
		return nil
	}
	for _, name := range files(pass) {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := look(name, text); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// report reports at a position of a linter that has no token.Pos.
func report(pass *analysis.Pass, at token.Position, format string, args ...any) {
	for _, f := range pass.Files {
		tokens := pass.Fset.File(f.FileStart)
		if tokens != nil && tokens.Name() == at.Filename && at.Line >= 1 && at.Line <= tokens.LineCount() {
			pass.Reportf(tokens.LineStart(at.Line), format, args...)
			return
		}
	}
	pass.Reportf(pass.Files[0].FileStart, "%s: "+format, append([]any{at}, args...)...)
}
