package dockerimages

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/internal/fault"
)

// now is when the tests look.
var now = time.Date(2026, 11, 28, 16, 0, 0, 0, time.UTC)

// open opens a store of the test's own.
func open(t *testing.T) *Store {
	t.Helper()
	s, err := Open([]string{filepath.Join(t.TempDir(), "images")}, "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// parts makes a part and its blobs for a platform.
func parts(t *testing.T, word, architecture string) (Part, [][]byte) {
	t.Helper()
	built := now.Add(-2 * time.Hour)
	config, err := json.Marshal(map[string]any{
		"architecture": architecture, "os": "linux", "created": built,
		"config":  map[string]any{"Env": []string{"WORD=" + word, "A=b"}, "Labels": map[string]string{"who": word}},
		"rootfs":  ocispecs.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromString(word + " files")}},
		"history": []ocispecs.History{{Created: &built, CreatedBy: "RUN echo\n" + word + strings.Repeat(" and more", 8), Comment: "buildkit.dockerfile.v0"}, {Created: &built, CreatedBy: "ENV A=b", EmptyLayer: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := json.Marshal(ocispecs.Manifest{
		MediaType: ocispecs.MediaTypeImageManifest,
		Config:    ocispecs.Descriptor{MediaType: ocispecs.MediaTypeImageConfig, Digest: digest.FromBytes(config), Size: int64(len(config))},
		Layers:    []ocispecs.Descriptor{{MediaType: ocispecs.MediaTypeImageLayerGzip, Digest: digest.FromString(word), Size: 2_000_000}},
	})
	if err != nil {
		t.Fatal(err)
	}
	part := Part{
		Platform: ocispecs.Platform{OS: "linux", Architecture: architecture}, Node: "n-" + architecture, Pod: "pod",
		Manifest: ocispecs.Descriptor{MediaType: ocispecs.MediaTypeImageManifest, Digest: digest.FromBytes(manifest), Size: int64(len(manifest))},
		Config:   digest.FromBytes(config),
	}
	return part, [][]byte{manifest, config}
}

// build keeps an image as docker build does.
func build(t *testing.T, s *Store, word string, at time.Duration, names ...string) Image {
	t.Helper()
	part, blobs := parts(t, word, "amd64")
	image := Image{Kept: now.Add(at), Builder: "kube", Tags: names, Parts: []Part{part}}
	if _, err := image.Identify(); err != nil {
		t.Fatal(err)
	}
	if err := s.Keep(t.Context(), image, blobs); err != nil {
		t.Fatal(err)
	}
	return image
}

func TestNames(t *testing.T) {
	s := open(t)
	first := build(t, s, "one", -3*time.Hour, "docker.io/library/app:latest", "reg.example/team/app:1")
	second := build(t, s, "two", -time.Hour, "docker.io/library/app:latest")
	if err := s.Tag(t.Context(), first.ID.Encoded()[:9], "reg.example/other"); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), func(state *State) error {
		state.Pushed(second.ID, Place{"reg.example/app", ocispecs.Descriptor{Digest: digest.FromString("pushed")}})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	state, err := s.Read()
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(strings.Join(state.familiarTags(), " "), "app:latest"); n != 1 {
		t.Errorf("app:latest is a name of %d images", n)
	}
	for name, want := range map[string]digest.Digest{
		"app": second.ID, "app:latest": second.ID, "docker.io/library/app": second.ID, // the name has moved
		"reg.example/team/app:1": first.ID, "reg.example/other:latest": first.ID,
		first.ID.String(): first.ID, first.ID.Encoded()[:12]: first.ID, "sha256:" + second.ID.Encoded()[:12]: second.ID,
		"reg.example/app@" + digest.FromString("pushed").String(): second.ID,
		"reg.example/app@" + digest.FromString("other").String():  "", "app:2": "", "app@sha256:12": "", "zz": "", "": "", "UPPER": "", "sha256:": "",
	} {
		found, err := state.Find("image", name)
		if unknown := (*UnknownError)(nil); found.ID != want || want == "" && !errors.As(err, &unknown) || want != "" && err != nil {
			t.Errorf("%q is %s, %v, want %s", name, found.ID, err, want)
		}
	}
	_, err = state.Find("object", "app:latst")
	if err == nil || err.Error() != "No such object: app:latst" || !strings.Contains(strings.Join(fault.Hints(err), "\n"), "did you mean app:latest?") {
		t.Errorf("%v, %q", err, fault.Hints(err))
	}
	both := State{Images: []Image{{ID: digest.Digest("sha256:" + strings.Repeat("a", 64))}, {ID: digest.Digest("sha256:a" + strings.Repeat("b", 63))}}}
	if _, err := both.Find("image", "a"); !errors.As(err, new(*AmbiguousError)) {
		t.Errorf("a: %v", err)
	}
	for _, bad := range []string{"UPPER", "a@" + digest.FromString("x").String(), "", "a b"} {
		if err := s.Tag(t.Context(), "app", bad); !errors.As(err, new(*OptionError)) {
			t.Errorf("tag %q: %v", bad, err)
		}
	}
}

func TestList(t *testing.T) {
	s := open(t)
	old := build(t, s, "one", -3*time.Hour, "reg.example/team/app:1", "reg.example/team/app:2")
	build(t, s, "two", -2*time.Hour, "docker.io/library/tool:latest")
	dangling := build(t, s, "three", -time.Hour)
	id := func(i Image) string { return i.ID.Encoded()[:12] }
	for _, tt := range []struct {
		o    ListOptions
		want string
	}{
		{ListOptions{Quiet: true, Match: "reg.example/team/app"}, id(old) + "\n"},
		{ListOptions{Quiet: true, NoTrunc: true, Match: "reg.example/team/app:2"}, old.ID.String() + "\n"},
		{ListOptions{Format: "{{.Repository}}:{{.Tag}}", Filters: []string{"dangling=false"}}, "tool:latest\nreg.example/team/app:1\nreg.example/team/app:2\n"},
		{ListOptions{Format: "{{.ID}}", Filters: []string{"dangling=true"}}, id(dangling) + "\n"},
		{ListOptions{Format: "{{.Tag}}", Filters: []string{"reference=*/app:1"}}, ""},
		{ListOptions{Format: "{{.Tag}}", Filters: []string{"reference=reg.example/*/app:1"}}, "1\n"},
		{ListOptions{Format: "{{.Repository}}", Filters: []string{"reference=tool"}}, "tool\n"},
		{ListOptions{Format: "{{.Repository}}", Filters: []string{"label=who=two"}}, "tool\n"},
		{ListOptions{Format: "{{.Repository}}", Filters: []string{"label=nothing"}}, ""},
		{ListOptions{Format: "{{.Repository}}", Filters: []string{"before=tool"}, Match: "*/*/*"}, "reg.example/team/app\nreg.example/team/app\n"},
		{ListOptions{Format: "{{.Repository}}", Filters: []string{"since=tool"}}, "<none>\n"},
		{ListOptions{Match: "tool"}, "REPOSITORY   TAG      IMAGE ID       CREATED       SIZE\ntool         latest   " + "ID" + "   2 hours ago   2MB\n"},
		{ListOptions{Match: "tool", Digests: true}, "REPOSITORY   TAG      DIGEST   IMAGE ID       CREATED       SIZE\ntool         latest   <none>   " + "ID" + "   2 hours ago   2MB\n"},
		{ListOptions{Match: "tool", Format: "table {{.Repository}}\t{{.Size}}"}, "REPOSITORY   SIZE\ntool         2MB\n"},
	} {
		var out strings.Builder
		if err := s.List(&out, tt.o, now); err != nil {
			t.Errorf("%+v: %v", tt.o, err)
		}
		state, _ := s.Read()
		tool, _ := state.Find("image", "tool")
		if want := strings.ReplaceAll(tt.want, "ID   2", id(tool)+"   2"); out.String() != want {
			t.Errorf("%+v: %q, want %q", tt.o, out.String(), want)
		}
	}
	for _, bad := range []ListOptions{{Filters: []string{"until=1h"}}, {Filters: []string{"dangling=maybe"}}, {Filters: []string{"label"}}, {Format: "xml"}, {Format: "{{.Nope}}"}} {
		if err := s.List(&strings.Builder{}, bad, now); !errors.As(err, new(*OptionError)) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestInspect(t *testing.T) {
	s := open(t)
	image := build(t, s, "one", 0, "reg.example/app:1", "docker.io/library/app:latest")
	pushed := digest.FromString("pushed")
	if err := s.Update(t.Context(), func(state *State) error {
		state.Pushed(image.ID, Place{"reg.example/app", ocispecs.Descriptor{Digest: pushed}})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for format, want := range map[string]string{
		".":                                   ".\n", // Jenkins asks so whether an image is there
		"{{.Id}}":                             image.ID.String() + "\n",
		"{{.ID}}":                             image.ID.String() + "\n",
		"{{index .RepoDigests 0}}":            "reg.example/app@" + pushed.String() + "\n",
		"{{.RepoTags}}":                       "[reg.example/app:1 app:latest]\n",
		`{{join .RepoTags ","}}`:              "reg.example/app:1,app:latest\n",
		`{{join .Config.Env " "}}`:            "WORD=one A=b\n",
		"{{.Config.Labels.who}}":              "one\n",
		"{{json .RepoTags}}":                  `["reg.example/app:1","app:latest"]` + "\n",
		"{{.Os}}/{{.Architecture}} {{.Size}}": "linux/amd64 2000" + fmt.Sprint(configSize(t, s, image)) + "\n",
		"{{len .RootFS.Layers}}":              "1\n",
	} {
		var out strings.Builder
		err := s.Inspect(&out, []string{"app"}, InspectOptions{Object: "image", Format: format, OS: "linux", Arch: "amd64"})
		if err != nil || out.String() != want {
			t.Errorf("%s: %q, %v, want %q", format, out.String(), err, want)
		}
	}
	for _, format := range []string{"{{.Nope}}", "{{", "{{.Config.Labels.nobody}}"} {
		if err := s.Inspect(&strings.Builder{}, []string{"app"}, InspectOptions{Object: "image", Format: format}); !errors.As(err, new(*OptionError)) {
			t.Errorf("%s: %v", format, err)
		}
	}
	for _, o := range []InspectOptions{{Object: "container"}, {Object: "image", Platform: "linux/arm64"}} {
		if err := s.Inspect(&strings.Builder{}, []string{"app"}, o); !IsUsage(err) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	// What is not known is an error after the rest.
	var out strings.Builder
	err := s.Inspect(&out, []string{"nobody"}, InspectOptions{Object: "object"})
	if out.String() != "[]\n" || err == nil || err.Error() != "No such object: nobody" {
		t.Errorf("%q, %v", out.String(), err)
	}
	out.Reset()
	err = s.Inspect(&out, []string{"nobody", "app"}, InspectOptions{Object: "image", Format: "{{.Os}}"})
	if out.String() != "linux\n" || !errors.As(err, new(*UnknownError)) {
		t.Errorf("%q, %v", out.String(), err)
	}
	out.Reset()
	err = s.Inspect(&out, []string{"nobody"}, InspectOptions{Object: "image", Format: "{{.Os}}"})
	if out.String() != "\n" || err == nil {
		t.Errorf("%q, %v", out.String(), err)
	}
}

// configSize is what the size of an image has besides the two million bytes of its layer.
func configSize(t *testing.T, s *Store, image Image) int {
	t.Helper()
	config, err := s.Blob(image.ID)
	if err != nil {
		t.Fatal(err)
	}
	return len(config)
}

func TestHistory(t *testing.T) {
	s := open(t)
	image := build(t, s, "one", 0, "docker.io/library/app:latest")
	for _, tt := range []struct {
		o    HistoryOptions
		want string
	}{
		{HistoryOptions{Human: true}, "IMAGE          CREATED       CREATED BY                                      SIZE   COMMENT\n" +
			image.ID.Encoded()[:12] + "   2 hours ago   ENV A=b                                         0B\n" +
			"<missing>      2 hours ago   RUN echo one and more and more and more and …   2MB    buildkit.dockerfile.v0\n"},
		{HistoryOptions{Quiet: true, NoTrunc: true}, image.ID.String() + "\n<missing>\n"},
		{HistoryOptions{Format: "{{.Size}} {{.CreatedAt}} {{.CreatedSince}}"}, "0 2026-11-28T14:00:00Z 2026-11-28T14:00:00Z\n2000000 2026-11-28T14:00:00Z 2026-11-28T14:00:00Z\n"},
	} {
		var out strings.Builder
		if err := s.History(&out, "app", tt.o, now); err != nil || out.String() != tt.want {
			t.Errorf("%+v: %v\n%s", tt.o, err, cmp.Diff(tt.want, out.String()))
		}
	}
	if err := s.History(&strings.Builder{}, "nobody", HistoryOptions{}, now); !errors.As(err, new(*UnknownError)) {
		t.Errorf("%v", err)
	}
	if got := sinceText(time.Time{}, now, true); got != "N/A" {
		t.Errorf("no time is %q", got)
	}
}

func TestRemove(t *testing.T) {
	s := open(t)
	image := build(t, s, "one", 0, "docker.io/library/app:1", "docker.io/library/app:2")
	build(t, s, "two", 0)
	var notes []string
	remove := func(names ...string) string {
		var out strings.Builder
		if err := s.Remove(t.Context(), &out, names, func(line string) { notes = append(notes, line) }); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if got := remove("app:1"); got != "Untagged: app:1\n" {
		t.Errorf("%q", got)
	}
	if got := remove("nobody", image.ID.String()); got != "Untagged: app:2\nDeleted: "+image.ID.String()+"\n" || len(notes) != 1 || !strings.Contains(notes[0], "No such image: nobody: there is nothing to remove") {
		t.Errorf("%q, %q", got, notes)
	}
	if _, err := s.Blob(image.ID); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the configuration of an image that is forgotten: %v", err)
	}
	build(t, s, "three", 0, "docker.io/library/app:3")
	var out strings.Builder
	if err := s.Prune(t.Context(), &out, false); err != nil || strings.Count(out.String(), "deleted: ") != 1 || !strings.HasSuffix(out.String(), "\nTotal reclaimed space: 0B\n") {
		t.Errorf("%q, %v", out.String(), err)
	}
	out.Reset()
	if err := s.Prune(t.Context(), &out, true); err != nil || !strings.Contains(out.String(), "untagged: app:3\n") {
		t.Errorf("%q, %v", out.String(), err)
	}
	out.Reset()
	if err := s.Prune(t.Context(), &out, true); err != nil || out.String() != "Total reclaimed space: 0B\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

// TestSeveralAtOnce has many processes keep, tag and forget images in one store.
func TestSeveralAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "images")
	var all sync.WaitGroup
	for i := range 20 {
		all.Add(1)
		go fault.Protect(func() {
			defer all.Done()
			s, err := Open([]string{dir}, "job")
			if err != nil {
				t.Error(err)
				return
			}
			part, blobs := parts(t, fmt.Sprint("word ", i), "amd64")
			name := fmt.Sprintf("docker.io/library/app:%d", i)
			err = errors.Join(
				s.Keep(context.Background(), Image{ID: part.Config, Tags: []string{name}, Parts: []Part{part}}, blobs),
				s.Tag(context.Background(), name, "other:"+fmt.Sprint(i)),
				s.List(&strings.Builder{}, ListOptions{Match: name}, now),
			)
			if err != nil {
				t.Error(err)
			}
		})()
	}
	all.Wait()
	s, err := Open([]string{dir}, "job")
	if err != nil {
		t.Fatal(err)
	}
	state, err := s.Read()
	if err != nil || len(state.Images) != 20 || len(state.familiarTags()) != 40 {
		t.Errorf("there are %d images with %d names, %v", len(state.Images), len(state.familiarTags()), err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	unlock, err := s.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if err := s.Tag(ended, "app:1", "app:2"); !errors.Is(err, context.Canceled) {
		t.Errorf("a wait for the lock that is cancelled: %v", err)
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(dir, "open")
	if err := errors.Join(os.Mkdir(open, 0o700), os.Chmod(open, 0o777)); err != nil {
		t.Fatal(err)
	}
	good := filepath.Join(dir, "good")
	s, err := Open([]string{file, open, good}, "job one")
	if err != nil || filepath.Dir(s.Dir()) != good {
		t.Fatalf("%v, %v", s, err)
	}
	other, err := Open([]string{good}, "job two")
	if err != nil || other.Dir() == s.Dir() {
		t.Errorf("two jobs have one directory: %v", err)
	}
	shared, err := Open([]string{good}, "")
	if err != nil || filepath.Base(shared.Dir()) != "shared" {
		t.Errorf("%v, %v", shared, err)
	}
	if _, err := Open([]string{file, open}, ""); err == nil || !strings.Contains(err.Error(), "can be written to by other users") {
		t.Errorf("%v", err)
	}
	if info, err := os.Stat(s.Dir()); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}

	// What a job has kept for long is removed, and nothing else.
	week := time.Now().Add(-jobAge - time.Hour)
	build(t, other, "x", 0)
	foreign := filepath.Join(good, "job-of-somebody")
	err = errors.Join(os.Mkdir(foreign, 0o700), os.Chtimes(filepath.Join(other.Dir(), stateFile), week, week), os.Chtimes(s.Dir(), week, week), os.Chtimes(shared.Dir(), week, week), os.Chtimes(foreign, week, week))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open([]string{good}, "job one"); err != nil {
		t.Fatal(err)
	}
	for path, there := range map[string]bool{other.Dir(): false, s.Dir(): true, shared.Dir(): true, foreign: true} {
		if _, err := os.Stat(path); (err == nil) != there {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestBounds(t *testing.T) {
	state := State{}
	for i := range maxImages + 5 {
		image := Image{ID: digest.FromString(fmt.Sprint(i)), Parts: []Part{{}}}
		if i != 50 && i < maxImages+3 {
			image.Tags = []string{fmt.Sprint("docker.io/library/a:", i)}
		}
		state.Add(image)
	}
	state.bound()
	if len(state.Images) != maxImages {
		t.Fatalf("there are %d images", len(state.Images))
	}
	// Those without a name go first, but for the last one; then the oldest.
	for i, there := range map[int]bool{50: false, maxImages + 3: false, maxImages + 4: true, 0: false, 1: false, 2: false, 3: true} {
		if (state.index(digest.FromString(fmt.Sprint(i))) >= 0) != there {
			t.Errorf("image %d: want %v", i, there)
		}
	}
}

func TestStateOfOthers(t *testing.T) {
	s := open(t)
	for content, want := range map[string]string{
		`{`:                                   "is not valid",
		`{"version":2}`:                       "has version 2, and this program knows 1: remove the file",
		`{"version":1,"images":[{"id":"x"}]}`: `image "x"`,
		`{"version":1,"images":[{"id":"` + digest.FromString("").String() + `"}]}`: "has no parts",
	} {
		if err := os.WriteFile(filepath.Join(s.Dir(), stateFile), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Read(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", content, err, want)
		}
		if err := s.Tag(t.Context(), "a", "b"); err == nil {
			t.Errorf("%s: it was changed", content)
		}
	}
}

// TestBlobsAreVerified tests that a configuration which was changed is not shown for the
// image that was built.
func TestBlobsAreVerified(t *testing.T) {
	s := open(t)
	image := build(t, s, "one", 0, "docker.io/library/app:latest")
	path, err := s.blobPath(image.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Inspect(&strings.Builder{}, []string{"app"}, InspectOptions{}); err == nil || !strings.Contains(err.Error(), "has changed") {
		t.Errorf("%v", err)
	}
}

func TestRedact(t *testing.T) {
	mask := func(s string) string { return strings.ReplaceAll(s, `se"cret`, "***") }
	config := []byte(`{"config":{"Env":["A=se\"cret"],"n":12345678901234567890},"history":[{"created_by":"RUN |1 T=se\"cret x"}],"ok":true}`)
	got, changed := Redact(config, mask)
	if want := `{"config":{"Env":["A=***"],"n":12345678901234567890},"history":[{"created_by":"RUN |1 T=*** x"}],"ok":true}`; !changed || string(got) != want {
		t.Errorf("%s, %v", got, changed)
	}
	for _, same := range []string{`{"a":"b"}`, `no JSON`, ``} {
		if got, changed := Redact([]byte(same), mask); changed || string(got) != same {
			t.Errorf("%s: %s, %v", same, got, changed)
		}
	}
}

func TestIdentify(t *testing.T) {
	amd64, _ := parts(t, "one", "amd64")
	arm64, _ := parts(t, "one", "arm64")
	one := Image{Parts: []Part{amd64}}
	if index, err := one.Identify(); err != nil || index != nil || one.ID != amd64.Config {
		t.Errorf("%s, %v, %v", one.ID, index, err)
	}
	two, turned := Image{Parts: []Part{amd64, arm64}}, Image{Parts: []Part{arm64, amd64}}
	index, err := two.Identify()
	if err != nil || index == nil || two.ID != index.Digest {
		t.Errorf("%s, %v, %v", two.ID, index, err)
	}
	if _, err := turned.Identify(); err != nil || turned.ID != two.ID {
		t.Errorf("the ID depends on which node is done first: %v", err)
	}
	two.AddPushed(ocispecs.Descriptor{Digest: "sha256:1"}, []string{"reg.example/a:1", "reg.example/a:2", "reg.example/b:1"})
	if len(two.Registries) != 2 {
		t.Errorf("%+v", two.Registries)
	}
}

func FuzzParseState(f *testing.F) {
	f.Add([]byte(`{"version":1,"images":[{"id":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","parts":[{"manifest":{"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},"config":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}],"tags":["a"]}]}`))
	f.Add([]byte(`{"version":1,"lists":{"a":{}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		state, err := parseState(data)
		if err != nil {
			return
		}
		_, _ = state.Find("image", "e3b0")
		for _, image := range state.Images {
			_ = image.Held("")
			_ = row(image, "a", details{}, false, now)
			state.remove(image, "a")
		}
		state.bound()
	})
}

func FuzzNames(f *testing.F) {
	for _, name := range []string{"a", "reg.example:5000/a/b:1", "a@sha256:12", "sha256:12", "A B", ""} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		full, err := ParseTag(name)
		if err != nil {
			return
		}
		if again, err := ParseTag(familiar(full)); err != nil || again != full {
			t.Errorf("%q is %q, and %q is %q, %v", name, full, familiar(full), again, err)
		}
		state := State{Images: []Image{{ID: digest.FromString(""), Tags: []string{full}}}}
		if _, err := state.Find("image", name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	})
}

func FuzzFilters(f *testing.F) {
	f.Add("reference=*/a:[a-z]", "docker.io/library/a:1")
	f.Add("label=a=b", "x")
	f.Fuzz(func(t *testing.T, value, name string) {
		filters, err := parseFilters([]string{value})
		if err != nil {
			return
		}
		for _, filter := range filters {
			_, _ = filter.keeps(State{}, Image{}, name, details{})
		}
	})
}
