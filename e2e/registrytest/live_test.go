package registrytest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-build/slipway/e2e/kubectl"
	"github.com/slipway-build/slipway/e2e/registrytest"
	"github.com/slipway-build/slipway/e2e/registrytest/proxy"
	"github.com/slipway-build/slipway/e2e/testbed/state"
	"github.com/slipway-build/slipway/e2e/yardstick"
)

// builder is a BuildKit in a pod of the testbed, without Slipway: what is tried
// here is the registry and this package.
type builder struct {
	kubectl.Namespace
	t *testing.T
	// trust are the flags with which buildctl, which fetches the tokens, trusts
	// the registries.
	trust string
}

var patience = yardstick.Scale(2 * time.Minute)

// bed is the running testbed, without which nothing can be told.
func bed(t *testing.T) state.State {
	t.Helper()
	if testing.Short() {
		t.Skip("it needs the testbed, and some seconds")
	}
	s, err := state.Load()
	if err != nil {
		t.Fatal(err)
	}
	if s.BinDir == "" || s.Registry.Address == "" {
		t.Skip("a cluster that is not the testbed's has no programs and no registry to try")
	}
	return s
}

// newBuilder starts one that trusts the registries and has credentials for them.
func newBuilder(t *testing.T, bed state.State, registries ...state.Registry) *builder {
	t.Helper()
	b := &builder{Namespace: kubectl.Namespace{Bed: bed, Name: fmt.Sprintf("registrytest-%d", time.Now().UnixNano()%1e9)}, t: t}
	b.kubectl("", "create", "namespace", b.Name)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if out, err := b.Run(ctx, "", "delete", "namespace", b.Name, "--wait=false"); err != nil {
			t.Error(out, err)
		}
	})
	for _, r := range registries {
		b.trust += " --registry-auth-tlscontext host=" + r.Address + ",ca=/etc/buildkit/certs/registry/ca.pem"
	}
	files, err := registrytest.BuilderFiles(registries...)
	if err != nil {
		t.Fatal(err)
	}
	login, err := registrytest.DockerConfigFor(registries...)
	if err != nil {
		t.Fatal(err)
	}
	files["config.json"] = []byte(login)
	data := map[string][]byte{}
	var items []map[string]string
	for path, content := range files {
		key := strings.ReplaceAll(path, "/", "-")
		data[key] = content
		items = append(items, map[string]string{"key": key, "path": path})
	}
	b.create(map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]string{"name": "files"}, "data": data})
	b.create(map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]string{"name": "buildkit"},
		"spec": map[string]any{
			"terminationGracePeriodSeconds": 0,
			"nodeSelector":                  map[string]string{"kubernetes.io/arch": "amd64"},
			"containers": []any{map[string]any{
				"name": "buildkitd", "image": bed.Images.BuildKit,
				"env":             []any{map[string]string{"name": "DOCKER_CONFIG", "value": "/etc/buildkit"}},
				"securityContext": map[string]bool{"privileged": true},
				"volumeMounts":    []any{map[string]string{"name": "files", "mountPath": "/etc/buildkit"}},
				"startupProbe": map[string]any{
					"exec":          map[string]any{"command": []string{"buildctl", "debug", "workers"}},
					"periodSeconds": 1, "failureThreshold": 60,
				},
			}},
			"volumes": []any{map[string]any{"name": "files", "secret": map[string]any{"secretName": "files", "items": items}}},
		},
	})
	b.kubectl("", "wait", "pod/buildkit", "--for=condition=Ready", "--timeout="+patience.String())
	return b
}

func (b *builder) kubectl(stdin string, args ...string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 2*patience)
	defer cancel()
	if _, err := b.Run(ctx, stdin, args...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *builder) create(object map[string]any) {
	b.t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		b.t.Fatal(err)
	}
	b.kubectl(string(text), "create", "-f", "-")
}

