package scenarios

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestHistory looks at builds of two nodes, one of which has failed, and compares what
// is said and exported of them with docker buildx. It runs the commands of docs/history.md.
func TestHistory(t *testing.T) {
	t.Parallel()
	s := newSharedSpace(t)
	if s.Bed.Images.Peer == "" {
		t.Fatal("there is no peer image; make it with: cd e2e && go run ./testbed peer")
	}
	a := s.startAgent("peer", s.Bed.Images.Peer)
	a.ok("mkdir -p ~/.docker/buildx/instances && cat /etc/slipway/definitions/kube > ~/.docker/buildx/instances/kube && buildx use kube")
	a.write("Dockerfile", "FROM base\nARG WHO\nLABEL scenario=history\nRUN echo built by $WHO && uname -m > /machine\n")
	a.write("Failing", "FROM base\nRUN echo before the end && exit 7\n")
	named := func(name string) string { return "--build-arg BUILDKIT_BUILD_NAME=" + s.Name + "-" + name + " " }
	a.ok("slipway build " + both + a.base() + named("done") + "--build-arg WHO=me --add-host db:10.0.0.1 --metadata-file meta.json --output type=local,dest=out .")
	if r := a.sh("slipway build --platform linux/arm64 " + a.base() + named("failed") + "-f Failing ."); r.code != 1 {
		t.Fatalf("exit %d:\n%s", r.code, r.stderr)
	}

	var metadata struct {
		Ref       string                          `json:"buildx.build.ref"`
		Platforms map[string]struct{ Ref string } `json:"slipway.platforms"`
	}
	if err := json.Unmarshal([]byte(a.ok("cat meta.json")), &metadata); err != nil {
		t.Fatal(err)
	}
	all := a.ok("slipway history ls --format '{{.Ref}} {{.Node}} {{.Status}} {{.Name}} {{.Pod}}'")
	has := func(ref, node, status, name string) {
		t.Helper()
		for line := range strings.Lines(all) {
			if strings.HasPrefix(line, fmt.Sprintf("%s %s %s %s-%s %s-", ref, node, status, s.Name, name, node)) {
				return
			}
		}
		t.Fatalf("history ls lacks %s %s %s:\n%s", ref, node, status, all)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		has(metadata.Platforms["linux/"+arch].Ref, "builder-"+arch, "Completed", "done")
	}
	failed := ""
	for line := range strings.Lines(all) {
		if words := strings.Fields(line); len(words) == 5 && words[3] == s.Name+"-failed" {
			failed = words[0]
		}
	}
	has(failed, "builder-arm64", "Error", "failed")
	// Filters are those of the builder, and those of both nodes.
	want(t, "failed builds", a.ok("slipway history ls --filter status=error --filter ref="+failed+" --filter 'startedAt>=1h' --format '{{.Ref}}'"), failed+"\n")
	want(t, "none", a.ok("slipway history ls --filter status=error --filter ref="+metadata.Platforms["linux/amd64"].Ref+" --format '{{.Ref}}'"), "")

	for _, ref := range []string{metadata.Platforms["linux/amd64"].Ref, metadata.Platforms["linux/arm64"].Ref, failed} {
		object := func(command string) map[string]any {
			t.Helper()
			out := map[string]any{}
			if err := json.Unmarshal([]byte(a.ok(command+" history inspect --format json "+ref)), &out); err != nil {
				t.Fatal(err)
			}
			return out
		}
		theirs, ours := object("buildx"), object("slipway")
		if !strings.HasPrefix(fmt.Sprint(ours["Pod"]), fmt.Sprint(ours["Node"])+"-") {
			t.Errorf("inspect: %v", ours)
		}
		delete(ours, "Node")
		delete(ours, "Pod")
		for _, tool := range []map[string]any{theirs, ours} {
			if failure, ok := tool["Error"].(map[string]any); ok && failure["Stack"] != "" {
				failure["Stack"] = "" // it ends in the tool itself
			}
		}
		if diff := cmp.Diff(theirs, ours); diff != "" {
			t.Errorf("inspect %s (-buildx +slipway):\n%s", ref, diff)
		}
	}
	listed := func(command string) map[string]any {
		t.Helper()
		// buildx does not take a filter where a builder has several nodes.
		for line := range strings.Lines(a.ok(command + " history ls --format json")) {
			out := map[string]any{}
			if err := json.Unmarshal([]byte(line), &out); err != nil {
				t.Fatal(err)
			}
			if out["ref"] == "kube/builder-arm64/"+failed {
				delete(out, "pod")
				return out
			}
		}
		t.Fatalf("%s lists nothing", command)
		return nil
	}
	if diff := cmp.Diff(listed("buildx"), listed("slipway")); diff != "" {
		t.Errorf("ls --format json (-buildx +slipway):\n%s", diff)
	}
	text := a.ok("slipway history inspect kube/builder-arm64/" + failed)
	for _, said := range []string{"Error:", "exit code: 7", ">>> RUN echo before the end && exit 7", "> before the end\n", "Print build logs: slipway history logs kube/builder-arm64/" + failed} {
		if !strings.Contains(text, said) {
			t.Errorf("inspect lacks %q:\n%s", said, text)
		}
	}
	if r := a.sh("slipway history logs " + failed); r.code != 0 || !strings.Contains(r.stderr, "before the end\n") || !strings.Contains(r.stderr, "exit code: 7") {
		t.Errorf("logs: exit %d\n%s", r.code, r.stderr)
	}
	var statement struct{ BuildDefinition, BuildType any }
	provenance := a.ok("slipway history inspect attachment --type provenance " + metadata.Ref)
	if err := json.Unmarshal([]byte(provenance), &statement); err != nil || statement == struct{ BuildDefinition, BuildType any }{} {
		t.Errorf("provenance: %v\n%s", err, provenance)
	}

	for _, ref := range []string{metadata.Platforms["linux/amd64"].Ref, failed} {
		a.ok("slipway history export --finalize -o ours.dockerbuild " + ref + " && buildx history export --finalize -o theirs.dockerbuild " + ref + " >&2")
		if diff := cmp.Diff(bundleOf(a, "theirs.dockerbuild"), bundleOf(a, "ours.dockerbuild")); diff != "" {
			t.Errorf("export %s (-buildx +slipway):\n%s", ref, diff)
		}
	}
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(readFile(t, "../docs/history.md"), -1) {
		a.ok("set -e; REF=" + metadata.Ref + "\n" + block[1])
	}
	a.ok("slipway history rm kube/builder-arm64/" + failed)
	a.fails(2, "slipway history inspect "+failed, "is not in the history of builder \"kube\"")
	a.fails(2, "slipway history open "+failed, "Docker Desktop")
}

