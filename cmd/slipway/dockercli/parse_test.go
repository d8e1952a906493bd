package dockercli

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestCommandLines(t *testing.T) {
	for _, tt := range []struct {
		parse func([]string) (Call, error)
		args  string
		want  string // Slipway's arguments
	}{
		{Plugin, "buildx build .", "build ."},
		{Plugin, "build buildx", "build buildx"},
		{Plugin, "-D buildx build .", "build ."},
		{Plugin, "--context X buildx ls", "ls"},
		{Plugin, "--context buildx buildx ls", "ls"},
		{Plugin, "--context=X --config dir --tlsverify buildx ls", "ls"},
		{Plugin, "-H tcp://h:1 -cX -l debug -DHtcp://h:1 -DH tcp://h:1 buildx ls --context Y", "ls --context Y"},
		{Docker, "-D buildx --builder kube build buildx", "--builder kube build buildx"},
		// Without the plugin's name all is Slipway's.
		{Plugin, "--builder kube build buildx", "--builder kube build buildx"},
		{Plugin, "-D build buildx", "-D build buildx"},
		{Plugin, "--context", "--context"},
		{Plugin, "-", "-"},
		// Commands of docker.
		{Docker, "build -t a:1 .", "build -t a:1 ."},
		{Docker, "image build .", "build ."},
		{Docker, "--config dir login -u me host", "login -u me host"},
	} {
		call, err := tt.parse(strings.Fields(tt.args))
		if err != nil || !slices.Equal(call.Slipway, strings.Fields(tt.want)) {
			t.Errorf("%s: %q, %v, want %q", tt.args, call.Slipway, err, tt.want)
		}
	}
}

func TestCalls(t *testing.T) {
	call, err := Docker(strings.Fields("--config dir version -f {{.Server.Version}}"))
	if err != nil || !call.Is("version") || call.Config != "dir" || call.String("format") != "{{.Server.Version}}" {
		t.Errorf("%+v, %v", call, err)
	}
	for args, want := range map[string]string{
		"run alpine":       "needs a Docker engine",
		"image foo":        "unknown command: docker image foo",
		"imags":            "unknown command: docker imags",
		"--confg x build":  "unknown flag: --confg",
		"version --formt=": "docker version: unknown flag: --formt",
	} {
		if _, err := Docker(strings.Fields(args)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
	_, err = Docker([]string{"exec", "-it", "x"})
	if engine := (*EngineError)(nil); !errors.As(err, &engine) || engine.Command != "exec" {
		t.Errorf("%v", err)
	}
}
