package solve

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/internal/fault"
)

func cache(kind string, pairs ...string) Cache { return Cache{Type: kind, Attrs: attrs(pairs...)} }

func TestParseCache(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	ref := func(name string) Cache { return cache("registry", "ref", name) }
	tests := []struct {
		to    bool
		value string
		want  []Cache
		fails string
	}{
		{value: "app", want: []Cache{ref("app")}},
		{value: "a/b:1,c/d", want: []Cache{ref("a/b:1"), ref("c/d")}},
		{value: `"a/b:1","c"`, want: []Cache{ref("a/b:1"), ref("c")}},
		{value: "app@" + digest, want: []Cache{ref("app@" + digest)}},
		{value: "type=registry,ref=a/b", want: []Cache{ref("a/b")}},
		{value: "Type=registry, REF=a/b,registry.insecure=1", want: []Cache{cache("registry", "ref", "a/b", "registry.insecure", "1")}},
		{value: "type=local,src=d", want: []Cache{cache("local", "src", "d")}},
		{value: "type=local,src=d,tag=x,digest=" + digest, want: []Cache{cache("local", "src", "d", "tag", "x", "digest", digest)}},
		{value: `type=local,"src=a,b"`, want: []Cache{cache("local", "src", "a,b")}},
		{value: "type=gha,scope=main,timeout=5m", want: []Cache{cache("gha", "scope", "main", "timeout", "5m")}},
		{value: "type=s3,bucket=b,region=r,name=x;y", want: []Cache{cache("s3", "bucket", "b", "region", "r", "name", "x;y")}},
		{value: "type=s3", want: []Cache{cache("s3")}}, // the builder's environment may have the rest
		{value: "type=azblob,account_url=https://a.blob.core.windows.net,secret_access_key=k=", want: []Cache{cache("azblob", "account_url", "https://a.blob.core.windows.net", "secret_access_key", "k=")}},
		{value: "type=registry,ref=a,mode=max", want: []Cache{cache("registry", "ref", "a", "mode", "max")}}, // one value for both flags
		{value: "type=registry,ref=a,platform-split=false", want: []Cache{cache("registry", "ref", "a", "platform-split", "false")}},

		{to: true, value: "type=inline", want: []Cache{cache("inline")}},
		{to: true, value: "type=inline,mode=min", want: []Cache{cache("inline", "mode", "min")}},
		{to: true, value: "type=registry,ref=a,mode=max,compression=zstd,compression-level=3,force-compression,oci-mediatypes=true", fails: "field 6 is not key=value"},
		{to: true, value: "type=registry,ref=a,mode=max,compression=zstd,compression-level=3,force-compression=,image-manifest=true,ignore-error=true",
			want: []Cache{cache("registry", "ref", "a", "mode", "max", "compression", "zstd", "compression-level", "3", "force-compression", "", "image-manifest", "true", "ignore-error", "true")}},
		{to: true, value: "type=local,dest=d,reset=true,tag=x", want: []Cache{cache("local", "dest", "d", "reset", "true", "tag", "x")}},
		{to: true, value: "type=s3,bucket=b,region=r,touch_refresh=24h,upload_parallelism=8,use_path_style=true,retry_mode=adaptive,retry_max_attempts=3,disable_accept_encoding=false",
			want: []Cache{cache("s3", "bucket", "b", "region", "r", "touch_refresh", "24h", "upload_parallelism", "8", "use_path_style", "true", "retry_mode", "adaptive", "retry_max_attempts", "3", "disable_accept_encoding", "false")}},

		{value: "", fails: "is empty"},
		{value: "a,,b", fails: `ref="" is empty`},
		{value: "UP", fails: `ref="UP" is not an image`},
		{value: `type="local`, fails: "not valid CSV"},
		{value: "ref=a", fails: "type is missing"},
		{value: "type=nfs,src=x", fails: `unknown type "nfs"`},
		{value: "type=inline", fails: "cannot be read from"},
		{value: "type=registry", fails: "ref is missing"},
		{value: "type=local", fails: "src is missing"},
		{value: "type=local,dest=d", fails: "src is missing"},
		{value: "type=local,src=", fails: `src="" is empty`},
		{value: "type=local,src=d,digest=x", fails: "is not a digest"},
		{value: "type=gha,bucket=x", fails: `type=gha has no attribute "bucket"`},
		{value: "type=gha,timeout=5", fails: "is not a duration"},
		{value: "type=gha,version=3", fails: "is none of 1, 2"},
		{value: "type=registry,ref=a,registry.insecure=x", fails: "neither true nor false"},
		{value: "type=registry,ref=a,platform-split=x", fails: "neither true nor false"},
		{value: "type=s3,use_path_style=x", fails: "neither true nor false"},
		{value: "type=s3,touch_refresh=1", fails: "is not a duration"},
		{value: "type=s3,upload_parallelism=0", fails: "whole number from 1"},
		{value: "type=s3,retry_mode=x", fails: "is none of standard, adaptive"},
		{to: true, value: "type=local,src=d", fails: "dest is missing"},
		{to: true, value: "type=registry,ref=a,mode=mid", fails: `mode="mid" is none of min, max`},
		{to: true, value: "type=registry,ref=a,compression=lzma", fails: "is none of uncompressed"},
		{to: true, value: "type=registry,ref=a,compression-level=x", fails: "not a whole number"},
		{to: true, value: "type=registry,ref=a,ignore-error=x", fails: "neither true nor false"},
		{to: true, value: "type=gha,compression=zstd", fails: `no attribute "compression"`},
		{to: true, value: "type=inline,platform-split=true", fails: `no attribute "platform-split"`},
		{to: true, value: "app@" + digest, fails: "cannot be written to a digest"},
	}
	for _, tt := range tests {
		flag, parse := "--cache-from", ParseCacheFrom
		if tt.to {
			flag, parse = "--cache-to", ParseCacheTo
		}
		t.Run(flag+" "+tt.value, func(t *testing.T) {
			got, err := parse(tt.value)
			if tt.fails != "" {
				wantUsage(t, err, flag, tt.fails)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			// Their String hides values that must be equal all the same.
			plain := func(c Cache) map[string]string { return c.Attrs }
			for i := range max(len(got), len(tt.want)) {
				if i >= len(got) || i >= len(tt.want) || got[i].Type != tt.want[i].Type {
					t.Fatalf("caches %v, want %v", got, tt.want)
				}
				if diff := cmp.Diff(plain(tt.want[i]), plain(got[i])); diff != "" {
					t.Errorf("cache %d (-want +got):\n%s", i, diff)
				}
			}
		})
	}
}

// secretWords are values that no message may show, however they got in.
func TestCacheHidesCredentials(t *testing.T) {
	for _, value := range []string{
		"type=s3,bucket=b,secret_access_key=sekret,access_key_id=sekret,session_token=sekret,upload_parallelism=x",
		"type=s3,secret_access_key=se,sekret",
		"type=s3,secret_acces_key=sekret",
		"type=gha,token=sekret,ghtoken=sekret,version=9",
		"type=azblob,account_url=https://x/?sig=sekret,secret_access_key=sekret,mode=x",
		"type=azblob,secret_access_key=\"sekret",
		"secret_access_key=sekret",
		"type=registry,ref=https://u:sekret@h/x",
		"type=s3,endpoint_url=https://u:sekret@h,retry_mode=x",
	} {
		for _, parse := range []func(string) ([]Cache, error){ParseCacheFrom, ParseCacheTo} {
			list, err := parse(value)
			if err == nil {
				t.Errorf("%s is accepted: %v", value, list)
				continue
			}
			var usage *fault.Usage
			if !errors.As(err, &usage) || strings.Contains(err.Error(), "sekret") || strings.Contains(usage.Hint, "sekret") {
				t.Errorf("error %v shows a credential", err)
			}
		}
	}
	c := cache("s3", "bucket", "shown", "secret_access_key", "sekret", "session_token", "sekret", "access_key_id", "sekret")
	for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%+v %#v", c, c), fmt.Sprintf("%+v", Request{CacheTo: []Cache{c}}), fmt.Sprint(c.Redacted().Attrs)} {
		if strings.Contains(text, "sekret") || !strings.Contains(text, "shown") {
			t.Errorf("printed as %q", text)
		}
	}
	if c.Attrs["secret_access_key"] != "sekret" {
		t.Error("Redacted changed the cache")
	}
}