// build builds a Dockerfile and returns what buildctl said.
func (b *builder) build(dockerfile string, args ...string) (string, error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 2*patience)
	defer cancel()
	if err := b.WriteFile(ctx, "buildkit", "/src/Dockerfile", dockerfile); err != nil {
		b.t.Fatal(err)
	}
	r, err := b.Shell(ctx, "buildkit", "buildctl build --progress plain --frontend dockerfile.v0 --local context=/src --local dockerfile=/src"+b.trust+" "+strings.Join(args, " "))
	if err != nil {
		b.t.Fatal(err)
	}
	if r.Code != 0 {
		return r.Stderr, fmt.Errorf("buildctl: exit %d", r.Code)
	}
	return r.Stderr, nil
}

func (b *builder) mustBuild(dockerfile string, args ...string) {
	b.t.Helper()
	if said, err := b.build(dockerfile, args...); err != nil {
		b.t.Fatalf("%v:\n%s", err, said)
	}
}

func client(t *testing.T, r state.Registry) *registrytest.Client {
	t.Helper()
	c, err := registrytest.New(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

const both = "--opt platform=linux/amd64,linux/arm64"

// TestBuildKitAndTheRegistry pushes to each registry what BuildKit makes of the
// base image there, with provenance and an SBOM of the testbed's scanner.
func TestBuildKitAndTheRegistry(t *testing.T) {
	t.Parallel()
	bed := bed(t)
	b := newBuilder(t, bed, bed.Registry, bed.TokenRegistry)
	for _, r := range []state.Registry{bed.Registry, bed.TokenRegistry} {
		c := client(t, r)
		repository := "registrytest/" + b.Name
		reference := c.Ref(repository + ":1")
		b.mustBuild("FROM "+r.Base+"\nRUN uname -m > /machine\n", both,
			"--opt attest:provenance=mode=max", "--opt attest:sbom=generator="+r.Scanner,
			"--output type=image,push=true,name="+reference)
		if err := c.Validate(t.Context(), reference); err != nil {
			t.Errorf("%s: %v", reference, err)
		}
		index, err := c.Index(t.Context(), reference)
		if err != nil {
			t.Fatal(err)
		}
		if platforms, err := registrytest.Platforms(index); !slices.Equal(platforms, []string{"linux/amd64", "linux/arm64"}) || err != nil {
			t.Errorf("Platforms = %v, %v", platforms, err)
		}
		attestations, err := c.Attestations(t.Context(), reference)
		if err != nil {
			t.Fatal(err)
		}
		for _, platform := range []string{"linux/amd64", "linux/arm64"} {
			types := registrytest.PredicateTypes(attestations[platform])
			if !slices.ContainsFunc(types, func(s string) bool { return strings.HasPrefix(s, "https://slsa.dev/provenance/") }) {
				t.Errorf("%s has no provenance among %q", platform, types)
			}
			i := slices.Index(types, "https://spdx.dev/Document")
			if i < 0 {
				t.Errorf("%s has no SBOM among %q", platform, types)
				continue
			}
			if sbom := string(attestations[platform][i].Predicate); !strings.Contains(sbom, "slipway-testbed-scanner") || !strings.Contains(sbom, `machine"`) {
				t.Errorf("the SBOM of %s does not name the file that was made:\n%.2000s", platform, sbom)
			}
		}
		if tags, err := c.Tags(t.Context(), repository); !slices.Equal(tags, []string{"1"}) || err != nil {
			t.Errorf("Tags = %v, %v", tags, err)
		}
	}
}

func TestRightsInTokens(t *testing.T) {
	t.Parallel()
	r := bed(t).TokenRegistry
	for user, allowed := range map[string]bool{"ci": true, "team": false, "reader": true} {
		c, err := registrytest.NewAs(r, user)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		if _, err := c.Digest(t.Context(), "test/base:1"); (err == nil) != allowed {
			t.Errorf("%s reads test/base: %v, want it allowed: %v", user, err, allowed)
		}
	}
	c, err := registrytest.NewAs(r, "reader")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.Delete(t.Context(), "test/base:1"); err == nil {
		t.Error("reader may delete")
	}
}

// TestArchives looks at what BuildKit writes for --output type=oci and
// type=docker, and gives it to the containerds of both nodes.
func TestArchives(t *testing.T) {
	t.Parallel()
	bed := bed(t)
	b := newBuilder(t, bed, bed.Registry)
	folder := t.TempDir()
	dockerfile := "FROM " + bed.Registry.Base + "\nRUN uname -m > /machine\n"

	b.mustBuild(dockerfile, both, "--output type=oci,dest=/oci.tar,name=registrytest.test/app:1")
	oci := filepath.Join(folder, "oci.tar")
	if err := b.CopyOut(t.Context(), "buildkit", "/oci.tar", oci); err != nil {
		t.Fatal(err)
	}
	if err := registrytest.Unpack(oci, folder); err != nil {
		t.Fatal(err)
	}
	outer, err := registrytest.Layout(folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := registrytest.Validate(outer); err != nil {
		t.Error(err)
	}
	index, err := registrytest.Only(outer)
	if err != nil {
		t.Fatal(err)
	}
	if platforms, err := registrytest.Platforms(index); !slices.Equal(platforms, []string{"linux/amd64", "linux/arm64"}) || err != nil {
		t.Errorf("Platforms = %v, %v", platforms, err)
	}

	b.mustBuild(dockerfile, "--opt platform=linux/arm64", "--output type=docker,dest=/docker.tar,name=registrytest.test/app:2")
	docker := filepath.Join(folder, "docker.tar")
	if err := b.CopyOut(t.Context(), "buildkit", "/docker.tar", docker); err != nil {
		t.Fatal(err)
	}
	configs, err := registrytest.DockerArchive(docker)
	if err != nil {
		t.Fatal(err)
	}
	if config := configs["registrytest.test/app:2"]; config == nil || config.Architecture != "arm64" {
		t.Errorf("the archive holds %v", configs)
	}
	for _, tt := range []struct{ file, platform, reference string }{
		{oci, "", "registrytest.test/app:1"},
		{oci, "linux/arm64", "registrytest.test/app:1"},
		{docker, "linux/arm64", "registrytest.test/app:2"},
	} {
		references, err := registrytest.Import(t.Context(), bed, bed.Nodes[1].Name, tt.file, tt.platform)
		if err != nil || !slices.Contains(references, tt.reference) {
			t.Errorf("import of %s for %q: %q, %v; want %s", filepath.Base(tt.file), tt.platform, references, err, tt.reference)
		}
	}
}

// TestThroughTheProxy pushes through the proxy, which cuts the first upload, and
// sees BuildKit's own next try.
func TestThroughTheProxy(t *testing.T) {
	t.Parallel()
	bed := bed(t)
	for _, r := range []state.Registry{bed.Registry, bed.TokenRegistry} {
		p, err := proxy.Start(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
		b := newBuilder(t, bed, p.Registry())
		dockerfile := "FROM " + p.Registry().Address + "/test/base:1\nRUN head -c 20000000 /dev/urandom > /noise\n"
		reference := p.Registry().Address + "/registrytest/" + b.Name + ":1"
		p.Add(proxy.Rule{Method: http.MethodPut, Path: regexp.MustCompile(`/blobs/uploads/`), Times: 1, Fault: proxy.CutRequest(1000)})
		b.mustBuild(dockerfile, "--output type=image,push=true,name="+reference)
		c := client(t, p.Registry())
		if err := c.Validate(t.Context(), reference); err != nil {
			t.Error(err)
		}
		cut, large := 0, false
		for _, request := range p.Requests() {
			if request.Fault != "" {
				cut++
			}
			large = large || request.RequestBytes > 20_000_000
			if pod := request.Client; request.Fault != "" && !strings.HasPrefix(pod, "10.244.") {
				t.Errorf("the request that was cut came from %s, which is no pod", pod)
			}
		}
		if cut != 1 || !large {
			t.Errorf("%d requests were cut, want one; the large layer went through the proxy: %v", cut, large)
		}
	}
}
