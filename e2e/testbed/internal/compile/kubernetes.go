package compile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-build/slipway/e2e/testbed/internal/report"
	"github.com/slipway-build/slipway/e2e/testbed/internal/run"
)

// Oldest is the oldest release of Kubernetes that the testbed runs: with the
// kubelets of earlier ones the folder of the pods' logs is fixed, and two of them
// on one machine remove each other's logs.
const Oldest = "v1.30.14"

// Supported are the releases of Kubernetes on which all scenarios run, the oldest
// first.
func Supported() []string { return []string{Oldest, Kubernetes} }

var release = regexp.MustCompile(`^v1\.([0-9]{1,3})\.[0-9]{1,3}$`)

// Minor is the second number of a release of Kubernetes, 30 of "v1.30.14"; 0 for
// what is none.
func Minor(version string) int {
	found := release.FindStringSubmatch(version)
	if found == nil {
		return 0
	}
	minor, _ := strconv.Atoi(found[1]) // up to three digits
	return minor
}

// CheckKubernetes refuses a version that the testbed cannot run.
func CheckKubernetes(version string) error {
	hint := fmt.Sprintf("\nhint: give a release from v1.%d on, up to the testbed's own, %s", Minor(Oldest), Kubernetes)
	switch minor := Minor(version); {
	case minor == 0:
		return fmt.Errorf("%q is not a release of Kubernetes such as %s%s", version, Oldest, hint)
	case minor < Minor(Oldest):
		return fmt.Errorf("the testbed cannot run Kubernetes %s: two kubelets on one machine need podLogsDir, which they have from v1.%d on%s", version, Minor(Oldest), hint)
	case minor > Minor(Kubernetes), minor == Minor(Kubernetes) && version != Kubernetes:
		return fmt.Errorf("the testbed cannot run Kubernetes %s%s", version, hint)
	}
	return nil
}

// WithKubernetes builds the daemons of another release of Kubernetes, unless the
// cache has them, and returns a folder that holds them beside the other programs.
//
// Their module is written here and not kept: all of it follows from the version.
func WithKubernetes(ctx context.Context, programs, version, source, cache string, out *report.Reporter) (string, error) {
	main, err := os.ReadFile(filepath.Join(source, "kube", "main.go"))
	if err != nil {
		return "", fmt.Errorf("read the sources of the components: %w", err)
	}
	t := target{
		title:    "Kubernetes " + version,
		folder:   "module",
		options:  []string{"-mod=mod"}, // what go.mod lacks follows from Kubernetes' own
		tags:     "grpcnotrace,osusergo,netgo",
		ldflags:  "-s -w" + kubernetesVersion(version),
		packages: []string{"./kube"},
	}
	// The folder of the other programs is named after all that they are made of.
	hash := sha256.Sum256(fmt.Appendf(nil, "%q %q %#v %x", filepath.Base(programs), flags, t, sha256.Sum256(main)))
	folder := filepath.Join(cache, "kubernetes-"+version+"-"+hex.EncodeToString(hash[:])[:16])
	err = once(folder, func(work string) error {
		module := filepath.Join(work, t.folder)
		if err := writeModule(ctx, module, version, main); err != nil {
			return err
		}
		if err := t.build(ctx, work, work, "build 1 of 1", out); err != nil {
			return err
		}
		return errors.Join(os.RemoveAll(module), nameKubernetes(work), linkOthers(programs, work))
	})
	return folder, err
}

// writeModule writes the module of the daemons of a release of Kubernetes.
func writeModule(ctx context.Context, folder, version string, main []byte) error {
	described, err := run.Output(ctx, "go", "mod", "download", "-json", "k8s.io/kubernetes@"+version)
	if err != nil {
		return fmt.Errorf("find Kubernetes %s: %w", version, err)
	}
	var download struct{ GoMod string }
	if err := json.Unmarshal([]byte(described), &download); err != nil {
		return fmt.Errorf("find Kubernetes %s: %w", version, err)
	}
	text, err := run.Output(ctx, "go", "mod", "edit", "-json", download.GoMod)
	if err != nil {
		return fmt.Errorf("read go.mod of Kubernetes %s: %w", version, err)
	}
	module, err := moduleFor(version, text)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(folder, "kube"), 0o755); err != nil {
		return fmt.Errorf("make the module of Kubernetes %s: %w", version, err)
	}
	for name, content := range map[string][]byte{"go.mod": []byte(module), "kube/main.go": main} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil {
			return fmt.Errorf("make the module of Kubernetes %s: %w", version, err)
		}
	}
	return nil
}

// moduleFor is the go.mod with which programs link a release of Kubernetes: its
// own go.mod, which `go mod edit -json` has described, replaces some of its
// modules by folders of its repository, which are published as modules too.
func moduleFor(version, described string) (string, error) {
	var own struct {
		Replace []struct{ Old, New struct{ Path string } }
	}
	if err := json.Unmarshal([]byte(described), &own); err != nil {
		return "", fmt.Errorf("read go.mod of Kubernetes %s: %w", version, err)
	}
	var staging []string
	for _, r := range own.Replace {
		if strings.HasPrefix(r.New.Path, "./staging/") {
			staging = append(staging, r.Old.Path)
		}
	}
	if len(staging) == 0 {
		return "", fmt.Errorf("go.mod of Kubernetes %s replaces none of its modules", version)
	}
	slices.Sort(staging)
	var module strings.Builder
	fmt.Fprintf(&module, "module components\n\ngo 1.26\n\nrequire k8s.io/kubernetes %s\n\nreplace (\n", version)
	for _, path := range staging {
		fmt.Fprintf(&module, "\t%[1]s => %[1]s v0.%s\n", path, strings.TrimPrefix(version, "v1."))
	}
	module.WriteString(")\n")
	return module.String(), nil
}

// linkOthers gives the folder those programs of another one that it does not
// have itself.
func linkOthers(programs, folder string) error {
	entries, err := os.ReadDir(programs)
	if err != nil {
		return fmt.Errorf("list the programs: %w", err)
	}
	for _, entry := range entries {
		// Hard links: what makes images of programs takes symbolic ones as such.
		if err := os.Link(filepath.Join(programs, entry.Name()), filepath.Join(folder, entry.Name())); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("take over a program: %w", err)
		}
	}
	return nil
}
