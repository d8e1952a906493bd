package kaniko

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry/remote"
)

// TestFlags compares the table with the flags that the release has: testdata/flags.txt
// lists them with their letters, as its sources define them.
func TestFlags(t *testing.T) {
	data, err := os.ReadFile("testdata/flags.txt")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range Flags() {
		got = append(got, strings.TrimSpace(f.Name+" "+f.Short))
		if (f.Means == "") != (f.alias != "") {
			t.Errorf("--%s: a flag says what it means, or is the old spelling of another", f.Name)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(strings.Split(strings.TrimSpace(string(data)), "\n"), got); diff != "" {
		t.Errorf("flags (-kaniko +table):\n%s", diff)
	}
}

// surroundings are an environment with variables.
func surroundings(variables map[string]string) Surroundings {
	return Surroundings{
		Lookup:   func(name string) (string, bool) { v, ok := variables[name]; return v, ok },
		Platform: "linux/riscv64",
	}
}

// common are the flags that every build has.
const common = "build --platform=linux/riscv64 --provenance=false "

// TestTranslate has the command lines without blanks in their arguments.
func TestTranslate(t *testing.T) {
	for _, tt := range []struct{ line, variables, want string }{
		{"-d r.io/a:1", "", common + "--output=type=registry,name=r.io/a:1"},
		{"--destination=r.io/a --destination r.io/b:2 --destination=", "", common + `--output=type=registry,"name=r.io/a:latest,r.io/b:2"`},
		{"--no-push", "", common + "--output=type=cacheonly"},
		{"-d r.io/a", "KANIKO_NO_PUSH=true", common + "--output=type=cacheonly"},
		{"-d r.io/a --no-push", "KANIKO_NO_PUSH=false", common + "--output=type=registry,name=r.io/a:latest"},
		{"-d alpine --no-push --tar-path a.tar", "", common + "--output=type=docker,dest=a.tar,name=docker.io/library/alpine:latest"},
		{"--no-push --tarPath a.tar", "", common + "--output=type=docker,dest=a.tar,name=docker.io/unset-repo/unset-image-name:latest"},
		{"-d r.io/a --tar-path a.tar --oci-layout-path out,1", "", common + `--output=type=registry,name=r.io/a:latest --output=type=oci,tar=false,"dest=out,1",name=r.io/a:latest --output=type=docker,dest=a.tar,name=r.io/a:latest`},
		{"--no-push --digest-file d", "", common + "--output=type=image,unpack=false,store=false"},
		{"-d r.io/a --no-push --image-name-with-digest-file d", "", common + "--output=type=image,unpack=false,store=false"},

		// Flags that have one of the same meaning.
		{"--no-push --custom-platform=linux/amd64,linux/arm64 --target=x", "", "build --platform=linux/amd64,linux/arm64 --target=x --provenance=false --output=type=cacheonly"},
		{"--no-push --customPlatform linux/arm64", "", "build --platform=linux/arm64 --provenance=false --output=type=cacheonly"},
		{"--no-push -v=panic --log-format json", "", "build --log-level=error --log-format=json --platform=linux/riscv64 --provenance=false --output=type=cacheonly"},
		{"--no-push -vdebug --log-format=color", "", "build --log-level=debug --log-format=human --platform=linux/riscv64 --provenance=false --output=type=cacheonly"},
		{"--no-push --build-arg A=1=2 --build-arg=B --build-arg C", "B=b", "build --platform=linux/riscv64 --build-arg=A=1=2 --build-arg=B=b --build-arg=C= --provenance=false --output=type=cacheonly"},
		{"--no-push --label a=b=c", "", "build --platform=linux/riscv64 --label=a=b=c --provenance=false --output=type=cacheonly"},
		{"--no-push --reproducible", "", "build --platform=linux/riscv64 --build-arg=SOURCE_DATE_EPOCH=0 --provenance=false --output=type=cacheonly"},
		{"-d r.io/a --reproducible --build-arg SOURCE_DATE_EPOCH=5", "", "build --platform=linux/riscv64 --build-arg=SOURCE_DATE_EPOCH=5 --provenance=false --output=type=registry,name=r.io/a:latest,rewrite-timestamp=true"},
		{"-d r.io/a --compression zstd --compression-level 7", "", common + "--output=type=registry,name=r.io/a:latest,compression=zstd,compression-level=7"},
		{"-d r.io/a --compression-level=-1", "", common + "--output=type=registry,name=r.io/a:latest"},

		// Registries that are not verified.
		{"-d r.io/a -d s.io/a --insecure", "", common + `--output=type=registry,registry.insecure=true,"name=r.io/a:latest,s.io/a:latest"`},
		{"-d r.io/a --skip-tls-verify", "", common + "--output=type=registry,registry.insecure=true,name=r.io/a:latest"},
		{"-d r.io/a --insecure=false", "", common + "--output=type=registry,name=r.io/a:latest"},
		{"-d r.io/a -d s.io/a --skip-tls-verify-registry s.io", "", common + `--output=type=registry,name=r.io/a:latest --output=type=registry,registry.insecure=true,name=s.io/a:latest`},

		// The cache.
		{"-d r.io/a:1 --cache", "", common + "--output=type=registry,name=r.io/a:1 --cache-from=type=registry,ref=r.io/a/cache:latest --cache-to=type=registry,ref=r.io/a/cache:latest,mode=max,ignore-error=true"},
		{"-d r.io/a:1 --cache=true --no-push-cache --cache-repo s.io/c:x --insecure-registry=s.io", "", common + "--output=type=registry,name=r.io/a:1 --cache-from=type=registry,ref=s.io/c:x,registry.insecure=true"},
		{"-d r.io/a:1 --cache --cache-repo oci:/c", "", common + "--output=type=registry,name=r.io/a:1 --cache-from=type=local,src=/c --cache-to=type=local,dest=/c,mode=max"},
		{"-d r.io/a:1 --cache-repo s.io/c", "", common + "--output=type=registry,name=r.io/a:1"},
		{"-d r.io/a:1 --cache=false", "", common + "--no-cache --output=type=registry,name=r.io/a:1"},
		{"-d r.io/a:1 --cache --cache-run-layers=false", "", common + "--no-cache --output=type=registry,name=r.io/a:1"},

		// Mirrors.
		{"--no-push --registry-mirror m.io/hub --registry-map a=b;c=d", "KANIKO_REGISTRY_MIRROR=n.io KANIKO_REGISTRY_MAP=e=f", common + "--registry-allow=b --registry-allow=d --registry-allow=m.io --registry-allow=n.io --registry-allow=f --output=type=cacheonly"},

		// The credential of a repository.
		{"--no-push -c git://h/r", "GIT_TOKEN=t GIT_PASSWORD=p", "build --secret=id=GIT_AUTH_HEADER.h,env=SLIPWAY_KANIKO_GIT " + strings.TrimPrefix(common, "build ") + "--output=type=cacheonly"},
	} {
		variables := map[string]string{}
		for _, v := range strings.Fields(tt.variables) {
			name, value, _ := strings.Cut(v, "=")
			variables[name] = value
		}
		plan, err := Translate(strings.Fields(tt.line), surroundings(variables))
		if err != nil {
			t.Errorf("%s: %v", tt.line, err)
		} else if got := strings.Join(plan.Args, " "); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.line, got, tt.want)
		}
	}
}

