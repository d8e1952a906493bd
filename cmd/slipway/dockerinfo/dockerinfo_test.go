package dockerinfo

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
)

// flags are those of a call.
type flags map[string]string

func (f flags) String(name string) string { return f[name] }
func (f flags) Bool(name string) bool     { return f[name] == "true" }

func asked(command, template string, args ...string) Asked {
	return Asked{
		Command: command,
		Flags:   flags{"format": template},
		Args:    args,
		Program: Program{Version: "1.2.3", Commit: "0123456", Go: "go1.26", OS: "linux", Arch: "arm64", Buildx: "v0.38.2", Path: "/bin/docker"},
		Machine: func() Machine {
			return Machine{Hostname: "agent", CPUs: 4, Memory: 8 << 30, Kernel: "6.1", System: "Debian"}
		},
	}
}

// TestAnswer has what scripts ask for.
func TestAnswer(t *testing.T) {
	for _, tt := range []struct {
		command, template string
		args              []string
		want              string
	}{
		{"version", "{{.Server.Version}}", nil, DockerVersion},
		{"version", "{{.Client.Version}}", nil, DockerVersion},
		{"version", "{{.Client.APIVersion}} {{.Server.APIVersion}}", nil, apiVersion + " " + apiVersion},
		{"version", "{{.Server.Os}}/{{.Server.Arch}}", nil, "linux/arm64"},
		{"version", "{{json .Client.Version}}", nil, `"` + DockerVersion + `"`},
		{"version", "plain", nil, "plain"},
		{"info", "{{.OSType}}", nil, "linux"},
		{"info", "{{.Architecture}}", nil, "aarch64"},
		{"info", "{{.OSType}}/{{.Architecture}} {{.NCPU}} {{.MemTotal}} {{.Name}}", nil, "linux/aarch64 4 8589934592 agent"},
		{"info", "{{.ServerVersion}} {{.Driver}} {{.Swarm.LocalNodeState}} {{.ExperimentalBuild}}", nil, DockerVersion + " none inactive false"},
		{"info", "{{range .ClientInfo.Plugins}}{{.Name}} {{.Version}}{{end}}", nil, "buildx v0.38.2"},
		{"info", "{{json .SecurityOptions}}{{.RegistryConfig.Mirrors}}", nil, "[][]"},
		{"context show", "", nil, "default"},
		{"context inspect", "{{.Name}}", nil, "default"},
		{"context inspect", "{{.Endpoints.docker.Host}}", []string{"default"}, "unix:///var/run/docker.sock"},
		{"context ls", "{{.Name}} {{.Current}}", nil, "default true"},
		{"ps", "{{.ID}} {{.Label \"a\"}}", nil, ""},
		{"ps", "json", nil, ""},
		{"ps", "table {{.ID}}\\t{{.Names}}", nil, "CONTAINER ID   NAMES"},
		{"volume ls", "{{.Name}}", nil, ""},
		{"network ls", "plain", nil, ""},
		{"system df", "{{.Type}} {{.Size}}", nil, "Images 0B\nContainers 0B\nLocal Volumes 0B\nBuild Cache 0B"},
		{"builder prune", "", nil, "Total reclaimed space: 0B"},
		{"context use", "", []string{"tls"}, "tls"},
	} {
		var out strings.Builder
		if _, err := Answer(&out, asked(tt.command, tt.template, tt.args...)); err != nil || strings.TrimSuffix(out.String(), "\n") != tt.want {
			t.Errorf("docker %s %s: %q, %v, want %q", tt.command, tt.template, out.String(), err, tt.want)
		}
	}
}

// TestText tests the lines that scripts look for without --format.
func TestText(t *testing.T) {
	for command, lines := range map[string][]string{
		"version": {"Client: Slipway 1.2.3\n", "\n Version:           " + DockerVersion + "\n", "\nServer: BuildKit in Kubernetes, no Docker engine\n Engine:\n  Version:          " + DockerVersion + "\n"},
		"info":    {"\n Server Version: " + DockerVersion + "\n", "\n OSType: linux\n", "\n Architecture: aarch64\n", "\n CPUs: 4\n", "\n Total Memory: 8GiB\n", "  buildx: "},
		"ps":      {"CONTAINER ID   IMAGE     COMMAND   CREATED   STATUS    PORTS     NAMES\n"},
	} {
		var out strings.Builder
		if _, err := Answer(&out, asked(command, "")); err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			if !strings.Contains(out.String(), line) {
				t.Errorf("docker %s lacks %q:\n%s", command, line, out.String())
			}
		}
	}
}

