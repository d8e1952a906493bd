package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
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
	"BAKE_CMD_CONTEXT": true, "BAKE_LOCAL_PLATFORM": true, // variables of bake files
	"PUSH_PROMISE": true,                    // a frame of HTTP/2
	"IMAGE_DIGEST": true, "IMAGE_URL": true, // results of Tekton
}

// TestVariablesOfOtherToolsAreKnown compares the table of package variables with
// the names in the sources, and with those that libraries read.
func TestVariablesOfOtherToolsAreKnown(t *testing.T) {
	read := readBySources(t)
	for name := range read {
		if _, known := variables.Named(name); !known && name != "" && !notRead[name] && !strings.HasPrefix(name, "SLIPWAY_") {
			t.Errorf("%s is read, and package variables does not know it", name)
		}
	}
	libraries := readByLibraries(t)
	used := map[string]bool{}
	for name, by := range libraries {
		if strings.HasSuffix(name, "_proxy") { // the row of the name in capitals says so
			name = strings.ToUpper(name)
		}
		_, known := variables.Named(name)
		i := slices.IndexFunc(unlisted, func(u unlistedVariables) bool { return u.has(name) })
		switch {
		case known && i >= 0:
			t.Errorf("package variables knows %s, which is said not to be listed: %s", name, unlisted[i].why)
		case i >= 0:
			used[unlisted[i].why] = true
		case !known:
			t.Errorf("%s reads %s, which package variables does not know", by, name)
		}
	}
	for _, u := range unlisted {
		if !used[u.why] {
			t.Errorf("no library reads %s any more", u.names)
		}
	}
	for _, v := range variables.All {
		if !read[v.Name] && libraries[v.Name] == "" {
			t.Errorf("package variables knows %s, which nothing reads", v.Name)
		}
	}
}

