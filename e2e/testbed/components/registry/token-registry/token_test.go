package main

import (
	"reflect"
	"testing"

	"github.com/distribution/distribution/v3/registry/auth/token"
)

func TestScopes(t *testing.T) {
	for _, tt := range []struct {
		name       string
		parameters []string
		want       []token.ResourceActions
	}{
		{"none", nil, nil},
		{"one", []string{"repository:a/b:pull,push"}, []token.ResourceActions{{Type: "repository", Name: "a/b", Actions: []string{"pull", "push"}}}},
		{"a port in the name", []string{"repository:r:5000/a:pull"}, []token.ResourceActions{{Type: "repository", Name: "r:5000/a", Actions: []string{"pull"}}}},
		{"two in one, and one", []string{"repository:a:pull repository:b:pull", "repository:c:push"}, []token.ResourceActions{
			{Type: "repository", Name: "a", Actions: []string{"pull"}},
			{Type: "repository", Name: "b", Actions: []string{"pull"}},
			{Type: "repository", Name: "c", Actions: []string{"push"}},
		}},
		{"no scope at all", []string{"repository", "repository:a"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := scopes(tt.parameters); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("scopes = %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestMay(t *testing.T) {
	team := user{Actions: []string{"pull", "push"}, Prefix: "team/"}
	for _, tt := range []struct {
		name   string
		wanted token.ResourceActions
		want   []string
	}{
		{"its own", token.ResourceActions{Type: "repository", Name: "team/app", Actions: []string{"push", "pull", "delete"}}, []string{"push", "pull"}},
		{"another's", token.ResourceActions{Type: "repository", Name: "teams/app", Actions: []string{"pull"}}, nil},
		{"the catalog", token.ResourceActions{Type: "registry", Name: "team/catalog", Actions: []string{"pull"}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := team.may(tt.wanted).Actions; !reflect.DeepEqual(got, tt.want) {
				t.Errorf("may = %q, want %q", got, tt.want)
			}
		})
	}
}
