package bake

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/shlex"
	"github.com/rogpeppe/go-internal/txtar"
)

var buildx = flag.String("buildx", "", "program of docker buildx whose answers are recorded in testdata")

// The files of a case that are its answers: what buildx prints, and what is printed
// here where it is not the same.
const (
	wantJSON  = "want.json"
	wantError = "want.error"
)

// testCase is a command line of bake and the files that it reads.
type testCase struct {
	path    string
	archive *txtar.Archive
	// args are those of the command, env the variables.
	args, env []string
}

func readCase(t *testing.T, path string) testCase {
	t.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := testCase{path: path, archive: archive}
	for line := range strings.Lines(string(archive.Comment)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		words, err := shlex.Split(value)
		if err != nil {
			t.Fatal(err)
		}
		switch key {
		case "args":
			c.args = words
		case "env":
			c.env = words
		default:
			t.Fatalf("%s: unknown line %q", path, line)
		}
	}
	return c
}

func (c testCase) file(name string) ([]byte, bool) {
	for _, f := range c.archive.Files {
		if f.Name == name {
			return f.Data, true
		}
	}
	return nil, false
}

// plan is what the command line makes of the files.
func (c testCase) plan() (*Plan, error) {
	in := Input{Environment: c.env, Vars: map[string]string{}, Builtins: map[string]string{"BAKE_CMD_CONTEXT": "cwd://", "BAKE_LOCAL_PLATFORM": "linux/amd64"}}
	var names, targets, set []string
	for i := 0; i < len(c.args); i++ {
		next := func() string { i++; return c.args[i] }
		switch arg := c.args[i]; arg {
		case "-f":
			names = append(names, next())
		case "--set":
			set = append(set, next())
		case "--var":
			key, value, _ := strings.Cut(next(), "=")
			in.Vars[key] = value
		case "--push":
			set = append(set, "*.push=true")
		case "--load":
			set = append(set, "*.load=true")
		default:
			targets = append(targets, arg)
		}
	}
	if names == nil {
		names = DefaultFiles
	}
	for _, name := range names {
		if data, ok := c.file(name); ok {
			in.Files = append(in.Files, File{Name: name, Data: data})
		}
	}
	in.DotEnv, _ = c.file(".env")
	in.ReadFile = func(path string) ([]byte, error) {
		if data, ok := c.file(path); ok {
			return data, nil
		}
		return nil, fs.ErrNotExist
	}
	if targets == nil {
		targets = []string{"default"}
	}
	config, err := Parse(in)
	if err != nil {
		return nil, err
	}
	plan, err := config.Plan(targets, set)
	if err != nil {
		return nil, err
	}
	return plan, plan.Locate()
}

// record replaces the answers by those of buildx.
func (c testCase) record(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	var kept []txtar.File
	for _, f := range c.archive.Files {
		if f.Name == wantJSON || f.Name == wantError {
			continue
		}
		kept = append(kept, f)
		data := f.Data
		if string(data) == "(a private key)\n" { // buildx looks at it
			data = privateKey(t)
		}
		if err := os.WriteFile(filepath.Join(dir, f.Name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(*buildx, append([]string{"bake", "--print", "--progress", "quiet"}, c.args...)...)
	agent, err := net.Listen("unix", filepath.Join(t.TempDir(), "agent")) // buildx looks for it
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	cmd.Dir, cmd.Env = dir, append([]string{"HOME=" + t.TempDir(), "SSH_AUTH_SOCK=" + agent.Addr().String()}, c.env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	answer, err := cmd.Output()
	if err != nil {
		t.Logf("%s: buildx: %v: %s", c.path, err, stderr.String())
		answer = nil
	}
	if answer != nil {
		kept = append(kept, txtar.File{Name: wantJSON, Data: answer})
	}
	c.archive.Files = kept
	if err := os.WriteFile(c.path, txtar.Format(c.archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestPlan compares what is printed of bake files with what docker buildx bake --print
// has printed of them; to record that again: go test ./bake -buildx PROGRAM.
func TestPlan(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			c := readCase(t, path)
			if *buildx != "" {
				c.record(t)
			}
			plan, err := c.plan()
			if _, ok := c.file(wantJSON); *buildx != "" && err != nil && (!ok || strings.HasPrefix(t.Name(), "TestPlan/bad-")) {
				c.archive.Files = append(c.archive.Files, txtar.File{Name: wantError, Data: []byte(err.Error() + "\n")})
				if err := os.WriteFile(c.path, txtar.Format(c.archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want, ok := c.file(wantError); ok {
				if err == nil || err.Error()+"\n" != string(want) {
					t.Errorf("error %v, want %s", err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(plan)
			if err != nil {
				t.Fatal(err)
			}
			want, ok := c.file(wantJSON)
			if !ok {
				t.Fatalf("buildx has refused this; got %s", got)
			}
			if diff := cmp.Diff(decode(t, want), decode(t, got)); diff != "" {
				t.Errorf("plan (-buildx +slipway):\n%s", diff)
			}
		})
	}
}

func privateKey(t *testing.T) []byte {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func decode(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// TestDiamonds tests that a target is looked at once, however many ways lead to it.
func TestDiamonds(t *testing.T) {
	var file strings.Builder
	for i := range 60 {
		fmt.Fprintf(&file, "target \"t%d\" {\n", i)
		if i > 0 {
			fmt.Fprintf(&file, "inherits = [\"t%d\", \"t%[1]d\"]\ncontexts = { a = \"target:c%[1]d\", b = \"target:c%[1]d\" }\n", i-1)
		}
		fmt.Fprintf(&file, "}\ntarget \"c%d\" {\n", i)
		if i > 0 {
			fmt.Fprintf(&file, "contexts = { a = \"target:c%d\", b = \"target:c%[1]d\" }\n", i-1)
		}
		file.WriteString("}\n")
	}
	config, err := Parse(Input{Files: []File{{Name: "docker-bake.hcl", Data: []byte(file.String())}}})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := config.Plan([]string{"t59"}, nil)
	if err != nil || len(plan.Targets) != 60 {
		t.Fatalf("%d targets, %v", len(plan.Targets), err)
	}
	if plan.Targets["t59"].Name == "" || plan.Targets["c0"].Linked != true {
		t.Errorf("the targets are %+v, %+v", plan.Targets["t59"], plan.Targets["c0"])
	}
}