func FuzzParseCache(f *testing.F) {
	for _, seed := range []string{"app", "a,b", "type=local,src=x,dest=y", `type=s3,"bucket=b"`, "type=gha,scope=x", "type=registry,ref=a,mode=max"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for _, d := range []direction{importing(), exporting()} {
			list, err := parseCaches(d, value)
			if err != nil {
				var usage *fault.Usage
				if !errors.As(err, &usage) {
					t.Errorf("error %v is no *fault.Usage", err)
				}
				continue
			}
			for _, c := range list {
				if problem, _ := c.check(d); problem != "" || c.Type == "" {
					t.Errorf("%s %q is accepted as %v: %s", d.flag, value, c.Attrs, problem)
				}
			}
		}
	})
}

func TestPrepareCaches(t *testing.T) {
	github := []string{"ACTIONS_RUNTIME_TOKEN", "sekret", "ACTIONS_CACHE_URL", "http://v1/", "ACTIONS_RESULTS_URL", "http://v2/"}
	aws := []string{"AWS_ACCESS_KEY_ID", "id", "AWS_SECRET_ACCESS_KEY", "sekret", "AWS_SESSION_TOKEN", "sts", "AWS_REGION", "r"}
	tests := []struct {
		name     string
		env      []string
		cache    Cache
		to       bool
		want     map[string]string // nil when it is left out
		warnings []string
	}{
		{name: "gha outside of github", cache: cache("gha"), warnings: []string{"left out: ACTIONS_RUNTIME_TOKEN is not set"}},
		{name: "gha without url", env: github[:2], cache: cache("gha"), warnings: []string{"neither ACTIONS_RESULTS_URL"}},
		{name: "gha", env: github, cache: cache("gha", "scope", "s"), want: attrs("scope", "s", "token", "sekret", "url", "http://v1/")},
		{name: "gha, second version", env: append(github, "ACTIONS_CACHE_SERVICE_V2", "true"), cache: cache("gha"), want: attrs("token", "sekret", "url", "http://v1/", "url_v2", "http://v2/")},
		{name: "gha, version by attribute", env: github, cache: cache("gha", "version", "2"), want: attrs("version", "2", "token", "sekret", "url", "http://v1/", "url_v2", "http://v2/")},
		{name: "gha, one url for all", env: append(github[:2:2], github[4:]...), cache: cache("gha"), want: attrs("token", "sekret", "url", "http://v2/")},
		{name: "gha, given wins", env: github, cache: cache("gha", "token", "mine", "url", "u"), want: attrs("token", "mine", "url", "u")},
		{name: "s3", env: aws, cache: cache("s3", "bucket", "b"), want: attrs("bucket", "b", "region", "r", "access_key_id", "id", "secret_access_key", "sekret", "session_token", "sts")},
		{name: "s3, given pair has no session", env: aws, cache: cache("s3", "bucket", "b", "access_key_id", "a", "secret_access_key", "s"), want: attrs("bucket", "b", "region", "r", "access_key_id", "a", "secret_access_key", "s")},
		{name: "s3, half a pair is none", env: aws[:2], cache: cache("s3", "bucket", "b", "region", "r"), want: attrs("bucket", "b", "region", "r")},
		{name: "s3, default region", env: []string{"AWS_DEFAULT_REGION", "d"}, cache: cache("s3", "bucket", "b"), want: attrs("bucket", "b", "region", "d")},
		{name: "s3, up to the builder", cache: cache("s3"), want: attrs(), warnings: []string{"bucket is not given, it is up to AWS_BUCKET of the builder", "region is not given"}},
		{name: "azblob, up to the builder", cache: cache("azblob"), want: attrs(), warnings: []string{"account_url is not given"}},
		{name: "export only", cache: cache("registry", "ref", "a", "mode", "max"), want: attrs("ref", "a", "mode", "max"), warnings: []string{"--cache-from type=registry: mode has no effect here"}},
		{name: "import only", to: true, cache: cache("local", "src", "a", "dest", "b"), want: attrs("src", "a", "dest", "b"), warnings: []string{"--cache-to type=local: src has no effect here"}},
		{name: "inline", to: true, cache: cache("inline", "mode", "max"), want: attrs("mode", "max"), warnings: []string{"mode=max has no effect"}},
		{name: "no local cache yet", cache: cache("local", "src", "nowhere"), want: attrs("src", "nowhere"), warnings: []string{"there is no cache in nowhere"}},
		{name: "local cache", cache: cache("local", "src", "layout"), want: attrs("src", "layout")},
		{name: "split local cache", cache: cache("local", "src", "."), want: attrs("src", ".")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := workdir(t)
			before := tree(t, dir)
			given := fmt.Sprint(tt.cache.Attrs)
			out := output.Output{Type: "local", Dest: "out", Attrs: attrs()}
			r := Request{Context: "ctx", Lookup: env(tt.env...), Outputs: []output.Output{out}}
			if tt.to {
				r.CacheTo = []Cache{tt.cache}
			} else {
				r.CacheFrom = []Cache{tt.cache}
			}
			p, err := Prepare(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = p.Close() }()
			got := append(p.request.CacheFrom, p.request.CacheTo...)
			switch {
			case tt.want == nil && len(got) > 0:
				t.Errorf("%v is not left out", got)
			case tt.want != nil && len(got) != 1:
				t.Errorf("caches %v, want one", got)
			case tt.want != nil:
				if diff := cmp.Diff(tt.want, got[0].Attrs); diff != "" {
					t.Errorf("attributes (-want +got):\n%s", diff)
				}
			}
			if len(p.Warnings()) != len(tt.warnings) {
				t.Errorf("warnings %q, want %q", p.Warnings(), tt.warnings)
			}
			for i, want := range tt.warnings {
				if i < len(p.Warnings()) && !strings.Contains(p.Warnings()[i], want) {
					t.Errorf("warning %q does not say %q", p.Warnings()[i], want)
				}
			}
			if strings.Contains(strings.Join(p.Warnings(), ""), "sekret") {
				t.Errorf("warnings %q show a credential", p.Warnings())
			}
			if fmt.Sprint(tt.cache.Attrs) != given {
				t.Error("the caller's attributes were changed")
			}
			if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
				t.Errorf("traces (-before +after):\n%s", diff)
			}
		})
	}
}

