package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/internal/variables"
)

// TestVariablesHaveOneReader finds variables that are read twice: by two
// fields, or by a flag and by the environment of other tools.
func TestVariablesHaveOneReader(t *testing.T) {
	flags := map[string]bool{}
	for _, list := range variablesOf(reflect.TypeFor[cli](), nil) {
		for name := range strings.SplitSeq(list, ",") {
			flags[name] = true
		}
	}
	if !flags["SLIPWAY_BUILDER"] {
		t.Fatal("the flags' variables are not found")
	}
	seen := map[string]bool{}
	for _, name := range variablesOf(reflect.TypeFor[environment](), nil) {
		if flags[name] {
			t.Errorf("%s is read by a flag and by the environment", name)
		}
		if seen[name] {
			t.Errorf("%s is read by two fields of the environment", name)
		}
		seen[name] = true
	}
	if !seen["CI_REGISTRY"] || !seen["HOME"] {
		t.Fatal("the environment's variables are not found")
	}
}

// variablesOf are the values of the tags env in a struct and those within it.
func variablesOf(t reflect.Type, all []string) []string {
	for field := range t.Fields() {
		if name := field.Tag.Get("env"); name != "" {
			all = append(all, name)
		} else if field.Type.Kind() == reflect.Struct {
			all = variablesOf(field.Type, all)
		}
	}
	return all
}

// notRead are names in the sources that look like variables of other tools and
// are none that Slipway reads: build arguments and keys of BuildKit.
var notRead = map[string]bool{
	"BUILDKIT_ATTEST_PROVENANCE": true, "BUILDKIT_INLINE_CACHE": true, "BUILDKIT_MULTI_PLATFORM": true,
	"BUILDKIT_SYNTAX": true, "FTP_PROXY": true,
	"IMAGE_DIGEST": true, "IMAGE_URL": true, // results of Tekton
}

// TestVariablesOfOtherToolsAreKnown compares the table of package variables with
// the names in the sources: tags of fields, and literals.
func TestVariablesOfOtherToolsAreKnown(t *testing.T) {
	read := map[string]bool{"TMPDIR": true, "KUBECONFIG": true, "HOME": true} // those that the standard library reads too
	look := func(file *ast.File) {
		name := regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$`)
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Field:
				if n.Tag != nil {
					tag, _ := strconv.Unquote(n.Tag.Value)
					for name := range strings.SplitSeq(reflect.StructTag(tag).Get("env"), ",") {
						read[name] = true
					}
				}
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); n.Kind == token.STRING && err == nil && name.MatchString(text) {
					read[text] = true
				}
			}
			return true
		})
	}
	for path, file := range sourcesBelowCmd(t) {
		if !strings.HasPrefix(path, "internal/variables/") && !servesTests(filepath.ToSlash(filepath.Dir(path))) {
			look(file.syntax)
		}
	}
	own, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range own {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		look(file)
	}
	for name := range read {
		if _, known := variables.Named(name); !known && name != "" && !notRead[name] && !strings.HasPrefix(name, "SLIPWAY_") {
			t.Errorf("%s is read, and package variables does not know it", name)
		}
	}
	for _, v := range variables.All {
		if !read[v.Name] {
			t.Errorf("package variables knows %s, which nothing reads", v.Name)
		}
	}
}
