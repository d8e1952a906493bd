package model

import (
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

func TestDropEmpty(t *testing.T) {
	var line struct {
		Builder string
		Debug   bool
		Build   struct {
			Context  string `arg:""`
			File     string `short:"f"`
			Wait     time.Duration
			Platform []string
			Label    []string
			Pull     bool
		} `cmd:"" aliases:"b"`
		Up struct{ File string } `cmd:""`
	}
	parser, err := kong.New(&line)
	if err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"build --file= --wait= .":                   "build .",
		"build --file '' . -f ''":                   "build .",
		"b --file= .":                               "b .",
		"build --builder= .":                        "build .",
		"--builder= build --file= .":                "build .",
		"--builder build build --file= .":           "--builder build build .",
		"--debug build --platform= .":               "--debug build .",
		"build --platform '' --platform=x .":        "build --platform=x .",
		"build --label= --label '' .":               "build --label= --label '' .",
		"build --label x= --file=a .":               "build --label x= --file=a .",
		"build --pull= .":                           "build --pull= .",
		"build --unknown= ''":                       "build --unknown= ''",
		"build -f= .":                               "build .",
		"build --file --pull .":                     "build --file --pull .",
		"build --label --file= .":                   "build --label --file= .",
		"build --file --label= .":                   "build --file --label= .",
		"build --file":                              "build --file",
		"build -- --file=":                          "build -- --file=",
		"build '' --file=":                          "build ''",
		"up --file=":                                "up --file=",
		"--builder=":                                "--builder=",
		"-- build --file=":                          "-- build --file=",
		"nothing --file= build":                     "nothing --file= build",
		"--unknown build --file= --platform=a,b . ": "--unknown build --platform=a,b .",
	} {
		got := DropEmpty(parser.Model, "build", words(args), "platform")
		if diff := cmp.Diff(words(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", args, diff)
		}
	}
}

// words splits at spaces; two quotes are an empty word.
func words(text string) []string {
	all := strings.Fields(text)
	for i, word := range all {
		if word == "''" {
			all[i] = ""
		}
	}
	return all
}
