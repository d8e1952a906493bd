package cache

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/fault/faulttest"
)

func cache(kind string, pairs ...string) Entry { return Entry{Type: kind, Attrs: attrs(pairs...)} }

func TestParseCache(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	ref := func(name string) Entry { return cache("registry", "ref", name) }
	tests := []struct {
		to    bool
		value string
		want  []Entry
		fails string
	}{
		{value: "app", want: []Entry{ref("app")}},
		{value: "a/b:1,c/d", want: []Entry{ref("a/b:1"), ref("c/d")}},
		{value: `"a/b:1","c"`, want: []Entry{ref("a/b:1"), ref("c")}},
		{value: "app@" + digest, want: []Entry{ref("app@" + digest)}},
		{value: "type=registry,ref=a/b", want: []Entry{ref("a/b")}},
		{value: "Type=registry, REF=a/b,registry.insecure=1", want: []Entry{cache("registry", "ref", "a/b", "registry.insecure", "1")}},
		{value: "type=local,src=d", want: []Entry{cache("local", "src", "d")}},
		{value: "type=local,src=d,tag=x,digest=" + digest, want: []Entry{cache("local", "src", "d", "tag", "x", "digest", digest)}},
		{value: `type=local,"src=a,b"`, want: []Entry{cache("local", "src", "a,b")}},
		{value: "type=gha,scope=main,timeout=5m", want: []Entry{cache("gha", "scope", "main", "timeout", "5m")}},
		{value: "type=s3,bucket=b,region=r,name=x;y", want: []Entry{cache("s3", "bucket", "b", "region", "r", "name", "x;y")}},
		{value: "type=s3", want: []Entry{cache("s3")}}, // the builder's environment may have the rest
		{value: "type=azblob,account_url=https://a.blob.core.windows.net,secret_access_key=k=", want: []Entry{cache("azblob", "account_url", "https://a.blob.core.windows.net", "secret_access_key", "k=")}},
		{value: "type=registry,ref=a,mode=max", want: []Entry{cache("registry", "ref", "a", "mode", "max")}}, // one value for both flags
		{value: "type=registry,ref=a,platform-split=false", want: []Entry{cache("registry", "ref", "a", "platform-split", "false")}},

		{to: true, value: "type=inline", want: []Entry{cache("inline")}},
		{to: true, value: "type=inline,mode=min", want: []Entry{cache("inline", "mode", "min")}},
		{to: true, value: "type=registry,ref=a,mode=max,compression=zstd,compression-level=3,force-compression,oci-mediatypes=true", fails: "field 6 is not key=value"},
		{to: true, value: "type=registry,ref=a,mode=max,compression=zstd,compression-level=3,force-compression=,image-manifest=true,ignore-error=true",
			want: []Entry{cache("registry", "ref", "a", "mode", "max", "compression", "zstd", "compression-level", "3", "force-compression", "", "image-manifest", "true", "ignore-error", "true")}},
		{to: true, value: "type=local,dest=d,reset=true,tag=x", want: []Entry{cache("local", "dest", "d", "reset", "true", "tag", "x")}},
		{to: true, value: "type=s3,bucket=b,region=r,touch_refresh=24h,upload_parallelism=8,use_path_style=true,retry_mode=adaptive,retry_max_attempts=3,disable_accept_encoding=false",
			want: []Entry{cache("s3", "bucket", "b", "region", "r", "touch_refresh", "24h", "upload_parallelism", "8", "use_path_style", "true", "retry_mode", "adaptive", "retry_max_attempts", "3", "disable_accept_encoding", "false")}},

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
		{to: true, value: "type=s3,bucket=b,secret_acces_key=x", fails: `type=s3 has no attribute "secret_acces_key"`},
		{to: true, value: "type=gha,compression=zstd", want: []Entry{{Type: TypeGHA, Attrs: map[string]string{"compression": "zstd"}}}},
		{to: true, value: "type=inline,platform-split=true", want: []Entry{{Type: TypeInline, Attrs: map[string]string{"platform-split": "true"}}}},
		{to: true, value: "app@" + digest, fails: "cannot be written to a digest"},
	}
	for _, tt := range tests {
		flag, parse := "--cache-from", ParseFrom
		if tt.to {
			flag, parse = "--cache-to", ParseTo
		}
		t.Run(flag+" "+tt.value, func(t *testing.T) {
			got, err := parse(tt.value)
			if tt.fails != "" {
				faulttest.WantUsage(t, err, flag, tt.fails)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			// Their String hides values that must be equal all the same.
			plain := func(c Entry) map[string]string { return c.Attrs }
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
		for _, parse := range []func(string) ([]Entry, error){ParseFrom, ParseTo} {
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
	for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%+v %#v", c, c), fmt.Sprintf("%+v", Set{To: []Entry{c}}), fmt.Sprint(c.Redacted().Attrs)} {
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
			list, err := parse(d, value)
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
