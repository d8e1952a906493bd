package main

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/slipway-build/slipway"

// floors are the packages from the top of the house to the ground. A package
// imports packages of the floors below its own only, so none has an arrow back up
// and a stranger reads from the top down. What serves tests is on no floor.
var floors = [][]string{
	{"cmd/slipway"},
	{"cmd/slipway/authview", "cmd/slipway/baking", "cmd/slipway/buildref", "cmd/slipway/cachetable", "cmd/slipway/checktable", "cmd/slipway/detailview", "cmd/slipway/dockercli", "cmd/slipway/dockerimages", "cmd/slipway/dockerinfo", "cmd/slipway/historyview", "cmd/slipway/install", "cmd/slipway/jobbuilders", "cmd/slipway/kaniko", "cmd/slipway/lstable", "cmd/slipway/model", "cmd/slipway/process", "cmd/slipway/tagging"},
	{"agent"},
	{"agent/builders", "agent/doctor", "agent/report", "agent/sidecar"},
	{"agent/fleet"},
	{"agent/solve"},
	{"agent/solve/onfailure"},
	{"agent/solve/cache", "agent/solve/contextfs", "agent/solve/output", "agent/solve/session", "agent/solve/vcs"},
	{"agent/buildkit", "agent/ci", "agent/cluster", "agent/localdaemon", "agent/progress", "agent/solve/attr", "agent/solve/job", "agent/solve/layout"},
	{"agent/buildkit/status", "agent/ci/results", "agent/ci/tagrule"},
	{"agent/event"},
	{"agent/sidecar/enforce"},
	{"agent/sidecar/gateway", "agent/sidecar/relay"},
	{"agent/cluster/diff", "agent/cluster/judge", "agent/cluster/transport", "agent/sidecar/api", "agent/sidecar/audit", "agent/sidecar/metrics", "agent/sidecar/peer", "agent/sidecar/policy"},
	{"agent/cluster/manifest"},
	{"agent/cluster/kube", "agent/cluster/pki"},
	{"agent/cluster/rbac", "registry/imagetools"},
	{"registry/remote"},
	{"registry/imageindex"},
	{"configmap", "registry"},
	{"internal/color", "internal/heap", "internal/reference", "internal/source", "internal/table", "internal/target"},
	{"internal/fault"},
	{"bake", "internal/format", "internal/ociplatform", "internal/sanitize", "internal/variables"},
	{"internal/junit", "internal/suggest"},
}

// A package that is larger than this is not held in mind; tests do not count.
const (
	maxFiles = 50
	maxLines = 5500
)

// ownLimits are the lines of packages that are larger today, and are to become smaller. The
// command line has a file for each command, and what commands share is small.
var ownLimits = map[string]int{"cmd/slipway": 7000, "agent/solve": 5700}

// TestFloors tests that imports point down, that every package has its floor, and
// that none is too large.
func TestFloors(t *testing.T) {
	floorOf := map[string]int{}
	for i, floor := range floors {
		for _, name := range floor {
			floorOf[name] = i
		}
	}
	seen := 0
	for _, p := range listPackages(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		if !p.own() || servesTests(name) {
			continue
		}
		own, placed := floorOf[name]
		if !placed {
			t.Errorf("%s is on no floor of the house: put it into the list in house_test.go", name)
			continue
		}
		seen++
		for _, imported := range p.Imports {
			below, ours := strings.CutPrefix(imported, module+"/")
			if ours && floorOf[below] <= own {
				t.Errorf("%s imports %s, which is not on a floor below it", name, below)
			}
			if ours && servesTests(below) {
				t.Errorf("%s imports %s, which serves tests", name, below)
			}
		}
		lines := 0
		for _, file := range p.GoFiles {
			text, err := os.ReadFile(filepath.Join(p.Dir, file))
			if err != nil {
				t.Fatal(err)
			}
			lines += strings.Count(string(text), "\n")
		}
		limit := max(ownLimits[name], maxLines)
		if len(p.GoFiles) > maxFiles || lines > limit {
			t.Errorf("%s has %d files and %d lines, at most %d and %d are wanted", name, len(p.GoFiles), lines, maxFiles, limit)
		}
	}
	if seen != len(floorOf) {
		t.Errorf("the house has %d packages, and the list %d: drop those that are no more", seen, len(floorOf))
	}
}

