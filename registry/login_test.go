package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/logtest"
)

func writeFile(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestParseServer(t *testing.T) {
	hub := Server{"docker.io", "https://index.docker.io/v1/"}
	for server, want := range map[string]Server{
		"":                               hub,
		"docker.io":                      hub,
		"index.docker.io":                hub,
		"registry-1.docker.io":           hub,
		"https://index.docker.io/v1/":    hub,
		"registry.example":               {"registry.example", "registry.example"},
		"Registry.Example:5000":          {"registry.example:5000", "registry.example:5000"},
		"https://registry.example/v2/":   {"registry.example", "registry.example"},
		"registry.example/team/project":  {"registry.example", "registry.example"},
		"http://localhost:5000":          {"localhost:5000", "localhost:5000"},
		"registry.example.evil.example/": {"registry.example.evil.example", "registry.example.evil.example"},
	} {
		if got, err := ParseServer(server); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", server, got, err, want)
		}
	}
	for _, server := range []string{"name", "a b.example", "registry.example:port", "https://", "*.example", "/", "user:s3cret@registry.example"} {
		_, err := ParseServer(server)
		usage := (*fault.Usage)(nil)
		if !errors.As(err, &usage) || len(usage.Hints()) == 0 || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: error %v", server, err)
		}
	}
}

func FuzzParseServer(f *testing.F) {
	for _, seed := range []string{"", "docker.io", "https://index.docker.io/v1/", "h:5000/x", "user:p@h.example", "[::1]:5000"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseServer(text)
		if err != nil {
			return
		}
		again, err := ParseServer(s.Key)
		if err != nil || again != s {
			t.Errorf("%q is %v, whose key is %v, %v", text, s, again, err)
		}
	})
}

const tabbed = `{
	"auths": {
		"registry.example": {
			"auth": "Y2k6czNjcmV0"
		}
	}
}
`

func TestStoreLogin(t *testing.T) {
	hub := Server{"docker.io", dockerHubKey}
	for _, tt := range []struct {
		name, before, after string
		server              Server
	}{
		{"no file", "", tabbed, Server{}},
		{"an empty file", "\n", tabbed, Server{}},
		{"null", "null", tabbed, Server{}},
		{
			"what is not known stays as it is",
			`{"psFormat":"<b>&","n":12345678901234567890,"auths":{"other.example":{"auth":"eDp5","email":"a@b"}},"experimental":{"a":[1,2]}}`,
			`{"psFormat":"<b>&","n":12345678901234567890,"auths":{"other.example":{"auth":"eDp5","email":"a@b"},"registry.example":{"auth":"Y2k6czNjcmV0"}},"experimental":{"a":[1,2]}}`,
			Server{},
		},
		{
			"another spelling is replaced, a path is not",
			`{"auths":{"https://registry.example/v2/":{"auth":"eDp5"},"registry.example/team":{"auth":"eDp5"}}}`,
			`{"auths":{"registry.example/team":{"auth":"eDp5"},"registry.example":{"auth":"Y2k6czNjcmV0"}}}`,
			Server{},
		},
		{
			"Docker Hub",
			`{"auths":{"docker.io":{"auth":"eDp5"}}}`,
			`{"auths":{"https://index.docker.io/v1/":{"auth":"Y2k6czNjcmV0"}}}`,
			hub,
		},
		{
			"keys in another case",
			`{"Auths":{"other.example":{"auth":"eDp5"}}}`,
			`{"auths":{"other.example":{"auth":"eDp5"},"registry.example":{"auth":"Y2k6czNjcmV0"}}}`,
			Server{},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "docker")
			file := filepath.Join(dir, "config.json")
			if tt.before != "" {
				writeFile(t, file, tt.before)
			}
			server := tt.server
			if server.Host == "" {
				server = Server{"registry.example", "registry.example"}
			}
			stored, err := StoreLogin(t.Context(), dir, server, Credential{Username: "ci", Password: "s3cret"})
			if err != nil || stored != (Stored{file, true}) {
				t.Fatalf("%+v, %v", stored, err)
			}
			got, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if tt.after == tabbed {
				if string(got) != tabbed {
					t.Errorf("written\n%s", got)
				}
			} else if diff := cmp.Diff(numbers(t, []byte(tt.after)), numbers(t, got)); diff != "" {
				t.Errorf("file (-want +got):\n%s", diff)
			}
			if strings.Contains(string(got), `\u0026`) {
				t.Errorf("escaped without need:\n%s", got)
			}
			checkMode(t, file)
			// What was written is found again.
			c, err := LoadDockerConfig(nil, dir)
			if err != nil {
				t.Fatal(err)
			}
			cred, err := dockerChain(c, newHelpers(), new(logtest.Lines).Logger()).Resolve(t.Context(), Request{Host: server.Host})
			if err != nil || cred.Username != "ci" || cred.Password != "s3cret" {
				t.Errorf("found %v, %v", cred, err)
			}
		})
	}
}

// numbers decodes JSON and keeps numbers as they are written.
func numbers(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	var all map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.UseNumber()
	if err := decoder.Decode(&all); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return all
}

func checkMode(t *testing.T, file string) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("mode %o", mode)
	}
	left, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(left) != 1 {
		t.Errorf("files beside it: %v, %v", left, err)
	}
}

