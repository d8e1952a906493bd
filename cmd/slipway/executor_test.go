package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/util/grpcerrors"

	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/registry/registrytest"
)

// execute runs the executor on a builder and returns its exit code and standard error.
func execute(t *testing.T, d *fleettest.Daemon, stdin []byte, args ...string) (code int, dir, diagnostics string) {
	t.Helper()
	alone(t)
	dir = workspace(t, d)
	t.Setenv("SLIPWAY_DEFINITIONS", filepath.Join(dir, "far.yaml"))
	t.Chdir(dir)
	var out, errs bytes.Buffer
	code = runAs(executorName, append([]string{"--custom-platform=linux/amd64"}, args...), streams{bytes.NewReader(stdin), &out, &errs})
	return code, dir, errs.String()
}

const madeImage = "sha256:0123456789012345678901234567890123456789012345678901234567890123"

func made() *fleettest.Daemon {
	descriptor := `{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"` + madeImage + `","size":3}`
	return &fleettest.Daemon{Answers: map[string]string{"containerimage.digest": madeImage, "containerimage.descriptor": base64.StdEncoding.EncodeToString([]byte(descriptor))}}
}

// TestExecutorPushes has what kaniko does around a build: the check before, the files
// after.
func TestExecutorPushes(t *testing.T) {
	server := registrytest.NewServer(t)
	d := made()
	code, dir, diagnostics := execute(t, d, nil, "--context=dir://docker", "--destination", server.Host+"/app:1", "--destination", server.Host+"/app:2", "--insecure",
		"--digest-file=new/dir/digest", "--image-name-tag-with-digest-file=names", "--snapshot-mode=redo")
	if code != 0 {
		t.Fatalf("exit code %d:\n%s", code, diagnostics)
	}
	if got := readText(t, filepath.Join(dir, "new/dir/digest")); got != madeImage {
		t.Errorf("--digest-file: %q", got)
	}
	if got, want := readText(t, filepath.Join(dir, "names")), server.Host+"/app:1@"+madeImage+"\n"+server.Host+"/app:2@"+madeImage+"\n"; got != want {
		t.Errorf("names: %q, want %q", got, want)
	}
	if n := server.Count(http.MethodPost, "/v2/app/blobs/uploads"); n != 1 {
		t.Errorf("the right to push was checked %d times: %q", n, server.Seen)
	}
	if !strings.Contains(diagnostics, "INF no effect here: --snapshot-mode") {
		t.Errorf("nothing is said of --snapshot-mode:\n%s", diagnostics)
	}
	if solves := d.Solves(); len(solves) != 1 || solves[0]["filename"] != "Dockerfile" {
		t.Errorf("solves %v", solves)
	}
}

func TestExecutorMayNotPush(t *testing.T) {
	server := registrytest.NewServer(t)
	server.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusForbidden)
		}
		return r.Method == http.MethodPost
	})
	d := made()
	args := []string{"--context=docker", "--destination", server.Host + "/app:1", "--insecure", "--push-retry=3"}
	code, _, diagnostics := execute(t, d, nil, args...)
	if code != 1 || !strings.Contains(diagnostics, "error: check that "+server.Host+"/app may be pushed to: ") || len(d.Solves()) > 0 {
		t.Errorf("exit code %d, %d solves:\n%s", code, len(d.Solves()), diagnostics)
	}
	if n := server.Count(http.MethodPost, "/app/"); n > 2 {
		t.Errorf("the right to push was checked %d times", n)
	}
	code, _, diagnostics = execute(t, d, nil, append(args, "--skip-push-permission-check")...)
	if code != 0 || len(d.Solves()) != 1 {
		t.Errorf("without the check: exit code %d, %d solves:\n%s", code, len(d.Solves()), diagnostics)
	}
}

func TestExecutorTriesAgain(t *testing.T) {
	refusal := grpcerrors.ToGRPC(t.Context(), errors.New("failed to push reg.example/app:1: unexpected status from POST request to https://reg.example/v2/app/blobs/uploads/: 503 Service Unavailable"))
	d := &fleettest.Daemon{Refusal: refusal}
	code, dir, diagnostics := execute(t, d, nil, "--context=docker", "--destination=reg.example/app:1", "--skip-push-permission-check", "--push-retry=1", "--digest-file=digest")
	if code != 1 || len(d.Solves()) != 2 || !strings.Contains(diagnostics, "the build is tried again in 1s (1 of 1)") {
		t.Errorf("exit code %d, %d solves:\n%s", code, len(d.Solves()), diagnostics)
	}
	if _, err := os.Stat(filepath.Join(dir, "digest")); err == nil {
		t.Error("there is a digest of nothing")
	}
}