// servesTests tells whether a package is named as one that only tests import.
func servesTests(name string) bool {
	return slices.ContainsFunc(strings.Split(name, "/"), func(part string) bool { return strings.HasSuffix(part, "test") })
}

// importRules say who may import what, directly, where the floors allow more.
var importRules = []struct {
	target string   // import path, or all below it when it ends in /...
	only   []string // packages of the module that may import it
	why    string
}{
	{module + "/cmd/slipway", nil, "the command line is the top of the house"},
	{module + "/cmd/slipway/authview", []string{"cmd/slipway"}, "a part of the command line"},
	{module + "/cmd/slipway/checktable", []string{"cmd/slipway"}, "a part of the command line"},
	{module + "/cmd/slipway/baking", []string{"cmd/slipway"}, "a part of the command line"},
	{module + "/bake", []string{"cmd/slipway", "cmd/slipway/baking"}, "bake files are known in cmd only; below it they are builds"},
	{"github.com/docker/buildx/...", []string{"bake"}, "files in HCL are evaluated in bake only"},
	{"github.com/compose-spec/compose-go/...", []string{"bake"}, "compose files are read in bake only"},
	{module + "/cmd/slipway/buildref", []string{"cmd/slipway"}, "a part of the command line"},
	{module + "/cmd/slipway/cachetable", []string{"cmd/slipway"}, "a part of the command line"},
	{module + "/cmd/slipway/detailview", []string{"cmd/slipway"}, "a part of the command line"},
	{module + "/cmd/slipway/dockercli", []string{"cmd/slipway"}, "a part of the command line"},
	{module + "/cmd/slipway/dockerimages", []string{"cmd/slipway"}, "a part of the command line"},
	{module + "/cmd/slipway/dockerinfo", []string{"cmd/slipway"}, "a part of the command line"},
	{module + "/cmd/slipway/historyview", []string{"cmd/slipway"}, "a part of the command line"},
	{module + "/cmd/slipway/install", []string{"cmd/slipway"}, "a part of the command line"},
	{"github.com/spf13/pflag", []string{"cmd/slipway/dockercli"}, "flags are parsed by kong, but for those of docker"},
	{module + "/cmd/slipway/jobbuilders", []string{"cmd/slipway"}, "a part of the command line"},
	{module + "/cmd/slipway/kaniko", []string{"cmd/slipway"}, "a part of the command line"},
	{module + "/cmd/slipway/lstable", []string{"cmd/slipway"}, "a part of the command line"},
	{module + "/cmd/slipway/model", []string{"cmd/slipway"}, "a part of the command line"},
	{module + "/cmd/slipway/process", []string{"cmd/slipway"}, "a part of the command line"},
	{module + "/agent", []string{"cmd/slipway"}, "agent ties its sub-packages together; they do not know it"},
	{module + "/cmd/slipway/tagging", []string{"cmd/slipway"}, "a part of the command line"},
	{module + "/agent/builders", []string{"cmd/slipway", "cmd/slipway/cachetable", "cmd/slipway/detailview", "cmd/slipway/historyview", "cmd/slipway/lstable"}, "the verbs on builders do not need each other's rooms, and a build needs none of them"},
	{module + "/agent/doctor", []string{"cmd/slipway", "cmd/slipway/checktable"}, "the doctor looks at what the others do; none of them asks it"},
	{module + "/agent/report", []string{"agent", "cmd/slipway"}, "a report is made of a build; what happens below does not know it"},
	{module + "/agent/sidecar", []string{"cmd/slipway"}, "builders are served by a process of its own"},
	{module + "/agent/sidecar/relay", []string{"agent/sidecar", "agent/sidecar/enforce"}, "BuildKit's API is passed on by the sidecar only"},
	{module + "/agent/sidecar/enforce", []string{"agent/sidecar"}, "a policy is enforced by the sidecar only"},
	{module + "/agent/sidecar/policy", []string{"agent/sidecar", "agent/sidecar/enforce", "cmd/slipway"}, "a policy is for the sidecar only"},
	{module + "/agent/sidecar/gateway", []string{"agent/sidecar", "cmd/slipway"}, "clients over TCP are known by the sidecar only; cmd names its files"},
	{module + "/agent/sidecar/peer", []string{"agent/sidecar", "agent/sidecar/enforce", "agent/sidecar/gateway", "agent/sidecar/relay"}, "who is connected is asked by the sidecar only"},
	{module + "/agent/sidecar/audit", []string{"agent/sidecar"}, "what is logged of a build is for the sidecar only"},
	{module + "/agent/sidecar/metrics", []string{"agent/sidecar"}, "what is counted is for the sidecar only"},
	{module + "/agent/fleet", []string{"agent", "agent/builders", "agent/doctor", "agent/sidecar", "cmd/slipway"}, "nodes and connections are for those who do something with them"},
	{module + "/agent/localdaemon", []string{"agent/builders", "agent/fleet"}, "processes are started for those who reach nodes"},
	{module + "/agent/fleet/fleettest", nil, "what stands in for a cluster belongs into tests only"},
	{module + "/agent/cluster", []string{"agent", "agent/builders", "agent/doctor", "agent/fleet", "agent/fleet/fleettest", "cmd/slipway"}, "Kubernetes is for those who reach nodes, not for solve, progress or ci"},
	{module + "/agent/solve", []string{"agent", "agent/builders", "agent/doctor", "agent/fleet", "cmd/slipway", "cmd/slipway/baking", "cmd/slipway/dockerimages"}, "BuildKit is for those who reach nodes, not for cluster, progress or ci"},
	{module + "/agent/progress", []string{"agent", "agent/builders", "cmd/slipway"}, "the display belongs to commands; what is below them emits events or reports to a function"},
	{module + "/agent/ci", []string{"agent", "cmd/slipway", "cmd/slipway/tagging"}, "siblings under agent do not import each other"},
	{module + "/agent/ci/results", []string{"agent/ci", "cmd/slipway", "cmd/slipway/tagging"}, "a part of ci: what systems get of a build that has ended"},
	{"github.com/alecthomas/kong", []string{"cmd/slipway", "cmd/slipway/model"}, "flags are parsed in cmd only; the core takes values"},
	{"github.com/sethvargo/go-envconfig", []string{"cmd/slipway"}, "the environment is read in cmd only; the core takes values, agent/ci names the variables by tags"},
	{"k8s.io/client-go/...", []string{"agent/cluster/kube", "agent/cluster/transport"}, "what Kubernetes is asked is in agent/cluster/kube, and how pods are reached in agent/cluster/transport"},
	{"github.com/moby/buildkit/...", []string{"agent/buildkit", "agent/buildkit/buildkittest", "agent/buildkit/status", "agent/solve", "agent/solve/cache", "agent/solve/contextfs", "agent/solve/onfailure", "agent/solve/output", "agent/solve/session", "agent/progress", "agent/fleet/fleettest", "agent/sidecar", "agent/sidecar/audit", "agent/sidecar/enforce", "agent/sidecar/policy", "agent/sidecar/relay"}, "BuildKit is spoken in agent/buildkit, agent/solve, agent/progress and agent/sidecar only"},
	{"github.com/prometheus/...", []string{"agent/sidecar/metrics"}, "metrics have one place, which names them all"},
	{module + "/agent/cluster/transport", []string{"agent/cluster"}, "pods are dialled for the state machine in agent/cluster only"},
	{module + "/agent/cluster/diff", []string{"agent/cluster"}, "drift is compared for the state machine in agent/cluster only"},
	{module + "/agent/cluster/judge", []string{"agent", "agent/builders", "agent/doctor", "agent/fleet", "agent/fleet/fleettest", "agent/cluster"}, "transport, judge and diff do not know each other"},
	{module + "/agent/cluster/manifest", []string{"agent", "agent/builders", "agent/doctor", "agent/fleet", "agent/cluster", "agent/cluster/transport", "agent/cluster/judge", "agent/cluster/diff"}, "the objects of a node are below what compares, judges and dials them"},
	{module + "/agent/cluster/pki", []string{"agent/cluster", "agent/cluster/transport", "agent/cluster/manifest"}, "certificates are made and read for workloads only"},
	{module + "/agent/cluster/kube", []string{"agent/fleet/fleettest", "agent", "agent/builders", "agent/doctor", "agent/fleet", "cmd/slipway", "agent/cluster", "agent/cluster/transport", "agent/cluster/judge", "agent/cluster/diff", "agent/cluster/manifest"}, "the connection to the API server knows neither nodes' objects nor certificates"},
	{module + "/agent/cluster/rbac", []string{"agent/cluster", "agent/cluster/kube", "agent/cluster/transport", "agent/cluster/manifest"}, "rights are pure: who meets a refusal explains it with them"},
	{module + "/agent/cluster/clustertest", nil, "only tests share it"},
	{module + "/agent/solve/cache", []string{"agent/solve", "cmd/slipway"}, "a part of solve; cmd parses its flags"},
	{module + "/agent/solve/contextfs", []string{"agent/solve"}, "a part of solve: what is sent of a context"},
	{module + "/agent/solve/output", []string{"agent", "agent/builders", "agent/doctor", "agent/fleet", "agent/solve", "agent/solve/onfailure", "cmd/slipway"}, "a part of solve; agent reports its outcome, cmd knows --load"},
	{module + "/agent/solve/onfailure", []string{"agent", "agent/solve", "cmd/slipway"}, "a part of solve: the files of a step that has failed"},
	{module + "/agent/solve/layout", []string{"agent/solve", "agent/solve/cache", "agent/solve/output"}, "image layouts as contexts, caches and outputs have them"},
	{module + "/agent/solve/job", []string{"agent", "agent/builders", "agent/doctor", "agent/fleet", "agent/solve", "agent/solve/cache", "agent/solve/output"}, "the part of a build that one solve is"},
	{module + "/internal/junit", []string{"agent/solve", "agent/solve/onfailure"}, "test reports are read where they come from a build; others have events"},
	{module + "/internal/filetest", []string{"agent/solve/vcs/vcstest"}, "it serves tests only"},
	{module + "/agent/solve/vcs", []string{"agent/solve"}, "a part of solve: what git says of a context"},
	{module + "/agent/solve/vcs/vcstest", nil, "it serves tests only"},
	{module + "/internal/reference", []string{"cmd/slipway", "cmd/slipway/model"}, "it writes what cmd says of its flags"},
	{module + "/internal/format", []string{"cmd/slipway", "cmd/slipway/cachetable", "cmd/slipway/dockerimages", "cmd/slipway/dockerinfo", "cmd/slipway/historyview"}, "how commands print is decided in cmd; the core returns values"},
	{module + "/internal/variables", []string{"cmd/slipway", "internal/reference"}, "the environment is read in cmd only; the core is given a lookup that has checked it"},
	{module + "/internal/heap", []string{"agent/solve/contextfs", "agent/solve/output"}, "large transfers spare memory; nothing else changes the collector"},
	{module + "/agent/solve/session", []string{"agent/sidecar", "agent/solve", "cmd/slipway"}, "a part of solve, and what the sidecar answers daemons with; cmd parses its flags"},
	{module + "/agent/solve/attr", []string{"agent/solve", "agent/solve/cache"}, "checks of the values of flags"},
	{module + "/agent/buildkit", []string{"agent", "agent/builders", "agent/doctor", "agent/fleet", "agent/solve", "agent/solve/output", "cmd/slipway", "cmd/slipway/cachetable"}, "a connection to one buildkitd; it knows neither solves nor Kubernetes"},
	{module + "/agent/buildkit/buildkittest", nil, "it serves tests only"},
	{module + "/agent/buildkit/status", []string{"agent/builders", "agent/progress", "agent/solve"}, "BuildKit's progress becomes events where it arrives, and its own again only for BuildKit's display"},
	{module + "/agent/event", []string{"agent", "agent/builders", "agent/buildkit/status", "agent/ci", "agent/ci/results", "agent/fleet", "agent/progress", "agent/report", "agent/solve", "cmd/slipway"}, "events are for those who do something in a build and those who show it; what is below reports to a function"},
	{"github.com/docker/docker-credential-helpers/...", []string{"registry"}, "credentials belong to registry"},
	{"oras.land/oras-go/...", []string{"registry/remote", "registry/imageindex"}, "registries are spoken to in registry/remote only, and content is verified as it does"},
	{module + "/registry/imagetools", []string{"cmd/slipway"}, "builds make their indexes with registry/imageindex"},
	{module + "/registry/registrytest", nil, "it is for tests"},
}

