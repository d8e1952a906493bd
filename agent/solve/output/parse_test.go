package output

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/internal/fault"
)

func TestParse(t *testing.T) {
	local := func(dest string, attrs ...string) Output {
		o := Output{Type: "local", Dest: dest, Attrs: map[string]string{}}
		for i := 0; i < len(attrs); i += 2 {
			o.Attrs[attrs[i]] = attrs[i+1]
		}
		return o
	}
	tests := []struct {
		value string
		want  Output
		fails string
	}{
		{value: "out", want: local("out")},
		{value: "out/sub dir", want: local("out/sub dir")},
		{value: "dest=out", want: local("dest=out")}, // as buildx: one field without type= is a path
		{value: "type=local,dest=out", want: local("out")},
		{value: "dest=out,type=local", want: local("out")},
		{value: `type=local,"dest=a,b"`, want: local("a,b")},
		{value: "type=local, Dest=out", want: local("out")},
		{value: "type=local,dest=a=b", want: local("a=b")},
		{value: "type=local,dest=out,platform-split=false", want: local("out", "platform-split", "false")},
		{value: "type=local,dest=out,PLATFORM-SPLIT=1,mode=delete,attestation-prefix=p-,source-date-epoch=0", want: local("out", "platform-split", "1", "mode", "delete", "attestation-prefix", "p-", "source-date-epoch", "0")},

		{value: "type=local,dest=out,src=/reports", want: local("out", "src", "/reports")},
		{value: "type=tar,dest=x.tar,src=reports", want: Output{Type: "tar", Dest: "x.tar", Attrs: attrs("src", "reports")}},
		{value: "type=local,dest=out,src=", fails: `src="" is empty`},

		{value: "-", want: Output{Type: "tar", Dest: "-", Attrs: attrs()}},
		{value: "type=tar", want: Output{Type: "tar", Attrs: attrs()}},
		{value: "type=oci,dest=x.tar,tar=false,compression=zstd,compression-level=22", want: Output{Type: "oci", Dest: "x.tar", Attrs: attrs("tar", "false", "compression", "zstd", "compression-level", "22")}},
		{value: "type=docker", want: Output{Type: "docker", Attrs: attrs()}},
		{value: `type=image,"name=a,b:1",push=,annotation-index.k=v,annotation[linux/arm64].k=v,annotation.k=v`, want: Output{Type: "image", Attrs: attrs(
			"name", "a,b:1", "push", "", "annotation-index.k", "v", "annotation[linux/arm64].k", "v", "annotation.k", "v")}},
		{value: "type=registry,buildinfo=true,dangling-name-empty-only=1", want: Output{Type: "registry", Attrs: attrs("buildinfo", "true", "dangling-name-empty-only", "1")}},
		{value: "type=cacheonly", want: Output{Type: "cacheonly", Attrs: attrs()}},

		{value: "", fails: "is empty"},
		{value: "type=zip,dest=x", fails: `unknown type "zip"`},
		{value: "type=", fails: "type is missing"},
		{value: "dest=out,mode=copy", fails: "type is missing"},
		{value: "type=local", fails: "dest is missing"},
		{value: "type=local,dest=", fails: "dest is missing"},
		{value: "type=local,dest=-", fails: "cannot go to stdout"},
		{value: "type=local,dest=out,foo", fails: `"foo" is not key=value`},
		{value: "type=local,dest=out,=x", fails: "has no key"},
		{value: "type=local,dest=out,platform-split=maybe", fails: "neither true nor false"},
		{value: "type=local,dest=out,mode=mirror", fails: `mode="mirror" is unknown`},
		{value: "type=local,dest=out,source-date-epoch=now", fails: "not a number"},
		{value: `type=local,"dest=out`, fails: "is not valid CSV"},
		{value: "type=oci,dest=x,annotation-layer.k=v", fails: "unrecognized annotation type"},
		{value: "type=oci,dest=x,annotation[nope/nope/nope/nope].k=v", fails: "annotation[nope"},
		{value: "type=oci,tar=false", fails: "dest is missing"},
		{value: "type=oci,tar=false,dest=-", fails: "cannot go to stdout"},
		{value: "type=docker,tar=maybe,dest=x", fails: "neither true nor false"},
		{value: "type=docker,context=remote", fails: "docker contexts are not supported"},
		{value: "type=image,dest=x", fails: "it has no dest"},
		{value: "type=cacheonly,dest=x", fails: "it has no dest"},
		{value: "type=image,name=a/UPPER", fails: "is no image reference"},
		{value: "type=image,push=maybe", fails: "neither true nor false"},
		{value: "type=image,oci-mediatypes=", fails: "neither true nor false"},
		{value: "type=image,compression=lz4", fails: `compression="lz4" is unknown`},
		{value: "type=image,compression=zstd,oci-mediatypes=false", fails: "needs OCI media types"},
		{value: "type=image,compression=estargz,oci-mediatypes=0", fails: "needs OCI media types"},
		{value: "type=image,oci-artifact=true,oci-mediatypes=false", fails: "needs OCI media types"},
		{value: "type=image,compression-level=10", fails: "not between 0 and 9"},
		{value: "type=image,compression=zstd,compression-level=23", fails: "not between 0 and 22"},
		{value: "type=image,compression-level=fast", fails: "is not a number"},
		{value: "type=image,rewrite-timestamp=true,unpack=true", fails: "cannot be used together"},
		{value: "type=registry,push-by-digest=true,name=x:1", fails: "pushes without tags"},
		{value: "type=oci,dest=x,source-date-epoch=now", fails: "not a number of seconds"},
	}
	for _, tt := range tests {
		t.Run(tt.value, func(t *testing.T) {
			got, err := Parse(tt.value)
			if tt.fails != "" {
				wantUsage(t, err, "--output", tt.fails)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}

// TestIgnoredAttributes are those that BuildKit ignores: a warning, as nothing else
// tells of a typo.
func TestIgnoredAttributes(t *testing.T) {
	for value, want := range map[string]string{
		"type=local,dest=out":                    "",
		"type=local,dest=out,src=/reports":       "",
		"type=oci,dest=x.tar,src=/reports":       `BuildKit ignores "src"`,
		"type=local,dest=out,foo=bar":            `BuildKit ignores "foo", which is no attribute of this type; it has dest, platform-split, mode, source-date-epoch, attestation-prefix and src`,
		"type=local,dest=out,compression=zstd":   `BuildKit ignores "compression"`,
		"type=tar,dest=x.tar,tar=true":           `BuildKit ignores "tar"`,
		"type=tar,dest=x.tar,annotation.k=v":     `BuildKit ignores "annotation.k"`,
		"type=oci,dest=x.tar,push=true":          `--output type=oci,dest=x.tar: BuildKit ignores "push"`,
		"type=oci,dest=x.tar,compresion=gzip":    `BuildKit ignores "compresion", which is no attribute of this type; did you mean "compression"?`,
		"type=image,annotation[linux/arm64].k=v": "",
		"type=image,push-by-digst=true":          `did you mean "push-by-digest"?`,
		"type=cacheonly,push=true":               `BuildKit ignores "push"`,
	} {
		o, err := Parse(value)
		if err != nil {
			t.Errorf("%s: %v", value, err)
			continue
		}
		set, mistakes := Open(t.Context(), []Output{o}, Env{WorkDir: t.TempDir()})
		if err := mistakes.Err(); err != nil {
			t.Errorf("%s: %v", value, err)
		}
		if got := strings.Join(set.Warnings(), "\n"); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s: warnings %q, want %q", value, got, want)
		}
		if err := set.Close(); err != nil {
			t.Error(err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"out", "-", "type=local,dest=out", `type=local,"dest=a,b"`, "type=tar", `type="local`, "type=local,dest=x,platform-split=1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		o, err := Parse(value)
		if err != nil {
			var usage *fault.Usage
			if !errors.As(err, &usage) {
				t.Errorf("error %v is no *fault.Usage", err)
			}
			return
		}
		if kind, ok := findOutputType(o.Type); !ok || kind.open == nil || o.Dest == "" && o.Type == "local" {
			t.Errorf("Parse(%q) = %+v, which cannot be opened", value, o)
		}
	})
}
