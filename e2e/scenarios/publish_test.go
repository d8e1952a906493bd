package scenarios

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/e2e/registrytest"
	"github.com/slipway-build/slipway/e2e/registrytest/proxy"
)

// manifestOf finds the requests for a tag's manifest, not those for digests.
func manifestOf(tag string) *regexp.Regexp { return regexp.MustCompile(`/manifests/` + tag + `$`) }

func TestOnePlatformFails(t *testing.T) {
	t.Parallel()
	s := newSharedShop(t)
	outputs := "-t " + s.tag("v1") + " --push -o type=oci,dest=image.tar -o type=tar,dest=files.tar -o files --iidfile iid --metadata-file meta.json"
	s.ok("slipway build " + both + s.from() + outputs + " .")
	state := "cat image.tar files.tar meta.json files/linux_amd64/machine.txt | sha256sum; ls -A"
	before, digest := s.ok(state), s.digest("v1")

	// amd64 is long done when arm64 fails.
	s.write("Dockerfile", machineDockerfile+"RUN echo changed >> /machine.txt; test $TARGETARCH = amd64 || ! sleep 8\n")
	s.fails(1, "slipway build "+both+s.from()+outputs+" .", "error: ", "test $TARGETARCH = amd64")
	want(t, "the tag", s.digest("v1"), digest)
	// The previous build's image ID must not be taken for this one's.
	want(t, "files", s.ok(state), strings.Replace(before, "iid\n", "", 1))

	// Cancelled in the middle of a step, everything stays as it is, too.
	s.write("Dockerfile", machineDockerfile+"RUN echo to-be-cancelled && sleep 600\n")
	s.terminate("slipway build --progress plain "+both+s.from()+outputs+" .", "to-be-cancelled")
	want(t, "the tag", s.digest("v1"), digest)
	s.ok("rm log began")
	want(t, "files", s.ok(state), strings.Replace(before, "iid\n", "", 1))
}

func TestIndexPushMeetsAnUnwillingRegistry(t *testing.T) {
	t.Parallel()
	p := startProxy(t)
	s := newShop(t, bed(t).Images.Agent, p.Registry())
	tag := manifestOf("flaky")
	p.Add(proxy.Rule{Method: http.MethodPut, Path: tag, Times: 2, Fault: proxy.Status(http.StatusServiceUnavailable, nil)})
	p.Add(proxy.Rule{Method: http.MethodPut, Path: tag, Times: 1, Fault: proxy.Status(http.StatusTooManyRequests, http.Header{"Retry-After": {"2"}})})
	r := s.sh("slipway build " + both + s.from() + "-t " + s.tag("flaky") + " --push .")
	if r.code != 0 {
		t.Fatalf("exit %d:\n%s", r.code, r.stderr)
	}
	if tries := p.Count(http.MethodPut, tag); tries != 4 {
		t.Errorf("the tag was set in %d tries, want 4", tries)
	}
	for _, word := range []string{"503", "429"} {
		if !strings.Contains(r.stderr, word) {
			t.Errorf("the log does not tell of the %s:\n%s", word, r.stderr)
		}
	}
	s.index("flaky", "linux/amd64", "linux/arm64")
}

