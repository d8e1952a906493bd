package solve

import (
	"errors"
	"strings"
	"testing"

	"github.com/containerd/platforms"
	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/internal/fault"
)

// env is an environment for tests.
func env(pairs ...string) func(string) (string, bool) {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(name string) (string, bool) {
		value, ok := m[name]
		return value, ok
	}
}

// wantUsage fails unless err is a usage error that names the flag and says
// what it should.
func wantUsage(t *testing.T, err error, flag, want string) {
	t.Helper()
	var usage *fault.Usage
	if !errors.As(err, &usage) {
		t.Fatalf("error %v is no *fault.Usage", err)
	}
	if !strings.HasPrefix(err.Error(), flag) || !strings.Contains(err.Error(), want) {
		t.Errorf("error %q does not name %s or say %q", err, flag, want)
	}
	if Classify(err) != KindUsage {
		t.Errorf("Classify = %s, want usage", Classify(err))
	}
}

func TestParseOutput(t *testing.T) {
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
		{value: "type=local,dest=out,compression=zstd", fails: `no attribute "compression"`},
		{value: "type=local,dest=out,platform-split=maybe", fails: "neither true nor false"},
		{value: "type=local,dest=out,mode=mirror", fails: `mode="mirror" is unknown`},
		{value: "type=local,dest=out,source-date-epoch=now", fails: "not a number"},
		{value: `type=local,"dest=out`, fails: "is not valid CSV"},
		{value: "type=tar,dest=x,tar=true", fails: `type=tar has no attribute "tar"`},
		{value: "type=tar,dest=x,annotation.k=v", fails: `type=tar has no attribute "annotation.k"`},
		{value: "type=oci,dest=x,push=true", fails: `type=oci has no attribute "push"`},
		{value: "type=oci,dest=x,colour=gzip", fails: `type=oci has no attribute "colour"`},
		{value: "type=oci,dest=x,annotation-layer.k=v", fails: "unrecognized annotation type"},
		{value: "type=oci,dest=x,annotation[nope/nope/nope/nope].k=v", fails: "annotation[nope"},
		{value: "type=oci,tar=false", fails: "dest is missing"},
		{value: "type=oci,tar=false,dest=-", fails: "cannot go to stdout"},
		{value: "type=docker,tar=maybe,dest=x", fails: "neither true nor false"},
		{value: "type=docker,context=remote", fails: "docker contexts are not supported"},
		{value: "type=image,dest=x", fails: "it has no dest"},
		{value: "type=cacheonly,dest=x", fails: "it has no dest"},
		{value: "type=cacheonly,push=true", fails: `no attribute "push"`},
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
			got, err := ParseOutput(tt.value)
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

func FuzzParseOutput(f *testing.F) {
	for _, seed := range []string{"out", "-", "type=local,dest=out", `type=local,"dest=a,b"`, "type=tar", `type="local`, "type=local,dest=x,platform-split=1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		o, err := ParseOutput(value)
		if err != nil {
			var usage *fault.Usage
			if !errors.As(err, &usage) {
				t.Errorf("error %v is no *fault.Usage", err)
			}
			return
		}
		if kind, ok := findOutputType(o.Type); !ok || kind.open == nil || o.Dest == "" && o.Type == "local" {
			t.Errorf("ParseOutput(%q) = %+v, which cannot be opened", value, o)
		}
	})
}