func TestMistakes(t *testing.T) {
	for _, tt := range []struct{ line, want, hint string }{
		{"", "--destination: is missing", "--no-push"},
		{"--no-push --contxt .", "--contxt: is not a flag of kaniko's executor v1.24.0\nargument \".\": is not a flag: kaniko's executor takes flags only", "did you mean --context? executor --help"},
		{"--no-push --builder kube", "--builder: is not a flag of kaniko's executor v1.24.0\nargument \"kube\": is not a flag: kaniko's executor takes flags only", "SLIPWAY_BUILDER"},
		{"--no-push -x", "-x: is not a flag of kaniko's executor", "executor --help"},
		{"--no-push --", `argument "--": is not a flag: kaniko's executor takes flags only`, ""},
		{"--no-push --target", "--target: needs a value", ""},
		{"--no-push --cache=maybe --push-retry=x --cache-ttl 2weeks -v loud --compression=lz4", `--cache "maybe": is neither true nor false
--push-retry "x": is not a whole number
--cache-ttl "2weeks": is not a duration such as 6h
--verbosity "loud": is not trace, debug, info, warn, error, fatal, panic
--compression "lz4": is not gzip, zstd`, ""},
		{"-d r.io/A", `--destination "r.io/A": invalid reference format: repository name (A) must be lowercase`, "HOST/REPOSITORY:TAG"},
		{"-d r.io/a@sha256:" + strings.Repeat("1", 64), `--destination "r.io/a@sha256:` + strings.Repeat("1", 64) + `": an image cannot be pushed to a digest`, ""},
		{"--no-push --single-snapshot", "--single-snapshot: is not supported", "COPY --from=build / /"},
		{"--no-push --push-ignore-immutable-tag-errors", "--push-ignore-immutable-tag-errors: is not supported", "slipway index inspect"},
		{"--no-push --bucket b/c.tar.gz", `--bucket "b/c.tar.gz": contexts in Google Cloud Storage are not fetched by slipway`, "fetch it first:\ngcloud storage cp 'gs://b/c.tar.gz' context.tar.gz\nexecutor --context tar://context.tar.gz"},
		{"--no-push --bucket s3://b/c.tar.gz", `--bucket "s3://b/c.tar.gz": contexts in S3 are not fetched by slipway`, ""},
		{"--no-push --cache", "--cache: has no repository with --no-push", "--cache-repo"},
		{"--no-push --cache --cache-repo oci:", `--cache-repo "oci:": has no path after oci:`, ""},
		{"--no-push --cache --cache-repo A", `--cache-repo "A": invalid reference format: repository name (library/A) must be lowercase`, ""},
		{"--no-push --image-name-with-digest-file f", `--image-name-with-digest-file "f": there is no name to write`, "--destination"},
		{"--no-push --digest-file f --custom-platform linux/amd64,linux/arm64", "--no-push: makes no image of several platforms that has a digest", "--oci-layout-path"},
		{"--no-push --label a", `--label "a": is not NAME=VALUE`, ""},
		{"--no-push --registry-map a --registry-certificate b --registry-client-cert h=c", `--registry-certificate "b": is not HOST=FILE
--registry-client-cert "h=c": is not HOST=CERTIFICATE,KEY
--registry-map "a": is not REGISTRY=MIRROR`, ""},
	} {
		_, err := Translate(strings.Fields(tt.line), surroundings(nil))
		if err == nil {
			t.Errorf("%s: no mistake", tt.line)
			continue
		}
		var got []string
		var list fault.List
		if !errors.As(err, &list) {
			t.Fatalf("%s: %v", tt.line, err)
		}
		for _, one := range list {
			got = append(got, one.Error())
		}
		if text := strings.Join(got, "\n"); text != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.line, text, tt.want)
		}
		if hints := strings.Join(fault.Hints(err), "\n"); !strings.Contains(hints, tt.hint) {
			t.Errorf("%s: hints %s, want %s", tt.line, hints, tt.hint)
		}
	}
}