// A file that cannot be understood is left alone.
func TestStoreLoginRefuses(t *testing.T) {
	for name, content := range map[string]string{
		"no JSON":        `{"auths":`,
		"an array":       `[]`,
		"auths is text":  `{"auths":"s3cret"}`,
		"helpers number": `{"credHelpers":{"h":1}}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "config.json")
			writeFile(t, file, content)
			_, err := StoreLogin(t.Context(), dir, Server{"h.example", "h.example"}, Credential{Username: "u", Password: "p"})
			known := (*ConfigError)(nil)
			if !errors.As(err, &known) || !strings.Contains(err.Error(), file) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("error %v", err)
			}
			if got, _ := os.ReadFile(file); string(got) != content {
				t.Errorf("written %q", got)
			}
		})
	}
}

// The file of a ConfigMap or of a home directory kept elsewhere is a link.
func TestStoreLoginFollowsALink(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(elsewhere, "real.json"), `{"a":1}`)
	file := filepath.Join(dir, "config.json")
	if err := os.Symlink(filepath.Join(elsewhere, "real.json"), file); err != nil {
		t.Fatal(err)
	}
	if _, err := StoreLogin(t.Context(), dir, Server{"h.example", "h.example"}, Credential{Username: "u", Password: "p"}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(file); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v", err)
	}
	checkMode(t, filepath.Join(elsewhere, "real.json"))
}

// Stages of one job log in at the same time.
func TestStoreLoginsAtOnce(t *testing.T) {
	dir := t.TempDir()
	const n = 20
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			host := fmt.Sprintf("h%d.example", i)
			if _, err := StoreLogin(t.Context(), dir, Server{host, host}, Credential{Username: "u", Password: "p"}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	c, err := LoadDockerConfig(nil, dir)
	if err != nil || len(c.auths) != n {
		t.Errorf("%d of %d logins are there: %v", len(c.auths), n, err)
	}
}

func TestLoginWithAHelper(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	install(t, "test", `echo "$1 $(cat)" >> `+log+`; case $1 in list) exit 3;; esac`)
	for _, config := range []string{`{"credsStore":"test"}`, `{"credsStore":"absent","credHelpers":{"registry.example":"test"}}`} {
		dir := t.TempDir()
		server := Server{"registry.example", "registry.example"}
		writeFile(t, filepath.Join(dir, "config.json"), config)
		stored, err := StoreLogin(t.Context(), dir, server, Credential{Username: "ci", Password: "s3cret"})
		if err != nil || stored != (Stored{"docker-credential-test", false}) {
			t.Fatalf("%+v, %v", stored, err)
		}
		raw, err := os.ReadFile(filepath.Join(dir, "config.json"))
		if err != nil || strings.Contains(string(raw), "auth\"") || !strings.Contains(string(raw), `"registry.example": {}`) {
			t.Errorf("file %s, %v", raw, err)
		}
		if erased, err := EraseLogin(t.Context(), dir, server); !erased || err != nil {
			t.Errorf("erased %t, %v", erased, err)
		}
		got, err := os.ReadFile(log)
		want := `store {"ServerURL":"registry.example","Username":"ci","Secret":"s3cret"}` + "\nerase registry.example\n"
		if err != nil || string(got) != want {
			t.Errorf("the helper was told %q, %v; want %q", got, err, want)
		}
		if err := os.Remove(log); err != nil {
			t.Fatal(err)
		}
	}
}

// A helper that fails must not make the secret stand in the file instead.
func TestLoginWithABrokenHelper(t *testing.T) {
	install(t, "loud", `cat; exit 1`)
	for name, want := range map[string]string{"loud": "exit status 1", "absent": "not found"} {
		dir := t.TempDir()
		config := `{"credsStore":"` + name + `"}`
		writeFile(t, filepath.Join(dir, "config.json"), config)
		_, err := StoreLogin(t.Context(), dir, Server{"h.example", "h.example"}, Credential{Username: "ci", Password: "s3cret"})
		known := (*HelperError)(nil)
		if !errors.As(err, &known) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: error %v", name, err)
		}
		if raw, _ := os.ReadFile(filepath.Join(dir, "config.json")); string(raw) != config {
			t.Errorf("%s: file %s", name, raw)
		}
	}
}

func TestEraseLogin(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config.json")
	server := Server{"registry.example", "registry.example"}
	if erased, err := EraseLogin(t.Context(), filepath.Join(dir, "absent"), server); erased || err != nil {
		t.Errorf("without a directory: %t, %v", erased, err)
	}
	if erased, err := EraseLogin(t.Context(), dir, server); erased || err != nil {
		t.Errorf("without a file: %t, %v", erased, err)
	}
	const left = `{"auths":{"registry.example:5000":{"auth":"eDp5"}},"x":1}`
	writeFile(t, file, `{"auths":{"registry.example":{"auth":"eDp5"},"https://registry.example":{},"registry.example:5000":{"auth":"eDp5"}},"x":1}`)
	if erased, err := EraseLogin(t.Context(), dir, server); !erased || err != nil {
		t.Errorf("erased %t, %v", erased, err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(numbers(t, []byte(left)), numbers(t, got)); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	if erased, err := EraseLogin(t.Context(), dir, server); erased || err != nil {
		t.Errorf("again: %t, %v", erased, err)
	}
}

func TestWatched(t *testing.T) {
	c, err := parseDockerConfig("f", []byte(`{"auths":{"h.example":{"auth":"Y2k6czNjcmV0"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	var told []Credential
	k := Watch(dockerChain(c, newHelpers(), new(logtest.Lines).Logger()), func(c Credential) { told = append(told, c) })
	for _, host := range []string{"h.example", "other.example"} {
		if _, err := k.Resolve(t.Context(), Request{Host: host}); err != nil {
			t.Fatal(err)
		}
	}
	if len(told) != 1 {
		t.Fatalf("told of %v", told)
	}
	if diff := cmp.Diff([]string{"s3cret", "Y2k6czNjcmV0"}, told[0].Secrets()); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
	if got := (Credential{IdentityToken: "i", RegistryToken: "r"}).Secrets(); len(got) != 2 {
		t.Errorf("secrets %q", got)
	}
}
