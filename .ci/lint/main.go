// Command lint is every linter of this repository as one vet tool:
//
//	go vet -vettool=PATH ./...
//
// The go command keeps what it found in the build cache, so that only packages
// that have changed are looked at again, and one small program takes a fraction
// of the time that golangci-lint takes to compile.
package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/gordonklaus/ineffassign/pkg/ineffassign"
	"github.com/kkHAIKE/contextcheck"
	"github.com/polyfloyd/go-errorlint/errorlint"
	"github.com/timakin/bodyclose/passes/bodyclose"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/ctrlflow"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/analysis/unitchecker"
	"honnef.co/go/tools/analysis/lint"
	"honnef.co/go/tools/quickfix"
	"honnef.co/go/tools/simple"
	"honnef.co/go/tools/staticcheck"
	"honnef.co/go/tools/stylecheck"
)

// module is the prefix of this repository's packages.
const module = "github.com/slipway-build/slipway"

// skipped are staticcheck's checks that golangci-lint leaves out by default as
// well: comments and names that revive judges, or that are matters of taste.
var skipped = []string{"ST1000", "ST1003", "ST1016", "ST1020", "ST1021", "ST1022"}

func main() {
	all, err := analyzers()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	unitchecker.Main(all...)
}

// analyzers are the linters, each here for a fault that it has been seen to
// find.
func analyzers() ([]*analysis.Analyzer, error) {
	context := contextcheck.NewAnalyzer(contextcheck.Configuration{}) // a lost context is a build that cannot be cancelled
	context.Requires = append(context.Requires, ctrlflow.Analyzer, inspect.Analyzer)
	if err := context.Flags.Set("pkgprefix", module); err != nil {
		return nil, err
	}
	all := append(vetPasses(),
		context,
		bodyclose.Analyzer,      // a leaked response body is a leaked connection
		errorlint.NewAnalyzer(), // wrapped errors compared with == break silently
		ineffassign.Analyzer,
		errorReturns, // an ignored error is a lie to the user
		unusedCode,
		parameters, // a parameter nobody varies is a decision nobody made
		comments,   // doc comments on what is exported
		spelling,
		format,
		exceptions,
	)
	for _, set := range [][]*lint.Analyzer{staticcheck.Analyzers, simple.Analyzers, stylecheck.Analyzers, quickfix.Analyzers} {
		for _, a := range set {
			if !slices.Contains(skipped, a.Analyzer.Name) {
				all = append(all, a.Analyzer)
			}
		}
	}
	for _, a := range all {
		excuse(a)
	}
	return all, nil
}

// ours is true for packages of this repository: those of others are looked at
// for facts only.
func ours(pass *analysis.Pass) bool { return strings.HasPrefix(pass.Pkg.Path(), module) }