// reachRules say what a package must not even reach through others.
var reachRules = []struct{ from, to string }{
	{"configmap", "k8s.io/client-go/..."},
	{"configmap", "github.com/moby/buildkit/..."},
	{"agent/cluster/rbac", "k8s.io/client-go/..."},
	{"agent/cluster/pki", "k8s.io/..."},
	{"agent/ci", "k8s.io/client-go/..."},
	{"agent/ci", "github.com/moby/buildkit/..."},
	{"agent/buildkit", module + "/agent/cluster/..."},
	{"agent/buildkit", module + "/agent/solve/..."},
	{"agent/event", "k8s.io/..."},
	{"agent/event", "github.com/moby/buildkit/..."},
	{"agent/report", "k8s.io/client-go/..."},
	{"agent/report", "github.com/moby/buildkit/..."}, // it is made of events
	{"agent/solve/cache", module + "/agent/solve"},
	{"agent/solve/contextfs", module + "/agent/solve"},
	{"agent/solve/contextfs", module + "/agent/solve/output"},
	{"agent/solve/job", module + "/agent/solve"},
	{"agent/solve/layout", module + "/agent/buildkit"},
	{"agent/solve/layout", module + "/agent/solve"},
	{"agent/solve/output", module + "/agent/solve"},
	{"agent/solve/output", module + "/agent/solve/contextfs"},
	{"agent/solve/session", module + "/agent/solve"},
	{"agent/solve/vcs", module + "/agent/solve"},
	{"agent/solve/vcs", "github.com/moby/buildkit/..."},
	{"internal/heap", module + "/agent/..."},
	{"internal/fault", module + "/agent/..."},
	{"internal/fault", module + "/configmap"},
	{"internal/fault", module + "/registry/..."},
	{"agent/ci/tagrule", module + "/registry"}, // rules know no registry
	{"agent/ci", module + "/registry/remote"},  // it hands out credentials and uses none
	{"registry", module + "/agent/..."},
	{"internal/sanitize", module + "/agent/..."},
	{"internal/sanitize", module + "/registry/..."},
	{"internal/sanitize", module + "/configmap"},
	{"registry", "k8s.io/client-go/..."},
	{"registry", "github.com/moby/buildkit/..."},
	{"registry", module + "/registry/remote"}, // credentials are found without a client
	{"registry/imageindex", module + "/registry/remote"},
	{"registry/remote", module + "/registry/imagetools"},
	{"registry/imagetools", "k8s.io/client-go/..."},
	{"registry/imagetools", "github.com/moby/buildkit/..."},
	{"registry/imagetools", module + "/configmap"},
	{"registry/imagetools", module + "/agent/..."},
	{"bake", "k8s.io/client-go/..."},
	{"bake", module + "/agent/..."},
	{"internal/source", module + "/agent/..."},
	{"internal/source", module + "/configmap"},
	{"internal/source", module + "/registry/..."},
	{"internal/target", module + "/agent/..."},
	{"internal/target", module + "/configmap"},
	{"internal/target", module + "/registry/..."},
}

