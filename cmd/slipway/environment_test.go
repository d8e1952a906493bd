package main

import (
	"reflect"
	"strings"
	"testing"
)

// TestVariablesHaveOneReader finds variables that are read twice: by two
// fields, or by a flag and by the environment of other tools.
func TestVariablesHaveOneReader(t *testing.T) {
	flags := map[string]bool{}
	for _, list := range variablesOf(reflect.TypeFor[cli](), nil) {
		for name := range strings.SplitSeq(list, ",") {
			flags[name] = true
		}
	}
	if !flags["SLIPWAY_BUILDER"] {
		t.Fatal("the flags' variables are not found")
	}
	seen := map[string]bool{}
	for _, name := range variablesOf(reflect.TypeFor[environment](), nil) {
		if flags[name] {
			t.Errorf("%s is read by a flag and by the environment", name)
		}
		if seen[name] {
			t.Errorf("%s is read by two fields of the environment", name)
		}
		seen[name] = true
	}
	if !seen["CI_REGISTRY"] || !seen["HOME"] {
		t.Fatal("the environment's variables are not found")
	}
}

// variablesOf are the values of the tags env in a struct and those within it.
func variablesOf(t reflect.Type, all []string) []string {
	for field := range t.Fields() {
		if name := field.Tag.Get("env"); name != "" {
			all = append(all, name)
		} else if field.Type.Kind() == reflect.Struct {
			all = variablesOf(field.Type, all)
		}
	}
	return all
}
