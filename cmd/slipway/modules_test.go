package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// gomod is what go mod edit -json prints of a go.mod file.
type gomod struct {
	Go, Toolchain string
	Require       []struct{ Path, Version string }
}

func readModule(t *testing.T, file string) gomod {
	t.Helper()
	out, err := exec.Command("go", "mod", "edit", "-json", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	var m gomod
	if err := json.Unmarshal(out, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestToolchains checks that releases, the image and tests on machines that may
// fetch a toolchain are compiled with the same version of Go.
func TestToolchains(t *testing.T) {
	product := readModule(t, "../../go.mod")
	if product.Toolchain == "" {
		t.Fatal("go.mod has no toolchain line")
	}
	for _, module := range []string{".ci/lint", "e2e", "e2e/helm/programs", "e2e/testbed/components", "e2e/testbed/components/registry"} {
		if m := readModule(t, filepath.Join("../..", module, "go.mod")); m.Toolchain != product.Toolchain {
			t.Errorf("the toolchain of %s is %q, that of the product %q", module, m.Toolchain, product.Toolchain)
		}
	}
	version := strings.TrimPrefix(product.Toolchain, "go")
	for _, file := range []string{"Dockerfile", "docs/air-gapped.md"} {
		text, err := os.ReadFile(filepath.Join("../..", file))
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`golang:([0-9.]+)`).FindAllStringSubmatch(string(text), -1)
		if len(found) == 0 {
			t.Errorf("%s names no golang image", file)
		}
		for _, image := range found {
			if image[1] != version {
				t.Errorf("%s names golang:%s, the toolchain of the product is %s", file, image[1], version)
			}
		}
	}
}

// TestSharedVersions checks that the testbed's programs and the scenarios link
// the versions of the product: what they share is compiled once, and what the
// scenarios show is true of the product.
func TestSharedVersions(t *testing.T) {
	exceptions := map[string]string{ // by module and path
		"e2e/testbed/components golang.org/x/crypto": "v0.59.0 has no openpgp, which a test of sigstore/rekor below BuildKit imports, and go mod tidy fails without it",
	}
	versions := map[string]string{}
	for _, r := range readModule(t, "../../go.mod").Require {
		versions[r.Path] = r.Version
	}
	for _, module := range []string{"e2e", "e2e/testbed/components"} {
		shared := 0
		for _, r := range readModule(t, filepath.Join("../..", module, "go.mod")).Require {
			version, ok := versions[r.Path]
			if !ok {
				continue
			}
			shared++
			why, excepted := exceptions[module+" "+r.Path]
			if same := version == r.Version; same == excepted {
				t.Errorf("%s requires %s %s, the product %s; the exception: %q", module, r.Path, r.Version, version, why)
			}
		}
		if shared < 40 {
			t.Errorf("%s shares %d modules with the product: the test overlooks some", module, shared)
		}
	}
}