type listed struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
	Module     *struct{ Path string }
}

func (p listed) own() bool { return p.Module != nil && p.Module.Path == module }

func TestHouse(t *testing.T) {
	packages := listPackages(t)
	for _, rule := range importRules {
		for _, p := range packages {
			rel := strings.TrimPrefix(p.ImportPath, module+"/")
			if !p.own() || slices.Contains(rule.only, rel) {
				continue
			}
			for _, imported := range p.Imports {
				if matches(rule.target, imported) {
					t.Errorf("%s imports %s: %s", rel, imported, rule.why)
				}
			}
		}
	}
	for _, rule := range reachRules {
		if path := reach(packages, module+"/"+rule.from, rule.to); path != nil {
			t.Errorf("%s must not depend on %s, but does:\n\t%s", rule.from, rule.to, strings.Join(path, "\n\t-> "))
		}
	}
}

func listPackages(t *testing.T) map[string]listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", "-json=ImportPath,Dir,GoFiles,Imports,Module", module+"/...").Output()
	if err != nil {
		if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
			t.Fatalf("go list: %v: %s", err, failed.Stderr)
		}
		t.Fatal(err)
	}
	packages := make(map[string]listed)
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages[p.ImportPath] = p
	}
	if _, ok := packages[module+"/cmd/slipway"]; !ok {
		t.Fatal("go list does not list the module itself")
	}
	return packages
}

