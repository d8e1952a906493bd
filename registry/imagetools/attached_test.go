package imagetools

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/imageindex"
	"github.com/slipway-build/slipway/registry/registrytest"
	"github.com/slipway-build/slipway/registry/remote"
)

const sigstoreBundle = "application/vnd.dev.sigstore.bundle.v0.3+json"

// signed are the signatures of an image.
type signed struct {
	index imageindex.Manifest
	// by subject
	referrers map[digest.Digest]digest.Digest
	cosign    string
}

// pushSigned puts an image of two platforms into app:1 of the server, with
// signatures of an image, of an attestation and of a signature, and one of the
// index as cosign stores it.
func pushSigned(t *testing.T, s *registrytest.Server) signed {
	t.Helper()
	index, members := registrytest.PushIndex(t, s)
	sign := func(subject ocispecs.Descriptor, text string) imageindex.Manifest {
		return registrytest.PushReferrer(t, s, "app", subject, sigstoreBundle, text)
	}
	image, attestation := sign(members[0].Descriptor, "of the image"), sign(members[1].Descriptor, "of the attestation")
	again := sign(image.Descriptor, "of the signature")
	tag := strings.Replace(index.Descriptor.Digest.String(), ":", "-", 1) + ".sig"
	registrytest.Put(t, s, "/v2/app/manifests/"+tag, registrytest.PushImage(t, s, "app", "linux/none", "cosign"))
	return signed{index: index, cosign: tag, referrers: map[digest.Digest]digest.Digest{
		members[0].Descriptor.Digest: image.Descriptor.Digest,
		members[1].Descriptor.Digest: attestation.Descriptor.Digest,
		image.Descriptor.Digest:      again.Descriptor.Digest,
	}}
}

