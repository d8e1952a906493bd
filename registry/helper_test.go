package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
)

// install puts a shell script on the PATH as a credential helper.
func install(t *testing.T, name, script string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "docker-credential-"+name)
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestHelper(t *testing.T) {
	const answer = `read url; printf '{"ServerURL":"%%s","Username":"%s","Secret":"s-%%s"}' "$url" "$url"`
	tests := []struct {
		name   string
		script string
		config string
		host   string
		want   Credential
	}{
		{
			"credsStore", fmt.Sprintf(answer, "u"), `{"credsStore":"test"}`, "ghcr.io",
			Credential{Username: "u", Password: "s-ghcr.io"},
		},
		{
			"credHelpers before credsStore and auths", fmt.Sprintf(answer, "u"),
			`{"credsStore":"absent","credHelpers":{"ghcr.io":"test"},"auths":{"ghcr.io":{"username":"x","password":"y"}}}`, "ghcr.io",
			Credential{Username: "u", Password: "s-ghcr.io"},
		},
		{
			"docker hub is asked for by its url", fmt.Sprintf(answer, "u"), `{"credHelpers":{"docker.io":"test"}}`, "registry-1.docker.io",
			Credential{Username: "u", Password: "s-https://index.docker.io/v1/"},
		},
		{
			"identity token", fmt.Sprintf(answer, "<token>"), `{"credsStore":"test"}`, "ghcr.io",
			Credential{IdentityToken: "s-ghcr.io"},
		},
		{
			"not found, then auths", `echo "credentials not found in native keychain"; exit 1`,
			`{"credsStore":"test","auths":{"ghcr.io":{"username":"x","password":"y"}}}`, "ghcr.io",
			Credential{Username: "x", Password: "y"},
		},
		{
			"hub-backed registry falls back to hub",
			`read url; case $url in *docker.io*) echo '{"Username":"hub","Secret":"s"}';; *) echo "credentials not found in native keychain"; exit 1;; esac`,
			`{"credsStore":"test"}`, "dhi.io",
			Credential{Username: "hub", Password: "s"},
		},
		{
			"helper for another host", `exit 7`, `{"credHelpers":{"gcr.io":"test"},"auths":{"ghcr.io":{"username":"x","password":"y"}}}`, "ghcr.io",
			Credential{Username: "x", Password: "y"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			install(t, "test", tt.script)
			c, err := load(t, tt.config)
			if err != nil {
				t.Fatal(err)
			}
			got, err := resolve(t, c, tt.host)
			if err != nil {
				t.Fatal(err)
			}
			got.Source = ""
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("credential (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHelperMissingWarnsOnceAndGoesOn(t *testing.T) {
	c, err := load(t, `{"credsStore":"not-installed","auths":{"ghcr.io":{"username":"x","password":"y"}}}`)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	k := dockerChain(c, newHelpers(), zerolog.New(&log))
	for _, host := range []string{"ghcr.io", "ghcr.io", "quay.io", "ghcr.io"} {
		cred, err := k.Resolve(t.Context(), Request{Host: host})
		if host != "ghcr.io" {
			continue
		}
		if err != nil || cred.Username != "x" {
			t.Fatalf("Resolve = %v, %v; want user x of the file", cred, err)
		}
	}
	if n := strings.Count(log.String(), "docker-credential-not-installed"); n != 1 {
		t.Errorf("%d warnings, want 1:\n%s", n, log.String())
	}
}

func TestHelperFailures(t *testing.T) {
	tests := []struct{ name, script, want string }{
		{"garbage", `echo TOPSECRET`, "output is not a credential"},
		{"no secret", `echo '{"Username":"TOPSECRET"}'`, "a user name and no secret"},
		{"exit code", `echo TOPSECRET; echo TOPSECRET >&2; exit 3`, "exit status 3"},
		{"hangs", `exec sleep 60`, "no answer within"},
		{"hangs in a child", `sleep 60 & wait`, "no answer within"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			install(t, "test", tt.script)
			c, err := load(t, `{"credsStore":"test"}`)
			if err != nil {
				t.Fatal(err)
			}
			h := newHelpers()
			h.timeout = 500 * time.Millisecond
			source := fileHelpers{read: func() (*DockerConfig, error) { return c, nil }, run: h}
			_, err = source.Find(t.Context(), Request{Host: "ghcr.io"})
			var he *HelperError
			if !errors.As(err, &he) {
				t.Fatalf("error %v is no *HelperError", err)
			}
			for _, want := range []string{tt.want, "docker-credential-test", "ghcr.io"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "TOPSECRET") {
				t.Errorf("error %q shows the helper's output", err)
			}
		})
	}
}

// A broken helper is no end: the next source is asked, and the reason kept.
func TestHelperFailsAndTheFileServes(t *testing.T) {
	install(t, "test", `echo TOPSECRET; exit 3`)
	c, err := load(t, `{"credsStore":"test","auths":{"ghcr.io":{"username":"x","password":"y"}}}`)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	k := dockerChain(c, newHelpers(), zerolog.New(&log))
	for range 2 {
		if cred, err := k.Resolve(t.Context(), Request{Host: "ghcr.io"}); err != nil || cred.Username != "x" {
			t.Errorf("Resolve = %v, %v; want user x of the file", cred, err)
		}
	}
	if broken := k.Broken("ghcr.io"); broken != nil {
		t.Errorf("problems %v of a request that was served", broken)
	}
	if cred, err := k.Resolve(t.Context(), Request{Host: "quay.io"}); err != nil || !cred.Anonymous() {
		t.Errorf("Resolve = %v, %v; want anonymous", cred, err)
	}
	if broken := fmt.Sprint(k.Broken("quay.io")); !strings.Contains(broken, "exit status 3") {
		t.Errorf("problems %s", broken)
	}
	if n := strings.Count(log.String(), "exit status 3"); n != 1 || strings.Contains(log.String(), "TOPSECRET") {
		t.Errorf("%d warnings, want 1:\n%s", n, log.String())
	}
}

// BuildKit asks several times for one image.
func TestHelperIsAskedOnceAMinute(t *testing.T) {
	dir := t.TempDir()
	install(t, "test", `echo asked >> `+dir+`/calls; echo '{"Username":"u","Secret":"s"}'`)
	now := time.Unix(1000, 0)
	h := newHelpers()
	h.now = func() time.Time { return now }
	ask := func(host string) {
		t.Helper()
		if cred, err := h.get(t.Context(), "docker-credential-test", host, "here"); err != nil || cred.Username != "u" {
			t.Fatalf("%v, %v", cred, err)
		}
	}
	calls := func() int {
		data, err := os.ReadFile(filepath.Join(dir, "calls"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(data), "asked")
	}
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() { ask("a.example") })
	}
	all.Wait()
	now = now.Add(helperMemory - time.Second)
	ask("a.example")
	if n := calls(); n != 1 {
		t.Errorf("%d calls within a minute, want 1", n)
	}
	ask("b.example")
	now = now.Add(2 * time.Second)
	ask("a.example")
	if n := calls(); n != 3 {
		t.Errorf("%d calls, want 3", n)
	}
}

// A token that ends sooner is not kept for longer.
func TestHelperAnswerEnds(t *testing.T) {
	dir := t.TempDir()
	token := jwt(`{"exp":1010}`)
	install(t, "test", `echo asked >> `+dir+`/calls; echo '{"Username":"u","Secret":"`+token+`"}'`)
	now := time.Unix(1000, 0)
	h := newHelpers()
	h.now = func() time.Time { return now }
	for range 2 {
		if _, err := h.get(t.Context(), "docker-credential-test", "a.example", "here"); err != nil {
			t.Fatal(err)
		}
		now = now.Add(11 * time.Second)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "calls")); err != nil || strings.Count(string(data), "asked") != 2 {
		t.Errorf("calls %q, %v; want 2", data, err)
	}
}

func TestHelperNameIsNoPath(t *testing.T) {
	c, err := load(t, `{"credHelpers":{"ghcr.io":"../../tmp/x"}}`)
	if err != nil {
		t.Fatal(err)
	}
	source := fileHelpers{read: func() (*DockerConfig, error) { return c, nil }, run: newHelpers()}
	if _, err := source.Find(t.Context(), Request{Host: "ghcr.io"}); err == nil || !strings.Contains(err.Error(), "is not a name") {
		t.Errorf("error %v", err)
	}
}

func TestHelperCancelled(t *testing.T) {
	install(t, "test", `exec sleep 60`)
	c, err := load(t, `{"credsStore":"test"}`)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := dockerChain(c, newHelpers(), zerolog.Nop()).Resolve(ctx, Request{Host: "ghcr.io"}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

func TestCredentialIsNotPrinted(t *testing.T) {
	c := Credential{Username: "u", Password: "TOPSECRET", IdentityToken: "TOPSECRET", RegistryToken: "TOPSECRET", Source: "here"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(format, c); strings.Contains(s, "TOPSECRET") {
			t.Errorf("%s shows the secret: %s", format, s)
		}
	}
}
