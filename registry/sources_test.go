package registry

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry/findertest"
)

// answer is what a source says, for tables; see findertest.Answer.
func answer(t *testing.T, source Finder, r Request) string {
	t.Helper()
	cred, err := source.Find(t.Context(), r)
	f := found(CredentialSource{}, cred, err)
	return findertest.Answer(string(f.Verdict), f.Username, f.Why)
}

func TestLogin(t *testing.T) {
	full := Login{Username: "u", Password: "p"}
	at := func(host string) Login { return Login{Host: host, Username: "u", Password: "p"} }
	tests := []struct {
		name  string
		login Login
		tags  []string
		host  string
		want  string
	}{
		{"host", at("a.example"), nil, "a.example", "u"},
		{"host before tags", at("a.example"), []string{"b.example"}, "b.example", "none"},
		{"url", at("https://a.example/v2/"), nil, "a.example", "u"},
		{"prefix of images", at("a.example/team"), nil, "a.example", "u"},
		{"port", at("a.example:5000"), nil, "a.example", "none"},
		{"look-alike", at("a.example"), nil, "a.example.evil.example", "none"},
		{"Docker Hub", at("docker.io"), nil, "registry-1.docker.io", "u"},
		{"tag", full, []string{"a.example"}, "a.example", "u"},
		{"two tags of one registry", full, []string{"docker.io", "index.docker.io"}, "registry-1.docker.io", "u"},
		{"base image from elsewhere", full, []string{"a.example"}, "docker.io", "over: U is set but names no registry and serves a.example, which the tags name: set H=docker.io if it is for that registry"},
		{"tags of two registries", full, []string{"a.example", "b.example"}, "a.example", "over: U is set but names no registry, and the tags name several: a.example, b.example: set H=a.example if it is for that registry"},
		{"tags of two other registries", full, []string{"a.example", "b.example"}, "c.example", "over: U is set but names no registry, and the tags name several: a.example, b.example: set H=c.example if it is for that registry"},
		{"no tag", full, nil, "a.example", "over: U is set but names no registry: set H=a.example if it is for that registry"},
		{"no tag, no user", Login{Password: "p"}, nil, "a.example", "over: P is set but names no registry: set H=a.example if it is for that registry"},
		{"no password", Login{Host: "a.example", Username: "u"}, nil, "a.example", "over: U is set and P is empty"},
		{"no user", Login{Host: "a.example", Password: "p"}, nil, "a.example", "over: P is set and U is empty"},
		{"no password, another registry", Login{Host: "a.example", Username: "u"}, nil, "b.example", "none"},
		{"nothing", Login{Host: "a.example"}, nil, "a.example", "none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := answer(t, tt.login.Finder(LoginVariables{"H", "U", "P"}, tt.tags), Request{Host: tt.host, Repository: "app"}); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// Which hosts are a cloud's, and which only look like it.
func TestCloudHosts(t *testing.T) {
	tests := []struct{ host, want string }{
		{"123456789012.dkr.ecr.eu-west-1.amazonaws.com", "Amazon ECR"},
		{"123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "Amazon ECR"},
		{"123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "Amazon ECR"},
		{"123456789012.dkr-ecr.us-east-1.on.aws", "Amazon ECR"},
		{"public.ecr.aws", "Amazon ECR"},
		{"gcr.io", "Google Artifact Registry"},
		{"eu.gcr.io", "Google Artifact Registry"},
		{"europe-west1-docker.pkg.dev", "Google Artifact Registry"},
		{"us-docker.pkg.dev", "Google Artifact Registry"},
		{"acme1.azurecr.io", "Azure Container Registry"},
		{"acme1-d4f2b8.azurecr.io", "Azure Container Registry"},
		{"acme1.azurecr.cn", "Azure Container Registry"},

		{"123.dkr.ecr.eu-west-1.amazonaws.com.evil.example", ""},
		{"123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example", ""},
		{"123456789012.dkr.ecr.eu-west-1.amazonaws.com:443.evil.example", ""},
		{"evil.example#123456789012.dkr.ecr.eu-west-1.amazonaws.com", ""},
		{"evil.example\n123456789012.dkr.ecr.eu-west-1.amazonaws.com", ""},
		{"123456789012.dkr.ecr.eu-west-1.amazonaws.com\n", ""},
		{"123456789012.dkr.ecr.evil.amazonaws.com", ""},
		{"123456789012.dkr.ecr.eu-west-1.evil-amazonaws.com", ""},
		{"123456789012.dkr.ecr.eu-west-1xamazonaws.com", ""},
		{"evil123456789012.dkr.ecr.eu-west-1.amazonaws.com", ""},
		{"bucket.s3.eu-west-1.amazonaws.com", ""},
		{"public.ecr.aws.evil.example", ""},
		{"evil-public.ecr.aws", ""},
		{"evilgcr.io", ""},
		{"evil.gcr.io", ""},
		{"gcr.io.evil.example", ""},
		{"europe-west1-docker.pkg.dev.evil.example", ""},
		{"europe-west1-docker-pkg.dev", ""},
		{"x.europe-west1-docker.pkg.dev", ""},
		{"evil.azurecr.io.evil.example", ""},
		{"acme1.azurecr.io.", ""},
		{"a.b.azurecr.io", ""},
		{"azurecr.io", ""},
		{"docker.io", ""},
		{"", ""},
	}
	install(t, "ecr-login", `echo '{"Username":"Amazon ECR","Secret":"s"}'`)
	install(t, "gcr", `echo '{"Username":"Google Artifact Registry","Secret":"s"}'`)
	install(t, "acr-env", `echo '{"Username":"Azure Container Registry","Secret":"s"}'`)
	for _, tt := range tests {
		t.Run(tt.host, func(t *testing.T) {
			got := ""
			for _, source := range cloudSources(newHelpers()) {
				if said := answer(t, source, Request{Host: tt.host, Repository: "app"}); said != "none" {
					got += said
				}
			}
			if got != tt.want {
				t.Errorf("credential of %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCloudHelperIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	got := answer(t, cloudSources(newHelpers())[1], Request{Host: "gcr.io", Repository: "app"})
	if want := "over: docker-credential-gcr or docker-credential-gcloud is not installed on this agent"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestPullSecrets(t *testing.T) {
	auths := func(key, user string) string { return `{"` + key + `":{"username":"` + user + `","password":"p"}}` }
	tests := []struct {
		name  string
		files map[string]string
		r     Request
		want  string
	}{
		{"one, mounted itself", map[string]string{".dockerconfigjson": `{"auths":` + auths("a.example", "u") + `}`}, Request{Host: "a.example"}, "u"},
		{"of the old type", map[string]string{"old/.dockercfg": auths("https://a.example/v1/", "u")}, Request{Host: "a.example"}, "u"},
		{"mounted under docker's name", map[string]string{"x/config.json": `{"auths":` + auths("a.example", "u") + `}`}, Request{Host: "a.example"}, "u"},
		{"old content, new name", map[string]string{"x/.dockerconfigjson": auths("a.example", "u")}, Request{Host: "a.example"}, "u"},
		{"wildcard", map[string]string{"x/.dockerconfigjson": `{"auths":` + auths("*.a.example", "u") + `}`}, Request{Host: "b.a.example"}, "u"},
		{"path", map[string]string{"x/.dockerconfigjson": `{"auths":` + auths("a.example/team", "u") + `}`}, Request{Host: "a.example", Repository: "team/app"}, "u"},
		{"another path", map[string]string{"x/.dockerconfigjson": `{"auths":` + auths("a.example/team", "u") + `}`}, Request{Host: "a.example", Repository: "teams/app"}, "none"},
		{"second file", map[string]string{"a/.dockerconfigjson": `{}`, "b/.dockerconfigjson": `{"auths":` + auths("a.example", "u") + `}`}, Request{Host: "a.example"}, "u"},
		{"Kubernetes' own entries", map[string]string{"..data/.dockerconfigjson": `{"auths":` + auths("a.example", "u") + `}`, "x/.dockerconfigjson": "{}"}, Request{Host: "a.example"}, "none"},
		{"empty file", map[string]string{"x/.dockercfg": ""}, Request{Host: "a.example"}, "none"},
		{"nothing there", map[string]string{"x/readme": ""}, Request{Host: "a.example"}, "holds none of the files .dockerconfigjson, .dockercfg, config.json"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for path, content := range tt.files {
				path = filepath.Join(dir, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got := "none"
			for _, source := range pullSecretSources(nil, dir, newHelpers()) {
				if said := answer(t, source, tt.r); said != "none" {
					got = said
				}
			}
			if !strings.HasSuffix(got, tt.want) {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
	t.Run("a file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "any-name")
		if err := os.WriteFile(file, []byte(`{"auths":`+auths("a.example", "u")+`}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := answer(t, pullSecretSources(nil, file, newHelpers())[1], Request{Host: "a.example"}); got != "u" {
			t.Error(got)
		}
	})
	t.Run("missing", func(t *testing.T) {
		got := answer(t, pullSecretSources(nil, filepath.Join(t.TempDir(), "no"), newHelpers())[0], Request{Host: "a.example"})
		if !strings.HasPrefix(got, "broken: ") || !strings.HasSuffix(got, "no such file or directory") {
			t.Error(got)
		}
	})
}

func TestDockerAuthConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(`{"auths":{"a.example":{"username":"file","password":"p"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, value, want string }{
		{"JSON", "\n {\"auths\":{\"a.example\":{\"username\":\"json\",\"password\":\"p\"}},\"unknown\":1}", "json"},
		{"path", file, "file"},
		{"empty", "", "none"},
		{"no such path", "/TOPSECRET", "broken: docker config DOCKER_AUTH_CONFIG: is neither JSON nor the path of a file that can be read"},
		{"malformed", "{\n\"auths\": 1}", "broken: docker config DOCKER_AUTH_CONFIG:2:11: auths is of type number, expected object"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := answer(t, fileAuths{read: variable(nil, "DOCKER_AUTH_CONFIG", tt.value)}, Request{Host: "a.example"})
			if got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestContainers(t *testing.T) {
	dir := t.TempDir()
	write := func(path, user string) string {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		content := `{"auths":{"a.example":{"username":"` + user + `","password":"p"},"a.example/team/app":{"username":"` + user + `-app","password":"p"}}}`
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	given := write("given.json", "given")
	write("run/containers/auth.json", "run")
	write("config/containers/auth.json", "config")
	run, config := filepath.Join(dir, "run"), filepath.Join(dir, "config")
	app := Request{Host: "a.example", Repository: "team/app"}
	tests := []struct {
		name, file, run, config string
		r                       Request
		want                    string
	}{
		{"named by the variable", given, run, config, app, "given-app"},
		{"of the session", "", run, config, app, "run-app"},
		{"of the configuration", "", "", config, app, "config-app"},
		{"host", "", run, config, Request{Host: "a.example", Repository: "team/app-2"}, "run"},
		{"named and missing", given + "x", run, config, app, "broken: docker config " + given + "x: REGISTRY_AUTH_FILE names it: no such file or directory"},
		{"nowhere", "", dir, dir, app, "none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := "none"
			for _, source := range containersSources(nil, tt.file, tt.run, tt.config, newHelpers()) {
				if got == "none" {
					got = answer(t, source, tt.r)
				}
			}
			if got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestBuildxConfig(t *testing.T) {
	dir := t.TempDir()
	for path, user := range map[string]string{
		"a.example":                "host",
		"a.example@push":           "host-push",
		"a.example/team/app":       "app",
		"a.example/team/app@push":  "app-push",
		"registry-1.docker.io":     "hub",
		"b.example/team@pull,push": "b-push",
	} {
		path = filepath.Join(dir, "config", path, "config.json")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		content := `{"auths":{"a.example":{"username":"` + user + `","password":"p"},"b.example":{"username":"` + user + `","password":"p"},"https://index.docker.io/v1/":{"username":"` + user + `","password":"p"}}}`
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name string
		r    Request
		want string
	}{
		{"host", Request{Host: "a.example", Repository: "x"}, "host"},
		{"host, push", Request{Host: "a.example", Repository: "x", Push: true}, "host-push"},
		{"repository", Request{Host: "a.example", Repository: "team/app"}, "app"},
		{"repository, push", Request{Host: "a.example", Repository: "team/app", Push: true}, "app-push"},
		{"below the repository", Request{Host: "a.example", Repository: "team/app/x"}, "host"},
		{"Docker Hub", Request{Host: "registry-1.docker.io", Repository: "library/x"}, "hub"},
		{"push only", Request{Host: "b.example", Repository: "team"}, "none"},
		{"push only, push", Request{Host: "b.example", Repository: "team", Push: true}, "b-push"},
		{"another host", Request{Host: "c.example", Repository: "x"}, "none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := "none"
			for _, source := range buildxSources(nil, dir, newHelpers()) {
				if got == "none" {
					got = answer(t, source, tt.r)
				}
			}
			if got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestParseRegistryAuth(t *testing.T) {
	tests := []struct{ value, want string }{
		{"a.example=env:U:P", ""},
		{"a.example:5000/team=env:U:P", ""},
		{"*.a.example=jenkins:CREDS", ""},
		{"a.example/team@push=env:U:P", ""},
		{"a.example@pull=file:/run/login", ""},
		{"file:/run/config.json", ""},
		{"docker.io=file:a=b", ""},
		{"a.example", `is not HOST=WHERE`},
		{"user:TOPSECRET", `is not HOST=WHERE`},
		{"a.example=user:TOPSECRET", `"a.example": does not say where the credential stands`},
		{"a.example=TOPSECRET", `"a.example": does not say where the credential stands`},
		{"a.example=env:U:TOP-SECRET", `"a.example": env: is not followed by the names of two variables`},
		{"a.example=env:U", `"a.example": env: is not followed by the names of two variables`},
		{"a.example=jenkins:", `"a.example": jenkins: is not followed by the name of a variable`},
		{"a.example=file:", `"a.example": file: is not followed by a path`},
		{"=env:U:P", `does not begin with the host of a registry`},
		{"a b=env:U:P", `does not begin with the host of a registry`},
		{"a.example/Team=env:U:P", `has a path that no repository has`},
		{"a.example@write=env:U:P", `is limited to "write", expected pull or push`},
		{"a.example@=env:U:P", `is limited to "", expected pull or push`},
		{"env:U:P", `is not HOST=WHERE`},
		{"", `is not HOST=WHERE`},
	}
	for _, tt := range tests {
		t.Run(tt.value, func(t *testing.T) {
			_, err := ParseRegistryAuth(tt.value)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var usage *fault.Usage
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), tt.want) || len(usage.Hints()) == 0 {
				t.Errorf("error %v, want %q and a hint", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "SECRET") {
				t.Errorf("error %q shows a password", err)
			}
		})
	}
}

func FuzzParseRegistryAuth(f *testing.F) {
	for _, value := range []string{"a.example=env:U:P", "*.a.example/b@push=jenkins:X", "file:/x", "a=file:b", "=", "@=:"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		e, err := ParseRegistryAuth(value)
		if err != nil {
			var usage *fault.Usage
			if !errors.As(err, &usage) {
				t.Errorf("error %v is no *fault.Usage", err)
			}
			return
		}
		if e.file == "" && (e.user == "" || e.password == "") || e.file == "" && e.key.host == "" {
			t.Errorf("%q is taken for %+v", value, e)
		}
	})
}

func TestExplicit(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	line := write("line", "line:pa:ss\n")
	config := write("config", `{"auths":{"a.example":{"username":"config","password":"p"},"b.example":{"username":"config-b","password":"p"}}}`)
	variables := map[string]string{"U": "env", "P": "p", "C_USR": "jenkins", "C_PSW": "p", "U2": "env2", "EMPTY": ""}
	lookup := func(name string) (string, bool) { value, ok := variables[name]; return value, ok }
	tests := []struct {
		name   string
		values []string
		r      Request
		want   string
	}{
		{"variables", []string{"a.example=env:U:P"}, Request{Host: "a.example", Repository: "x"}, "env"},
		{"Jenkins", []string{"a.example=jenkins:C"}, Request{Host: "a.example", Repository: "x"}, "jenkins"},
		{"line", []string{"a.example=file:" + line}, Request{Host: "a.example", Repository: "x"}, "line"},
		{"docker config", []string{"a.example=file:" + config}, Request{Host: "a.example", Repository: "x"}, "config"},
		{"docker config is for the host only", []string{"a.example=file:" + config}, Request{Host: "b.example", Repository: "x"}, "none"},
		{"docker config without a host", []string{"file:" + config}, Request{Host: "b.example", Repository: "x"}, "config-b"},
		{"host before docker config", []string{"file:" + config, "a.example=env:U:P"}, Request{Host: "a.example", Repository: "x"}, "env"},
		{"path", []string{"a.example=env:U:P", "a.example/team=env:U2:P"}, Request{Host: "a.example", Repository: "team/x"}, "env2"},
		{"another path", []string{"a.example=env:U:P", "a.example/team=env:U2:P"}, Request{Host: "a.example", Repository: "teams/x"}, "env"},
		{"push", []string{"a.example=env:U:P", "a.example@push=env:U2:P"}, Request{Host: "a.example", Repository: "x", Push: true}, "env2"},
		{"pull", []string{"a.example=env:U:P", "a.example@push=env:U2:P"}, Request{Host: "a.example", Repository: "x"}, "env"},
		{"pull only", []string{"a.example@pull=env:U:P"}, Request{Host: "a.example", Repository: "x", Push: true}, "none"},
		{"look-alike", []string{"a.example=env:U:P"}, Request{Host: "a.example.evil.example", Repository: "x"}, "none"},
		{"unknown repository", []string{"a.example/team@push=env:U:P"}, Request{Host: "a.example"}, "env"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i := Inputs{Lookup: lookup}
			for _, value := range tt.values {
				e, err := ParseRegistryAuth(value)
				if err != nil {
					t.Fatal(err)
				}
				i.Explicit = append(i.Explicit, e)
			}
			if err := i.Check(); err != nil {
				t.Fatal(err)
			}
			if got := answer(t, explicitSources(i.Explicit, nil, lookup, newHelpers())[0], tt.r); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// What a flag names must be there before anything is touched.
func TestInputsCheck(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	tests := []struct {
		name, value, content string
		given                Login
		want                 string
	}{
		{"variable", "a.example=env:U:P", "", Login{}, `--registry-auth "a.example": variable P is not set or empty`},
		{"Jenkins", "a.example/team=jenkins:C", "", Login{}, `--registry-auth "a.example/team": variable C_USR is not set or empty`},
		{"missing file", "a.example=file:" + file + "x", "", Login{}, "fx: no such file or directory"},
		{"neither", "a.example=file:" + file, "TOPSECRET", Login{}, "is neither a docker config nor one line user:password"},
		{"two lines", "a.example=file:" + file, "a:TOPSECRET\nb:TOPSECRET\n", Login{}, "is neither a docker config nor one line user:password"},
		{"line for no host", "file:" + file, "a:TOPSECRET", Login{}, "so the flag must name the host"},
		{"malformed", "file:" + file, `{"TOPSECRET`, Login{}, "f:1:11: unexpected end of JSON input"},
		{"other hosts only", "a.example=file:" + file, `{"auths":{"b.example":{"auth":"TOPSECRET"}}}`, Login{}, "f: has no credential for a.example"},
		{"no password", "", "", Login{Username: "u"}, "SLIPWAY_REGISTRY_PASSWORD: is not set, and its counterpart is"},
		{"no user", "", "", Login{Password: "TOPSECRET"}, "SLIPWAY_REGISTRY_USERNAME: is not set, and its counterpart is"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			i := Inputs{Given: tt.given, Lookup: func(name string) (string, bool) { return strings.ToLower(name), name == "U" }}
			if tt.value != "" {
				e, err := ParseRegistryAuth(tt.value)
				if err != nil {
					t.Fatal(err)
				}
				i.Explicit = []Explicit{e}
			}
			err := i.Check()
			var usage *fault.Usage
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "TOPSECRET") {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// The table is the documented order.
func TestSourcesTable(t *testing.T) {
	var names []string
	for _, source := range (Inputs{
		DockerDir: "/d", RuntimeDir: "/r", SecretsPath: "/s", Explicit: []Explicit{{}},
		CI:    []CredentialSource{{Name: "GitLab"}, {Name: "GitHub"}, {Name: "Jenkins"}},
		Extra: []CredentialSource{{"extra", "", finderFunc(func(context.Context, Request) (Credential, error) { return Credential{}, nil })}},
	}).sources(newHelpers()) {
		names = append(names, source.Name)
	}
	want := []string{
		"--registry-auth", "SLIPWAY_REGISTRY_*", "docker config (helpers)", "docker config",
		"DOCKER_AUTH_CONFIG (helpers)", "DOCKER_AUTH_CONFIG", "pull secret",
		"containers auth.json (helpers)", "containers auth.json", "GitLab", "GitHub", "Jenkins",
		"Amazon ECR", "Google Artifact Registry", "Azure Container Registry", "extra",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
}

func FuzzPullSecret(f *testing.F) {
	f.Add([]byte(`{"ghcr.io":{"auth":"dTpw"}}`))
	f.Add([]byte(`{"auths":{"ghcr.io/a":{"auth":"dTpw"}}}`))
	f.Add([]byte(`{"*.io":{"username":"u"},"x":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parsePullSecret("s", data)
		if err != nil {
			var ce *ConfigError
			if !errors.As(err, &ce) {
				t.Errorf("error %v is no *ConfigError", err)
			}
			return
		}
		findAny(t, c)
	})
}

func FuzzDockerAuthConfig(f *testing.F) {
	f.Add(`{"auths":{"ghcr.io":{"auth":"dTpw"}}}`)
	f.Add("/no/such/path")
	f.Fuzz(func(t *testing.T, value string) {
		if _, err := os.Stat(value); err == nil {
			return // what a file holds is fuzzed elsewhere
		}
		c, err := variable(nil, "V", value)()
		if err != nil {
			if secret := strings.TrimSpace(value); len(secret) > 20 && strings.Contains(err.Error(), secret) {
				t.Errorf("error %q shows the value", err)
			}
			return
		}
		findAny(t, c)
	})
}
