package output

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/solve/job"
	"github.com/slipway-build/slipway/agent/solve/layout"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/target"
	"github.com/slipway-build/slipway/registry/imageindex"
)

const created2001 = "2001-02-03T04:05:06Z"

// image is what a node makes: an index of one image and its attestation.
type image struct {
	root     ocispecs.Descriptor
	manifest ocispecs.Descriptor
	config   ocispecs.Descriptor
	blobs    map[digest.Digest][]byte
}

func (i image) add(mediaType string, data []byte) ocispecs.Descriptor {
	d := ocispecs.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	i.blobs[d.Digest] = data
	return d
}

func (i image) addJSON(t *testing.T, mediaType string, v any) ocispecs.Descriptor {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return i.add(mediaType, data)
}

// nodeImage makes an image for a platform; all share one layer.
func nodeImage(t *testing.T, p ocispecs.Platform) image {
	t.Helper()
	i := image{blobs: map[digest.Digest][]byte{}}
	shared := i.add(ocispecs.MediaTypeImageLayer, bytes.Repeat([]byte("layer"), 1000))
	own := i.add(ocispecs.MediaTypeImageLayer, []byte(p.Architecture))
	i.config = i.addJSON(t, ocispecs.MediaTypeImageConfig, ocispecs.Image{Platform: p})
	i.manifest = i.addJSON(t, ocispecs.MediaTypeImageManifest, ocispecs.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispecs.MediaTypeImageManifest,
		Config: i.config, Layers: []ocispecs.Descriptor{shared, own},
	})
	i.manifest.Platform = &p
	attestation := i.addJSON(t, ocispecs.MediaTypeImageManifest, ocispecs.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispecs.MediaTypeImageManifest,
		Config: i.add(ocispecs.MediaTypeEmptyJSON, []byte("{}")), Layers: []ocispecs.Descriptor{i.add("application/vnd.in-toto+json", []byte(`{"of":"`+p.Architecture+`"}`))},
	})
	attestation.Platform = &ocispecs.Platform{OS: "unknown", Architecture: "unknown"}
	attestation.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": i.manifest.Digest.String()}
	i.root = i.addJSON(t, ocispecs.MediaTypeImageIndex, ocispecs.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispecs.MediaTypeImageIndex, Manifests: []ocispecs.Descriptor{i.manifest, attestation},
	})
	i.root.Annotations = map[string]string{ocispecs.AnnotationCreated: created2001}
	return i
}

func blobName(d digest.Digest) string { return "blobs/" + d.Algorithm().String() + "/" + d.Encoded() }

// archive is the image as BuildKit sends it.
func (i image) archive(t *testing.T) []byte {
	t.Helper()
	index, err := json.Marshal(ocispecs.Index{Manifests: []ocispecs.Descriptor{i.root}})
	if err != nil {
		t.Fatal(err)
	}
	files := []string{"blobs/", "", "blobs/sha256/", ""}
	for d, data := range i.blobs {
		files = append(files, blobName(d), string(data))
	}
	return tarOf(t, 0o444, append(files, "index.json", string(index), "oci-layout", `{"imageLayoutVersion":"1.0.0"}`)...)
}

// metadata is what BuildKit says of the stream.
func (i image) metadata(t *testing.T) map[string]string {
	t.Helper()
	data, err := json.Marshal(i.root)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"containerimage.descriptor": base64.StdEncoding.EncodeToString(data)}
}

