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
		{Docker, "build -f=a -qt=b:1 -t=c -tx --tag -t=y --label=-t=z -q=true . -t = -- -t=d", "build -f a -qt b:1 -t c -tx --tag -t=y --label=-t=z -q=true . -t = -- -t=d"},
		{Docker, "buildx --builder b build -f=a .", "--builder b build -f a ."},
		{Docker, "login -u=me", "login -u me"},
		{Docker, "build -t", "build -t"},
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

func TestFlags(t *testing.T) {
	for _, tt := range []struct{ args, flag, want string }{
		{"ps -aqf name=a", "filter", "name=a"},
		{"ps -f=name=a", "filter", "name=a"},
		{"ps --filter name=a --filter=name=b", "filter", "name=b"},
		{"ps --quiet=false -a", "quiet", "false"},
		{"ps -q", "quiet", "true"},
		{"system prune --volumes -af --filter until=24h", "filter", "until=24h"},
	} {
		call, err := Docker(strings.Fields(tt.args))
		if err != nil || call.String(tt.flag) != tt.want {
			t.Errorf("%s: %q, %v, want %q", tt.args, call.String(tt.flag), err, tt.want)
		}
	}
	for args, want := range map[string]string{
		"ps --quiet=maybe":    "true nor false",
		"ps -qz":              "docker ps: unknown flag: -z",
		"ps --filter":         "docker ps: flag needs an argument: --filter",
		"ps more":             "docker ps takes no arguments, and 1 are given",
		"context use":         "docker context use takes exactly 1, and 0 are given",
		"context rm":          "takes at least 1, and 0 are given",
		"buildx bild .":       "unknown command: docker buildx bild",
		"buildx debug build":  "docker buildx debug: ",
		"buildx history open": "docker buildx history open: ",
		"buildx --builder x":  "",
	} {
		_, err := Docker(strings.Fields(args))
		if want == "" && err == nil {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
	for args, want := range map[string]string{
		"bild .":                 "did you mean docker build?",
		"buildx bild .":          "did you mean docker buildx build?",
		"image prun":             "did you mean docker image prune?",
		"ps --fliter a":          "did you mean --filter?",
		"--hots tcp://a build .": "did you mean --host?",
	} {
		_, err := Docker(strings.Fields(args))
		mistake := (*Error)(nil)
		if !errors.As(err, &mistake) || !slices.Contains(mistake.Hints(), want) {
			t.Errorf("%s: %#v, want the hint %q", args, err, want)
		}
	}
}

func TestHelp(t *testing.T) {
	for args, want := range map[string]string{
		"":               "Usage:  docker COMMAND",
		"--help":         "  run ",
		"help":           "Usage:  docker COMMAND",
		"help ps":        "Usage:  docker ps [OPTIONS]",
		"help image":     "  prune ",
		"image":          "Usage:  docker image COMMAND",
		"image --help":   "Usage:  docker image COMMAND",
		"ps --help":      "-q, --quiet",
		"ps -h":          "-q, --quiet",
		"buildx":         "Usage:  docker buildx COMMAND",
		"buildx --help":  "  imagetools ",
		"help buildx du": "slipway du --help has the flags of Slipway",
	} {
		var out strings.Builder
		call, err := Docker(strings.Fields(args))
		if err == nil && call.Help {
			err = call.WriteHelp(&out)
		}
		if err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%q: %v, %s, want %q", args, err, out.String(), want)
		}
	}
	if _, err := Docker([]string{"help", "nothing"}); err == nil || !strings.Contains(err.Error(), "unknown command: docker nothing") {
		t.Errorf("%v", err)
	}
}

func TestTable(t *testing.T) {
	names := map[string]bool{}
	for c := range Commands() {
		for _, name := range append([]string{c.Name}, c.Also...) {
			if names[name] {
				t.Errorf("%s is there twice", name)
			}
			names[name] = true
		}
		switch {
		case c.Answer == NeedsEngine && c.Instead == "":
			t.Errorf("%s: nothing says what to do instead", c.Name)
		case c.Answer != NeedsEngine && c.Says == "":
			t.Errorf("%s: nothing says what happens", c.Name)
		}
		flags := map[string]bool{}
		for _, f := range c.Flags {
			if flags[f.Name] || f.Short != "" && flags[f.Short] {
				t.Errorf("%s: --%s or its letter is there twice", c.Name, f.Name)
			}
			flags[f.Name] = true
			if f.Short != "" {
				flags[f.Short] = true
			}
			if f.Answer != Done && f.Says == "" {
				t.Errorf("%s --%s: nothing says what happens", c.Name, f.Name)
			}
		}
	}
}

// FuzzDocker reads command lines that others write.
func FuzzDocker(f *testing.F) {
	for _, line := range []string{"ps -aq", "--config d login -u a h", "buildx --builder b build .", "help image ls", "-DH tcp://h run -it a", "image", "--", "-- ps", "help", "buildx history ls --", "ps -f= --"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, " ")
		given := slices.Clone(args)
		for _, parse := range []func([]string) (Call, error){Docker, Plugin} {
			call, err := parse(args)
			if err == nil && call.Help {
				err = call.WriteHelp(&strings.Builder{})
			}
			if err == nil && !call.Help && call.Command == nil && call.Slipway == nil && len(args) > 0 {
				t.Errorf("%q is neither a command nor an error", args)
			}
			if !slices.Equal(args, given) {
				t.Fatalf("the arguments were changed: %q", args)
			}
		}
	})
}
