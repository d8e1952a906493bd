package solve

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/agent/solve/cache"
	"github.com/slipway-build/slipway/agent/solve/output"
)

func cacheEntry(kind string, pairs ...string) cache.Entry {
	return cache.Entry{Type: kind, Attrs: attrs(pairs...)}
}

func TestPrepareCaches(t *testing.T) {
	github := []string{"ACTIONS_RUNTIME_TOKEN", "sekret", "ACTIONS_CACHE_URL", "http://v1/", "ACTIONS_RESULTS_URL", "http://v2/"}
	aws := []string{"AWS_ACCESS_KEY_ID", "id", "AWS_SECRET_ACCESS_KEY", "sekret", "AWS_SESSION_TOKEN", "sts", "AWS_REGION", "r"}
	tests := []struct {
		name     string
		env      []string
		cache    cache.Entry
		to       bool
		want     map[string]string // nil when it is left out
		warnings []string
	}{
		{name: "gha outside of github", cache: cacheEntry("gha"), warnings: []string{"left out: ACTIONS_RUNTIME_TOKEN is not set"}},
		{name: "gha without url", env: github[:2], cache: cacheEntry("gha"), warnings: []string{"neither ACTIONS_RESULTS_URL"}},
		{name: "gha", env: github, cache: cacheEntry("gha", "scope", "s"), want: attrs("scope", "s", "token", "sekret", "url", "http://v1/")},
		{name: "gha, second version", env: append(github, "ACTIONS_CACHE_SERVICE_V2", "true"), cache: cacheEntry("gha"), want: attrs("token", "sekret", "url", "http://v1/", "url_v2", "http://v2/")},
		{name: "gha, version by attribute", env: github, cache: cacheEntry("gha", "version", "2"), want: attrs("version", "2", "token", "sekret", "url", "http://v1/", "url_v2", "http://v2/")},
		{name: "gha, one url for all", env: append(github[:2:2], github[4:]...), cache: cacheEntry("gha"), want: attrs("token", "sekret", "url", "http://v2/")},
		{name: "gha, given wins", env: github, cache: cacheEntry("gha", "token", "mine", "url", "u"), want: attrs("token", "mine", "url", "u")},
		{name: "s3", env: aws, cache: cacheEntry("s3", "bucket", "b"), want: attrs("bucket", "b", "region", "r", "access_key_id", "id", "secret_access_key", "sekret", "session_token", "sts")},
		{name: "s3, given pair has no session", env: aws, cache: cacheEntry("s3", "bucket", "b", "access_key_id", "a", "secret_access_key", "s"), want: attrs("bucket", "b", "region", "r", "access_key_id", "a", "secret_access_key", "s")},
		{name: "s3, half a pair is none", env: aws[:2], cache: cacheEntry("s3", "bucket", "b", "region", "r"), want: attrs("bucket", "b", "region", "r")},
		{name: "s3, default region", env: []string{"AWS_DEFAULT_REGION", "d"}, cache: cacheEntry("s3", "bucket", "b"), want: attrs("bucket", "b", "region", "d")},
		{name: "s3, up to the builder", cache: cacheEntry("s3"), want: attrs(), warnings: []string{"bucket is not given, it is up to AWS_BUCKET of the builder", "region is not given"}},
		{name: "azblob, up to the builder", cache: cacheEntry("azblob"), want: attrs(), warnings: []string{"account_url is not given"}},
		{name: "export only", cache: cacheEntry("registry", "ref", "a", "mode", "max"), want: attrs("ref", "a", "mode", "max"), warnings: []string{"--cache-from type=registry: mode has no effect here"}},
		{name: "unknown", cache: cacheEntry("registry", "ref", "a", "foo", "bar"), want: attrs("ref", "a", "foo", "bar"), warnings: []string{`--cache-from type=registry: BuildKit ignores "foo", which is no attribute of this type; it has `}},
		{name: "of other types", to: true, cache: cacheEntry("inline", "compression", "zstd", "platform-split", "true"), want: attrs("compression", "zstd", "platform-split", "true"), warnings: []string{`--cache-to type=inline: BuildKit ignores "compression"`, `--cache-to type=inline: BuildKit ignores "platform-split"`}},
		{name: "import only", to: true, cache: cacheEntry("local", "src", "a", "dest", "b"), want: attrs("src", "a", "dest", "b"), warnings: []string{"--cache-to type=local: src has no effect here"}},
		{name: "inline", to: true, cache: cacheEntry("inline", "mode", "max"), want: attrs("mode", "max"), warnings: []string{"mode=max has no effect"}},
		{name: "no local cache yet", cache: cacheEntry("local", "src", "nowhere"), want: attrs("src", "nowhere"), warnings: []string{"there is no cache in nowhere"}},
		{name: "local cache", cache: cacheEntry("local", "src", "layout"), want: attrs("src", "layout")},
		{name: "split local cache", cache: cacheEntry("local", "src", "."), want: attrs("src", ".")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := workdir(t)
			before := tree(t, dir)
			given := fmt.Sprint(tt.cache.Attrs)
			out := output.Output{Type: "local", Dest: "out", Attrs: attrs()}
			r := Request{Context: "ctx", Lookup: env(tt.env...), Outputs: []output.Output{out}}
			if tt.to {
				r.CacheTo = []cache.Entry{tt.cache}
			} else {
				r.CacheFrom = []cache.Entry{tt.cache}
			}
			p, err := Prepare(t.Context(), here(t, r))
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
		to   []cache.Entry
		want string
	}{
		{"dest is a file", []cache.Entry{cacheEntry("local", "dest", "file")}, `--cache-to "type=local,dest=file"`},
		{"dest below a file", []cache.Entry{cacheEntry("local", "dest", "file/x")}, `--cache-to "type=local,dest=file/x"`},
		{"registry twice", []cache.Entry{cacheEntry("registry", "ref", "a"), cacheEntry("registry", "ref", "a", "mode", "max")}, "is given twice"},
		{"local twice", []cache.Entry{cacheEntry("local", "dest", "a"), cacheEntry("local", "dest", "a", "mode", "max")}, "is given twice"},
		{"s3 twice", []cache.Entry{cacheEntry("s3", "bucket", "a", "secret_access_key", "sekret"), cacheEntry("s3", "bucket", "a", "secret_access_key", "sekret")}, "is given twice"},
	}
	if os.Getuid() != 0 { // root may write everywhere
		tests = append(tests, struct {
			name string
			to   []cache.Entry
			want string
		}{"not writable", []cache.Entry{cacheEntry("local", "dest", "/proc/x")}, "is not writable"})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := workdir(t)
			before := tree(t, dir)
			_, err := Prepare(t.Context(), here(t, Request{Context: "ctx", CacheTo: tt.to}))
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
	p, err := Prepare(t.Context(), here(t, Request{Context: "ctx", CacheTo: []cache.Entry{cacheEntry("local", "dest", "a"), cacheEntry("local", "dest", "b"), cacheEntry("inline"), cacheEntry("inline")}}))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