func TestNotes(t *testing.T) {
	plan, err := Translate(strings.Fields("--no-push --snapshotMode=redo --use-new-run --whitelist-var-run=false --cleanup --cache-ttl=6h --tarPath a --skip-unused-stages=false --cache-copy-layers=false --context-sub-path x --git branch=x --log-timestamp --single-snapshot=false"), surroundings(nil))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{
		"no effect here: --log-timestamp, --snapshot-mode, --cleanup, --cache-ttl, --ignore-var-run, --use-new-run",
		"--cache-copy-layers=false has no effect: the content decides whether COPY is done again",
	}, plan.Notes); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{
		"--snapshotMode is deprecated: write --snapshot-mode",
		"--whitelist-var-run is deprecated: write --ignore-var-run",
		"--tarPath is deprecated: write --tar-path",
		"--skip-unused-stages=false has no effect: BuildKit builds the stages that the target needs; make one that is to run the --target, or copy a file from it",
		"--context-sub-path x has no effect with a plain path, as with kaniko: write --context dir:///workspace/",
		"--git has no effect: the context is no repository",
	}, plan.Warnings); diff != "" {
		t.Error(diff)
	}
}

func TestCheckedRepositories(t *testing.T) {
	for line, want := range map[string][]string{
		"-d r.io/a:1 -d r.io/a:2 -d s.io/b":                          {"r.io/a", "s.io/b"},
		"-d r.io/a:1 --skip-push-permission-check":                   nil,
		"-d r.io/a:1 --no-push":                                      nil,
		"-d r.io/a:1 --no-push --cache --cache-repo s.io/c":          {"s.io/c"},
		"--no-push --cache --cache-repo s.io/c --no-push-cache":      nil,
		"--no-push --cache --cache-repo oci:c":                       nil,
		"-d r.io/a --cache --cache-repo s.io/c --push-retry 3 -c x/": {"r.io/a"},
	} {
		plan, err := Translate(strings.Fields(line), surroundings(nil))
		if err != nil || !slices.Equal(plan.Check, want) {
			t.Errorf("%s: %q, %v, want %q", line, plan.Check, err, want)
		}
	}
}