// TestJSON tests what actions parse.
func TestJSON(t *testing.T) {
	for command, read := range map[string]func(data []byte) (string, error){
		"version": func(data []byte) (string, error) {
			var v struct {
				Server struct{ Version, ApiVersion string }
			}
			err := json.Unmarshal(data, &v)
			return v.Server.Version + v.Server.ApiVersion, err
		},
		"info": func(data []byte) (string, error) {
			var v struct {
				ServerVersion   string
				SecurityOptions []string
			}
			err := json.Unmarshal(data, &v)
			if v.SecurityOptions == nil {
				err = errors.Join(err, errors.New("a list is null"))
			}
			return v.ServerVersion + apiVersion, err
		},
		"context inspect": func(data []byte) (string, error) {
			var v []struct{ Name string }
			if err := json.Unmarshal(data, &v); err != nil || len(v) != 1 || v[0].Name != "default" {
				return "", err
			}
			return DockerVersion + apiVersion, nil
		},
	} {
		var out strings.Builder
		if _, err := Answer(&out, asked(command, "json")); err != nil {
			t.Fatal(err)
		}
		if got, err := read([]byte(out.String())); err != nil || got != DockerVersion+apiVersion {
			t.Errorf("docker %s --format json: %q, %v:\n%s", command, got, err, out.String())
		}
	}
}

func TestMistakes(t *testing.T) {
	for _, template := range []string{"{{.Nothing}}", "{{", "{{json", "{{template \"x\"}}"} {
		for _, command := range []string{"version", "info", "context inspect", "ps", "context ls"} {
			_, err := Answer(io.Discard, asked(command, template))
			if wrong := (*FormatError)(nil); !errors.As(err, &wrong) && !(command == "ps" && strings.HasPrefix(template, "{{template")) {
				t.Errorf("docker %s --format %s: %v", command, template, err)
			}
		}
	}
	if _, err := Answer(io.Discard, asked("context inspect", "", "other")); !errors.Is(err, ContextError("other")) {
		t.Errorf("%v", err)
	}
}

func TestNotes(t *testing.T) {
	for command := range notes {
		note, err := Answer(io.Discard, asked(command, ""))
		if err != nil || note == "" || !Answers(command) {
			t.Errorf("docker %s: %q, %v", command, note, err)
		}
	}
}

func TestMachine(t *testing.T) {
	if got := systemName("NAME=\"Alpine Linux\"\nID=alpine\n"); got != "Alpine Linux" {
		t.Errorf("%q", got)
	}
	if got := systemName("NAME=a\nPRETTY_NAME='Debian 13'"); got != "Debian 13" {
		t.Errorf("%q", got)
	}
	for text, want := range map[string]int64{"MemTotal:       1024 kB\nMemFree: 1 kB": 1 << 20, "MemTotal: x": 0, "MemTotal:": 0, "MemTotal: -1 kB": 0, "": 0} {
		if got := totalMemory(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

// FuzzFormat reads templates of others.
func FuzzFormat(f *testing.F) {
	for _, template := range []string{"{{.Server.Version}}", "{{json .}}", "{{index .A 0}}", "table {{.ID}}", `\t`, "{{range .ClientInfo.Plugins}}{{.}}{{end}}"} {
		f.Add(template)
	}
	f.Fuzz(func(t *testing.T, template string) {
		for _, command := range []string{"version", "info", "context inspect", "ps", "context ls"} {
			_, err := Answer(io.Discard, asked(command, template))
			if wrong := (*FormatError)(nil); err != nil && !errors.As(err, &wrong) {
				t.Errorf("docker %s --format %q: %v", command, template, err)
			}
		}
	})
}

// FuzzMachine reads the files of systems.
func FuzzMachine(f *testing.F) {
	f.Add("MemTotal: 1 kB\nNAME=a")
	f.Fuzz(func(t *testing.T, text string) {
		if totalMemory(text) < 0 {
			t.Error("less than no memory")
		}
		systemName(text)
	})
}