func TestPushIsCut(t *testing.T) {
	t.Parallel()
	p := startProxy(t)
	s := newShop(t, bed(t).Images.Agent, p.Registry())
	s.ok("slipway build " + both + s.from() + "-t " + s.tag("v1") + " -t " + s.tag("other") + " --push .")
	before := s.digest("v1")

	// Every blob upload of more than a little is cut, for good: what the
	// builders push never gets there.
	s.ok("head -c 3000000 /dev/urandom > big")
	s.write("Dockerfile", machineDockerfile+"COPY big /\n")
	p.Add(proxy.Rule{Path: regexp.MustCompile(`/blobs/uploads/`), Fault: proxy.CutRequest(1 << 20)})
	s.fails(5, "slipway build "+both+s.from()+"-t "+s.tag("v1")+" -t "+s.tag("other")+" --push .", "error: ", s.repo)
	want(t, "v1", s.digest("v1"), before)
	want(t, "other", s.digest("other"), before)

	// The tags themselves are refused: the images are there, no tag has moved.
	p.Clear()
	p.Add(proxy.Rule{Method: http.MethodPut, Path: regexp.MustCompile(`/manifests/(v1|other)$`), Fault: proxy.Status(http.StatusForbidden, nil)})
	s.fails(5, "slipway build "+both+s.from()+"-t "+s.tag("v1")+" -t "+s.tag("other")+" --push .", "error: ", s.repo, "403", "hint: ")
	want(t, "v1", s.digest("v1"), before)
	want(t, "other", s.digest("other"), before)

	p.Clear()
	s.ok("slipway build " + both + s.from() + "-t " + s.tag("v1") + " -t " + s.tag("other") + " --push .")
	if after := s.digest("v1"); after == before || after != s.digest("other") {
		t.Errorf("v1 is %s, was %s; other is %s", after, before, s.digest("other"))
	}
}

func TestAttestationsOfBothPlatforms(t *testing.T) {
	t.Parallel()
	b := bed(t)
	s := newSharedShop(t)
	s.ok("slipway build " + both + s.from() + "--provenance mode=max --sbom generator=" + b.Registry.Scanner + " -t " + s.tag("attested") + " --push --metadata-file meta.json .")
	s.index("attested", "linux/amd64", "linux/arm64")
	attested, err := s.images.Attestations(t.Context(), s.own("attested"))
	if err != nil {
		t.Fatal(err)
	}
	for _, platform := range []string{"linux/amd64", "linux/arm64"} {
		types := registrytest.PredicateTypes(attested[platform])
		all := strings.Join(types, " ")
		if !strings.Contains(all, "https://slsa.dev/provenance/") || !strings.Contains(all, "https://spdx.dev/Document") {
			t.Errorf("%s has %v", platform, types)
		}
		for _, statement := range attested[platform] {
			if strings.Contains(statement.PredicateType, "slsa") && !strings.Contains(string(statement.Predicate), "uname -m") {
				t.Errorf("the provenance of %s in mode max does not tell of the RUN", platform)
			}
		}
	}
	for _, platform := range []string{"linux/amd64", "linux/arm64"} {
		if !strings.Contains(s.ok("cat meta.json"), `"buildx.build.provenance/`+platform+`"`) {
			t.Errorf("the metadata has no provenance of %s:\n%s", platform, s.ok("cat meta.json"))
		}
	}
	// What the index says can be read back with slipway, too.
	inspected := s.ok("slipway index inspect " + s.tag("attested"))
	for _, word := range []string{s.digest("attested"), "linux/amd64", "linux/arm64", "attestation-manifest"} {
		if !strings.Contains(inspected, word) {
			t.Errorf("slipway index inspect does not say %q:\n%s", word, inspected)
		}
	}
	if got := s.ok("slipway index inspect --format '{{json .Provenance}}' " + s.tag("attested")); !strings.Contains(got, "linux/arm64") {
		t.Errorf("provenance by platform: %.300s", got)
	}

	// None by default where the variable says so.
	s.ok("BUILDX_NO_DEFAULT_ATTESTATIONS=1 slipway build " + both + s.from() + "-t " + s.tag("bare") + " --push .")
	s.index("bare", "linux/amd64", "linux/arm64")
	if bare, err := s.images.Attestations(t.Context(), s.own("bare")); err != nil || len(bare) != 0 {
		t.Errorf("without default attestations there are %v: %v", bare, err)
	}
}