func TestRetries(t *testing.T) {
	for line, want := range map[string]int{"": 0, "--push-retry 3": 3, "--push-retry=-1": 0, "--push-retry 1 --image-download-retry 2": 2} {
		if plan, err := Translate(append([]string{"--no-push"}, strings.Fields(line)...), surroundings(nil)); err != nil || plan.Retries != want {
			t.Errorf("%s: %d, %v, want %d", line, plan.Retries, err, want)
		}
	}
}

// TestFiles has what kaniko writes, byte for byte.
func TestFiles(t *testing.T) {
	for _, tt := range []struct {
		line string
		want map[string]string // by path
	}{
		{"-d r.io/a:1 --digest-file d", map[string]string{"d": "sha256:1"}},
		{"-d r.io/a:1 -d alpine --image-name-with-digest-file n", map[string]string{"n": "r.io/a@sha256:1\nindex.docker.io/library/alpine@sha256:1\n"}},
		{"-d docker.io/team/a --image-name-tag-with-digest-file n", map[string]string{"n": "index.docker.io/team/a:latest@sha256:1\n"}},
		{"-d r.io:5000/a:1 --image-name-tag-with-digest-file t --image-name-with-digest-file n", map[string]string{"t": "r.io:5000/a:1@sha256:1\n", "n": "r.io:5000/a:1@sha256:1\n"}},
	} {
		plan, err := Translate(strings.Fields(tt.line), surroundings(map[string]string{"BUILDER_OUTPUT": "/out"}))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, f := range plan.Files {
			if f.Path == "/out/images" {
				continue
			}
			got[f.Path] = string(f.Content("sha256:1"))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.line, diff)
		}
	}
	plan, err := Translate(strings.Fields("-d r.io/a:1 -d alpine"), surroundings(map[string]string{"BUILDER_OUTPUT": "/out"}))
	if err != nil || len(plan.Files) != 1 {
		t.Fatalf("%v, %v", plan.Files, err)
	}
	if got := string(plan.Files[0].Content("sha256:1")); got != `{"name":"r.io/a:1","digest":"sha256:1"}`+"\n"+`{"name":"alpine","digest":"sha256:1"}`+"\n" {
		t.Errorf("got %s", got)
	}
}

func TestDir(t *testing.T) {
	for line, want := range map[string]string{"": "/env", "--kaniko-dir /flag": "/flag", "--kaniko-dir /kaniko": ""} {
		plan, err := Translate(append([]string{"--no-push"}, strings.Fields(line)...), surroundings(map[string]string{"KANIKO_DIR": "/env"}))
		if err != nil || plan.Dir != want {
			t.Errorf("%q: %q, %v, want %q", line, plan.Dir, err, want)
		}
	}
}