func matches(target, path string) bool {
	if below, ok := strings.CutSuffix(target, "/..."); ok {
		return path == below || strings.HasPrefix(path, below+"/")
	}
	return path == target
}

// reach returns the shortest chain of imports between the two, nil if none.
func reach(packages map[string]listed, from, to string) []string {
	cameFrom := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		if matches(to, queue[0]) {
			var path []string
			for at := queue[0]; at != ""; at = cameFrom[at] {
				path = append(path, at)
			}
			slices.Reverse(path)
			return path
		}
		for _, next := range packages[queue[0]].Imports {
			if _, seen := cameFrom[next]; !seen {
				cameFrom[next] = queue[0]
				queue = append(queue, next)
			}
		}
	}
	return nil
}

// TestImageHasAllSources holds the Dockerfile and .dockerignore against the
// packages that the program is made of.
func TestImageHasAllSources(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string]bool{"go.mod": true, "go.sum": true}
	for path := range strings.FieldsSeq(string(out)) {
		if below, own := strings.CutPrefix(path, module+"/"); own {
			top, _, _ := strings.Cut(below, "/")
			sources[top] = true
		}
	}
	dockerfile, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	ignored, err := os.ReadFile("../../.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	var copied, sent []string
	for line := range strings.Lines(string(dockerfile)) {
		if words := strings.Fields(line); len(words) > 2 && words[0] == "COPY" && !strings.HasPrefix(words[1], "--") {
			copied = append(copied, words[1:len(words)-1]...)
		}
	}
	for line := range strings.Lines(string(ignored)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "!"); ok {
			sent = append(sent, name)
		}
	}
	slices.Sort(copied)
	slices.Sort(sent)
	want := slices.Sorted(maps.Keys(sources))
	if diff := cmp.Diff(want, copied); diff != "" {
		t.Errorf("the Dockerfile copies (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf(".dockerignore lets through (-want +got):\n%s", diff)
	}
}