func TestAnnotationsAtEveryLevel(t *testing.T) {
	t.Parallel()
	s := newSharedShop(t)
	s.ok("slipway build " + both + s.from() + `-t ` + s.tag("annotated") + ` --push \
		--annotation index:level=index --annotation manifest:level=manifest --annotation 'manifest[linux/arm64]:only=arm64' \
		--annotation manifest-descriptor:level=descriptor --annotation plain=yes .`)
	index, err := s.index("annotated", "linux/amd64", "linux/arm64").IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"level": "index"}, index.Annotations); diff != "" {
		t.Errorf("annotations of the index (-want +got):\n%s", diff)
	}
	for _, d := range index.Manifests {
		if d.Platform == nil || d.Platform.OS != "linux" {
			continue
		}
		want(t, "descriptor of "+d.Platform.String(), d.Annotations["level"], "descriptor")
		image, err := s.images.Image(t.Context(), s.own("annotated"), d.Platform.String())
		if err != nil {
			t.Fatal(err)
		}
		manifest, err := image.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		annotations := map[string]string{"level": "manifest", "plain": "yes"}
		if d.Platform.Architecture == "arm64" {
			annotations["only"] = "arm64"
		}
		if diff := cmp.Diff(annotations, manifest.Annotations); diff != "" {
			t.Errorf("annotations of %s (-want +got):\n%s", d.Platform, diff)
		}
	}
}

func TestReproducible(t *testing.T) {
	t.Parallel()
	b := bed(t)
	s := newShop(t, b.Images.Agent, b.Registry)
	s.ok("echo file > file")
	s.write("Dockerfile", machineDockerfile+"COPY file /\nRUN date +%s.%N > /dev/null && touch /touched\n")
	build := func(tag string) string {
		// The second build starts from empty builders.
		s.ok("SOURCE_DATE_EPOCH=1700000000 BUILDX_NO_DEFAULT_ATTESTATIONS=1 slipway build --no-cache " + both + s.from() +
			"-o type=registry,rewrite-timestamp=true,name=" + s.tag(tag) + " -o type=oci,rewrite-timestamp=true,dest=" + tag + ".tar .")
		return s.digest(tag)
	}
	first := build("first")
	s.kubectl("", "delete", "deployments", "--all", "--cascade=foreground", "--wait=true")
	s.ok("touch file")
	want(t, "the digest of the second build", build("second"), first)
	s.index("first", "linux/amd64", "linux/arm64")
	created := regexp.MustCompile(`"created":"2023-11-14T22:13:20Z"`)
	for _, platform := range []string{"linux/amd64", "linux/arm64"} {
		image, err := s.images.Image(t.Context(), s.own("first"), platform)
		if err != nil {
			t.Fatal(err)
		}
		config, err := image.RawConfigFile()
		if err != nil || !created.Match(config) {
			t.Errorf("%s was not created at the epoch: %s %v", platform, config, err)
		}
	}
}

// TestPushesLikeBuildx pushes the same build with docker buildx and with
// Slipway and compares all that is in the registry, field by field.
func TestPushesLikeBuildx(t *testing.T) {
	t.Parallel()
	b := bed(t)
	if b.Images.Peer == "" {
		t.Fatal("there is no peer image; make it with: cd e2e && go run ./testbed peer")
	}
	s := newShop(t, b.Images.Peer, b.Registry)
	s.ok("slipway up >&2")
	// buildx uses the same builders by the same definition.
	s.ok("mkdir -p ~/.docker/buildx/instances && cat /etc/slipway/definitions/kube > ~/.docker/buildx/instances/kube && buildx use kube")
	ca, err := os.ReadFile(b.Registry.CA)
	if err != nil {
		t.Fatal(err)
	}
	s.write("/tmp/ca.pem", string(ca)) // Slipway has it from the definition
	s.ok("echo file > file")
	s.write("Dockerfile", machineDockerfile+"COPY file /\n")
	flags := "build " + both + s.from() + `--annotation index:a=b --annotation manifest:c=d --annotation manifest-descriptor:e=f --label g=h --push `
	for _, kind := range []struct{ name, flags string }{
		{"default", ""},
		{"plain", "--provenance=false "},
		{"attested", "--provenance=mode=max --sbom=generator=" + b.Registry.Scanner + " "},
		{"docker", "--provenance=false --output type=image,oci-mediatypes=false "},
	} {
		t.Run(kind.name, func(t *testing.T) {
			s.t = t
			flags := flags
			if kind.name == "docker" { // no place for annotations in Docker's formats
				flags = "build " + both + s.from() + "--label g=h --push "
			}
			// Layers and configurations come from the cache of the same
			// builders, so that every difference is one of the tools.
			s.ok("slipway " + flags + kind.flags + "-t " + s.tag("slipway-"+kind.name) + " .")
			s.ok("SSL_CERT_FILE=/tmp/ca.pem buildx " + flags + kind.flags + "-t " + s.tag("buildx-"+kind.name) + " . >&2")
			if diff := cmp.Diff(s.everything("buildx-"+kind.name), s.everything("slipway-"+kind.name)); diff != "" {
				t.Errorf("differences (-buildx +slipway):\n%s", diff)
			}
		})
	}
	s.t = t
}

