package solve

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/agent/solve/contextfs"
	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/agent/solve/session"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/internal/target"
)

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

const layoutDigest = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// workdir is a working directory with one of everything.
func workdir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"ctx/Dockerfile":         "FROM scratch",
		"ctx/sub/f":              "x",
		"lower/dockerfile":       "FROM scratch",
		"none/f":                 "x",
		"other/My.Dockerfile":    "FROM scratch",
		"policy/Dockerfile":      "FROM scratch",
		"policy/Dockerfile.rego": "x",
		"dirfile/Dockerfile/":    "",
		"file":                   "x",
		"secret":                 "s",
		"layout/index.json":      `{"manifests":[{"digest":"` + layoutDigest + `"}]}`,
		"policy.json":            `{"rules":[]}`,
		"big":                    strings.Repeat("x", 600<<10),
	})
	t.Chdir(dir)
	return dir
}

func TestPrepareInputs(t *testing.T) {
	const scheme = "slipway:"
	tests := []struct {
		name    string
		request Request
		attrs   map[string]string
		mounts  map[string]string // relative to the working directory
		check   func(t *testing.T, p *Plan)
	}{
		{
			name: "directory", request: Request{Context: "ctx"},
			attrs:  attrs("filename", "Dockerfile"),
			mounts: attrs("context", "ctx", "dockerfile", "ctx"),
		},
		{
			name: "lower case dockerfile", request: Request{Context: "lower"},
			attrs:  attrs("filename", "dockerfile"),
			mounts: attrs("context", "lower", "dockerfile", "lower"),
		},
		{
			name: "-f outside the context", request: Request{Context: "ctx", Dockerfile: "other/My.Dockerfile"},
			attrs:  attrs("filename", "My.Dockerfile"),
			mounts: attrs("context", "ctx", "dockerfile", "other"),
		},
		{
			name: "-f from stdin", request: Request{Context: "ctx", Dockerfile: "-", Files: source.New(t.Context(), strings.NewReader("FROM x"))},
			attrs: attrs("filename", "Dockerfile", "dockerfilekey", "dockerfile"),
			check: func(t *testing.T, p *Plan) {
				data, err := os.ReadFile(filepath.Join(p.inputs.Mounts["dockerfile"], "Dockerfile"))
				if err != nil || string(data) != "FROM x" {
					t.Errorf("Dockerfile is %q, %v", data, err)
				}
			},
		},
		{
			name: "tar from stdin", request: Request{Context: "-", Files: source.New(t.Context(), bytes.NewReader(tarball(t)))},
			attrs: attrs("filename", "Dockerfile"), mounts: attrs(),
			check: func(t *testing.T, p *Plan) {
				info, err := os.Stat(p.inputs.ContextFile)
				if err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("spooled context: %v, %v; want mode 0600", info, err)
				}
				data, err := os.ReadFile(p.inputs.ContextFile)
				if err != nil || !bytes.Equal(data, tarball(t)) {
					t.Errorf("the spooled context differs from stdin: %v", err)
				}
			},
		},
		{
			name: "compressed tar from stdin with -f", request: Request{Context: "-", Dockerfile: "sub/D", Files: source.New(t.Context(), bytes.NewReader(gzipped(t, tarball(t))))},
			attrs: attrs("filename", "sub/D"), mounts: attrs(),
		},
		{
			name: "Dockerfile as context", request: Request{Context: "-", Files: source.New(t.Context(), strings.NewReader("FROM x"))},
			attrs: attrs("filename", "Dockerfile", "dockerfilekey", "dockerfile"),
			check: func(t *testing.T, p *Plan) {
				if files := tree(t, p.inputs.Mounts["context"]); len(files) != 0 {
					t.Errorf("the context is not empty: %v", files)
				}
			},
		},
		{
			name: "git", request: Request{Context: "https://example.com/r.git#main:sub", Dockerfile: "d/D"},
			attrs: attrs("context", "https://example.com/r.git#main:sub", "filename", "d/D"), mounts: attrs(),
		},
		{
			name: "git with a query", request: Request{Context: "https://example.com/r.git?branch=main"},
			attrs:  attrs("context", "https://example.com/r.git?branch=main", "filename", "Dockerfile", "frontend.caps", "moby.buildkit.frontend.gitquerystring"),
			mounts: attrs(),
		},
		{
			name: "git with a local Dockerfile", request: Request{Context: "git://example.com/r", Dockerfile: "ABS/other/My.Dockerfile"},
			attrs:  attrs("context", "git://example.com/r", "filename", "My.Dockerfile", "dockerfilekey", "dockerfile"),
			mounts: attrs("dockerfile", "other"),
		},
		{
			name: "tarball url", request: Request{Context: "https://example.com/c.tgz"},
			attrs: attrs("context", "https://example.com/c.tgz", "filename", "Dockerfile"), mounts: attrs(),
		},
		{
			name: "Dockerfile url", request: Request{Context: "none", Dockerfile: "https://example.com/D"},
			attrs:  attrs("filename", "Dockerfile", "dockerfilekey", "dockerfile"),
			mounts: attrs("context", "none"),
			check: func(t *testing.T, p *Plan) {
				if p.inputs.DockerfileURL != "https://example.com/D" {
					t.Errorf("DockerfileURL = %q", p.inputs.DockerfileURL)
				}
			},
		},
		{
			name: "named contexts",
			request: Request{Context: "ctx", Contexts: []BuildContext{
				{"lib", "none"}, {"context", "other"}, {"img", "docker-image://alpine:3"}, {"g", "https://example.com/r.git?branch=x"}, {"h", "https://example.com/x.txt"}, {"l", "oci-layout://layout:1"},
			}},
			attrs: attrs("filename", "Dockerfile",
				"context:lib", "local:lib", "sharedkey:localdir:lib", contextfs.SharedKey("ABS/none", "content"),
				"context:context", "local:_context", "sharedkey:localdir:context", contextfs.SharedKey("ABS/other", "content"),
				"context:img", "docker-image://alpine:3", "context:g", "https://example.com/r.git?branch=x", "context:h", "https://example.com/x.txt",
				"context:l", "oci-layout://layout0:1@"+layoutDigest,
				"frontend.caps", "moby.buildkit.frontend.contexts+forward,moby.buildkit.frontend.gitquerystring+forward"),
			mounts: attrs("context", "ctx", "dockerfile", "ctx", "lib", "none", "_context", "other"),
			check: func(t *testing.T, p *Plan) {
				if !strings.HasSuffix(p.inputs.Layouts["layout0"], "/layout") {
					t.Errorf("layouts: %v", p.inputs.Layouts)
				}
			},
		},
		{
			name: "the caller's identity", request: Request{Context: "ctx", ContextKey: "repo", Contexts: []BuildContext{{"lib", "none"}}},
			attrs: attrs("filename", "Dockerfile", "context:lib", "local:lib", "sharedkey:localdir:lib", contextfs.SharedKey("repo", "lib", "content"),
				"frontend.caps", "moby.buildkit.frontend.contexts+forward"),
			check: func(t *testing.T, p *Plan) {
				if p.inputs.SharedKey != contextfs.SharedKey("repo", "", "content") {
					t.Errorf("SharedKey = %q", p.inputs.SharedKey)
				}
			},
		},
		{
			name: "environment",
			request: Request{Context: "ctx", BuildArgs: attrs("A", "1"),
				Lookup: env("SOURCE_DATE_EPOCH", "42", "BUILDX_NO_DEFAULT_ATTESTATIONS", "true", "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY", "policy.json")},
			check: func(t *testing.T, p *Plan) {
				if diff := cmp.Diff(attrs("A", "1", "SOURCE_DATE_EPOCH", "42"), p.request.BuildArgs); diff != "" {
					t.Errorf("build args (-want +got):\n%s", diff)
				}
				if !p.inputs.NoDefaultAttestations || p.inputs.SourcePolicy == nil {
					t.Errorf("environment was not read: %+v", p.inputs)
				}
			},
		},
		{
			name:    "an argument before the environment",
			request: Request{Context: "ctx", BuildArgs: attrs("SOURCE_DATE_EPOCH", "1"), Lookup: env("SOURCE_DATE_EPOCH", "42")},
			check: func(t *testing.T, p *Plan) {
				if p.request.BuildArgs["SOURCE_DATE_EPOCH"] != "1" {
					t.Errorf("build args: %v", p.request.BuildArgs)
				}
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := workdir(t)
			tt.request.Dockerfile = strings.Replace(tt.request.Dockerfile, "ABS", dir, 1)
			p, err := Prepare(t.Context(), here(t, tt.request))
			if err != nil {
				t.Fatal(err)
			}
			for key, value := range tt.attrs {
				if place, ok := map[string]string{contextfs.SharedKey("ABS/none", "content"): "none", contextfs.SharedKey("ABS/other", "content"): "other"}[value]; ok {
					tt.attrs[key] = contextfs.SharedKey(filepath.Join(dir, place), "content")
				}
			}
			if tt.attrs != nil {
				if diff := cmp.Diff(tt.attrs, p.inputs.Attrs); diff != "" {
					t.Errorf("attributes (-want +got):\n%s", diff)
				}
			}
			if tt.mounts != nil {
				want := map[string]string{}
				for name, place := range tt.mounts {
					want[name] = filepath.Join(dir, place)
				}
				if diff := cmp.Diff(want, p.inputs.Mounts); diff != "" {
					t.Errorf("mounts (-want +got):\n%s", diff)
				}
			}
			if len(p.mounts) != len(p.inputs.Mounts) {
				t.Errorf("%d of %d mounts are open", len(p.mounts), len(p.inputs.Mounts))
			}
			if !strings.HasPrefix(p.inputs.SharedKey, scheme) {
				t.Errorf("SharedKey = %q", p.inputs.SharedKey)
			}
			if tt.check != nil {
				tt.check(t, p)
			}
			temp := p.temp
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			if temp != nil {
				if _, err := os.Stat(temp.Path()); !os.IsNotExist(err) {
					t.Errorf("temporary directory %s is left: %v", temp.Path(), err)
				}
			}
		})
	}
}

