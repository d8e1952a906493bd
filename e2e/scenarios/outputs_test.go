package scenarios

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/e2e/registrytest"
)

// TestEveryOutput makes every kind of output on one node and on two and looks
// at it with another tool.
func TestEveryOutput(t *testing.T) {
	t.Parallel()
	s := newSharedShop(t)
	for _, platforms := range [][]string{{"linux/amd64"}, {"linux/arm64"}, {"linux/amd64", "linux/arm64"}} {
		name := strings.ReplaceAll(strings.Join(platforms, "-"), "linux/", "")
		o := outputs{shop: s, platforms: platforms, name: name}
		t.Run(name, func(t *testing.T) {
			s.t = t // a subtest's helpers report to it; they run one after another
			type row struct {
				name  string
				check func()
			}
			rows := []row{
				{"local", o.local}, {"tar", o.tar}, {"stdout", o.stdout},
				{"oci", o.oci}, {"oci directory", o.ociDirectory}, {"docker", o.docker},
				{"registry", o.registry}, {"image", o.image}, {"cacheonly", o.cacheOnly},
				{"several", o.several},
			}
			if name == "arm64" { // one node does what another one does
				rows = []row{{"local", o.local}, {"oci", o.oci}, {"registry", o.registry}}
			}
			for _, row := range rows {
				t.Run(row.name, func(t *testing.T) {
					s.t = t
					row.check()
				})
				s.t = t
			}
		})
		s.t = t
	}
	s.runs(s.tag("amd64-arm64"))
}

// outputs are the builds of TestEveryOutput for one set of platforms.
type outputs struct {
	*shop
	platforms []string
	name      string
}

func (o outputs) build(flags string) {
	o.t.Helper()
	o.ok("slipway build --platform " + strings.Join(o.platforms, ",") + " " + o.from() + flags + " .")
}

// machine is what /machine.txt says for a platform.
func machine(platform string) string {
	if platform == "linux/arm64" {
		return "arm64 aarch64\n"
	}
	return "amd64 x86_64\n"
}

// dirs are the directories by platform of a result with files; one platform
// has none.
func (o outputs) dirs() map[string]string {
	dirs := map[string]string{}
	for _, p := range o.platforms {
		dirs[p] = "."
		if len(o.platforms) > 1 {
			dirs[p] = strings.ReplaceAll(p, "/", "_")
		}
	}
	return dirs
}

func (o outputs) local() {
	dir := "local-" + o.name
	o.build("-o " + dir)
	for p, sub := range o.dirs() {
		want(o.t, p, o.ok("cat "+dir+"/"+sub+"/machine.txt"), machine(p))
	}
}

func (o outputs) tar() {
	file := "files-" + o.name + ".tar"
	o.build("-o type=tar,dest=" + file)
	for p, sub := range o.dirs() {
		want(o.t, p, o.ok("tar -xOf "+file+" "+filepath.Join(sub, "machine.txt")), machine(p))
	}
	// GNU tar is not there; busybox's reads the whole file and finds its end.
	o.ok("tar -tf " + file + " > list && sort list | uniq -d | grep -v '/$' | (! grep .)")
}

func (o outputs) stdout() {
	o.ok("rm -rf stdout; mkdir stdout && slipway build -q --platform " + strings.Join(o.platforms, ",") + " " + o.from() + "-o - . | tar -C stdout -x")
	for p, sub := range o.dirs() {
		want(o.t, p, o.ok("cat stdout/"+sub+"/machine.txt"), machine(p))
	}
	o.ok("rm -r stdout")
}

// layout checks what came out as an OCI layout.
func (o outputs) layout(dir string) {
	o.t.Helper()
	outer, err := registrytest.Layout(dir)
	if err != nil {
		o.t.Fatal(err)
	}
	if err := registrytest.Validate(outer); err != nil {
		o.t.Fatal(err)
	}
	inner, err := registrytest.Only(outer)
	if err != nil {
		o.t.Fatal(err)
	}
	checkPlatforms(o.t, inner, o.platforms...)
	manifest, err := outer.IndexManifest()
	if err != nil {
		o.t.Fatal(err)
	}
	want(o.t, "name in the layout", manifest.Manifests[0].Annotations["io.containerd.image.name"], o.tag(o.name))
}

func (o outputs) oci() {
	file := "image-" + o.name + ".tar"
	o.build("-t " + o.tag(o.name) + " -o type=oci,dest=" + file)
	local := o.fetch(file)
	dir := o.t.TempDir()
	if err := registrytest.Unpack(local, dir); err != nil {
		o.t.Fatal(err)
	}
	o.layout(dir)
	o.imports(local)
}

// imports gives an archive to containerd's ctr.
func (o outputs) imports(archive string) {
	o.t.Helper()
	for _, p := range o.platforms {
		references, err := registrytest.Import(o.t.Context(), o.Bed, o.Bed.Nodes[0].Name, archive, p)
		if err != nil {
			o.t.Fatal(err)
		}
		want(o.t, "references for "+p, strings.Join(references, " "), o.tag(o.name))
	}
}