// everything is all that an index and what is below it say, without what a
// build's own time and identity change: digests of provenance, and the moments
// in it.
func (s *shop) everything(tag string) map[string]any {
	s.t.Helper()
	all := map[string]any{}
	index := s.index(tag, "linux/amd64", "linux/arm64")
	manifest, err := index.IndexManifest()
	if err != nil {
		s.t.Fatal(err)
	}
	mediaType, err := index.MediaType()
	if err != nil {
		s.t.Fatal(err)
	}
	all["index"] = map[string]any{"mediaType": string(mediaType), "annotations": manifest.Annotations, "schemaVersion": manifest.SchemaVersion}
	for i, d := range manifest.Manifests {
		image, err := index.Image(d.Digest)
		if err != nil {
			s.t.Fatal(err)
		}
		own, err := image.Manifest()
		if err != nil {
			s.t.Fatal(err)
		}
		config, err := image.RawConfigFile()
		if err != nil {
			s.t.Fatal(err)
		}
		entry := map[string]any{
			"mediaType": string(d.MediaType), "platform": d.Platform.String(), "annotations": d.Annotations,
			"manifest.mediaType": string(own.MediaType), "manifest.annotations": own.Annotations,
			"config.mediaType": string(own.Config.MediaType), "layers": len(own.Layers),
		}
		if _, attestation := d.Annotations["vnd.docker.reference.type"]; attestation {
			delete(d.Annotations, "e") // buildx gives attestations the annotations of images
			for n, layer := range own.Layers {
				entry["statement "+string(rune('0'+n))] = map[string]any{"mediaType": string(layer.MediaType), "annotations": layer.Annotations}
			}
		} else {
			entry["digest"], entry["config"] = d.Digest.String(), string(config)
		}
		all["manifest "+string(rune('0'+i))] = entry
	}
	attested, err := s.images.Attestations(s.t.Context(), s.own(tag))
	if err != nil {
		s.t.Fatal(err)
	}
	for platform, statements := range attested {
		for _, statement := range statements {
			var content any
			if err := json.Unmarshal(statement.Raw, &content); err != nil {
				s.t.Fatal(err)
			}
			all["statement "+platform+" "+statement.PredicateType] = timeless(content)
		}
	}
	return all
}

// timeless leaves out what differs from one build to the next, and what
// docs/outputs.md says that only docker buildx writes.
func timeless(content any) any {
	switch value := content.(type) {
	case map[string]any:
		for key, one := range value {
			switch key {
			case "buildInvocationID", "invocationId", "invocationID", "buildStartedOn", "buildFinishedOn", "startedOn", "finishedOn", "created":
				value[key] = "differs"
			case "root": // buildx solves by way of the gateway, which shows here
				delete(value, key)
			case "digestMapping": // of steps, to which the context's key belongs
				steps, _ := one.(map[string]any)
				value[key] = len(steps)
			default:
				value[key] = timeless(one)
			}
		}
	case []any:
		for i, one := range value {
			value[i] = timeless(one)
		}
	}
	return content
}