func TestPolicy(t *testing.T) {
	args := strings.Fields("--no-push --skip-default-registry-fallback --registry-mirror m.io/hub/ --registry-mirror n.io --registry-map r.io=q.io")
	plan, err := Translate(args, surroundings(nil))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"rules":[{"action":"CONVERT","selector":{"identifier":"docker-image://docker.io/*"},"updates":{"identifier":"docker-image://m.io/hub/${1}"}},` +
		`{"action":"CONVERT","selector":{"identifier":"docker-image://r.io/*"},"updates":{"identifier":"docker-image://q.io/${1}"}}]}`
	if string(plan.Policy) != want {
		t.Errorf("got %s", plan.Policy)
	}
	if _, err := Translate(args, surroundings(map[string]string{PolicyVariable: "f"})); err == nil {
		t.Error("two policies are no mistake")
	}
	if plan, err := Translate([]string{"--no-push", "--skip-default-registry-fallback"}, surroundings(nil)); err != nil || plan.Policy != nil {
		t.Errorf("without mirrors: %s, %v", plan.Policy, err)
	}
}

func TestRegistryWarnings(t *testing.T) {
	hosts := remote.Hosts{"plain.io": {PlainHTTP: true}, "ca.io": {CAs: [][]byte{{1}}, KeyPairs: []remote.KeyPair{{}}}}
	for line, want := range map[string]string{
		"--insecure-pull":                                         "--insecure-pull has no effect of its own",
		"--skip-tls-verify-pull=false":                            "",
		"--insecure-registry plain.io":                            "",
		"--insecure-registry r.io":                                `--insecure-registry r.io: images are not pulled from there so; the builder speaks to registries itself, as the file buildkitd.toml of its definition says: [registry."r.io"] http = true, insecure = true`,
		"--registry-certificate ca.io=f":                          "",
		"--registry-certificate r.io=f":                           `--registry-certificate r.io: the builder may not know the certificate`,
		"--registry-client-cert ca.io=c,k":                        "",
		"--registry-client-cert r.io=c,k":                         `--registry-client-cert r.io: the builder may have no certificate to show`,
		"--registry-mirror mirror.io/hub":                         "",
		"--registry-mirror m.io":                                  `--registry-mirror m.io: images of docker.io are pulled without it; the builder speaks to registries itself, as the file buildkitd.toml of its definition says: [registry."docker.io"] mirrors = ["m.io"]`,
		"--registry-mirror m.io --skip-default-registry-fallback": "",
	} {
		plan, err := Translate(append([]string{"--no-push"}, strings.Fields(line)...), surroundings(nil))
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(plan.RegistryWarnings(hosts, []string{"mirror.io"}), "\n")
		if !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%s:\n got %s\nwant %s", line, got, want)
		}
	}
}

func TestRename(t *testing.T) {
	tag, archive, other := &fault.Usage{Flag: "--tag"}, &fault.Usage{Flag: "--output", Value: "type=docker,dest=a.tar"}, &fault.Usage{Flag: "--label"}
	Rename(fault.With(fault.ClassUsage, fault.List{tag, fmt.Errorf("wrapped: %w", archive), other, errors.New("other")}))
	for mistake, want := range map[*fault.Usage]string{tag: "--destination", archive: "--tar-path", other: "--label"} {
		if mistake.Flag != want {
			t.Errorf("got %s, want %s", mistake.Flag, want)
		}
	}
	if archive.Value != "a.tar" {
		t.Errorf("got %s", archive.Value)
	}
	Rename(nil)
}

func TestFindDockerfile(t *testing.T) {
	there := func(path string) bool { return path == "/src/there" || path == "/abs" }
	for _, tt := range []struct{ value, dir, want string }{
		{"there", "/context", "/src/there"},
		{"sub/Dockerfile", "/context", "/context/sub/Dockerfile"},
		{"/abs", "/context", "/abs"},
		{"/other", "/context", "/context/other"},
		{"https://h/Dockerfile", "/context", "https://h/Dockerfile"},
		{"there", "", "/src/there"},
		{"sub/Dockerfile", "", "sub/Dockerfile"},
	} {
		if got := (Plan{Dockerfile: tt.value}).FindDockerfile("/src", tt.dir, there); got != tt.want {
			t.Errorf("%s in %q: %s, want %s", tt.value, tt.dir, got, tt.want)
		}
	}
}

func TestContexts(t *testing.T) {
	hash := strings.Repeat("a", 40)
	for _, tt := range []struct {
		value, sub, git string
		want            Context
	}{
		{"/workspace/", "", "", Context{Form: FormDir, Path: "/workspace/"}},
		{"dir:///w", "a/b", "", Context{Form: FormDir, Path: "/w/a/b"}},
		{"dir://w", "", "", Context{Form: FormDir, Path: "w"}},
		{"tar://stdin", "a", "", Context{Form: FormStdin, Sub: "a"}},
		{"tar:///w/c.tar.gz", "", "", Context{Form: FormTar, Path: "/w/c.tar.gz"}},
		{"https://h/c.tar.gz?sig=1", "a", "", Context{Form: FormHTTPS, URL: "https://h/c.tar.gz?sig=1", Sub: "a"}},
		{"git://github.com/acme/app", "", "", Context{Form: FormGit, URL: "https://github.com/acme/app.git?keep-git-dir=true&submodules=false"}},
		{"git://github.com/acme/app.git#refs/heads/main", "a/./b", "recurse-submodules=true,single-branch=true", Context{Form: FormGit, URL: "https://github.com/acme/app.git?keep-git-dir=true&ref=refs%2Fheads%2Fmain&subdir=a%2Fb&submodules=true"}},
		{"git://h/r#refs/heads/main#" + hash, "", "", Context{Form: FormGit, URL: "https://h/r.git?keep-git-dir=true&ref=" + hash + "&submodules=false"}},
		{"git://h/r/#" + hash, "", "branch=x", Context{Form: FormGit, URL: "https://h/r.git?keep-git-dir=true&ref=" + hash + "&submodules=false"}},
		{"git://h/r#refs/heads/main", "", "branch=x", Context{Form: FormGit, URL: "https://h/r.git?keep-git-dir=true&ref=x&submodules=false"}},
	} {
		got, _, err := contextSource{value: tt.value, sub: tt.sub, git: list1(tt.git), lookup: surroundings(nil).Lookup}.parse()
		if err != nil {
			t.Errorf("%s: %v", tt.value, err)
		} else if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.value, diff)
		}
	}
	got, _, err := contextSource{value: "git://h:8080/r", lookup: surroundings(map[string]string{"GIT_PULL_METHOD": "http"}).Lookup}.parse()
	if err != nil || got.URL != "http://h:8080/r.git?keep-git-dir=true&submodules=false" {
		t.Errorf("by HTTP: %v, %v", got, err)
	}
}

// list1 is a list of a value, empty for none.
func list1(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

func TestContextMistakes(t *testing.T) {
	for _, tt := range []struct{ value, sub, git, want, hint string }{
		{"", "", "", "--context: is empty", "tar://stdin"},
		{"dir://", "", "", `--context "dir://": has nothing after dir://`, ""},
		{"ftp://h/c", "", "", `--context "ftp://h/c": the form ftp:// is not known`, "git://"},
		{"http://h/c", "", "", `--context "http://h/c": the form http:// is not known`, ""},
		{"https:///c", "", "", `--context "https:///c": is not a URL`, ""},
		{"tar://c", "../x", "", `--context-sub-path "../x": is not a path below the context`, ""},
		{"s3://b/it's", "", "", `--context "s3://b/it's": contexts in S3 are not fetched by slipway`, `aws s3 cp 's3://b/it'\''s' context.tar.gz`},
		{"gs://b/c", "", "", `--context "gs://b/c": contexts in Google Cloud Storage are not fetched by slipway`, "gcloud storage cp"},
		{"https://me.blob.core.windows.net/c/x.tar.gz", "", "", `--context "https://me.blob.core.windows.net/c/x.tar.gz": contexts in Azure's blob storage are not fetched by slipway`, "az storage blob download"},
		{"git://h", "", "", `--context "git://h": names no repository`, "git://HOST/PATH"},
		{"git://u:p@h/r", "", "", `--context "git://xxxxx:xxxxx@h/r": has a credential, which everybody on the machine can read: use GIT_TOKEN, or GIT_USERNAME and GIT_PASSWORD`, ""},
		{"git://h/r?x", "", "", `--context "git://h/r?xxxxx": has a query`, ""},
		{"git://h/r#a#b", "", "", `--context "git://h/r#a#b": the commit is not a whole hash`, ""},
		{"git://h/r#a#b#c", "", "", `--context "git://h/r#a#b#c": has more than a reference and a commit`, ""},
		{"git://h/r", "", "branch", `--git "branch": is not KEY=VALUE`, "branch=NAME"},
		{"git://h/r", "", "depth=1", `--git "depth=1": is not known`, ""},
		{"git://h/r", "", "deep=true", `--git "deep=true": is not known`, ""},
		{"git://h/r", "", "single-branch=x", `--git "single-branch=x": is neither true nor false`, ""},
		{"git://h/r", "", "insecure-skip-tls=true", `--git "insecure-skip-tls=true": the builder fetches the repository, and verifies the server`, ""},
	} {
		_, _, err := contextSource{value: tt.value, sub: tt.sub, git: list1(tt.git), lookup: surroundings(nil).Lookup}.parse()
		mistake := (*fault.Usage)(nil)
		if !errors.As(err, &mistake) || mistake.Error() != tt.want || !strings.Contains(mistake.Hint, tt.hint) {
			t.Errorf("%s: %v, hint %v\nwant %s", tt.value, err, fault.Hints(err), tt.want)
		}
	}
}

