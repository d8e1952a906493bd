package kube

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const kubeconfigText = `apiVersion: v1
kind: Config
current-context: main
clusters: [{name: c, cluster: {server: "https://SERVER"}}]
users: [{name: u, user: {token: t}}]
contexts:
- {name: main, context: {cluster: c, user: u}}
- {name: other, context: {cluster: c, user: u, namespace: team}}
`

// testFiles lays out a home, a service account and kubeconfigs in a directory.
func testFiles(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func kubeconfig(server string) string { return strings.Replace(kubeconfigText, "SERVER", server, 1) }

func TestResolve(t *testing.T) {
	all := map[string]string{
		"sa/token":          "secret-token\n",
		"sa/namespace":      "agents\n",
		"sa/ca.crt":         "",
		"home/.kube/config": kubeconfig("home"),
		"env":               kubeconfig("env"),
		"flag":              kubeconfig("flag"),
		"definition":        kubeconfig("definition"),
		"broken":            "{",
		"nocontext":         strings.Replace(kubeconfig("x"), "current-context: main", "", 1),
	}
	inPod := map[string]string{"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
	without := func(names ...string) map[string]string {
		m := map[string]string{}
		for k, v := range all {
			m[k] = v
		}
		for _, n := range names {
			delete(m, n)
		}
		return m
	}
	cases := map[string]struct {
		files      map[string]string
		env        map[string]string // values may hold DIR
		access     Access            // Kubeconfig is relative
		definition string
		want       Identity
		wantErr    string
	}{
		"flag before service account": {
			files: all, env: inPod, access: Access{Kubeconfig: "flag"},
			want: Identity{Source: SourceFlags, Files: []string{"flag"}, Context: "main", Server: "https://flag", Namespace: "default"},
		},
		"context of a flag file": {
			files: all, env: inPod, access: Access{Kubeconfig: "flag", Context: "other"},
			want: Identity{Source: SourceFlags, Files: []string{"flag"}, Context: "other", Server: "https://flag", Namespace: "team"},
		},
		"context alone uses the usual files": {
			files: all, env: inPod, access: Access{Context: "other"},
			want: Identity{Source: SourceFlags, Files: []string{"home/.kube/config"}, Context: "other", Server: "https://home", Namespace: "team"},
		},
		"service account before kubeconfigs": {
			files: all, env: map[string]string{"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443", "KUBECONFIG": "DIR/env"}, definition: "definition",
			want: Identity{Source: SourceServiceAccount, Files: []string{"sa/token"}, Server: "https://10.0.0.1:443", Namespace: "agents"},
		},
		"service account on IPv6 without a namespace file": {
			files: without("sa/namespace"), env: map[string]string{"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"},
			want: Identity{Source: SourceServiceAccount, Files: []string{"sa/token"}, Server: "https://[fd00::1]:443", Namespace: "default"},
		},
		"pod without a token": {
			files: without("sa/token"), env: inPod,
			want: Identity{Source: SourceKubeconfig, Files: []string{"home/.kube/config"}, Context: "main", Server: "https://home", Namespace: "default"},
		},
		"KUBECONFIG before the default file": {
			files: all, env: map[string]string{"KUBECONFIG": "DIR/absent:DIR/env"}, definition: "definition",
			want: Identity{Source: SourceKubeconfig, Files: []string{"env"}, Context: "main", Server: "https://env", Namespace: "default"},
		},
		"definition last": {
			files: without("home/.kube/config"), definition: "definition",
			want: Identity{Source: SourceDefinition, Files: []string{"definition"}, Context: "main", Server: "https://definition", Namespace: "default"},
		},
		"KUBECONFIG without a current context": {
			files: all, env: map[string]string{"KUBECONFIG": "DIR/nocontext"}, definition: "definition",
			want: Identity{Source: SourceDefinition, Files: []string{"definition"}, Context: "main", Server: "https://definition", Namespace: "default"},
		},
		"nothing": {
			files: map[string]string{}, definition: "definition",
			wantErr: "no identity for a Kubernetes cluster found: not in a pod (KUBERNETES_SERVICE_HOST is not set); KUBECONFIG is not set and kubeconfig DIR/home/.kube/config does not exist; the definition's kubeconfig DIR/definition does not exist",
		},
		"nothing in a pod": {
			files: map[string]string{}, env: inPod,
			wantErr: "no identity for a Kubernetes cluster found: this pod has no service account token (DIR/sa/token); KUBECONFIG is not set and kubeconfig DIR/home/.kube/config does not exist; the definition names no kubeconfig",
		},
		"flag file missing":     {files: all, env: inPod, access: Access{Kubeconfig: "absent"}, wantErr: "the kubeconfig that was asked for cannot be used: kubeconfig DIR/absent does not exist"},
		"unknown context":       {files: all, access: Access{Kubeconfig: "flag", Context: "nope"}, wantErr: `kubeconfig DIR/flag has no context "nope"`},
		"broken KUBECONFIG":     {files: all, env: map[string]string{"KUBECONFIG": "DIR/broken"}, definition: "definition", wantErr: `error loading config file "DIR/broken"`},
		"broken definition":     {files: without("home/.kube/config"), definition: "broken", wantErr: `error loading config file "DIR/broken"`},
		"flag without contexts": {files: all, access: Access{Kubeconfig: "nocontext"}, wantErr: "the kubeconfig that was asked for cannot be used: kubeconfig DIR/nocontext has no current context"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := testFiles(t, c.files)
			at := func(name string) string {
				if name == "" {
					return ""
				}
				return filepath.Join(dir, name)
			}
			c.access.Kubeconfig = at(c.access.Kubeconfig)
			config, got, err := resolve(c.access, at(c.definition), environment{
				getenv:         func(k string) string { return strings.ReplaceAll(c.env[k], "DIR", dir) },
				home:           at("home"),
				serviceAccount: at("sa"),
			})
			if c.wantErr != "" {
				want := strings.ReplaceAll(c.wantErr, "DIR", dir)
				var e *Error
				if !errors.As(err, &e) || e.Reason != ReasonIdentity || !strings.Contains(err.Error(), want) {
					t.Fatalf("got %v\nwant an identity error with %s", err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for i := range c.want.Files {
				c.want.Files[i] = at(c.want.Files[i])
			}
			if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("identity (-want +got):\n%s", diff)
			}
			if config.BearerToken == "" || config.Host != got.Server {
				t.Errorf("config has host %q and token of length %d", config.Host, len(config.BearerToken))
			}
			if strings.Contains(got.String(), config.BearerToken+"\n") || strings.Contains(got.String(), "secret-token") {
				t.Errorf("the identity shows its token: %s", got)
			}
		})
	}
}

// TestHomeIsGiven tests that the home directory is the field's, and not what a
// variable of that name says.
func TestHomeIsGiven(t *testing.T) {
	access := Access{Home: "/given", Lookup: func(name string) (string, bool) { return "/looked/up", name == "HOME" }}
	if home := access.environment().home; home != "/given" {
		t.Errorf("home %q", home)
	}
}
