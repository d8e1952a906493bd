package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/agent/ci"
)

// alone gives a test a home directory of its own and none of the CI system's
// variables.
func alone(t *testing.T) (dockerDir string) {
	t.Helper()
	home := t.TempDir()
	for _, name := range []string{"GITHUB_ACTIONS", "DOCKER_AUTH_CONFIG", "REGISTRY_AUTH_FILE", "REGISTRY", "REGISTRY_USERNAME", "REGISTRY_PASSWORD", "BUILDX_CONFIG", "SLIPWAY_DEFINITIONS"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", home)
	t.Setenv("DOCKER_CONFIG", filepath.Join(home, "docker"))
	return filepath.Join(home, "docker")
}

// basicRegistry lets user ci in; to anything behind that it answers 403, and says
// of the credential what it should not.
func basicRegistry(t *testing.T) (host string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		switch {
		case !ok || user != "ci" || password != "s3cret%1":
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path != "/v2/":
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprintf(w, `{"errors":[{"code":"DENIED","message":"not for %s nor %s"}]}`,
				password, base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
		}
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestLogin(t *testing.T) {
	for _, tt := range []struct {
		name, stdin string
		args        []string
		code        int
		stdout      string
		stderr      string
	}{
		{"from stdin", "s3cret%1\n", []string{"-u", "ci", "--password-stdin"}, 0, "Login Succeeded\n", "stored as it is"},
		{"one line end is taken off", "s3cret%1\r\n", []string{"-u", "ci", "--password-stdin"}, 0, "Login Succeeded\n", ""},
		{"two are not", "s3cret%1\n\n", []string{"-u", "ci", "--password-stdin"}, 5, "", "answered 401 Unauthorized"},
		{"as an argument", "", []string{"-u", "ci", "-p", "s3cret%1"}, 0, "Login Succeeded\n", "everybody on the machine can read the arguments"},
		{"wrong", "wr0ng-one", []string{"-u", "ci", "--password-stdin"}, 5, "", "hint: look at the user name and the password"},
		{"no password", "\n", []string{"-u", "ci", "--password-stdin"}, 2, "", "the password is empty"},
		{"no terminal", "", []string{"-u", "ci"}, 2, "", "standard input is no terminal"},
		{"too long", strings.Repeat("x", maxPassword+1), []string{"-u", "ci", "--password-stdin"}, 2, "", "standard input is no password"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := alone(t)
			host := basicRegistry(t)
			var out, errs bytes.Buffer
			args := append([]string{"login", host}, tt.args...)
			if code := run(args, streams{strings.NewReader(tt.stdin), &out, &errs}); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if out.String() != tt.stdout || !strings.Contains(errs.String(), tt.stderr) {
				t.Errorf("stdout %q, stderr %q", out.String(), errs.String())
			}
			if strings.Contains(errs.String(), "s3cret") || strings.Contains(errs.String(), "wr0ng") {
				t.Errorf("the password is in %q", errs.String())
			}
			stored, err := os.ReadFile(filepath.Join(dir, "config.json"))
			if tt.code != 0 {
				if err == nil {
					t.Errorf("stored %s", stored)
				}
				return
			}
			var config struct {
				Auths map[string]struct{ Auth []byte }
			}
			if err != nil || json.Unmarshal(stored, &config) != nil || string(config.Auths[host].Auth) != "ci:s3cret%1" {
				t.Errorf("stored %s, %v", stored, err)
			}
			// It is used from then on, and gone after logging out.
			if code := run([]string{"logout", host}, streams{strings.NewReader(""), &out, &errs}); code != 0 || !strings.Contains(out.String(), "Removing login credentials for "+host) {
				t.Errorf("logout: %d, %s", code, out.String())
			}
			if stored, err := os.ReadFile(filepath.Join(dir, "config.json")); err != nil || strings.Contains(string(stored), host) {
				t.Errorf("left %s, %v", stored, err)
			}
		})
	}
}

// inspectRefused runs a command that a registry refuses while it quotes the
// credential, and returns what is printed.
func inspectRefused(t *testing.T, args ...string) string {
	t.Helper()
	host := basicRegistry(t)
	t.Setenv("DOCKER_AUTH_CONFIG", fmt.Sprintf(`{"auths":{%q:{"username":"ci","password":"s3cret%%1"}}}`, host))
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	printed := make(chan string)
	go func() {
		text, _ := io.ReadAll(r)
		printed <- string(text)
	}()
	code := run(append(args, host+"/app:1"), streams{strings.NewReader(""), io.Discard, w})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	text := <-printed
	if code != 5 {
		t.Errorf("exit code %d, printed %s", code, text)
	}
	return text
}

func TestErrorsHaveNoSecrets(t *testing.T) {
	alone(t)
	text := inspectRefused(t, "index", "inspect")
	if !strings.Contains(text, "denied: not for *** nor ***") || strings.Contains(text, "::add-mask") {
		t.Errorf("printed %s", text)
	}
}

// What is printed on standard output has no secrets either, in any format.
func TestOutputHasNoSecrets(t *testing.T) {
	alone(t)
	host := basicRegistry(t)
	t.Setenv("DOCKER_AUTH_CONFIG", fmt.Sprintf(`{"auths":{%q:{"username":"ci","password":"s3cret%%1"}}}`, host))
	for _, format := range []string{"table", "json"} {
		var out, errs bytes.Buffer
		code := run([]string{"auth", "--check", "--format", format, host + "/app"}, streams{strings.NewReader(""), &out, &errs})
		if text := out.String(); code != 5 || !strings.Contains(text, "not for *** nor ***") || strings.Contains(text, "s3cret") {
			t.Errorf("%s: exit code %d, printed %s%s", format, code, text, errs.String())
		}
	}
}

// A pipe may end in a file: unless told so, nobody is told a secret.
func TestNobodyIsToldOfSecretsUnasked(t *testing.T) {
	alone(t)
	t.Setenv("GITHUB_ACTIONS", "true")
	if text := inspectRefused(t, "index", "inspect"); strings.Contains(text, "::add-mask") || strings.Contains(text, "s3cret") {
		t.Errorf("printed %s", text)
	}
}

// GitHub's runner, when asked for, is told of a credential once, and nothing of it stands in any
// other line.
func TestGitHubIsToldOfSecrets(t *testing.T) {
	alone(t)
	t.Setenv("GITHUB_ACTIONS", "true")
	t.Setenv("SLIPWAY_CI_MASK", "true")
	text := inspectRefused(t, "index", "inspect")
	pair := base64.StdEncoding.EncodeToString([]byte("ci:s3cret%1"))
	want := "::add-mask::s3cret%251\n::add-mask::" + pair + "\n"
	if !strings.HasPrefix(text, want) || strings.Count(text, "::add-mask::") != 2 {
		t.Errorf("printed %s, want first %s", text, want)
	}
	if rest := strings.TrimPrefix(text, want); !strings.Contains(rest, "not for *** nor ***") || strings.Contains(rest, "s3cret") || strings.Contains(rest, pair) {
		t.Errorf("printed %s", rest)
	}
}

// What a program reads has no commands in it.
func TestGitHubIsNotToldInJSON(t *testing.T) {
	alone(t)
	t.Setenv("GITHUB_ACTIONS", "true")
	t.Setenv("SLIPWAY_CI_MASK", "true")
	host := basicRegistry(t)
	text := inspectRefused(t, "index", "create", "--progress=rawjson", "-t", host+"/other:1")
	if strings.Contains(text, "::add-mask") {
		t.Errorf("printed %s", text)
	}
}

func TestListens(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	var variables ci.Variables
	variables.GitHub.Actions = "true"
	github, _ := variables.Detect()
	for _, tt := range []struct {
		name string
		env  ci.System
		err  io.Writer
		want bool
	}{
		{"the runner", github, w, true},
		{"a file, which may be kept", github, file, false},
		{"a buffer", github, &bytes.Buffer{}, false},
		{"another CI system", ci.System{}, w, false},
	} {
		if got := listens(tt.env, tt.err); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}

// A command counts at the beginning of a line only; elsewhere it would show
// what it is to hide.
func TestLineWriter(t *testing.T) {
	var out bytes.Buffer
	w := &lineWriter{out: &out}
	w.line("::first")
	for _, text := range []string{"a\n", "b", ""} {
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	w.line("::second")
	w.line("::third")
	if want := "::first\na\nb\n::second\n::third\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