// complete fails when a signature is not where it would be looked for.
func (s signed) complete(t *testing.T, c *remote.Client, repository string) {
	t.Helper()
	for subject, want := range s.referrers {
		list, _, err := c.Referrers(t.Context(), repository, subject)
		if err != nil || len(list) != 1 || list[0].Digest != want || list[0].ArtifactType != sigstoreBundle {
			t.Errorf("%s: %s has referrers %v, %v; want %s", repository, subject, list, err, want)
			continue
		}
		m, err := c.Manifest(t.Context(), repository, want)
		if err != nil {
			t.Fatal(err)
		}
		var manifest ocispecs.Manifest
		if err := json.Unmarshal(m.Content, &manifest); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Blob(t.Context(), repository, manifest.Layers[0], 1<<20); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.Resolve(t.Context(), registry.JoinReference(repository, s.cosign)); err != nil {
		t.Error(err)
	}
}

func create(t *testing.T, c *remote.Client, o CreateOptions, warn func(string)) *Created {
	t.Helper()
	created, err := Create(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := Publish(t.Context(), c, created, func(string) {}, warn); err != nil {
		t.Fatal(err)
	}
	return created
}

// A promotion takes the signatures along, whether the registries keep lists of
// what refers to an image or not, and through a directory as well.
func TestSignaturesAreCopied(t *testing.T) {
	servers := map[string]func(*testing.T) *registrytest.Server{"lists": registrytest.NewReferrersServer, "tags": registrytest.NewServer}
	for from, newFrom := range servers {
		for to, newTo := range servers {
			t.Run(from+" to "+to, func(t *testing.T) {
				s, other := newFrom(t), newTo(t)
				image := pushSigned(t, s)
				c := remote.New(remote.Options{})
				for range 2 { // nothing is twice
					create(t, c, CreateOptions{Tags: []string{other.Host + "/prod/app:1"}, Sources: []Source{{Reference: s.Host + "/app:1"}}}, warned(t))
				}
				registrytest.Complete(t, c, other.Host+"/prod/app", image.index)
				image.complete(t, c, other.Host+"/prod/app")
			})
		}
	}
	t.Run("through a layout", func(t *testing.T) {
		s, other := registrytest.NewReferrersServer(t), registrytest.NewReferrersServer(t)
		image := pushSigned(t, s)
		c := remote.New(remote.Options{WorkDir: t.TempDir()})
		create(t, c, CreateOptions{Tags: []string{"oci-layout://l:v1"}, Sources: []Source{{Reference: s.Host + "/app:1"}}}, warned(t))
		image.complete(t, c, "oci-layout://l")
		create(t, c, CreateOptions{Tags: []string{other.Host + "/app:1"}, Sources: []Source{{Reference: "oci-layout://l:v1"}}}, warned(t))
		registrytest.Complete(t, c, other.Host+"/app", image.index)
		image.complete(t, c, other.Host+"/app")
	})
}

// What is not copied is named, and the image is published.
func TestSignaturesThatAreNotCopied(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options CreateOptions
		fault   func(http.ResponseWriter, *http.Request) bool
		before  func(*testing.T, *registrytest.Server, signed)
		want    func(signed) []string
	}{
		{
			name: "the registry takes no artifacts",
			fault: func(w http.ResponseWriter, r *http.Request) bool {
				body := r.Header.Get("Content-Type")
				if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/manifests/sha256") || body != ocispecs.MediaTypeImageManifest || r.ContentLength < 600 {
					return false
				}
				w.WriteHeader(http.StatusMethodNotAllowed)
				return true
			},
			want: func(s signed) []string {
				var all []string
				for _, d := range s.referrers {
					all = append(all, d.String()+" ("+sigstoreBundle+")")
				}
				return all
			},
		},
		{
			name: "the registry cannot store it",
			fault: func(w http.ResponseWriter, r *http.Request) bool {
				if !setsCosignTag(r) {
					return false
				}
				w.WriteHeader(http.StatusNotImplemented) // which is not tried again
				return true
			},
			want: func(s signed) []string { return []string{s.cosign + ", which refers to", "501 Not Implemented"} },
		},
		{
			name: "signatures of its own",
			before: func(t *testing.T, s *registrytest.Server, image signed) {
				registrytest.Put(t, s, "/v2/app/manifests/"+image.cosign, registrytest.PushImage(t, s, "app", "linux/none", "another"))
			},
			want: func(s signed) []string { return []string{s.cosign, "is there already and points at something else"} },
		},
		{
			name: "the list may not be read",
			fault: func(w http.ResponseWriter, r *http.Request) bool {
				hidden := r.Method == http.MethodGet && (strings.Contains(r.URL.Path, "/referrers/") || strings.Contains(r.URL.Path, "/manifests/sha256-"))
				if hidden {
					w.WriteHeader(http.StatusForbidden)
				}
				return hidden
			},
			want: func(s signed) []string { return []string{s.cosign + ", which refers to", "403 Forbidden"} },
		},
		{
			name:    "another index",
			options: CreateOptions{Platforms: []ocispecs.Platform{*registrytest.Platform("linux/amd64")}},
			want: func(s signed) []string {
				return []string{"what refers to the index " + s.index.Descriptor.Digest.String(), s.cosign, "must be signed itself"}
			},
		},
		{
			name: "the source cannot be asked",
			want: func(s signed) []string { return []string{"cannot be asked what refers to"} },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, other := registrytest.NewReferrersServer(t), registrytest.NewReferrersServer(t)
			image := pushSigned(t, s)
			if tt.before != nil {
				tt.before(t, other, image)
			}
			tt.options.Tags, tt.options.Sources = []string{other.Host + "/app:1"}, []Source{{Reference: s.Host + "/app:1"}}
			c := remote.New(remote.Options{})
			created, err := Create(t.Context(), c, tt.options)
			if err != nil {
				t.Fatal(err)
			}
			other.Fail(tt.fault)
			if tt.name == "the source cannot be asked" {
				s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
					if !strings.Contains(r.URL.Path, "/referrers/") {
						return false
					}
					_, _ = w.Write(make([]byte, imageindex.MaxManifest+1))
					return true
				})
			}
			var warnings []string
			if err := Publish(t.Context(), c, created, func(string) {}, func(line string) { warnings = append(warnings, line) }); err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want(image) {
				if !strings.Contains(strings.Join(warnings, "\n"), want) {
					t.Errorf("warnings %q do not say %q", warnings, want)
				}
			}
			if m, err := c.Resolve(t.Context(), other.Host+"/app:1"); err != nil || m.Descriptor.Digest != created.Image.Descriptor.Digest {
				t.Errorf("the tag is %s, %v", m.Descriptor.Digest, err)
			}
		})
	}
}