func decode[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// solveCouple plays two nodes that solve at once, one of which was lost once.
func solveCouple(t *testing.T, p *Set) (a, b image) {
	t.Helper()
	lost := nodeImage(t, ocispecs.Platform{OS: "linux", Architecture: "lost"})
	outputs := begun(t, p, couple[0])
	mustSend(t, outputs.receivers[0].entry, lost.metadata(t), lost.archive(t))
	mustEnd(t, outputs, nil, false)

	images := []image{nodeImage(t, amd64), nodeImage(t, arm64)}
	done := make(chan error)
	for n := range images {
		go func() {
			outputs, err := p.Begin(couple[n])
			if err == nil {
				err = send(outputs.receivers[0].entry, images[n].metadata(t), images[n].archive(t))
			}
			if err == nil {
				err = outputs.End(nil, true)
			}
			done <- err
		}()
	}
	for range images {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	return images[0], images[1]
}

// wantMerged checks an index.json and the index that it names.
func wantMerged(t *testing.T, files map[string]string, outcome *Outcome, a, b image, names ...string) {
	t.Helper()
	top := decode[ocispecs.Index](t, files["index.json"])
	var got []string
	for _, m := range top.Manifests {
		got = append(got, m.Annotations[layout.ImageNameAnnotation])
		if m.Digest != outcome.Descriptor.Digest || m.Annotations[ocispecs.AnnotationCreated] != created2001 {
			t.Errorf("index.json has %+v, want %s of %s", m, outcome.Descriptor.Digest, created2001)
		}
	}
	if diff := cmp.Diff(names, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	merged := decode[ocispecs.Index](t, files[blobName(outcome.Descriptor.Digest)])
	if len(merged.Manifests) != 4 || merged.Manifests[0].Digest != a.manifest.Digest || merged.Manifests[2].Digest != b.manifest.Digest {
		t.Errorf("the merged index has %+v", merged.Manifests)
	}
	for _, i := range []image{a, b} {
		for d, data := range i.blobs {
			if d != i.root.Digest && files[blobName(d)] != string(data) {
				t.Errorf("blob %s has %q", d, files[blobName(d)])
			}
		}
	}
	for name, data := range files {
		if hex, ok := strings.CutPrefix(name, "blobs/sha256/"); ok && hex != "" && digest.FromString(data).Encoded() != hex {
			t.Errorf("%s has another digest", name)
		}
		if strings.Contains(data, "lost") {
			t.Errorf("%s is of the try that was lost", name)
		}
	}
}

func TestArchiveOfSeveralNodes(t *testing.T) {
	dir := t.TempDir()
	dest := filepath.Join(dir, "x.tar")
	p := mustPlan(t, []string{"type=oci,dest=" + dest}, func(r *Env) {
		r.Tags = []string{"docker.io/library/x:1", "example.com/y:2"}
		r.Annotations = []imageindex.Annotation{{Level: imageindex.LevelIndex, Key: "ik", Value: "iv"}, {Level: imageindex.LevelIndexDescriptor, Key: "dk", Value: "dv"}}
	})
	a, b := solveCouple(t, p)
	outcome := mustPublish(t, p)
	files := readTar(t, dest)
	wantMerged(t, files, outcome, a, b, "docker.io/library/x:1", "example.com/y:2")
	if _, ok := files["manifest.json"]; ok {
		t.Error("type=oci holds a manifest.json")
	}
	if got := decode[ocispecs.Index](t, files["index.json"]).Manifests[0].Annotations["dk"]; got != "dv" {
		t.Errorf("index-descriptor annotation is %q", got)
	}
	if got := decode[ocispecs.Index](t, files[blobName(outcome.Descriptor.Digest)]).Annotations["ik"]; got != "iv" {
		t.Errorf("index annotation is %q", got)
	}
	if diff := cmp.Diff([]string{"docker.io/library/x:1", "example.com/y:2"}, outcome.Names); diff != "" {
		t.Errorf("names of the outcome (-want +got):\n%s", diff)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	wantClean(t, dir)
}

func TestDockerArchiveOfSeveralNodes(t *testing.T) {
	dest := filepath.Join(t.TempDir(), "x.tar")
	p := mustPlan(t, []string{"type=docker,name=x,dest=" + dest}, nil)
	a, b := solveCouple(t, p)
	outcome := mustPublish(t, p)
	files := readTar(t, dest)
	wantMerged(t, files, outcome, a, b, "docker.io/library/x:latest")
	// docker load gets the image of the agent's architecture.
	want := a
	if runtime.GOARCH == "arm64" {
		want = b
	}
	type dockerImage struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	list := decode[[]dockerImage](t, files["manifest.json"])
	if len(list) != 1 || list[0].Config != blobName(want.config.Digest) || !slices.Equal(list[0].RepoTags, []string{"x:latest"}) || len(list[0].Layers) != 2 {
		t.Errorf("manifest.json has %+v, want the image with config %s", list, want.config.Digest)
	}
}

func TestDockerOrder(t *testing.T) {
	unknown := ocispecs.Platform{OS: "unknown", Architecture: "unknown"}
	list := []ocispecs.Descriptor{{Platform: &unknown}, {Platform: &arm64}, {Platform: &amd64}}
	for architecture, first := range map[string]ocispecs.Platform{"amd64": amd64, "arm64": arm64, "s390x": arm64} {
		order := dockerOrder(architecture, list)
		other := amd64
		if first.Architecture == "amd64" {
			other = arm64
		}
		if !order.Match(first) || !order.Match(other) || order.Match(unknown) || !order.Less(first, other) {
			t.Errorf("an engine on %s does not get %s first", architecture, first.Architecture)
		}
	}
}

func TestArchiveRequests(t *testing.T) {
	both := job.Job{Platforms: []ocispecs.Platform{amd64, arm64}}
	file := func(kind string) string { return "type=" + kind + ",dest=" + filepath.Join(t.TempDir(), "x.tar") }
	tests := []struct {
		name  string
		value string
		job   job.Job
		tune  func(*Env)
		kind  string
		attrs map[string]string
	}{
		{"oci", file("oci") + ",compression=zstd", alone[0], nil, "oci", attrs("compression", "zstd")},
		{"oci directory", "type=oci,tar=false,dest=" + t.TempDir(), alone[0], nil, "oci", attrs()},
		{"docker", file("docker"), alone[0], nil, "docker", attrs()},
		{"docker of two platforms", file("docker"), both, nil, "oci", attrs()},
		{"docker of two nodes", file("docker"), couple[1], nil, "oci", attrs()},
		{"docker with attestations", file("docker"), alone[0], func(r *Env) { r.Attested = true }, "oci", attrs()},
		{"docker without attestations", file("docker"), alone[0], nil, "docker", attrs()},
		{"docker as a list", file("docker"), alone[0], func(r *Env) { r.MultiPlatform = true }, "oci", attrs()},
		{"tags replace the name", file("oci") + ",name=z", alone[0], func(r *Env) { r.Tags = []string{"docker.io/library/x:1", "docker.io/library/y:1"} }, "oci", attrs("name", "docker.io/library/x:1,docker.io/library/y:1")},
		{"annotations", file("oci"), alone[0], func(r *Env) {
			r.Annotations = []imageindex.Annotation{{Key: "k", Value: "v"}, {Level: imageindex.LevelManifest, Platform: &amd64, Key: "p", Value: "v"}}
		}, "oci", attrs("annotation.k", "v", "annotation-manifest[linux/amd64].p", "v")},
		{"attestations in the old format", file("oci"), alone[0], func(r *Env) { r.Lookup = env("BUILDX_NO_DEFAULT_OCI_ARTIFACT", "1") }, "oci", attrs("oci-artifact", "false")},
		{"the user's word on the format", file("oci") + ",oci-artifact=true", alone[0], func(r *Env) { r.Lookup = env("BUILDX_NO_DEFAULT_OCI_ARTIFACT", "1") }, "oci", attrs("oci-artifact", "true")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := mustPlan(t, []string{tt.value}, tt.tune)
			outputs := begun(t, p, tt.job)
			entry := outputs.receivers[0].entry
			mustEnd(t, outputs, nil, false)
			if entry.Type != tt.kind || entry.Output == nil || entry.OutputDir != "" {
				t.Errorf("type=%s with a stream %t, want %s", entry.Type, entry.Output != nil, tt.kind)
			}
			if diff := cmp.Diff(tt.attrs, entry.Attrs); diff != "" {
				t.Errorf("attributes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLayoutDirectory(t *testing.T) {
	files := func(t *testing.T, dir string) map[string]string {
		t.Helper()
		all := tree(t, dir)
		for name := range all {
			if strings.HasSuffix(name, ".lock") || strings.Contains(name, target.StagingPrefix) {
				t.Errorf("%s is left", name)
			}
		}
		return all
	}
	dir := filepath.Join(t.TempDir(), "new", "layout")
	put := func(tag string, platform ocispecs.Platform) image {
		p := mustPlan(t, []string{"type=oci,tar=false,dest=" + dir}, func(r *Env) {
			if tag != "" {
				r.Tags = []string{tag}
			}
		})
		i := nodeImage(t, platform)
		outputs := begun(t, p, alone[0])
		mustSend(t, outputs.receivers[0].entry, i.metadata(t), i.archive(t))
		mustEnd(t, outputs, nil, true)
		mustPublish(t, p)
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		return i
	}
	wantIndex := func(want map[string]digest.Digest) {
		t.Helper()
		got := map[string]digest.Digest{}
		for _, m := range decode[ocispecs.Index](t, files(t, dir)["index.json"]).Manifests {
			got[m.Annotations[layout.ImageNameAnnotation]+" "+m.Annotations[ocispecs.AnnotationRefName]] = m.Digest
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("index.json (-want +got):\n%s", diff)
		}
	}
	first := put("", amd64)
	wantIndex(map[string]digest.Digest{" latest": first.root.Digest})
	if got := files(t, dir)["oci-layout"]; !strings.Contains(got, "1.0.0") {
		t.Errorf("oci-layout has %q", got)
	}
	second := put("docker.io/library/x:1", arm64)
	wantIndex(map[string]digest.Digest{" latest": first.root.Digest, "docker.io/library/x:1 1": second.root.Digest})
	third := put("", arm64)
	wantIndex(map[string]digest.Digest{" latest": third.root.Digest, "docker.io/library/x:1 1": second.root.Digest})
	all := files(t, dir)
	for d, data := range first.blobs {
		if all[blobName(d)] != string(data) {
			t.Errorf("blob %s of an image that was there before has %q", d, all[blobName(d)])
		}
	}

	p := mustPlan(t, []string{"type=oci,tar=false,dest=" + dir}, nil)
	a, b := solveCouple(t, p)
	outcome := mustPublish(t, p)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	all = files(t, dir)
	wantIndex(map[string]digest.Digest{" latest": outcome.Descriptor.Digest, "docker.io/library/x:1 1": second.root.Digest})
	for _, i := range []image{a, b} {
		for d := range i.blobs {
			if _, ok := all[blobName(d)]; !ok && d != i.root.Digest {
				t.Errorf("blob %s is missing", d)
			}
		}
	}
}

func TestUnpackRefuses(t *testing.T) {
	i := nodeImage(t, amd64)
	index := `{"manifests":[{"digest":"` + i.root.Digest.String() + `"}]}`
	tests := []struct {
		name string
		data []byte
		md   map[string]string
		want string
	}{
		{"a wrong digest", tarOf(t, 0o644, blobName(i.root.Digest), "other"), i.metadata(t), "has the content of"},
		{"a name that is no digest", tarOf(t, 0o644, "blobs/sha256/../../x", "y"), i.metadata(t), "blob named"},
		{"a file with no place", tarOf(t, 0o644, "etc/passwd", "y"), i.metadata(t), "no place in an image"},
		{"half an archive", i.archive(t)[:3*tarBlock], i.metadata(t), "read the archive"},
		{"no image", tarOf(t, 0o644, "oci-layout", "{}"), nil, "has no image"},
		{"a sparse blob", sparseTar(blobName(i.root.Digest)), i.metadata(t), "as a sparse file"},
		{"a sparse index", sparseTar("index.json"), nil, "as a sparse file"},
		{"an index that is none", tarOf(t, 0o644, "index.json", "{"), nil, "index.json"},
		{"a description that is none", tarOf(t, 0o644, "index.json", index), map[string]string{"containerimage.descriptor": "x"}, "description of the image"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			u := &imageReceiver{dir: dir}
			if err := send2(u, tt.md, tt.data); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the daemon is told %v, want %q", err, tt.want)
			}
			if _, err := u.finish(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("finish = %v, want %q", err, tt.want)
			}
			if err := u.failed(); err != nil && !errors.As(err, new(*fault.Builder)) {
				t.Errorf("the agent is blamed: %v", err)
			}
			for name := range tree(t, dir) {
				if !strings.HasSuffix(name, "/") {
					t.Errorf("%s is left", name)
				}
			}
		})
	}

	t.Run("no room", func(t *testing.T) {
		u := &imageReceiver{dir: filepath.Join(t.TempDir(), "file", "below")}
		write(t, filepath.Dir(filepath.Dir(u.dir)), attrs("file", "in the way"))
		if err := send2(u, i.metadata(t), i.archive(t)); err == nil {
			t.Error("the daemon is told of success")
		}
		wantUsage(t, u.failed(), "--output", "not a directory")
	})
	t.Run("ended while the stream runs", func(t *testing.T) {
		u := &imageReceiver{dir: t.TempDir()}
		w, err := u.open(i.metadata(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(i.archive(t)[:tarBlock]); err != nil {
			t.Fatal(err)
		}
		u.wait()
		if _, err := w.Write(i.archive(t)[tarBlock:]); err == nil {
			t.Error("the stream was taken after its solve had ended")
		}
		if err := w.Close(); err == nil {
			t.Error("the daemon is told of success")
		}
	})
	t.Run("a blob without end", func(t *testing.T) {
		u := &imageReceiver{dir: t.TempDir()}
		w, err := u.open(i.metadata(t))
		must(t, err)
		_, err = w.Write(tarHeader(blobName(i.root.Digest), tar.TypeReg, 1<<40))
		must(t, err)
		failed := make(chan error)
		go func() {
			for {
				if _, err := w.Write(make([]byte, 1<<10)); err != nil {
					failed <- err
					return
				}
			}
		}()
		u.wait()
		if err := <-failed; !errors.Is(err, errStreamEnded) {
			t.Errorf("the daemon is told %v", err)
		}
		for name := range tree(t, u.dir) {
			if !strings.HasSuffix(name, "/") {
				t.Errorf("%s is left", name)
			}
		}
	})
	t.Run("the root in index.json", func(t *testing.T) {
		u := &imageReceiver{dir: t.TempDir()}
		if err := send2(u, nil, i.archive(t)); err != nil {
			t.Fatal(err)
		}
		if root, err := u.finish(); err != nil || root.Digest != i.root.Digest {
			t.Errorf("finish = %v, %v; want %s", root.Digest, err, i.root.Digest)
		}
	})
}

func send2(u *imageReceiver, md map[string]string, data []byte) error {
	w, err := u.open(md)
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		_ = w.Close()
		return err
	}
	return w.Close()
}

func FuzzUnpack(f *testing.F) {
	f.Add([]byte("x"))
	f.Add(tarOf(f, 0o644, "index.json", `{"manifests":[{}]}`, "blobs/sha256/x", "y", "blobs/sha256/"+digest.FromString("z").Encoded(), "z"))
	f.Add(tarOf(f, 0o644, "../x", "y"))
	f.Fuzz(func(t *testing.T, data []byte) {
		parent := t.TempDir()
		dir := filepath.Join(parent, "layout")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		u := &imageReceiver{dir: dir}
		_ = send2(u, nil, data)
		u.wait()
		for name, content := range tree(t, parent) {
			hex, blob := strings.CutPrefix(name, "layout/blobs/sha256/")
			if blob && hex != "" && digest.FromString(content).Encoded() != hex {
				t.Errorf("%s has another digest", name)
			}
			if !strings.HasPrefix(name, "layout/") {
				t.Errorf("%s was written outside", name)
			}
		}
	})
}