func TestParseAddHost(t *testing.T) {
	tests := []struct {
		value string
		want  []string
		fails string
	}{
		{value: "h:1.2.3.4", want: []string{"h=1.2.3.4"}},
		{value: "h=1.2.3.4", want: []string{"h=1.2.3.4"}},
		{value: "h:1.2.3.4,g:5.6.7.8", want: []string{"h=1.2.3.4", "g=5.6.7.8"}},
		{value: "h:::1", want: []string{"h=::1"}},
		{value: "h=[2001:db8::1]", want: []string{"h=2001:db8::1"}},
		{value: `"h=1.2.3.4,::1"`, want: []string{"h=1.2.3.4", "h=::1"}},
		{value: "", fails: "is empty"},
		{value: "h", fails: "is not HOST:IP"},
		{value: ":1.2.3.4", fails: "is not HOST:IP"},
		{value: "h:", fails: "is not HOST:IP"},
		{value: "h:nope", fails: `"nope" is not an IP address`},
		{value: "h:host-gateway", fails: "host-gateway has no meaning"},
		{value: `"a,b=1.2.3.4"`, fails: "is not a host name"},
	}
	for _, tt := range tests {
		t.Run(tt.value, func(t *testing.T) {
			got, err := ParseAddHost(tt.value)
			if tt.fails != "" {
				wantUsage(t, err, "--add-host", tt.fails)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("hosts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseUlimit(t *testing.T) {
	tests := []struct{ value, want, fails string }{
		{value: "nofile=1024", want: "nofile=1024:1024"},
		{value: "nofile=1024:2048", want: "nofile=1024:2048"},
		{value: "nofile", fails: "invalid ulimit"},
		{value: "nofiles=1", fails: "invalid ulimit type"},
		{value: "nofile=2:1", fails: "soft limit"},
		{value: "nofile=a", fails: "invalid"},
	}
	for _, tt := range tests {
		t.Run(tt.value, func(t *testing.T) {
			got, err := ParseUlimit(tt.value)
			if tt.fails != "" {
				wantUsage(t, err, "--ulimit", tt.fails)
			} else if err != nil || got != tt.want {
				t.Errorf("ParseUlimit = %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func FuzzParseUlimit(f *testing.F) {
	f.Add("nofile=1:2")
	f.Fuzz(func(t *testing.T, value string) {
		s, err := ParseUlimit(value)
		if err != nil {
			return
		}
		if again, err := ParseUlimit(s); err != nil || again != s {
			t.Errorf("ParseUlimit(%q) = %q, parsed again %q, %v", value, s, again, err)
		}
	})
}

func TestParseShmSize(t *testing.T) {
	for value, want := range map[string]int64{"64m": 64 << 20, "1g": 1 << 30, "1024": 1024, "2K": 2048, "0": 0} {
		if got, err := ParseShmSize(value); err != nil || got != want {
			t.Errorf("ParseShmSize(%q) = %d, %v; want %d", value, got, err, want)
		}
	}
	for _, value := range []string{"", "x", "-1", "64q"} {
		_, err := ParseShmSize(value)
		wantUsage(t, err, "--shm-size", "is not a size")
	}
}

func TestParseBuildContext(t *testing.T) {
	tests := []struct {
		value string
		want  BuildContext
		fails string
	}{
		{value: "lib=../lib", want: BuildContext{"lib", "../lib"}},
		{value: "alpine:latest=docker-image://alpine:3", want: BuildContext{"alpine", "docker-image://alpine:3"}},
		{value: "docker.io/library/alpine=oci-layout:///x:1", want: BuildContext{"alpine", "oci-layout:///x:1"}},
		{value: "ghcr.io/a/b:1=x=y", want: BuildContext{"ghcr.io/a/b:1", "x=y"}},
		{value: "lib", fails: "is not NAME=VALUE"},
		{value: "lib=", fails: "value after = is empty"},
		{value: "=x", fails: "name is not valid"},
		{value: "UPPER=x", fails: "name is not valid"},
	}
	for _, tt := range tests {
		t.Run(tt.value, func(t *testing.T) {
			got, err := ParseBuildContext(tt.value)
			if tt.fails != "" {
				wantUsage(t, err, "--build-context", tt.fails)
			} else if err != nil || got != tt.want {
				t.Errorf("ParseBuildContext = %v, %v; want %v", got, err, tt.want)
			}
		})
	}
	_, err := ParseBuildContext("BAD=https://user:sekret@host/x.git")
	if err == nil || strings.Contains(err.Error(), "sekret") {
		t.Errorf("error %v shows the password", err)
	}
}

func TestParseAllow(t *testing.T) {
	for _, value := range []string{"network.host", "security.insecure", "device", "device=nvidia.com/gpu", "buildx.local.delete"} {
		if got, err := ParseAllow(value); err != nil || got != value {
			t.Errorf("ParseAllow(%q) = %q, %v", value, got, err)
		}
	}
	for _, value := range []string{"", "root", "network.host=x", "buildx.local.delete=x"} {
		_, err := ParseAllow(value)
		wantUsage(t, err, "--allow", "unknown entitlement")
	}
}

func TestParseNetwork(t *testing.T) {
	for value, want := range map[string]string{"": "default", "default": "default", "host": "host", "none": "none"} {
		if got, err := ParseNetwork(value); err != nil || got != want {
			t.Errorf("ParseNetwork(%q) = %q, %v; want %q", value, got, err, want)
		}
	}
	_, err := ParseNetwork("bridge")
	wantUsage(t, err, `--network "bridge"`, "no such network mode")
}

func TestParsePlatforms(t *testing.T) {
	tests := []struct {
		values []string
		want   string
		fails  string
	}{
		{values: nil, want: ""},
		{values: []string{"linux/amd64"}, want: "linux/amd64"},
		{values: []string{"linux/amd64,linux/arm64"}, want: "linux/amd64 linux/arm64"},
		{values: []string{"linux/amd64", "linux/arm64"}, want: "linux/amd64 linux/arm64"},
		{values: []string{"linux/amd64, linux/arm/v7", "linux/amd64"}, want: "linux/amd64 linux/arm/v7"},
		{values: []string{"linux/arm64/v8", "linux/aarch64", "linux/x86_64"}, want: "linux/arm64 linux/amd64"},
		{values: []string{"local"}, want: platforms.Format(platforms.Normalize(platforms.DefaultSpec()))},
		{values: []string{""}, fails: "invalid"},
		{values: []string{"linux/amd64,"}, fails: "invalid"},
		{values: []string{"linux/amd64/v2/x"}, fails: "cannot parse"},
		{values: []string{"lin ux/amd64"}, fails: "invalid"},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.values, " "), func(t *testing.T) {
			got, err := ParsePlatforms(tt.values)
			if tt.fails != "" {
				wantUsage(t, err, "--platform", tt.fails)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, p := range got {
				names = append(names, platforms.FormatAll(p))
			}
			if s := strings.Join(names, " "); s != tt.want {
				t.Errorf("ParsePlatforms = %s, want %s", s, tt.want)
			}
		})
	}
}

func TestParseBuildArgs(t *testing.T) {
	got, err := ParseBuildArgs([]string{"A=1", "B=x=y", "C=", "SET", "UNSET", "EMPTY", "A=2"}, env("SET", "s", "EMPTY", ""))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"A": "2", "B": "x=y", "C": "", "SET": "s", "EMPTY": ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("build args (-want +got):\n%s", diff)
	}
	_, err = ParseBuildArgs([]string{"=sekret"}, env())
	wantUsage(t, err, "--build-arg", "is empty")
	if strings.Contains(err.Error(), "sekret") {
		t.Errorf("error %q shows the value", err)
	}
}

func TestParseLabels(t *testing.T) {
	got, err := ParseLabels([]string{"a=1", "b"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"a": "1", "b": ""}, got); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	_, err = ParseLabels([]string{"=1"})
	wantUsage(t, err, "--label", "is empty")
}

func TestParseTag(t *testing.T) {
	long := strings.Repeat("t", 129)
	tests := []struct{ value, want, fails string }{
		{value: "app", want: "docker.io/library/app:latest"},
		{value: "me/app:1.2", want: "docker.io/me/app:1.2"},
		{value: "localhost:5000/a/b", want: "localhost:5000/a/b:latest"},
		{value: "reg.example/a/b:V_1", want: "reg.example/a/b:V_1"},
		{value: "docker.io/library/app:latest", want: "docker.io/library/app:latest"},

		{value: "", fails: "is empty"},
		{value: "App", fails: "must be lowercase"},
		{value: "a:b:c", fails: "invalid reference format"},
		{value: "app:" + long, fails: "invalid"},
		{value: "app@sha256:" + strings.Repeat("a", 64), fails: "has a digest"},
		{value: "app:1@sha256:" + strings.Repeat("a", 64), fails: "has a digest"},
		{value: strings.Repeat("a", 64), fails: "hex"},
	}
	for _, tt := range tests {
		t.Run(tt.value, func(t *testing.T) {
			got, err := ParseTag(tt.value)
			if tt.fails != "" {
				wantUsage(t, err, "--tag", tt.fails)
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("ParseTag = %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func FuzzParseTag(f *testing.F) {
	for _, seed := range []string{"app", "h:5/a:b", "a@sha256:", "A", "a:b@c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		once, err := ParseTag(value)
		if err != nil {
			var usage *fault.Usage
			if !errors.As(err, &usage) {
				t.Errorf("error %v is no *fault.Usage", err)
			}
			return
		}
		if twice, err := ParseTag(once); err != nil || twice != once {
			t.Errorf("ParseTag(%q) = %q, then %q, %v", value, once, twice, err)
		}
	})
}
