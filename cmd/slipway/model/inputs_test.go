package model

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

// TestInputs has flags of every kind: given once, several times, with a value that may be
// secret, and in a variable.
func TestInputs(t *testing.T) {
	t.Setenv("TEST_BUILDER", "kube")
	var line struct {
		Debug bool `help:"x"`
		Build struct {
			Context  string   `arg:""`
			Tag      []string `short:"t" sep:"none"`
			Platform []string
			BuildArg []string `sep:"none"`
			Builder  string   `env:"TEST_BUILDER"`
			Push     bool     `negatable:""`
			File     string   `short:"f" default:"Dockerfile"`
		} `cmd:""`
	}
	parser, err := kong.New(&line)
	if err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string][]string{
		"build .": {"context: ."},
		"--debug build -t a:1 --platform linux/amd64,linux/arm64 --tag=b:1 --build-arg TOKEN=s3cr3t --build-arg VERSION --push ctx": {
			"debug: true", "tag: a:1", "tag: b:1", "platform: linux/amd64", "platform: linux/arm64", "build-arg: TOKEN", "build-arg: VERSION", "push: true", "context: ctx",
		},
		"build --no-push -f x .": {"push: false", "file: x", "context: ."},
	} {
		parsed, err := parser.Parse(words(args))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, Inputs(parsed)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", args, diff)
		}
	}
	many, err := parser.Parse(append([]string{"build", "."}, slices.Repeat([]string{"--tag", strings.Repeat("ü", 200)}, 100)...))
	if err != nil {
		t.Fatal(err)
	}
	all := Inputs(many)
	if text := strings.Join(all, ""); len(text) > 3<<10 || !utf8.ValidString(text) || len(all) != 9 || all[1] != "tag: "+strings.Repeat("ü", 128)+" [shortened]" || all[8] != "and 93 more" {
		t.Errorf("%d bytes: %q", len(text), all)
	}
}