// TestGoroutinesAreGuarded finds goroutines whose panic would end the process
// with the exit code of a usage error, half-written outputs and all values of
// the panic in the log.
func TestGoroutinesAreGuarded(t *testing.T) {
	guarded := 0
	for _, dir := range []string{"agent", "cmd", "configmap", "internal", "registry"} {
		err := filepath.WalkDir(filepath.Join("../..", dir), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			n, bare := goroutines(file)
			guarded += n
			for _, at := range bare {
				t.Errorf("%s starts a goroutine without fault.Guard or fault.Protect", files.Position(at))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if guarded < 40 {
		t.Errorf("there are %d goroutines: the test overlooks some", guarded)
	}
}

// goroutines counts the go statements and the calls of a group's method Go
// whose function is guarded, and finds the others.
func goroutines(file *ast.File) (guarded int, bare []token.Pos) {
	ast.Inspect(file, func(n ast.Node) bool {
		var f ast.Expr
		switch n := n.(type) {
		case *ast.GoStmt:
			f = n.Call.Fun
		case *ast.CallExpr:
			if method, ok := n.Fun.(*ast.SelectorExpr); !ok || method.Sel.Name != "Go" || len(n.Args) != 1 {
				return true
			}
			f = n.Args[0]
		default:
			return true
		}
		if call, ok := f.(*ast.CallExpr); ok && slices.Contains([]string{"fault.Guard", "fault.Protect"}, types.ExprString(call.Fun)) {
			guarded++
		} else {
			bare = append(bare, n.Pos())
		}
		return true
	})
	return guarded, bare
}

func TestGoroutines(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "x.go", `package x
func x() {
	go fault.Protect(f)()
	group.Go(fault.Guard(f))
	go f()
	go func() {}()
	t.running.Go(f)
	group.Go(func() error { return nil })
}`, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	if guarded, bare := goroutines(file); guarded != 2 || len(bare) != 4 {
		t.Errorf("%d goroutines are guarded and %d not, want 2 and 4", guarded, len(bare))
	}
}

// homeVariable is a variable with a field of its own, in whose place its name is
// not looked up.
const homeVariable = `"HOME"`

// processState are the names of the standard library that stand for the state of the
// process, by package. The core is given what it needs of it: one process may serve
// many builds.
var processState = map[string][]string{
	"os": {
		"Args", "Chdir", "Clearenv", "Environ", "Executable", "Exit", "ExpandEnv", "Getenv", "Getwd", "Hostname", "LookupEnv", "Setenv", "Stderr", "Stdin", "Stdout",
		"TempDir", "Unsetenv", "UserCacheDir", "UserConfigDir", "UserHomeDir",
	},
	"path/filepath": {"Abs"},
	"os/exec":       {"LookPath"},
	"os/user":       {"Current"},
	"net/http":      {"DefaultClient", "DefaultTransport", "ProxyFromEnvironment"},
	"flag":          {"CommandLine", "Parse", "Args", "Arg"},
}

// inTempDir are functions that take the place of temporary files, which is TMPDIR where
// it is empty.
var inTempDir = []string{"MkdirTemp", "CreateTemp"}

// seams are the places below cmd that may use it nevertheless: all packages in
// a directory.
var seams = []struct{ dir, name, why string }{
	{"internal/filetest", "os.Getenv", "tests run themselves as another process, which a variable tells what to do"},
	{"internal/filetest", "os.Environ", "tests run themselves as another process, which a variable tells what to do"},
	{"internal/variables", "the variable HOME", "it lists the variables of other tools and reads none"},
	{"internal/sanitize/sanitizetest/commands", "os.Stdin", "it is a program of its own, for scenarios"},
	{"internal/sanitize/sanitizetest/commands", "os.Stderr", "it is a program of its own, for scenarios"},
	{"internal/sanitize/sanitizetest/commands", "os.Exit", "it is a program of its own, for scenarios"},
	{"internal/sanitize/sanitizetest/commands", "flag.Parse", "it is a program of its own, for scenarios"},
	{"internal/target", "os.TempDir", "temporary files have one place, as have those of the libraries: TMPDIR"},
	{"agent/solve/vcs", "exec.LookPath", "git is found as programs are found that it runs itself: PATH"},
	{"agent/localdaemon", "exec.LookPath", "buildkitd and rootlesskit are found as a shell finds them: PATH"},
	{"registry", "exec.LookPath", "credential helpers are found as docker finds them: PATH"},
	{"agent/ci/results", "exec.LookPath", "buildkite-agent is found as the commands of a step are: PATH"},
	{"registry/remote", "http.ProxyFromEnvironment", "the agent has one way out for all builds, which Go and client-go read from the same variables"},
	{"agent/cluster/kube", "http.ProxyFromEnvironment", "as client-go has it, to name the proxy that did not answer"},
	{"agent/cluster/kube", "http.DefaultTransport", "as client-go has it where nothing is configured"},
}

// TestNoProcessState finds uses of the working directory, the environment and
// the standard streams below cmd.
func TestNoProcessState(t *testing.T) {
	used := map[int]bool{}
	for path, file := range sourcesBelowCmd(t) {
		for _, use := range usesOfProcessState(file.syntax) {
			i := slices.IndexFunc(seams, func(s struct{ dir, name, why string }) bool {
				return s.name == use.name && strings.HasPrefix(path, s.dir+"/")
			})
			if i < 0 {
				t.Errorf("%s uses %s: the core is given it", file.files.Position(use.at), use.name)
			}
			used[i] = true
		}
	}
	for i, seam := range seams {
		if !used[i] {
			t.Errorf("nothing in %s uses %s any more: remove the seam", seam.dir, seam.name)
		}
	}
}

// parsedSource is a parsed file.
type parsedSource struct {
	files  *token.FileSet
	syntax *ast.File
}

// sourcesBelowCmd parses all files of the core, without tests, by their paths
// in the module.
func sourcesBelowCmd(t *testing.T) map[string]parsedSource {
	t.Helper()
	all := map[string]parsedSource{}
	for _, dir := range []string{"agent", "configmap", "internal", "registry"} {
		err := filepath.WalkDir(filepath.Join("../..", dir), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files := token.NewFileSet()
			syntax, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
			rel, _ := filepath.Rel("../..", path)
			all[filepath.ToSlash(rel)] = parsedSource{files, syntax}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// use is where a name of processState stands.
type use struct {
	name string
	at   token.Pos
}

// usesOfProcessState finds the names of processState in a file, whatever the
// name under which it imports their packages, and lookups of homeVariable.
func usesOfProcessState(file *ast.File) []use {
	imported := map[string]string{} // paths by their names in the file
	for _, spec := range file.Imports {
		of, err := strconv.Unquote(spec.Path.Value)
		if err != nil || processState[of] == nil {
			continue
		}
		name := path.Base(of)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		imported[name] = of
	}
	// selected is the import path and the name of p.f.
	selected := func(n ast.Node) (of, name string) {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok {
			return "", ""
		}
		base, ok := selector.X.(*ast.Ident)
		if !ok {
			return "", ""
		}
		return imported[base.Name], selector.Sel.Name
	}
	var all []use
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			if n.Value == homeVariable {
				all = append(all, use{"the variable HOME", n.Pos()})
			}
		case *ast.CallExpr:
			of, name := selected(n.Fun)
			if dir, ok := firstArgument(n).(*ast.BasicLit); ok && of == "os" && slices.Contains(inTempDir, name) && dir.Value == `""` {
				all = append(all, use{"os." + name, n.Pos()})
			}
		case *ast.SelectorExpr:
			if of, name := selected(n); slices.Contains(processState[of], name) {
				all = append(all, use{path.Base(of) + "." + name, n.Pos()})
			}
		}
		return true
	})
	return all
}

// firstArgument is that of a call, nil without one.
func firstArgument(call *ast.CallExpr) ast.Expr {
	if len(call.Args) == 0 {
		return nil
	}
	return call.Args[0]
}

func TestUsesOfProcessState(t *testing.T) {
	for text, want := range map[string]int{
		`import "os"; func x() { os.Getenv("A"); f(os.Stdout); os.Open("a") }`:            2,
		`import other "os"; func x() { other.Getwd(); other.LookupEnv("A"); os.Getwd() }`: 2,
		`func x() { os.Getwd() }`: 0, // a variable
		`import ("os"; "path/filepath"); func x() { filepath.Abs("a"); filepath.Join("a"); os.TempDir() }`:                    2,
		`import ("os/exec"; h "net/http"); func x() { exec.LookPath("git"); exec.Command("git"); f(h.ProxyFromEnvironment) }`: 2,
		`import "os"; func x() { os.MkdirTemp("", "a"); os.CreateTemp(dir, "a"); os.MkdirTemp(dir, "") }`:                     1,
		`func x() { f("HOME"); g("HOME is") }; type y struct { Home string ` + "`env:\"HOME\"`" + ` }`:                        1,
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x; "+text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if got := usesOfProcessState(file); len(got) != want {
			t.Errorf("%s: %d uses, want %d: %v", text, len(got), want, got)
		}
	}
}

// TestDependenciesAreArgued holds docs/dependencies.md and go.mod together.
func TestDependenciesAreArgued(t *testing.T) {
	doc, err := os.ReadFile("../../docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	var argued []string
	for line := range strings.Lines(string(doc)) {
		if cells := strings.Split(line, "|"); len(cells) > 3 && strings.Contains(cells[1], "/") {
			argued = append(argued, strings.TrimSpace(cells[1]))
		}
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{if not (or .Indirect .Main)}}{{.Path}}{{end}}", "all").Output()
	if err != nil {
		t.Fatal(err)
	}
	direct := strings.Fields(string(out))
	slices.Sort(direct)
	slices.Sort(argued)
	if diff := cmp.Diff(direct, argued); diff != "" {
		t.Errorf("go.mod and docs/dependencies.md differ (-go.mod +docs):\n%s", diff)
	}
}
