package output

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/moby/buildkit/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/solve/job"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/target"
	"github.com/slipway-build/slipway/registry/imageindex"
)

var (
	amd64 = ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	arm64 = ocispecs.Platform{OS: "linux", Architecture: "arm64"}
	// alone is a build of one platform on one node, couple one of two
	// platforms on two.
	alone  = []job.Job{{Node: "n", Platforms: []ocispecs.Platform{amd64}, Single: true}}
	couple = []job.Job{
		{Node: "a", Platforms: []ocispecs.Platform{amd64}, Siblings: [][]ocispecs.Platform{{amd64}, {arm64}}},
		{Node: "b", Platforms: []ocispecs.Platform{arm64}, Siblings: [][]ocispecs.Platform{{amd64}, {arm64}}},
	}
)

// plan opens outputs; tune may change their environment.
func plan(t *testing.T, values []string, tune func(*Env)) (*Set, error) {
	t.Helper()
	var env Env
	var outputs []Output
	for _, value := range values {
		o, err := Parse(value)
		if err != nil {
			t.Fatal(err)
		}
		outputs = append(outputs, o)
	}
	if tune != nil {
		tune(&env)
	}
	return opened(t, outputs, env)
}

// opened opens outputs, or returns their mistakes and leaves nothing open.
func opened(t *testing.T, outputs []Output, env Env) (*Set, error) {
	t.Helper()
	set, mistakes := Open(t.Context(), outputs, env)
	if err := mistakes.Err(); err != nil {
		must(t, set.Close())
		return nil, err
	}
	return set, nil
}

