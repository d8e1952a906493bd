package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
			got, err := Docker(c, zerolog.Nop()).Resolve(t.Context(), tt.host)
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
	k := Docker(c, zerolog.New(&log))
	for range 3 {
		cred, err := k.Resolve(t.Context(), "ghcr.io")
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
			h := newHelpers(c, zerolog.Nop())
			h.timeout = 500 * time.Millisecond
			_, err = h.credential(t.Context(), "ghcr.io")
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

func TestHelperCancelled(t *testing.T) {
	install(t, "test", `exec sleep 60`)
	c, err := load(t, `{"credsStore":"test"}`)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Docker(c, zerolog.Nop()).Resolve(ctx, "ghcr.io"); !errors.Is(err, context.Canceled) {
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