// setsCosignTag reports whether a request sets a tag of cosign.
func setsCosignTag(r *http.Request) bool {
	return r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, ".sig")
}

// The end of the context while a signature is copied is no warning.
func TestSignaturesAreCancelled(t *testing.T) {
	s, other := registrytest.NewReferrersServer(t), registrytest.NewReferrersServer(t)
	pushSigned(t, s)
	c := remote.New(remote.Options{})
	created, err := Create(t.Context(), c, CreateOptions{Tags: []string{other.Host + "/app:1"}, Sources: []Source{{Reference: s.Host + "/app:1"}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	other.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		if !setsCosignTag(r) {
			return false
		}
		cancel()
		registrytest.Cut(w, r)
		return true
	})
	if err := Publish(ctx, c, created, func(string) {}, warned(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// Within a repository everything is there, and nothing is asked.
func TestSignaturesStayWithinARepository(t *testing.T) {
	s := registrytest.NewServer(t)
	pushSigned(t, s)
	before := s.Count(http.MethodGet, "sha256-")
	create(t, remote.New(remote.Options{}), CreateOptions{
		Tags: []string{s.Host + "/app:2"}, Sources: []Source{{Reference: s.Host + "/app:1"}}, Platforms: []ocispecs.Platform{*registrytest.Platform("linux/amd64")},
	}, warned(t))
	if n := s.Count(http.MethodGet, "sha256-"); n != before {
		t.Errorf("%d questions for signatures", n-before)
	}
}

// As docker buildx does it, an attestation beside an image comes into the index.
func TestAttestationBesideTheImage(t *testing.T) {
	for name, newServer := range map[string]func(*testing.T) *registrytest.Server{"list": registrytest.NewReferrersServer, "tag": registrytest.NewServer} {
		t.Run(name, func(t *testing.T) {
			s, other := newServer(t), registrytest.NewServer(t)
			image := registrytest.PushImage(t, s, "app", "linux/amd64", "a")
			attestation := registrytest.PushReferrer(t, s, "app", image.Descriptor, artifactTypeAttestation, "how it was built")
			c := remote.New(remote.Options{})
			created := create(t, c, CreateOptions{Tags: []string{other.Host + "/app:1"}, Sources: []Source{{Reference: s.Host + "/app@" + image.Descriptor.Digest.String()}}}, warned(t))
			index, err := imageindex.Decode(created.Image)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(digests(image, attestation), []string{index.Manifests[0].Digest.String(), index.Manifests[1].Digest.String()}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			want := ocispecs.Descriptor{
				MediaType: ocispecs.MediaTypeImageManifest, Digest: attestation.Descriptor.Digest, Size: attestation.Descriptor.Size,
				Platform: registrytest.Platform("unknown/unknown"),
				Annotations: map[string]string{
					"text": "how it was built", "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image.Descriptor.Digest.String(),
				},
			}
			if diff := cmp.Diff(want, index.Manifests[1]); diff != "" {
				t.Errorf("attestation (-want +got):\n%s", diff)
			}
			if _, err := c.Manifest(t.Context(), other.Host+"/app", attestation.Descriptor.Digest); err != nil {
				t.Error(err)
			}
		})
	}
}

// An attestation has no platform and is copied and listed like an image.
func TestAttestationAlone(t *testing.T) {
	s := registrytest.NewServer(t)
	image := registrytest.PushImage(t, s, "app", "linux/amd64", "a")
	attestation := registrytest.PushReferrer(t, s, "app", image.Descriptor, artifactTypeAttestation, "how it was built")
	source := []Source{{Reference: s.Host + "/app@" + attestation.Descriptor.Digest.String()}}
	c := remote.New(remote.Options{})
	created := create(t, c, CreateOptions{Tags: []string{s.Host + "/b:1"}, Sources: source, Carbon: true}, warned(t))
	if created.Image.Descriptor.Digest != attestation.Descriptor.Digest {
		t.Errorf("copied %s", created.Image.Descriptor.Digest)
	}
	created = create(t, c, CreateOptions{Tags: []string{s.Host + "/b:2"}, Sources: source}, warned(t))
	index, err := imageindex.Decode(created.Image)
	if err != nil || len(index.Manifests) != 1 || index.Manifests[0].Platform != nil {
		t.Errorf("index %s, %v", created.Image.Content, err)
	}
	// A descriptor is taken as it is written.
	text := `{"mediaType":"` + ocispecs.MediaTypeImageManifest + `","digest":"` + attestation.Descriptor.Digest.String() + `","artifactType":"x/y","annotations":{"a":"b"},"platform":{"os":"unknown","architecture":"unknown"}}`
	given, err := ParseSource(text)
	if err != nil {
		t.Fatal(err)
	}
	created = create(t, c, CreateOptions{Tags: []string{s.Host + "/app:3"}, Sources: []Source{given}}, warned(t))
	index, err = imageindex.Decode(created.Image)
	if err != nil || len(index.Manifests) != 1 || index.Manifests[0].ArtifactType != "x/y" || index.Manifests[0].Size != attestation.Descriptor.Size {
		t.Errorf("index %s, %v", created.Image.Content, err)
	}
}

// Images of one platform are no conflict where clients can tell them apart.
func TestImagesOfOnePlatform(t *testing.T) {
	s := registrytest.NewServer(t)
	push := func(version, layer string) imageindex.Manifest {
		config, err := json.Marshal(ocispecs.Image{Platform: ocispecs.Platform{OS: "windows", Architecture: "amd64", OSVersion: version}})
		if err != nil {
			t.Fatal(err)
		}
		return registrytest.PushManifest(t, s, "app", ocispecs.MediaTypeImageConfig, config, ocispecs.Descriptor{MediaType: ocispecs.MediaTypeImageLayer}, []byte(layer))
	}
	old, current, rebuilt := push("10.0.17763.1", "a"), push("10.0.20348.2", "b"), push("10.0.20348.2", "c")
	c := remote.New(remote.Options{})
	source := func(m imageindex.Manifest) Source {
		return Source{Reference: s.Host + "/app@" + m.Descriptor.Digest.String()}
	}
	versions := func(t *testing.T, o CreateOptions) []string {
		t.Helper()
		index, err := imageindex.Decode(create(t, c, o, warned(t)).Image)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, d := range index.Manifests {
			all = append(all, d.Digest.String()[:12]+" "+d.Platform.OSVersion)
		}
		return all
	}
	short := func(m imageindex.Manifest) string { return m.Descriptor.Digest.String()[:12] + " " }
	tag := []string{s.Host + "/app:win"}
	// Alone it is listed as docker buildx lists it.
	if diff := cmp.Diff([]string{short(old)}, versions(t, CreateOptions{Tags: tag, Sources: []Source{source(old)}})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	both := []string{short(old) + "10.0.17763.1", short(current) + "10.0.20348.2"}
	if diff := cmp.Diff(both, versions(t, CreateOptions{Tags: tag, Append: true, Sources: []Source{source(current)}})); diff != "" {
		t.Errorf("appended (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(both, versions(t, CreateOptions{Tags: tag, Sources: []Source{source(old), source(current)}})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, sources := range map[string][]Source{"the same version": {source(current), source(rebuilt)}} {
		if _, err := Create(t.Context(), c, CreateOptions{Sources: sources}); err == nil || !strings.Contains(err.Error(), "two sources hold different images for windows(10.0.20348.2)/amd64") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	zstd := func(m imageindex.Manifest) Source {
		return Source{Reference: s.Host + "/app@" + m.Descriptor.Digest.String(), Descriptor: ocispecs.Descriptor{Annotations: map[string]string{"io.github.containers.compression.zstd": "true"}}}
	}
	if _, err := Create(t.Context(), c, CreateOptions{Sources: []Source{source(current), zstd(rebuilt)}}); err != nil {
		t.Errorf("two compressions: %v", err)
	}
}

func TestLayout(t *testing.T) {
	s, other := registrytest.NewServer(t), registrytest.NewServer(t)
	index, members := registrytest.PushIndex(t, s)
	arm := registrytest.PushImage(t, other, "arm", "linux/s390x", "x")
	workdir := t.TempDir()
	c := remote.New(remote.Options{WorkDir: workdir})
	from := []Source{{Reference: s.Host + "/app:1"}}
	create(t, c, CreateOptions{Tags: []string{"oci-layout://l"}, Sources: from}, warned(t))
	registrytest.Complete(t, c, "oci-layout://l", index)

	var entries ocispecs.Index
	data, err := os.ReadFile(filepath.Join(workdir, "l", "index.json"))
	if err == nil {
		err = json.Unmarshal(data, &entries)
	}
	if err != nil {
		t.Fatal(err)
	}
	want := []ocispecs.Descriptor{{
		MediaType: index.Descriptor.MediaType, Digest: index.Descriptor.Digest, Size: index.Descriptor.Size,
		Annotations: map[string]string{"org.opencontainers.image.ref.name": "latest"},
	}}
	if diff := cmp.Diff(want, entries.Manifests); diff != "" {
		t.Errorf("index.json (-want +got):\n%s", diff)
	}
	version, err := os.ReadFile(filepath.Join(workdir, "l", "oci-layout"))
	if err != nil || string(version) != `{"imageLayoutVersion":"1.0.0"}` {
		t.Errorf("oci-layout %s, %v", version, err)
	}
	left, err := filepath.Glob(filepath.Join(workdir, "l", "*"))
	if err != nil || len(left) != 3 {
		t.Errorf("%s, %v; want blobs, index.json and oci-layout", left, err)
	}

	// Read by tag, by digest, and with another source.
	for _, name := range []string{"oci-layout://l:latest", "oci-layout://l@" + index.Descriptor.Digest.String(), "oci-layout://" + filepath.Join(workdir, "l")} {
		i, err := Inspect(t.Context(), c, name)
		if err != nil || i.Image.Descriptor.Digest != index.Descriptor.Digest {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if member := "@" + members[0].Descriptor.Digest.String() + "\n"; !strings.Contains(i.Text(), member) || strings.Contains(i.Text(), "latest@") {
			t.Errorf("%s", i.Text())
		}
	}
	create(t, c, CreateOptions{
		Tags:    []string{other.Host + "/app:1", "oci-layout://l:merged"},
		Sources: []Source{{Reference: "oci-layout://l"}, {Reference: other.Host + "/arm@" + arm.Descriptor.Digest.String()}},
	}, warned(t))
	merged, err := Inspect(t.Context(), c, "oci-layout://l:merged")
	if err != nil || len(merged.index.Manifests) != 4 {
		t.Errorf("merged %v, %v", merged, err)
	}
	registrytest.Complete(t, c, "oci-layout://l", merged.Image)

	// By the digest that is expected.
	exact := "oci-layout://exact@" + index.Descriptor.Digest.String()
	create(t, c, CreateOptions{Tags: []string{exact}, Sources: from}, warned(t))
	if _, err := Inspect(t.Context(), c, exact); err != nil {
		t.Error(err)
	}
	wrong := "oci-layout://wrong@" + arm.Descriptor.Digest.String()
	if _, err := Create(t.Context(), c, CreateOptions{Tags: []string{wrong}, Sources: from}); err == nil || !strings.Contains(err.Error(), "requested digest "+arm.Descriptor.Digest.String()) {
		t.Errorf("error %v", err)
	}
	for name, want := range map[string]string{
		"oci-layout://none":   `resolve "oci-layout://none:latest": the directory holds no OCI image layout`,
		"oci-layout://l:none": `resolve "oci-layout://l:none": no image is tagged "none"`,
		"oci-layout://l@" + arm.Descriptor.Digest.String()[:70] + "0": "the layout has no sha256:",
	} {
		if _, err := Inspect(t.Context(), c, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
	}
}

// A layout that a checkout has brought is not trusted.
func TestHostileLayout(t *testing.T) {
	s := registrytest.NewServer(t)
	index, members := registrytest.PushIndex(t, s)
	workdir, outside := t.TempDir(), t.TempDir()
	c := remote.New(remote.Options{WorkDir: workdir})
	from := []Source{{Reference: s.Host + "/app:1"}}
	for _, link := range []string{"a", "b/blobs", "c/index.json", "d/blobs/sha256"} {
		path := filepath.Join(workdir, link)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, path); err != nil {
			t.Fatal(err)
		}
		created, err := Create(t.Context(), c, CreateOptions{Tags: []string{"oci-layout://" + link[:1]}, Sources: from})
		if err == nil {
			err = Publish(t.Context(), c, created, func(string) {}, warned(t))
		}
		if err == nil || !strings.Contains(err.Error(), "leads out of the working directory") {
			t.Errorf("%s: error %v", link, err)
		}
		if files, _ := os.ReadDir(outside); len(files) > 0 {
			t.Errorf("%s: written outside: %v", link, files)
		}
	}
	create(t, c, CreateOptions{Tags: []string{"oci-layout://e"}, Sources: from}, warned(t))
	blob := func(d digest.Digest) string { return filepath.Join(workdir, "e", "blobs", "sha256", d.Encoded()) }
	if err := os.WriteFile(blob(members[0].Descriptor.Digest), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	created, err := Create(t.Context(), c, CreateOptions{Tags: []string{s.Host + "/new:1"}, Sources: []Source{{Reference: "oci-layout://e"}}})
	if err == nil {
		err = Publish(t.Context(), c, created, func(string) {}, func(string) {})
	}
	if err == nil || !strings.Contains(err.Error(), "has digest") {
		t.Errorf("a changed blob: error %v", err)
	}
	if err := os.WriteFile(blob(index.Descriptor.Digest), []byte(strings.Repeat("x", imageindex.MaxManifest+1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Inspect(t.Context(), c, "oci-layout://e"); err == nil {
		t.Error("an endless manifest was read")
	}
}

// Where not all that refers to an image is read, one warning says so.
func TestReferrersThatAreNotRead(t *testing.T) {
	s, other := registrytest.NewReferrersServer(t), registrytest.NewReferrersServer(t)
	image := registrytest.PushImage(t, s, "app", "linux/amd64", "a")
	c := remote.New(remote.Options{})
	listing := func(next string, n int) {
		page := ocispecs.Index{MediaType: ocispecs.MediaTypeImageIndex, Manifests: []ocispecs.Descriptor{}}
		for i := range n {
			page.Manifests = append(page.Manifests, ocispecs.Descriptor{MediaType: ocispecs.MediaTypeImageManifest, Digest: digest.FromString(strconv.Itoa(i)), Size: 1})
		}
		s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/referrers/"+image.Descriptor.Digest.String()) {
				return false
			}
			w.Header().Set("Content-Type", ocispecs.MediaTypeImageIndex)
			if next != "" {
				w.Header().Set("Link", "<"+next+`>; rel="next"`)
			}
			_ = json.NewEncoder(w).Encode(page)
			return true
		})
	}
	listing("https://elsewhere.example/", 1)
	for _, tt := range []struct {
		name string
		tags []string
	}{
		{"to other repositories", []string{other.Host + "/a:1", other.Host + "/b:1"}},
		{"an index within the repository", []string{s.Host + "/app:new"}},
	} {
		var warnings []string
		create(t, c, CreateOptions{Tags: tt.tags, Sources: []Source{{Reference: s.Host + "/app@" + image.Descriptor.Digest.String()}}}, func(line string) {
			if strings.HasPrefix(line, "only a part of what refers to "+image.Descriptor.Digest.String()+" in "+s.Host+"/app is read") {
				warnings = append(warnings, line)
			}
		})
		if len(warnings) != 1 {
			t.Errorf("%s: warnings %q", tt.name, warnings)
		}
	}
	for n, want := range map[int]bool{maxAttachments: false, 2: true} {
		listing("", n)
		all, complete, err := (&attachments{client: c}).find(t.Context(), s.Host+"/app", image.Descriptor.Digest, false)
		if err != nil || len(all) != n || complete != want {
			t.Errorf("of %d: %d, complete %t, %v", n, len(all), complete, err)
		}
	}
}
