package scenarios

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestAskInsteadOfBuilding asks the frontend and the definition, and builds
// nothing.
func TestAskInsteadOfBuilding(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"), s.builderNode("arm64"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", "FROM scratch AS first\nCOPY Dockerfile /\nFROM scratch AS second\nARG VERSION=1\nCOPY Dockerfile /\n")

	// A dry run needs no builder.
	var dry struct {
		Builder string
		Solves  []struct {
			Node    string
			Outputs []struct{ Attributes map[string]string }
		}
	}
	if err := json.Unmarshal([]byte(a.ok("slipway build --dry-run "+both+"-t r.example/a:1 --push --build-arg API_TOKEN=s3cr3t .")), &dry); err != nil {
		t.Fatal(err)
	}
	if dry.Builder != "kube" || len(dry.Solves) != 2 || dry.Solves[1].Node != "builder-arm64" {
		t.Errorf("dry run: %+v", dry)
	}
	for _, solve := range dry.Solves { // several nodes push by digest
		if got := solve.Outputs[0].Attributes; got["name"] != "r.example/a" || got["push-by-digest"] != "true" {
			t.Errorf("dry run: output of %s: %v", solve.Node, got)
		}
	}
	if out := a.ok("slipway build --dry-run " + both + "--build-arg API_TOKEN=s3cr3t ."); strings.Contains(out, "s3cr3t") {
		t.Errorf("the dry run shows the value of API_TOKEN:\n%s", out)
	}
	want(t, "builders after a dry run", strings.Join(s.names("deployments"), " "), "")

	if out := a.ok("slipway build --call outline ."); !strings.Contains(out, "VERSION") {
		t.Errorf("outline:\n%s", out)
	}
	if out := a.ok("slipway build --call targets ."); !strings.Contains(out, "first") || !strings.Contains(out, "second") {
		t.Errorf("targets:\n%s", out)
	}
	var targets struct{ Targets []struct{ Name string } }
	if err := json.Unmarshal([]byte(a.ok("slipway build --call targets,format=json .")), &targets); err != nil || len(targets.Targets) != 2 {
		t.Errorf("targets as JSON: %+v: %v", targets, err)
	}
	if out := a.ok("slipway build --check ."); !strings.Contains(out, "no warnings found") {
		t.Errorf("check of a good file:\n%s", out)
	}
	a.write("Dockerfile", "FROM scratch as lower\nCOPY Dockerfile /\n")
	r := a.fails(1, "slipway build --check --metadata-file check.json --iidfile iid .", "--iidfile is not written")
	var metadata struct {
		Result struct{ Warnings []struct{ RuleName string } } `json:"result.json"`
	}
	if err := json.Unmarshal([]byte(a.ok("cat check.json")), &metadata); err != nil || len(metadata.Result.Warnings) != 1 {
		t.Errorf("metadata of a check: %+v, %v", metadata, err)
	}
	if !strings.Contains(r.stdout, "FromAsCasing") || !strings.Contains(r.stdout, "Dockerfile:1") {
		t.Errorf("check:\n%s", r.stdout)
	}
	// In a build, too, a warning says where.
	if r := a.sh("slipway build -o out ."); r.code != 0 || !strings.Contains(r.stderr, "FromAsCasing") || !strings.Contains(r.stderr, "Dockerfile:1") {
		t.Errorf("exit %d, warnings of a build:\n%s", r.code, r.stderr)
	}
}

// TestIndexCreate makes an index out of images of several repositories.
func TestIndexCreate(t *testing.T) {
	t.Parallel()
	s := newSharedShop(t)
	s.ok("slipway build --platform linux/amd64 " + s.from() + "-t " + s.repo + "/amd:1 --push .")
	s.ok("slipway build --platform linux/arm64 " + s.from() + "-t " + s.repo + "/arm:1 --push .")
	s.ok("slipway index create -t " + s.tag("joined") + " -t " + s.repo + "/elsewhere:joined --annotation index:by=hand " + s.repo + "/amd:1 " + s.repo + "/arm:1")
	index, err := s.index("joined", "linux/amd64", "linux/arm64").IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	want(t, "annotation", index.Annotations["by"], "hand")
	if err := s.images.Validate(t.Context(), s.Name+"/elsewhere:joined"); err != nil {
		t.Errorf("the other repository: %v", err)
	}
	before := s.digest("joined")
	s.ok("slipway index create --dry-run -t " + s.tag("joined") + " " + s.repo + "/amd:1 | grep -q manifest")
	want(t, "the tag after a dry run", s.digest("joined"), before)
	s.fails(5, "slipway index create -t "+s.tag("joined")+" "+s.repo+"/amd:1 "+s.repo+"/nobody:1", "error: ", s.repo+"/nobody:1")
	want(t, "the tag after a failure", s.digest("joined"), before)
	want(t, "raw", s.ok("slipway index inspect --raw "+s.tag("joined")+" | sha256sum | cut -c -64"), strings.TrimPrefix(before, "sha256:")+"\n")
}