// mustPlan is plan for outputs without mistakes; they are closed at the
// end.
func mustPlan(t *testing.T, values []string, tune func(*Env)) *Set {
	t.Helper()
	p, err := plan(t, values, tune)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// begun begins a solve.
func begun(t *testing.T, p *Set, of job.Job) *Attempt {
	t.Helper()
	outputs, err := p.Begin(of)
	if err != nil {
		t.Fatal(err)
	}
	return outputs
}

// send plays the daemon that sends one stream.
func send(entry client.ExportEntry, md map[string]string, data []byte) error {
	w, err := entry.Output(md)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return errors.Join(err, w.Close())
}

func mustSend(t *testing.T, entry client.ExportEntry, md map[string]string, data []byte) {
	t.Helper()
	if err := send(entry, md, data); err != nil {
		t.Fatal(err)
	}
}

func mustEnd(t *testing.T, outputs *Attempt, response map[string]string, keep bool) {
	t.Helper()
	if err := outputs.End(response, keep); err != nil {
		t.Fatal(err)
	}
}

func mustPublish(t *testing.T, p *Set) *Outcome {
	t.Helper()
	if err := p.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	outcome, err := p.Commit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

func TestApplyPushAndLoad(t *testing.T) {
	image := func(kv ...string) Output { return Output{Type: "image", Attrs: attrs(kv...)} }
	file := Output{Type: "docker", Dest: "x.tar", Attrs: attrs()}
	engine := Output{Type: "docker", Attrs: attrs()}
	local := Output{Type: "local", Dest: "out"}
	tests := []struct {
		name     string
		apply    func([]Output) []Output
		in, want []Output
	}{
		{"push alone", ApplyPush, nil, []Output{image("push", "true", "unpack", "false")}},
		{"push beside files", ApplyPush, []Output{local}, []Output{local, image("push", "true", "unpack", "false")}},
		{"push an image", ApplyPush, []Output{image("name", "x", "unpack", "true")}, []Output{image("name", "x", "push", "true", "unpack", "true")}},
		{"push what is pushed", ApplyPush, []Output{{Type: "registry", Attrs: attrs()}}, []Output{image("push", "true", "unpack", "false")}},
		{"load alone", ApplyLoad, nil, []Output{engine}},
		{"load twice", ApplyLoad, []Output{engine}, []Output{engine}},
		{"load beside an archive", ApplyLoad, []Output{file}, []Output{file, engine}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := fmt.Sprint(tt.in)
			if diff := cmp.Diff(tt.want, tt.apply(tt.in), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("outputs (-want +got):\n%s", diff)
			}
			if after := fmt.Sprint(tt.in); after != before {
				t.Errorf("the argument was changed: %s, was %s", after, before)
			}
		})
	}
}

func TestSplitAttrs(t *testing.T) {
	tests := []struct {
		name string
		in   map[string]string
		job  job.Job
		want map[string]string
	}{
		{"one platform is flat", nil, job.Job{Single: true}, attrs()},
		{"several are split", nil, job.Job{}, attrs("platform-split", "true")},
		{"the user's word on one", attrs("platform-split", "true"), job.Job{Single: true}, attrs("platform-split", "true")},
		{"the user's word on several", attrs("platform-split", "false"), job.Job{}, attrs("platform-split", "false")},
		{"mode is the agent's business", attrs("mode", "delete", "attestation-prefix", "p"), job.Job{Single: true}, attrs("attestation-prefix", "p")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, splitAttrs(Output{Attrs: tt.in}, tt.job)); diff != "" {
				t.Errorf("attributes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestImageAttrs(t *testing.T) {
	all := attrs("name", "x", "annotation.k", "v", "annotation-manifest[linux/arm64].k", "v", "annotation-manifest-descriptor[linux/amd64].k", "v",
		"annotation-index.k", "v", "annotation-index-descriptor.k", "v", "dangling-name-empty-only", "true")
	tests := []struct {
		name  string
		job   job.Job
		want  map[string]string
		fails string
	}{
		{"first of two", couple[0], attrs("name", "x", "annotation.k", "v", "annotation-manifest-descriptor[linux/amd64].k", "v", "danging-name-empty-only", "true"), ""},
		{"second of two", couple[1], attrs("name", "x", "annotation.k", "v", "annotation-manifest[linux/arm64].k", "v", "danging-name-empty-only", "true"), ""},
		{"both at once", job.Job{Platforms: []ocispecs.Platform{amd64, arm64}}, attrs("name", "x", "annotation.k", "v", "annotation-manifest[linux/arm64].k", "v", "annotation-manifest-descriptor[linux/amd64].k", "v",
			"annotation-index.k", "v", "annotation-index-descriptor.k", "v", "danging-name-empty-only", "true"), ""},
		{"a platform that nobody builds", alone[0], nil, "the build has no platform linux/arm64"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := imageAttrs(Output{Type: "image", Attrs: all}, tt.job)
			if tt.fails != "" {
				wantUsage(t, err, "--annotation", tt.fails)
				return
			}
			if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
				t.Errorf("error %v, attributes (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestOutputMistakes(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, attrs("dir/", "", "file", "x", "index/index.json", "{"))
	t.Chdir(dir)
	tests := []struct {
		outputs []string
		tune    func(*Env)
		want    string
	}{
		{[]string{"type=tar,dest=dir"}, nil, "is a directory"},
		{[]string{"type=tar,dest=file/x"}, nil, "not a directory"},
		{[]string{"type=oci,dest=dir"}, nil, "is a directory"},
		{[]string{"type=oci,dest=file,tar=false"}, nil, "is not a directory"},
		{[]string{"type=oci,dest=index,tar=false"}, nil, "index.json is not valid"},
		{[]string{"type=tar"}, nil, "there is no stdout"},
		{[]string{"type=tar"}, func(r *Env) { r.Stdout, r.StdoutTerminal = os.Stdout, true }, "stdout is a terminal"},
		{[]string{"type=tar", "type=oci"}, func(r *Env) { r.Stdout = os.Stdout }, "is given twice"},
		{[]string{"type=tar,dest=x", "type=oci,dest=dir/../x"}, nil, "is given twice"},
		{[]string{"type=registry"}, nil, "an image without a name cannot be pushed"},
		{[]string{"type=image,push=true"}, nil, "an image without a name cannot be pushed"},
		{[]string{"type=image,push=true,push-by-digest=true"}, func(r *Env) { r.Tags = []string{"docker.io/library/x:1"} }, "pushes without tags"},
		{[]string{"type=local,dest=out"}, func(r *Env) { r.Annotations = []imageindex.Annotation{{Key: "k", Value: "v"}} }, "no output is an image"},
		{[]string{"type=image,oci-mediatypes=false"}, func(r *Env) { r.Annotations = []imageindex.Annotation{{Level: imageindex.LevelIndex, Key: "k"}} }, "needs OCI media types"},
		{[]string{"type=cacheonly"}, func(r *Env) { r.Lookup = env("BUILDX_NO_DEFAULT_OCI_ARTIFACT", "maybe") }, "neither true nor false"},
		{[]string{"type=docker"}, func(r *Env) { r.Lookup = env("DOCKER_HOST", "ssh://host") }, "ssh:// is not supported"},
		{[]string{"type=docker"}, func(r *Env) { r.Lookup = env("DOCKER_HOST", "unix://"+dir+"/none.sock") }, "there is no Docker engine"},
		{[]string{"type=docker"}, func(r *Env) { r.Lookup = env("DOCKER_CONTEXT", "remote") }, "docker contexts are not supported"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.outputs, tt.want), func(t *testing.T) {
			before := tree(t, dir)
			_, err := plan(t, tt.outputs, tt.tune)
			if err == nil || !errors.As(err, new(*fault.Usage)) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v does not say %q", err, tt.want)
			}
			if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
				t.Errorf("Open left a trace (-before +after):\n%s", diff)
			}
		})
	}
}

func TestOldDaemonTakesOneExporter(t *testing.T) {
	tests := []struct {
		version string
		n       int
		ok      bool
	}{
		{"v0.12.5", 2, false}, {"v0.12.5", 1, true}, {"v0.13.0", 2, true}, {"v0.33.1", 9, true}, {"v1.2.0", 2, true}, {"", 2, true}, {"v0.0.0+unknown", 2, true},
	}
	for _, tt := range tests {
		err := CheckVersion(tt.version, tt.n)
		if (err == nil) != tt.ok {
			t.Errorf("%d outputs on %q: %v", tt.n, tt.version, err)
		}
	}
}

func TestBlame(t *testing.T) {
	remote := errors.New("failed to solve: write /var/lib/buildkit/x: no space left on device")
	own := &fault.Usage{Flag: "--output", Problem: "full"}
	none := receiver{failed: func() error { return nil }}
	mine := receiver{failed: func() error { return own }}
	if err := (&Attempt{receivers: receivers{none, mine}}).Explain(remote); !errors.Is(err, own) {
		t.Errorf("the agent's own error gave way to %v", err)
	}
	// Such as the error of a local cache that could not be written.
	if err := (&Attempt{}).Explain(own); !errors.Is(err, own) {
		t.Errorf("%v became %v", own, err)
	}
	var hinted interface{ Hints() []string }
	if err := (&Attempt{receivers: receivers{none}}).Explain(remote); !errors.As(err, &hinted) || !strings.Contains(hinted.Hints()[0], "disk of the builder") || !errors.Is(err, remote) {
		t.Errorf("a full disk of the builder became %v", err)
	}
	other := errors.New("exit code 1")
	if err := (&Attempt{receivers: receivers{none}}).Explain(other); !errors.Is(err, other) || errors.As(err, &hinted) {
		t.Errorf("%v became %v", other, err)
	}
}

// TestFullDisk writes to a device that is always full.
func TestFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full")
	}
	o := Output{Type: "tar", Dest: "out.tar"}
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	in := &fileReceiver{output: o, path: filepath.Join("place", target.StagingPrefix+"1", "0"), file: f, started: true}
	if _, err := in.Write([]byte("x")); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("Write = %v", err)
	}
	wantUsage(t, in.failed(), "--output", "no space left on device")
	var usage *fault.Usage
	if err := in.failed(); !errors.As(err, &usage) || !strings.Contains(usage.Hint, "in place:") {
		t.Errorf("error %v does not say where there is no room", err)
	}
	if err := in.end(false); err != nil {
		t.Error(err)
	}
}

func TestPublishNeedsSeal(t *testing.T) {
	p := mustPlan(t, []string{"type=tar,dest=" + filepath.Join(t.TempDir(), "x.tar")}, nil)
	if _, err := p.Commit(t.Context()); err == nil {
		t.Error("Commit without Seal succeeded")
	}
}

func TestCommitCancelled(t *testing.T) {
	dest := filepath.Join(t.TempDir(), "x.tar")
	p := mustPlan(t, []string{"type=tar,dest=" + dest}, nil)
	outputs := begun(t, p, alone[0])
	mustSend(t, outputs.receivers[0].entry, nil, tarball(t))
	mustEnd(t, outputs, nil, true)
	if err := p.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("signal"))
	if _, err := p.Commit(ctx); !errors.As(err, new(*buildkit.CancelledError)) {
		t.Errorf("Commit = %v", err)
	}
	if _, err := os.Stat(dest); !os.IsNotExist(err) {
		t.Errorf("the output appeared: %v", err)
	}
}

func TestPushedNames(t *testing.T) {
	outputs := []Output{
		{Type: "image", Attrs: map[string]string{"push": "true", "name": "one.example/a:1,two.example/b"}},
		{Type: "registry", Attrs: map[string]string{}},
		{Type: "image", Attrs: map[string]string{"push": "false", "name": "not.example/a"}},
		{Type: "oci", Dest: "x", Attrs: map[string]string{"name": "other.example/a"}},
	}
	if diff := cmp.Diff([]string{"one.example/a:1", "two.example/b"}, PushedNames(nil, outputs)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"tag.example/a:1"}, PushedNames([]string{"tag.example/a:1"}, outputs)); diff != "" {
		t.Errorf("with tags (-want +got):\n%s", diff)
	}
	if got := PushedNames([]string{"tag.example/a:1"}, outputs[2:]); got != nil {
		t.Errorf("%q is not pushed", got)
	}
}

func TestInsecureRegistries(t *testing.T) {
	got := InsecureRegistries([]string{"tag.example:5000/app:1"}, []Output{
		{Type: "registry", Attrs: map[string]string{"registry.insecure": "true"}},
		{Type: "image", Attrs: map[string]string{"registry.insecure": "", "name": "one.example/a:1,two.example/b"}},
		{Type: "image", Attrs: map[string]string{"name": "safe.example/a:1"}},
		{Type: "oci", Dest: "x", Attrs: map[string]string{"name": "other.example/a"}},
	})
	// With tags, names are theirs.
	if diff := cmp.Diff([]string{"tag.example:5000"}, got); diff != "" {
		t.Errorf("with tags (-want +got):\n%s", diff)
	}
	got = InsecureRegistries(nil, []Output{{Type: "image", Attrs: map[string]string{"registry.insecure": "", "name": "one.example/a:1,two.example/b"}}})
	if diff := cmp.Diff([]string{"one.example", "two.example"}, got); diff != "" {
		t.Errorf("without tags (-want +got):\n%s", diff)
	}
}
