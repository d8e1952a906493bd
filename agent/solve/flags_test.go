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
		{values: []string{"linux/amd64,"}, fails: "a platform between the commas is missing"},
		{values: []string{"linux/amd64/v2/x"}, fails: "cannot parse"},
		{values: []string{"lin ux/amd64"}, fails: "invalid"},
		{values: []string{"windows/amd64,darwin/arm64,linux/riscv64,wasip1/wasm,linux/armbe,hurd/386"}, want: "windows/amd64 darwin/arm64 linux/riscv64 wasip1/wasm linux/armbe hurd/386"},
		{values: []string{"linux/amd46"}, fails: `"amd46" is not a known architecture`},
		{values: []string{"linxu/arm64"}, fails: `"linxu" is not a known operating system`},
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