func TestPrepareMistakes(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "agent.sock")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: gone, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}

	local := func(dest string) output.Output { return output.Output{Type: "local", Dest: dest} }
	tests := []struct {
		name    string
		request Request
		want    []string // one per mistake
	}{
		{"no context", Request{}, []string{`build context: is missing`}},
		{"absent", Request{Context: "nope"}, []string{`build context "nope": no such file or directory`}},
		{"a file", Request{Context: "file"}, []string{`build context "file": is not a directory`}},
		{"no Dockerfile", Request{Context: "none"}, []string{`build context "none": Dockerfile: no such file or directory`}},
		{"Dockerfile is a directory", Request{Context: "dirfile"}, []string{`Dockerfile: is a directory`}},
		{"no such -f", Request{Context: "ctx", Dockerfile: "nope"}, []string{`--file "nope": no such file or directory`}},
		{"-f is not relative to the context", Request{Context: "other", Dockerfile: "My.Dockerfile"}, []string{`--file "My.Dockerfile": no such`}},
		{"policy", Request{Context: "policy"}, []string{`the policy Dockerfile.rego is beside it, and slipway evaluates none`}},
		{"stdin twice", Request{Context: "-", Dockerfile: "-", Files: source.New(t.Context(), strings.NewReader("x"))}, []string{"cannot be both"}},
		{"stdin empty", Request{Context: "-", Files: source.New(t.Context(), strings.NewReader(""))}, []string{"stdin is empty"}},
		{"no stdin", Request{Context: "-"}, []string{"there is no standard input"}},
		{"no stdin for -f", Request{Context: "ctx", Dockerfile: "-"}, []string{"there is no standard input"}},
		{"two Dockerfiles", Request{Context: "-", Dockerfile: "D", Files: source.New(t.Context(), strings.NewReader("FROM x"))}, []string{"-f names another"}},
		{"stdin breaks", Request{Context: "-", Files: source.New(t.Context(), io.MultiReader(bytes.NewReader(tarball(t)), broken{}))}, []string{"read stdin: broken"}},
		{"git query", Request{Context: "https://user:sekret@example.com/r.git?nope=1"}, []string{`unexpected query "nope"`}},
		{"no text", Request{Context: "ctx", Target: "\xff", BuildArgs: map[string]string{"A": "\xff"}, Labels: map[string]string{"\xff": "a"}}, []string{"--target", "--build-arg", `--label "\xff": is not valid UTF-8`}},
		{"no cache twice", Request{Context: "ctx", NoCache: true, NoCacheFilter: []string{"a"}}, []string{"--no-cache: cannot be used"}},
		{"empty syntax", Request{Context: "ctx", BuildArgs: attrs("BUILDKIT_SYNTAX", " ")}, []string{"--build-arg \"BUILDKIT_SYNTAX=\": is empty"}},
		{"named context absent", Request{Context: "ctx", Contexts: []BuildContext{{"a", "nope"}}}, []string{`--build-context "a=nope": no such file`}},
		{"named context is a file", Request{Context: "ctx", Contexts: []BuildContext{{"a", "file"}}}, []string{`is not a directory`}},
		{"named context scheme", Request{Context: "ctx", Contexts: []BuildContext{{"a", "target://x"}}}, []string{`unknown scheme target://`}},
		{"layout absent", Request{Context: "ctx", Contexts: []BuildContext{{"a", "oci-layout://none"}}}, []string{`is not an OCI image layout`}},
		{"secret absent", Request{Context: "ctx", Secrets: []session.Secret{{ID: "a", File: "nope"}}}, []string{`--secret "id=a": file "nope" cannot be read: no such file`}},
		{"secret by id absent", Request{Context: "ctx", Secrets: []session.Secret{{ID: "nope"}}}, []string{`--secret "id=nope": file "nope" cannot be read`}},
		{"secret is a directory", Request{Context: "ctx", Secrets: []session.Secret{{ID: "a", File: "ctx"}}}, []string{`is a directory`}},
		{"secret too big", Request{Context: "ctx", Secrets: []session.Secret{{ID: "a", File: "big"}}}, []string{`"big" is longer than 512000 bytes`}},
		{"no agent", Request{Context: "ctx", SSH: []session.SSH{{ID: "default"}}}, []string{`--ssh "default": there is no SSH agent`}},
		{"no agent for git over ssh", Request{Context: "git@example.com:r.git"}, []string{`there is no SSH agent`}},
		{"agent is dead", Request{Context: "ctx", SSH: []session.SSH{{ID: "default"}}, Lookup: env("SSH_AUTH_SOCK", gone)}, []string{`no SSH agent answers`}},
		{"key absent", Request{Context: "ctx", SSH: []session.SSH{{ID: "k", Paths: []string{"nope"}}}}, []string{`--ssh "k=nope": "nope" cannot be used: no such file`}},
		{"not a key", Request{Context: "ctx", SSH: []session.SSH{{ID: "k", Paths: []string{"file"}}}}, []string{`--ssh "k=file": ssh: no key found`}},
		{"output twice", Request{Context: "ctx", Outputs: []output.Output{local("o"), local("o")}}, []string{`is given twice`}},
		{"attestations", Request{Context: "ctx", Lookup: env("BUILDX_NO_DEFAULT_ATTESTATIONS", "maybe")}, []string{`BUILDX_NO_DEFAULT_ATTESTATIONS "maybe"`}},
		{"source policy absent", Request{Context: "ctx", Lookup: env("EXPERIMENTAL_BUILDKIT_SOURCE_POLICY", "nope")}, []string{`EXPERIMENTAL_BUILDKIT_SOURCE_POLICY "nope": no such file`}},
		{"source policy", Request{Context: "ctx", Lookup: env("EXPERIMENTAL_BUILDKIT_SOURCE_POLICY", "file")}, []string{`is not a source policy`}},
		{
			"everything at once",
			Request{Context: "nope", Secrets: []session.Secret{{ID: "a", File: "b"}}, SSH: []session.SSH{{ID: "default"}}, Outputs: []output.Output{local("file")}, Contexts: []BuildContext{{"c", "d"}}},
			[]string{`build context "nope"`, `--build-context "c=d"`, `--secret "id=a"`, `--ssh "default"`, `--output "type=local,dest=file"`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := workdir(t)
			before := tree(t, dir)
			t.Setenv("TMPDIR", t.TempDir())
			_, err := Prepare(t.Context(), here(t, tt.request))
			var all fault.UsageList
			if !errors.As(err, &all) {
				t.Fatalf("error %v is no fault.UsageList", err)
			}
			if len(all) != len(tt.want) {
				t.Errorf("%d mistakes, want %d:\n%v", len(all), len(tt.want), err)
			}
			for i, want := range tt.want {
				if i < len(all) && !strings.Contains(all[i].Error(), want) {
					t.Errorf("mistake %d is %q, want %q", i, all[i], want)
				}
				if i < len(all) && strings.Contains(all[i].Error(), "\n") {
					t.Errorf("mistake %d has several lines: %q", i, all[i])
				}
			}
			if strings.Contains(err.Error(), "sekret") {
				t.Errorf("error %q shows a password", err)
			}
			if Classify(err) != KindUsage {
				t.Errorf("Classify = %s", Classify(err))
			}
			if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
				t.Errorf("traces (-before +after):\n%s", diff)
			}
			if left := tree(t, os.TempDir()); len(left) != 0 {
				t.Errorf("temporary files are left: %v", left)
			}
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("broken") }

func TestPrepareCancelledWhileStdinBlocks(t *testing.T) {
	in, out := io.Pipe()
	defer func() { _ = out.Close() }()
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Prepare(ctx, Request{Context: "-", Files: source.New(ctx, in)}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

// What was kept of a context from standard input does not outlive a build that
// was killed for longer than until the next one.
func TestTemporaryFilesOfKilledBuild(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	prepare := func() *Plan {
		p, err := Prepare(t.Context(), here(t, Request{Context: stdin, Files: source.New(t.Context(), strings.NewReader("FROM scratch\n"))}))
		must(t, err)
		return p
	}
	write(t, os.TempDir(), attrs(target.StagingPrefix+"killed/lock", "", target.StagingPrefix+"killed/Dockerfile", "x"))
	next := prepare()
	if left := stagingDirs(t, os.TempDir()); len(left) != 1 || left[0] != next.temp.Path() {
		t.Errorf("%q are left, want %s", left, next.temp.Path())
	}
	must(t, next.Close())
}

func TestWarnings(t *testing.T) {
	workdir(t)
	p, err := Prepare(t.Context(), here(t, Request{Context: "ctx", Secrets: []session.Secret{{ID: "tok", Env: "UNSET"}}}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	if got := strings.Join(p.Warnings(), "\n"); !strings.Contains(got, "UNSET is not set") {
		t.Errorf("warnings %q do not say %q", got, "UNSET is not set")
	}
	if got := p.Unused(); !strings.Contains(got, "no --output") {
		t.Errorf("it says %q of a build without outputs", got)
	}
}

// TestPermissions runs as an ordinary user: when the tests run as root, in a
// second process of the test binary.
func TestPermissions(t *testing.T) {
	if os.Geteuid() == 0 {
		runUnprivileged(t)
		return
	}
	dir := workdir(t)
	write(t, dir, attrs("noread/Dockerfile", "FROM scratch", "ro/sub/", "", "nodir/Dockerfile", "FROM scratch"))
	for name, mode := range map[string]os.FileMode{"secret": 0, "noread/Dockerfile": 0, "ro": 0o555, "nodir": 0} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		request Request
		want    string
	}{
		{Request{Context: "ctx", Secrets: []session.Secret{{ID: "a", File: "secret"}}}, `--secret "id=a": file "secret" cannot be read: permission denied`},
		{Request{Context: "noread"}, `build context "noread": Dockerfile: permission denied`},
		{Request{Context: "ctx", Dockerfile: "noread/Dockerfile"}, `--file "noread/Dockerfile": permission denied`},
		{Request{Context: "nodir", Dockerfile: "ctx/Dockerfile"}, `build context "nodir": cannot be read: permission denied`},
		{Request{Context: "ctx", Outputs: []output.Output{{Type: "local", Dest: "ro"}}}, "ro is not writable: permission denied"},
		{Request{Context: "ctx", Outputs: []output.Output{{Type: "local", Dest: "ro/new/dir"}}}, "ro is not writable: permission denied"},
	}
	for _, tt := range tests {
		_, err := Prepare(t.Context(), here(t, tt.request))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v does not say %q", err, tt.want)
		}
	}

	for _, name := range []string{"nodir", "ro"} {
		if err := os.Chmod(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}