// readBySources are the names in the sources: tags of fields, and literals.
func readBySources(t *testing.T) map[string]bool {
	t.Helper()
	read := map[string]bool{}
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
	translated, err := filepath.Glob("kaniko/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(own, translated...) {
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
	return read
}

// unlistedVariables are variables that libraries read and users need not know.
type unlistedVariables struct {
	// names may end in *.
	names []string
	why   string
}

func (u unlistedVariables) has(name string) bool {
	return slices.ContainsFunc(u.names, func(one string) bool {
		prefix, any := strings.CutSuffix(one, "*")
		return name == one || any && strings.HasPrefix(name, prefix)
	})
}

var unlisted = []unlistedVariables{
	{[]string{"GOTRACEBACK", "GOROOT", "ZONEINFO", "DEBUG_HTTP2_GOROUTINES", "GOPROTODEBUG", "GOLANG_PROTOBUF_REGISTRATION_CONFLICT", "GOPATH"}, "for developers of Go programs"},
	{[]string{"home", "LocalAppData", "AppData", "HOMEDRIVE", "HOMEPATH", "USERPROFILE", "SYSTEMROOT"}, "of other systems"},
	{[]string{"LOCALDOMAIN", "RES_OPTIONS", "HOSTALIASES", "ASR_CONFIG"}, "they choose the resolver of the C library, which is not in the binary"},
	{[]string{"REQUEST_METHOD"}, "for CGI programs"},
	{[]string{"PWD", "USER"}, "the system says the same"},
	{[]string{"CLICOLOR", "CLICOLOR_FORCE"}, "of a logger whose lines are not printed as they are"},
	{[]string{"GRPC_*"}, "for developers of gRPC programs"},
	{[]string{"OTEL_*"}, "nothing is traced"},
	{[]string{"ALL_PROXY", "all_proxy"}, "of a proxy that nothing asks for"},
	{[]string{"KUBERNETES_MASTER", "POD_NAMESPACE"}, "of a kubeconfig that nobody gave; kube.Access finds the API server"},
	{[]string{"KUBE_*"}, "for developers of clients of Kubernetes"},
	{[]string{"CONTAINERD_*"}, "of containerd itself"},
	{[]string{"BUILDKIT_DEBUG_PANIC_ON_ERROR", "BUILDKIT_SESSION_ID", "BUILDKIT_WORKERS", "BUILDKIT_EXPORTEDPRODUCT", "XDG_DATA_HOME"}, "of buildkitd and of frontends"},
	{[]string{"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "SUDO_UID"}, "of BuildKit's own git, which the agent does not run"},
	{[]string{"SHELL"}, "of compose files' commands, which are not run"},
	{[]string{"DEBUG"}, "of SPDY, which prints frames"},
}

// readsByArgument are the names in calls whose argument is no constant, by package:
// who looks at the call says here which names it can have.
var readsByArgument = map[string][]string{
	"internal/testlog": nil,
	"github.com/containerd/containerd/v2/pkg/archive/compression": {"CONTAINERD_DISABLE_*"},
	"os":                                                       nil, // passes on
	"golang.org/x/sys/unix":                                    nil,
	"github.com/alecthomas/kong":                               nil, // flags of Slipway
	"github.com/sethvargo/go-envconfig":                        nil,
	"vendor/golang.org/x/net/http/httpproxy":                   {"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"},
	"golang.org/x/net/proxy":                                   {"ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"},
	"google.golang.org/grpc/internal/envconfig":                {"GRPC_*"},
	"go.opentelemetry.io/otel/trace":                           {"OTEL_*"},
	"go.opentelemetry.io/auto/sdk":                             {"OTEL_*"},
	"go.opentelemetry.io/otel/sdk/internal/x":                  {"OTEL_*"},
	"go.opentelemetry.io/otel/sdk/trace/internal/env":          {"OTEL_*"},
	"github.com/moby/buildkit/util/gitutil":                    {"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "SUDO_UID", "HOME", "XDG_CONFIG_HOME", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"},
	"github.com/moby/buildkit/session/secrets/secretsprovider": nil, // what --secret names
	"k8s.io/client-go/features":                                {"KUBE_FEATURE_*"},
	"k8s.io/client-go/tools/clientcmd":                         nil, // KUBECONFIG, which has a constant, too
}

// readByLibraries are the variables that the packages in the binary read which are
// not of this module, each with one of the packages.
func readByLibraries(t *testing.T) map[string]string {
	t.Helper()
	packages := listPackages(t)
	all := map[string]string{}
	var dynamic []string
	seen := map[string]bool{}
	for queue := []string{module + "/cmd/slipway"}; len(queue) > 0; queue = queue[1:] {
		p := packages[queue[0]]
		for _, imported := range p.Imports {
			if !seen[imported] {
				seen[imported] = true
				queue = append(queue, imported)
			}
		}
		if p.own() {
			continue
		}
		names, unknown := variablesIn(t, p)
		for _, name := range names {
			all[name] = p.ImportPath
		}
		if unknown {
			dynamic = append(dynamic, p.ImportPath)
		}
	}
	for _, path := range dynamic {
		names, known := readsByArgument[path]
		if !known {
			t.Errorf("%s reads variables whose names are no constants: say which in readsByArgument", path)
		}
		for _, name := range names {
			all[name] = path
		}
	}
	for path := range readsByArgument {
		if !slices.Contains(dynamic, path) {
			t.Errorf("%s reads no variables by an argument any more", path)
		}
	}
	return all
}

// variablesIn are the constants that a package passes to Getenv and its like; unknown
// is true where it passes something else as well.
func variablesIn(t *testing.T, p listed) (names []string, unknown bool) {
	t.Helper()
	var files []*ast.File
	reads := false
	constants := map[string]string{}
	for _, name := range p.GoFiles {
		text, err := os.ReadFile(filepath.Join(p.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		reads = reads || bytes.Contains(text, []byte("etenv(")) || bytes.Contains(text, []byte("LookupEnv("))
	}
	if !reads {
		return nil, false
	}
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok {
				for i, value := range spec.Values {
					if text, ok := literal(value); ok && i < len(spec.Names) {
						constants[spec.Names[i].Name] = text
					}
				}
			}
			return true
		})
	}
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 1 || !slices.Contains([]string{"Getenv", "LookupEnv", "gogetenv"}, lastName(call.Fun)) {
				return true
			}
			name, ok := literal(call.Args[0])
			if !ok {
				name, ok = constants[lastName(call.Args[0])]
			}
			if ok {
				names = append(names, name)
			}
			unknown = unknown || !ok
			return true
		})
	}
	return names, unknown
}

// lastName is f of f and of p.f.
func lastName(of ast.Expr) string {
	switch of := of.(type) {
	case *ast.Ident:
		return of.Name
	case *ast.SelectorExpr:
		return of.Sel.Name
	}
	return ""
}

// literal is the text of a literal.
func literal(of ast.Expr) (string, bool) {
	lit, ok := of.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}