func TestPrepareCachesRefused(t *testing.T) {
	tests := []struct {
		name string
		to   []Cache
		want string
	}{
		{"dest is a file", []Cache{cache("local", "dest", "file")}, `--cache-to "type=local,dest=file"`},
		{"dest below a file", []Cache{cache("local", "dest", "file/x")}, `--cache-to "type=local,dest=file/x"`},
		{"registry twice", []Cache{cache("registry", "ref", "a"), cache("registry", "ref", "a", "mode", "max")}, "is given twice"},
		{"local twice", []Cache{cache("local", "dest", "a"), cache("local", "dest", "a", "mode", "max")}, "is given twice"},
		{"s3 twice", []Cache{cache("s3", "bucket", "a", "secret_access_key", "sekret"), cache("s3", "bucket", "a", "secret_access_key", "sekret")}, "is given twice"},
	}
	if os.Getuid() != 0 { // root may write everywhere
		tests = append(tests, struct {
			name string
			to   []Cache
			want string
		}{"not writable", []Cache{cache("local", "dest", "/proc/x")}, "is not writable"})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := workdir(t)
			before := tree(t, dir)
			_, err := Prepare(t.Context(), Request{Context: "ctx", CacheTo: tt.to})
			if err == nil || !strings.Contains(err.Error(), tt.want) || Classify(err) != KindUsage {
				t.Fatalf("error %v, want %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "sekret") {
				t.Errorf("error %v shows a credential", err)
			}
			if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
				t.Errorf("traces (-before +after):\n%s", diff)
			}
		})
	}
	workdir(t)
	p, err := Prepare(t.Context(), Request{Context: "ctx", CacheTo: []Cache{cache("local", "dest", "a"), cache("local", "dest", "b"), cache("inline"), cache("inline")}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestPresent(t *testing.T) {
	dir := t.TempDir()
	hex := strings.Repeat("a", 64)
	write(t, dir, attrs(
		"whole/index.json", `{"manifests":[{"digest":"sha256:`+hex+`","annotations":{"org.opencontainers.image.ref.name":"latest"}}]}`,
		"whole/blobs/sha256/"+hex, "{}",
		"tagged/index.json", `{"manifests":[{"digest":"sha256:`+hex+`","annotations":{"org.opencontainers.image.ref.name":"v1"}}]}`,
		"tagged/blobs/sha256/"+hex, "{}",
		"noblob/index.json", `{"manifests":[{"digest":"sha256:`+hex+`","annotations":{"org.opencontainers.image.ref.name":"latest"}}]}`,
		"broken/index.json", `{"manif`,
		"empty/x", "",
	))
	local := func(name string, more ...string) Cache {
		return Cache{Type: "local", Attrs: attrs(append([]string{"src", filepath.Join(dir, name)}, more...)...)}
	}
	tests := []struct {
		name  string
		cache Cache
		want  bool
	}{
		{"whole", local("whole"), true},
		{"tag", local("tagged", "tag", "v1"), true},
		{"other tag", local("tagged"), false},
		{"digest", local("tagged", "digest", "sha256:"+hex), true},
		{"other digest", local("whole", "digest", "sha256:"+strings.Repeat("b", 64)), false},
		{"blob lost", local("noblob"), false},
		{"broken index", local("broken"), false},
		{"empty", local("empty"), false},
		{"no directory", local("nowhere"), false},
		{"not local", cache("registry", "ref", "a"), true},
	}
	before := tree(t, dir)
	for _, tt := range tests {
		imports, _ := caches(Request{CacheFrom: []Cache{tt.cache}}, Job{Single: true})
		got := present(imports)
		if (len(got) == 1) != tt.want {
			t.Errorf("%s: present = %v, want it %v", tt.name, got, tt.want)
		}
		if tt.want && tt.cache.Type == "local" && got[0].Attrs["digest"] != "sha256:"+hex {
			t.Errorf("%s: digest is %q", tt.name, got[0].Attrs["digest"])
		}
	}
	if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
		t.Errorf("looking left traces (-before +after):\n%s", diff)
	}
}
