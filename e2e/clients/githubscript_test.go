package clients

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// actionDir is the action, as a workflow's runner has it.
const actionDir = "../../pipelines/github"

// outcome is what a run of the action's script came to.
type outcome struct {
	code           int
	args           []string // of slipway; nil where it was not run
	env            map[string]string
	stdout, stderr string
}

// runScript runs build.sh with a slipway that writes down its arguments and its
// environment. vars are added to the variables of a push to acme/app.
func runScript(t *testing.T, vars map[string]string) outcome {
	t.Helper()
	bin, seen := t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(bin, "slipway"), "#!/bin/sh\nprintf '%s\\0' \"$@\" > "+seen+"/args\nenv -0 > "+seen+"/env\n", 0o755)
	return runScriptWith(t, bin+":/usr/bin:/bin", seen, vars)
}

func runScriptWith(t *testing.T, path, seen string, vars map[string]string) outcome {
	t.Helper()
	script, err := filepath.Abs(filepath.Join(actionDir, "build.sh"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), script)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{
		"PATH=" + path, "GITHUB_ACTIONS=true", "GITHUB_SERVER_URL=https://github.com", "GITHUB_REPOSITORY=acme/app",
		"GITHUB_SHA=0123456789abcdef0123456789abcdef01234567", "GITHUB_REF=refs/heads/main", "GITHUB_RUN_ID=7", "GITHUB_RUN_ATTEMPT=2",
	}
	for name, value := range vars {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	failed := (*exec.ExitError)(nil)
	if err := cmd.Run(); err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	o := outcome{code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String(), env: map[string]string{}}
	if text, err := os.ReadFile(filepath.Join(seen, "args")); err == nil {
		o.args = strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
		env, err := os.ReadFile(filepath.Join(seen, "env"))
		if err != nil {
			t.Fatal(err)
		}
		for pair := range strings.SplitSeq(string(env), "\x00") {
			name, value, _ := strings.Cut(pair, "=")
			o.env[name] = value
		}
	}
	return o
}

func writeFile(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func pemOf(cert *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
}

func sha256Of(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

const (
	builderID  = ",builder-id=https://github.com/acme/app/actions/runs/7/attempts/2"
	provenance = "--attest=type=provenance,mode=max" + builderID
)

// TestArguments tests what the inputs become. The expectations follow what
// docker/build-push-action passes to buildx for the same inputs.
func TestArguments(t *testing.T) {
	t.Parallel()
	hostile := `$(touch pwned) ` + "`touch pwned`" + ` "; touch pwned; ' \ * %0A --push`
	for name, test := range map[string]struct {
		vars map[string]string
		want []string // between build and --
		last string   // the context; "." where empty
	}{
		"nothing but a context": {map[string]string{}, []string{provenance}, ""},
		"every input": {map[string]string{
			"INPUT_ADD_HOSTS": "a:1.2.3.4,b:::1", "INPUT_ALLOW": "network.host\nsecurity.insecure", "INPUT_ANNOTATIONS": "index:a=b",
			"INPUT_BUILD_ARGS": "A=1\nB=2", "INPUT_BUILD_CONTEXTS": "base=docker-image://alpine\nsrc={{ defaultContext }}:sub", "INPUT_BUILDER": "kube",
			"INPUT_CACHE_FROM": "type=gha", "INPUT_CACHE_TO": "type=gha,mode=max", "INPUT_CALL": "build", "INPUT_CGROUP_PARENT": "cg",
			"INPUT_FILE": "./sub/Dockerfile", "INPUT_LABELS": "l=v", "INPUT_LOAD": "true", "INPUT_NETWORK": "host", "INPUT_NO_CACHE": "true",
			"INPUT_NO_CACHE_FILTERS": "x,y", "INPUT_OUTPUTS": "type=docker,dest=out.tar", "INPUT_PLATFORMS": "linux/amd64,linux/arm64\nlinux/386",
			"INPUT_PROVENANCE": "mode=min", "INPUT_PULL": "True", "INPUT_PUSH": "TRUE", "INPUT_SBOM": "true", "INPUT_SECRET_FILES": "f=/etc/hostname",
			"INPUT_SECRET_ENVS": "E=HOME", "INPUT_SHM_SIZE": "1g", "INPUT_SSH": "default", "INPUT_TAGS": "r.test/a:1,r.test/a:2\nr.test/a:3",
			"INPUT_TARGET": "app", "INPUT_ULIMIT": "nofile=1024:2048", "INPUT_CONTEXT": "./sub",
		}, []string{
			"--add-host=a:1.2.3.4", "--add-host=b:::1", "--allow=network.host", "--allow=security.insecure", "--annotation=index:a=b",
			"--build-arg=A=1", "--build-arg=B=2", "--build-context=base=docker-image://alpine",
			"--build-context=src=https://github.com/acme/app.git#0123456789abcdef0123456789abcdef01234567:sub", "--builder=kube",
			"--cache-from=type=gha", "--cache-to=type=gha,mode=max", "--call=build", "--cgroup-parent=cg", "--file=./sub/Dockerfile", "--label=l=v",
			"--load", "--network=host", "--no-cache", "--no-cache-filter=x", "--no-cache-filter=y", "--output=type=docker,dest=out.tar",
			"--platform=linux/amd64,linux/arm64,linux/386", "--pull", "--push", "--shm-size=1g", "--ssh=default",
			"--tag=r.test/a:1", "--tag=r.test/a:2", "--tag=r.test/a:3", "--target=app", "--ulimit=nofile=1024:2048",
			"--attest=type=provenance,mode=min" + builderID, "--sbom=true",
			`--secret="id=E","env=HOME"`, `--secret="id=f","src=/etc/hostname"`,
		}, "./sub"},
		"the repository": {map[string]string{"INPUT_CONTEXT": "", "INPUT_GITHUB_TOKEN": "t0ken"},
			[]string{provenance, "--secret=id=GIT_AUTH_TOKEN.github.com,env=SLIPWAY_ACTION_GIT_TOKEN"},
			"https://github.com/acme/app.git#0123456789abcdef0123456789abcdef01234567"},
		"a directory of the repository": {map[string]string{"INPUT_CONTEXT": "{{defaultContext}}:sub"}, []string{provenance},
			"https://github.com/acme/app.git#0123456789abcdef0123456789abcdef01234567:sub"},
		"a pull request": {map[string]string{"INPUT_CONTEXT": "", "GITHUB_REF": "refs/pull/3/merge"}, []string{provenance},
			"https://github.com/acme/app.git#refs/pull/3/merge"},
		"a token of the user's own": {map[string]string{"INPUT_CONTEXT": "", "INPUT_GITHUB_TOKEN": "t", "INPUT_SECRETS": "GIT_AUTH_TOKEN=mine"},
			[]string{provenance, `--secret="id=GIT_AUTH_TOKEN",env=SLIPWAY_ACTION_SECRET_1`}, "https://github.com/acme/app.git#0123456789abcdef0123456789abcdef01234567"},
		"a private repository":             {map[string]string{"INPUT_REPOSITORY_PRIVATE": "true"}, []string{"--attest=type=provenance,mode=min,inline-only=true" + builderID}, ""},
		"no provenance":                    {map[string]string{"INPUT_PROVENANCE": "false"}, []string{"--attest=type=provenance,disabled=true"}, ""},
		"provenance":                       {map[string]string{"INPUT_PROVENANCE": "true"}, []string{"--attest=type=provenance" + builderID}, ""},
		"provenance of a builder":          {map[string]string{"INPUT_PROVENANCE": "mode=max,builder-id=me"}, []string{"--attest=type=provenance,mode=max,builder-id=me"}, ""},
		"no attestations by default":       {map[string]string{"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}, []string{}, ""},
		"no provenance for an engine":      {map[string]string{"INPUT_OUTPUTS": "type=docker,dest=x"}, []string{"--output=type=docker,dest=x"}, ""},
		"attestations":                     {map[string]string{"INPUT_ATTESTS": "type=sbom,generator=i\ntype=provenance,mode=min"}, []string{"--attest=type=sbom,generator=i", "--attest=type=provenance,mode=min" + builderID}, ""},
		"attestations beside their inputs": {map[string]string{"INPUT_ATTESTS": "type=sbom\ntype=provenance,mode=max", "INPUT_SBOM": "false", "INPUT_PROVENANCE": "mode=min"}, []string{"--attest=type=provenance,mode=min" + builderID, "--sbom=false"}, ""},
		"tags by rules": {map[string]string{
			"INPUT_TAGS_FROM": "ci", "INPUT_LABELS_FROM": "ci", "INPUT_ANNOTATIONS_FROM": "ci", "INPUT_IMAGES": "r.test/a\nr.test/b\n", "INPUT_TAG_FLAVOR": "latest=false,prefix=x-",
			"INPUT_TAG_RULES": "# releases\ntype=semver,pattern={{version}}\ntype=match,\"pattern=\\d{4,8}\",group=0\n",
		}, []string{
			"--tags-from=ci", "--labels-from=ci", "--annotations-from=ci", "--image=r.test/a", "--image=r.test/b", "--tag-rule=# releases",
			"--tag-rule=type=semver,pattern={{version}}", `--tag-rule=type=match,"pattern=\d{4,8}",group=0`, "--tag-flavor=latest=false,prefix=x-", provenance,
		}, ""},
		"empty and false":                   {map[string]string{"INPUT_PUSH": "", "INPUT_LOAD": "false", "INPUT_PULL": "False", "INPUT_TAGS": "\n \n,\n", "INPUT_FILE": "  "}, []string{provenance}, ""},
		"white space":                       {map[string]string{"INPUT_TAGS": "\n  a:1 , b:2\t\r\n  c:3\r\n", "INPUT_TARGET": " app\n"}, []string{"--tag=a:1", "--tag=b:2", "--tag=c:3", "--target=app", provenance}, ""},
		"quotes":                            {map[string]string{"INPUT_BUILD_ARGS": "\"A=a \"\"b\"\"\nc\"\nB=say \"hi\"\n\"C\"=1\n\"D=1,2\"\nE=1,2,\nF=\"x\",\"y\""}, []string{"--build-arg=A=a \"b\"\nc", `--build-arg=B=say "hi"`, `--build-arg="C"=1`, "--build-arg=D=1,2", "--build-arg=E=1,2,", `--build-arg=F="x",y`, provenance}, ""},
		"quotes in outputs":                 {map[string]string{"INPUT_OUTPUTS": `type=image,"name=a,b",push=true`}, []string{`--output=type=image,"name=a,b",push=true`, provenance}, ""},
		"a tag list in quotes":              {map[string]string{"INPUT_TAGS": `"a:1,b:2"`}, []string{"--tag=a:1", "--tag=b:2", provenance}, ""},
		"leading dashes":                    {map[string]string{"INPUT_CONTEXT": "--push", "INPUT_TAGS": "--push", "INPUT_FILE": "-", "INPUT_BUILD_ARGS": "--load"}, []string{"--build-arg=--load", "--file=-", "--tag=--push", provenance}, "--push"},
		"shell syntax":                      {map[string]string{"INPUT_CONTEXT": hostile, "INPUT_FILE": hostile, "INPUT_LABELS": "l=" + hostile, "INPUT_OUTPUTS": hostile, "INPUT_TARGET": "$HOME"}, []string{"--file=" + hostile, "--label=l=" + hostile, "--output=" + hostile, "--target=$HOME", provenance}, hostile},
		"a secret's ID with CSV's syntax":   {map[string]string{"INPUT_SECRETS": `"a"",src=/etc/shadow"`}, []string{provenance, `--secret="id=a"",src",env=SLIPWAY_ACTION_SECRET_1`}, ""},
		"a secret's file with CSV's syntax": {map[string]string{"INPUT_SECRET_FILES": `a=b,env=HOME`}, []string{provenance, `--secret="id=a","src=b,env=HOME"`}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			vars := test.vars
			if _, ok := vars["INPUT_CONTEXT"]; !ok {
				vars["INPUT_CONTEXT"] = "."
			}
			last := test.last
			if last == "" {
				last = "."
			}
			o := runScript(t, vars)
			if o.code != 0 {
				t.Fatalf("exit %d: %s", o.code, o.stderr)
			}
			want := append(append([]string{"build"}, test.want...), "--", last)
			if diff := cmp.Diff(want, o.args); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
			for name := range o.env {
				if strings.HasPrefix(name, "INPUT_") {
					t.Errorf("slipway gets the variable %s", name)
				}
			}
		})
	}
}

// TestSecrets tests that values of secrets reach slipway in variables only, and
// that the runner is told to mask them.
func TestSecrets(t *testing.T) {
	t.Parallel()
	o := runScript(t, map[string]string{
		"INPUT_CONTEXT": ".", "INPUT_GITHUB_TOKEN": "job-token",
		"INPUT_SECRETS": "NPM=s3cret 100%\n\"KEY=first\nsecond \"\nEMPTY=\nno value\n",
	})
	if o.code != 0 {
		t.Fatalf("exit %d: %s", o.code, o.stderr)
	}
	for name, want := range map[string]string{"SLIPWAY_ACTION_SECRET_1": "s3cret 100%", "SLIPWAY_ACTION_SECRET_2": "first\nsecond ", "GITHUB_TOKEN": "job-token"} {
		if o.env[name] != want {
			t.Errorf("%s = %q, want %q", name, o.env[name], want)
		}
	}
	if all := strings.Join(o.args, " "); strings.Contains(all, "s3cret") || strings.Contains(all, "first") || strings.Contains(all, "job-token") {
		t.Errorf("a secret is in the arguments: %q", o.args)
	}
	if want := "::add-mask::s3cret 100%25\n::add-mask::first%0Asecond \n"; o.stdout != want {
		t.Errorf("standard output = %q, want %q", o.stdout, want)
	}
	for _, words := range []string{"input secrets: EMPTY has no value", "input secrets: item 4 has no ID or no value"} {
		if !strings.Contains(o.stderr, "::warning title=slipway::"+words) {
			t.Errorf("no warning %q in:\n%s", words, o.stderr)
		}
	}
	if strings.Contains(o.stderr, "no value\n") {
		t.Errorf("an item without a value, which may be a part of a secret, is in the log:\n%s", o.stderr)
	}
	if o := runScript(t, map[string]string{"INPUT_CONTEXT": ".", "INPUT_GITHUB_TOKEN": "job", "GITHUB_TOKEN": "own"}); o.env["GITHUB_TOKEN"] != "own" {
		t.Errorf("GITHUB_TOKEN = %q, want the one that the workflow sets", o.env["GITHUB_TOKEN"])
	}
}

// TestItemsOfSecrets tests what is a secret, and that a warning about an item that is
// none has nothing of a value.
func TestItemsOfSecrets(t *testing.T) {
	t.Parallel()
	const tail = " no value, so the build does not get that secret: it is ID=VALUE, and in quotes where it has several lines"
	for name, test := range map[string]struct {
		secrets  string
		ids      []string
		values   []string
		warnings []string
	}{
		"padding":                      {"A=c2VjcmU=\nB=c2VjcmV0cw==\nC=x=y=", []string{"A", "B", "C"}, []string{"c2VjcmU=", "c2VjcmV0cw==", "x=y="}, nil},
		"no ID":                        {"=c2VjcmU=", nil, nil, []string{"item 1 has no ID or"}},
		"no ID after a secret":         {"A=1\n=c2VjcmU=\n=", []string{"A"}, []string{"1"}, []string{"item 2 has no ID or", "item 3 has no ID or"}},
		"the first is not set":         {"NPM=\nPIP=", nil, nil, []string{"NPM has", "item 2 has"}},
		"a quoted one is not set":      {"A=1\n\"NPM=\"\nPIP=\nGEM=", []string{"A"}, []string{"1"}, []string{"NPM has", "PIP has", "item 4 has"}},
		"a key without quotes":         {"KEY=-----BEGIN KEY-----\nc2VjcmU=\n-----END KEY-----", []string{"KEY"}, []string{"-----BEGIN KEY-----"}, []string{"item 2 has", "item 3 has no ID or"}},
		"more padding":                 {"KEY=-----BEGIN KEY-----\nc2VjcmV0cw==", []string{"KEY"}, []string{"-----BEGIN KEY-----"}, []string{"item 2 has"}},
		"a key with padding in quotes": {"\"KEY=BEGIN\nc2VjcmU=\"", []string{"KEY"}, []string{"BEGIN\nc2VjcmU="}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := runScript(t, map[string]string{"INPUT_CONTEXT": ".", "INPUT_SECRETS": test.secrets})
			if o.code != 0 {
				t.Fatalf("exit %d: %s", o.code, o.stderr)
			}
			var args, warnings, values []string
			for i, id := range test.ids {
				args = append(args, fmt.Sprintf("--secret=\"id=%s\",env=SLIPWAY_ACTION_SECRET_%d", id, i+1))
				values = append(values, o.env[fmt.Sprintf("SLIPWAY_ACTION_SECRET_%d", i+1)])
			}
			for _, warning := range test.warnings {
				warnings = append(warnings, "::warning title=slipway::input secrets: "+warning+tail+"\n")
			}
			got := slices.DeleteFunc(o.args, func(arg string) bool { return !strings.HasPrefix(arg, "--secret=") })
			if diff := cmp.Diff(args, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.values, values); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(strings.Join(warnings, ""), o.stderr); diff != "" {
				t.Errorf("standard error (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRefusedInputs tests that nothing is run for inputs that are wrong.
func TestRefusedInputs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		vars map[string]string
		want string
	}{
		"a boolean":       {map[string]string{"INPUT_NO_CACHE": "yes"}, "input no-cache: yes is no boolean: give true or false"},
		"a forged result": {map[string]string{"INPUT_PUSH": "x\n::set-output name=digest::y"}, "input push: x%0A::set-output name=digest::y is no boolean: give true or false"},
		"an open quote":   {map[string]string{"INPUT_TAGS": "a\n\"b"}, "input tags: a quote is not closed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.vars["INPUT_CONTEXT"] = "."
			o := runScript(t, test.vars)
			if want := "::error title=slipway::" + test.want + "\n"; o.code != 2 || o.args != nil || o.stderr != want {
				t.Errorf("exit %d, arguments %q, standard error %q; want exit 2, none and %q", o.code, o.args, o.stderr, want)
			}
		})
	}
}

// TestInstall tests what is done about a runner without slipway.
func TestInstall(t *testing.T) {
	t.Parallel()
	const program = "#!/bin/sh\nprintf '%s\\0' \"$@\" > \"$SEEN/args\"\nenv -0 > \"$SEEN/env\"\n"
	const sum = "6bc0cbd7a18cb1a5c0a8b3e60fb8f2c1a2f2a3a0c8e3b4d2b5a0d4f1e6c7b8a9" // of something else
	var served atomic.Int64
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		if r.URL.Path != "/slipway" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(program))
	}))
	t.Cleanup(server.Close)
	seen, tools := t.TempDir(), t.TempDir()
	ca := filepath.Join(tools, "ca.pem")
	writeFile(t, ca, pemOf(server.Certificate()), 0o644)
	paths := filepath.Join(tools, "paths")
	run := func(url, sum string) outcome {
		return runScriptWith(t, "/usr/bin:/bin", seen, map[string]string{
			"INPUT_CONTEXT": ".", "INPUT_SLIPWAY_URL": url, "INPUT_SLIPWAY_SHA256": sum,
			"RUNNER_TOOL_CACHE": tools, "GITHUB_PATH": paths, "CURL_CA_BUNDLE": ca, "SEEN": seen,
		})
	}
	for _, test := range []struct{ url, sum, want string }{
		{"", "", "slipway is not in the PATH of this runner"},
		{server.URL + "/slipway", "", "slipway is not in the PATH of this runner"},
		{"http://127.0.0.1/slipway", sum, "does not begin with https://"},
		{server.URL + "/slipway", "abc", "input slipway-sha256"},
		{server.URL + "/slipway", strings.ToUpper(sum), "input slipway-sha256"},
		{server.URL + "/missing", sum, "slipway cannot be downloaded from " + server.URL + "/missing"},
		{server.URL + "/slipway", sum, "has another SHA-256 than slipway-sha256"},
	} {
		o := run(test.url, test.sum)
		if o.code != 2 || o.args != nil || !strings.Contains(o.stderr, test.want) {
			t.Errorf("%s %s: exit %d, arguments %q, want exit 2 and %q in:\n%s", test.url, test.sum, o.code, o.args, test.want, o.stderr)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(tools, "slipway", "*", "*")); left != nil {
		t.Errorf("what was refused is left: %v", left)
	}
	right := sha256Of(program)
	before := served.Load()
	for range 2 {
		if o := run(server.URL+"/slipway", right); o.code != 0 || o.args == nil {
			t.Fatalf("exit %d, arguments %q:\n%s", o.code, o.args, o.stderr)
		}
	}
	if times := served.Load() - before; times != 1 {
		t.Errorf("the program was downloaded %d times for two steps", times)
	}
	dir := filepath.Join(tools, "slipway", right)
	if text, err := os.ReadFile(paths); err != nil || string(text) != dir+"\n"+dir+"\n" {
		t.Errorf("GITHUB_PATH holds %q, %v; want %s", text, err, dir)
	}
	// A program that is no more what it was is not run.
	writeFile(t, filepath.Join(dir, "slipway"), "#!/bin/sh\nexit 9\n", 0o755)
	if o := run(server.URL+"/slipway", right); o.code != 0 {
		t.Errorf("exit %d:\n%s", o.code, o.stderr)
	}
}

// TestScriptEndsWithTheCodeOfSlipway tests that a failed build fails the step.
func TestScriptEndsWithTheCodeOfSlipway(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	writeFile(t, filepath.Join(bin, "slipway"), "#!/bin/sh\nexit 5\n", 0o755)
	if o := runScriptWith(t, bin+":/usr/bin:/bin", t.TempDir(), map[string]string{"INPUT_CONTEXT": "."}); o.code != 5 {
		t.Errorf("exit %d, want 5", o.code)
	}
}