func (o outputs) ociDirectory() {
	dir := "layout-" + o.name
	o.build("-t " + o.tag(o.name) + " -o type=oci,tar=false,dest=" + dir)
	o.layout(o.fetchDir(dir))
	// A second image joins the first.
	o.build("-t " + o.tag("second") + " --label more=1 -o type=oci,tar=false,dest=" + dir)
	outer, err := registrytest.Layout(o.fetchDir(dir))
	if err != nil {
		o.t.Fatal(err)
	}
	manifest, err := outer.IndexManifest()
	if err != nil {
		o.t.Fatal(err)
	}
	if err := registrytest.Validate(outer); err != nil || len(manifest.Manifests) != 2 {
		o.t.Errorf("a layout with two images has %d: %v", len(manifest.Manifests), err)
	}
}

func (o outputs) docker() {
	file := "docker-" + o.name + ".tar"
	o.build("-t " + o.tag(o.name) + " -o type=docker,dest=" + file)
	local := o.fetch(file)
	images, err := registrytest.DockerArchive(local)
	if err != nil {
		o.t.Fatal(err)
	}
	config, ok := images[o.tag(o.name)]
	if !ok || config.Config.Labels["scenario"] != "yes" {
		o.t.Fatalf("docker load would find %v, want %s", images, o.tag(o.name))
	}
	o.imports(local)
}

func (o outputs) registry() {
	o.build("-t " + o.tag(o.name) + " -t " + o.tag(o.name+"-too") + " --push --metadata-file meta.json --iidfile iid")
	o.index(o.name, o.platforms...)
	want(o.t, "the second tag", o.digest(o.name+"-too"), o.digest(o.name))

	var meta struct {
		Digest     string `json:"containerimage.digest"`
		Descriptor struct {
			Digest, MediaType string
		} `json:"containerimage.descriptor"`
		Names     string `json:"image.name"`
		Ref       string `json:"buildx.build.ref"`
		Platforms map[string]struct {
			Digest, Node, Pod, Ref, Started, Completed string
			Duration                                   float64
		} `json:"slipway.platforms"`
	}
	if err := json.Unmarshal([]byte(o.ok("cat meta.json")), &meta); err != nil {
		o.t.Fatal(err)
	}
	want(o.t, "digest in the metadata", meta.Digest, o.digest(o.name))
	want(o.t, "descriptor in the metadata", meta.Descriptor.Digest, meta.Digest)
	want(o.t, "names in the metadata", meta.Names, o.tag(o.name)+","+o.tag(o.name+"-too"))
	for _, p := range o.platforms {
		one := meta.Platforms[p]
		arch := strings.TrimPrefix(p, "linux/")
		if one.Node != "builder-"+arch || !strings.HasPrefix(one.Pod, one.Node) || one.Ref == "" || one.Duration <= 0 {
			o.t.Errorf("metadata of %s: %+v", p, one)
		}
		// The digest of a platform can be pulled by itself.
		if len(o.platforms) > 1 {
			config, err := o.images.Config(o.t.Context(), o.Name+"@"+one.Digest, "")
			if err != nil || config.Architecture != arch {
				o.t.Errorf("%s@%s: %v", p, one.Digest, err)
			}
		}
	}
	if !strings.HasPrefix(o.ok("cat iid"), "sha256:") {
		o.t.Errorf("image ID %q", o.ok("cat iid"))
	}
}

// image stays on the builders: without push nothing reaches the registry.
func (o outputs) image() {
	o.build("-t " + o.tag("not-pushed") + " -o type=image")
	want(o.t, "a tag that was not pushed", o.digest("not-pushed"), "")
}

func (o outputs) cacheOnly() {
	o.build("-o type=cacheonly")
}

// several makes outputs of four kinds, two of them alike, in one build.
func (o outputs) several() {
	o.build(fmt.Sprintf("-t %[1]s -o type=oci,dest=a.tar -o type=oci,dest=b.tar,compression=zstd -o type=local,dest=several -o type=tar,dest=c.tar -o type=registry", o.tag("several-"+o.name)))
	o.index("several-"+o.name, o.platforms...)
	for _, file := range []string{"a.tar", "b.tar"} {
		dir := o.t.TempDir()
		if err := registrytest.Unpack(o.fetch(file), dir); err != nil {
			o.t.Fatal(err)
		}
		outer, err := registrytest.Layout(dir)
		if err != nil {
			o.t.Fatal(err)
		}
		if err := registrytest.Validate(outer); err != nil {
			o.t.Errorf("%s: %v", file, err)
		}
	}
	for p, sub := range o.dirs() {
		want(o.t, p, o.ok("cat several/"+sub+"/machine.txt; tar -xOf c.tar "+filepath.Join(sub, "machine.txt")), machine(p)+machine(p))
	}
	o.ok("rm -r several *.tar")
}