func TestGitSecret(t *testing.T) {
	for variables, want := range map[string][2]string{
		"":                              {},
		"GIT_TOKEN=t":                   {"GIT_AUTH_HEADER.h:8080", "basic dDo="},
		"GIT_TOKEN=t GIT_PASSWORD=p":    {"GIT_AUTH_HEADER.h:8080", "basic dDo="},
		"GIT_USERNAME=u GIT_PASSWORD=p": {"GIT_AUTH_HEADER.h:8080", "basic dTpw"},
	} {
		all := map[string]string{}
		for _, v := range strings.Fields(variables) {
			name, value, _ := strings.Cut(v, "=")
			all[name] = value
		}
		id, value := contextSource{lookup: surroundings(all).Lookup}.gitSecret("https://h:8080/r.git")
		if id != want[0] || value != want[1] {
			t.Errorf("%s: %s, %s", variables, id, value)
		}
	}
}

// FuzzContext tests that a context is refused or of a form that is known, and that what
// it says never becomes another flag or a credential of the URL.
func FuzzContext(f *testing.F) {
	for _, seed := range []string{"/workspace", "dir://w", "tar://stdin", "git://h/r#refs/heads/a#" + strings.Repeat("a", 40), "https://h/c.tar.gz", "s3://b/c", "git://h/../r?x", "git://[::1]/r"} {
		f.Add(seed, "sub", "branch=a,recurse-submodules=true")
	}
	f.Fuzz(func(t *testing.T, value, sub, git string) {
		c, _, err := contextSource{value: value, sub: sub, git: []string{git}, lookup: surroundings(nil).Lookup}.parse()
		mistake := (*fault.Usage)(nil)
		switch {
		case err != nil && !errors.As(err, &mistake):
			t.Errorf("%v is no mistake of the user's", err)
		case err != nil:
		case c.Form == FormGit && (!strings.HasPrefix(c.URL, "https://") || strings.Contains(c.URL, "#") || !strings.Contains(c.URL, ".git?")):
			t.Errorf("%q: %q", value, c.URL)
		case c.Form == FormDir && c.Path == "", c.Form == FormTar && c.Path == "", c.Form == FormHTTPS && c.URL == "":
			t.Errorf("%q: %v", value, c)
		case c.Form == "":
			t.Errorf("%q has no form", value)
		}
	})
}

// FuzzTranslate tests that no command line is more than flags of slipway build.
func FuzzTranslate(f *testing.F) {
	f.Add("-d\nr.io/a:1\n--cache\n--label\na=b")
	f.Add("--no-push\n--registry-map\na=b;c=d\n--skip-default-registry-fallback")
	f.Fuzz(func(t *testing.T, line string) {
		plan, err := Translate(strings.Split(line, "\n"), surroundings(nil))
		if err != nil {
			if len(fault.Hints(err)) > 1000 {
				t.Error("hints without end")
			}
			return
		}
		for _, arg := range plan.Args[1:] {
			if !strings.HasPrefix(arg, "--") {
				t.Errorf("%q is no flag", arg)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(plan.Variables)) {
			if name != gitSecretVariable {
				t.Errorf("variable %s", name)
			}
		}
	})
}