// bundleOf is what a .dockerbuild file has: its record, the types of its layers and the
// names of its files, but for those of the trace, which each tool writes in its own
// form.
func bundleOf(a *agent, path string) map[string]any {
	a.t.Helper()
	file, err := os.Open(a.fetch(path))
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	compressed, err := gzip.NewReader(file)
	if err != nil {
		a.t.Fatal(err)
	}
	files := map[string][]byte{}
	for archive := tar.NewReader(compressed); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			a.t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(archive); err != nil {
			a.t.Fatal(err)
		}
	}
	parse := func(name string, to any) {
		a.t.Helper()
		if err := json.Unmarshal(files[name], to); err != nil {
			a.t.Fatalf("%s of %s: %v", name, path, err)
		}
	}
	blob := func(digest string) string { return "blobs/" + strings.Replace(digest, ":", "/", 1) }
	type descriptor struct {
		MediaType, Digest string
		Annotations       map[string]string
	}
	var index struct{ Manifests []descriptor }
	parse("index.json", &index)
	var manifest struct {
		MediaType string
		Config    descriptor
		Layers    []descriptor
	}
	parse(blob(index.Manifests[0].Digest), &manifest)
	record := map[string]any{}
	parse(blob(manifest.Config.Digest), &record)
	out := map[string]any{"type": manifest.MediaType, "config": manifest.Config.MediaType, "layout": string(files["oci-layout"])}
	trace := ""
	if described, ok := record["trace"].(map[string]any); ok {
		trace = fmt.Sprint(described["digest"])
		delete(described, "digest")
		delete(described, "size")
	}
	delete(record, "localState") // each tool keeps its own
	out["record"] = record
	var layers []string
	for _, l := range manifest.Layers {
		if files[blob(l.Digest)] == nil {
			a.t.Errorf("%s lacks %s", path, l.Digest)
		}
		if l.Digest == trace {
			l.Digest = "trace"
		}
		layers = append(layers, fmt.Sprint(l))
	}
	slices.Sort(layers)
	out["layers"] = layers
	return out
}