// packed is a compressed tarball with a Dockerfile below a directory.
func packed(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	const text = "FROM scratch\nCOPY . /\n"
	err := errors.Join(
		w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "app/build/Dockerfile", Mode: 0o644, Size: int64(len(text))}),
		func() error { _, err := io.WriteString(w, text); return err }(),
		w.Close(), z.Close(),
	)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestExecutorUnpacks(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	file := filepath.Join(t.TempDir(), "context.tar.gz")
	if err := os.WriteFile(file, packed(t), 0o600); err != nil {
		t.Fatal(err)
	}
	for context, stdin := range map[string][]byte{"tar://stdin": packed(t), "tar://" + file: nil} {
		d := made()
		code, _, diagnostics := execute(t, d, stdin, "--context="+context, "--context-sub-path=app", "--dockerfile=build/Dockerfile", "--no-push")
		if code != 0 || len(d.Solves()) != 1 {
			t.Errorf("%s: exit code %d:\n%s", context, code, diagnostics)
		}
	}
	for args, want := range map[string]string{
		"--context=tar://stdin":   `error: --context "tar://stdin": is empty, expected a tarball`,
		"--context=tar:///none":   `error: --context "tar:///none": no such file or directory`,
		"--context=tar://" + file: `error: --dockerfile `,
		"--context=tar://" + file + " --target=a --context-sub-path=b": `error: --context-sub-path "b": is no directory of the context`,
	} {
		code, _, diagnostics := execute(t, made(), nil, append(strings.Fields(args), "--no-push")...)
		if code != 1 || !strings.Contains(diagnostics, want) {
			t.Errorf("%s: exit code %d, want %s:\n%s", args, code, want, diagnostics)
		}
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left over are %v, %v", left, err)
	}
	t.Setenv("TMPDIR", filepath.Join(temp, "none"))
	code, _, diagnostics := execute(t, made(), packed(t), "--context=tar://stdin", "--no-push")
	if code != 1 || !strings.Contains(diagnostics, "no temporary files can be made") || !strings.Contains(diagnostics, "hint: set TMPDIR") {
		t.Errorf("without a place for it: exit code %d:\n%s", code, diagnostics)
	}
}

// TestExecutorRepository builds what only the builder reads, with a credential.
func TestExecutorRepository(t *testing.T) {
	t.Setenv("GIT_TOKEN", "hunter2-is-secret")
	d := made()
	code, _, diagnostics := execute(t, d, nil, "--context=git://git.example/team/app#refs/heads/main", "--context-sub-path=x", "--no-push", "--verbosity=debug")
	if code != 0 || strings.Contains(diagnostics, "hunter2") || strings.Contains(diagnostics, base64.StdEncoding.EncodeToString([]byte("hunter2-is-secret:"))) {
		t.Errorf("exit code %d:\n%s", code, diagnostics)
	}
	if solves := d.Solves(); len(solves) != 1 || solves[0]["context"] != "https://git.example/team/app.git?keep-git-dir=true&ref=refs%2Fheads%2Fmain&subdir=x&submodules=false" || solves[0]["filename"] != "Dockerfile" {
		t.Errorf("solves %v", solves)
	}
}

// TestExecutorCredentials finds config.json where kaniko does.
func TestExecutorCredentials(t *testing.T) {
	server := registrytest.NewServer(t)
	var users []string
	server.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		user, _, ok := r.BasicAuth()
		if !ok {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		users = append(users, user)
		return false
	})
	config := t.TempDir()
	auth := base64.StdEncoding.EncodeToString([]byte("kaniko:p"))
	err := errors.Join(
		os.Mkdir(filepath.Join(config, ".docker"), 0o700),
		os.WriteFile(filepath.Join(config, ".docker", "config.json"), []byte(`{"auths":{"`+server.Host+`":{"auth":"`+auth+`"}}}`), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KANIKO_DIR", config)
	code, _, diagnostics := execute(t, made(), nil, "--context=docker", "--destination", server.Host+"/app:1", "--insecure")
	if code != 0 || !slices.Contains(users, "kaniko") {
		t.Errorf("exit code %d, users %q:\n%s", code, users, diagnostics)
	}
}

// TestExecutorMirrors gives the builder a source policy.
func TestExecutorMirrors(t *testing.T) {
	code, _, diagnostics := execute(t, made(), nil, "--context=docker", "--no-push", "--registry-mirror=m.example", "--registry-certificate=r.example=none")
	if code != 1 || !strings.Contains(diagnostics, `error: --registry-certificate "none": no such file or directory`) {
		t.Errorf("exit code %d:\n%s", code, diagnostics)
	}
	code, _, diagnostics = execute(t, made(), nil, "--context=docker", "--no-push", "--registry-mirror=m.example", "--insecure-pull")
	if code != 0 || !strings.Contains(diagnostics, "WRN --registry-mirror m.example: images of docker.io are pulled without it") || !strings.Contains(diagnostics, "WRN --insecure-pull has no effect of its own") {
		t.Errorf("exit code %d:\n%s", code, diagnostics)
	}
	code, _, diagnostics = execute(t, made(), nil, "--context=docker", "--no-push", "--registry-mirror=m.example", "--skip-default-registry-fallback")
	if code != 0 || strings.Contains(diagnostics, "WRN --registry-mirror") {
		t.Errorf("exit code %d:\n%s", code, diagnostics)
	}
}
