package sidecar

import (
	"errors"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/registry"
)

// TestMayPush tests which repositories patterns stand for, each part by itself.
func TestMayPush(t *testing.T) {
	hub := registry.CanonicalHost("docker.io")
	for pattern, cases := range map[string]map[string]bool{
		"registry.example/team/app": {
			"registry.example/team/app": true, "registry.example/team/app2": false, "registry.example/team/app/sub": false,
			"evil.example/team/app": false, "registry.example/team": false,
		},
		"registry.example/apps/*":     {"registry.example/apps/a": true, "registry.example/apps/a/b": false, "registry.example/apps": false},
		"registry.example/app-*/x":    {"registry.example/app-1/x": true, "registry.example/app-1/y/x": false, "registry.example/app/x": false},
		"registry.example/group/**":   {"registry.example/group/a": true, "registry.example/group/a/b/c": true, "registry.example/group": false, "registry.example/groups/a": false, "registry.example/group/": false},
		"registry.example/*/deep/**":  {"registry.example/a/deep/x/y": true, "registry.example/a/deep/x": true, "registry.example/a/deep": false, "registry.example/a/b/deep/x": false, "registry.example/a/shallow/x": false},
		"registry.example/*/**":       {"registry.example/a/b": true, "registry.example/a": false},
		"registry.example/**":         {"registry.example/a": true, "registry.example/a/b/c": true, "other.example/a": false},
		"Registry.Example:443/team/*": {"registry.example/team/app": true},
		"docker.io/me/*":              {hub + "/me/x": true, hub + "/you/x": false},
		"index.docker.io/me/x":        {hub + "/me/x": true},
		"registry-1.docker.io/me/**":  {hub + "/me/x/y": true},
		"docker.io/nginx":             {hub + "/library/nginx": true, hub + "/nginx": false},
	} {
		c, _ := newCredentials(t, pattern)
		for repository, want := range cases {
			if got := c.mayPush(repository); got != want {
				t.Errorf("%s: %s: %t, want %t", pattern, repository, got, want)
			}
		}
	}
}

// TestPatternsOfRepositories tests that a pattern which would stand for nothing, or for
// more than it seems to, is refused with what to write instead.
func TestPatternsOfRepositories(t *testing.T) {
	for pattern, want := range map[string]string{
		"":                              "write the name of the registry first",
		"registry.example":              "write the name of the registry first",
		"/team/app":                     "write the name of the registry first",
		"registry.example/":             `write "registry.example/**" for all of the registry`,
		"registry.example/team/":        `write "registry.example/team" for one repository, "registry.example/team/**" for all below`,
		"registry.example/team/**/":     "** is the whole last part",
		"registry.example/team//app":    "write one slash",
		"registry.example/team**":       `"registry.example/team/**" for all below`,
		"registry.example/**/app":       "** is the whole last part",
		"registry.example/team/a**":     "** is the whole last part",
		"registry.example/***":          "** is the whole last part",
		"registry.example/[":            "syntax error in pattern",
		"registry.example/[/**":         "syntax error in pattern",
		"registry.example/team/app:1":   "its tags are not told apart",
		"registry.example/Team/app":     `write "registry.example/team/app"`,
		"https://registry.example/team": `write "registry.example/team"`,
		"other.example/team/app":        "the credentials for other.example are not given out",
	} {
		_, err := NewCredentials(nil, &lender{}, []string{"registry.example"}, []string{pattern}, zerolog.Nop())
		if err == nil {
			t.Errorf("%q is taken", pattern)
			continue
		}
		text := err.Error()
		if hinted := (interface{ Hints() []string })(nil); errors.As(err, &hinted) {
			text += " " + strings.Join(hinted.Hints(), " ")
		}
		if !strings.Contains(text, want) {
			t.Errorf("%q: %s, want %q", pattern, text, want)
		}
	}
}
