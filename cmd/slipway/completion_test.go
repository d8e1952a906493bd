package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/cmd/slipway/model"
	"github.com/slipway-build/slipway/configmap"
)

// TestFlagValues tests that what is completed is what the flags take, and that
// there are such flags.
func TestFlagValues(t *testing.T) {
	known := map[string]bool{}
	for _, command := range model.Completables(newParser(t).Model.Node) {
		for _, flag := range command.Flags {
			known[flag.Longs[0]] = true
			for _, value := range flag.Values {
				if !regexp.MustCompile(`\b` + regexp.QuoteMeta(value) + `\b`).MatchString(flag.Help) {
					t.Errorf("slipway %s --%s: the help does not name the value %s: %s", command.Name, flag.Longs[0], value, flag.Help)
				}
			}
		}
	}
	for name := range model.FlagValues {
		if !known[name] {
			t.Errorf("no command has --%s", name)
		}
	}
	if _, err := progress.ParseMode("fancy"); err == nil || !strings.HasSuffix(err.Error(), "known are "+strings.Join(model.FlagValues["progress"], ", ")) {
		t.Errorf("--progress has the values %v: %v", model.FlagValues["progress"], err)
	}
	for name, parse := range map[string]func(string) error{
		"progress":  func(v string) error { _, err := progress.ParseMode(v); return err },
		"transport": func(v string) error { _, err := configmap.ParseTransport(v); return err },
		"drift":     func(v string) error { _, err := configmap.ParseDrift(v); return err },
		"call":      func(v string) error { _, err := solve.ParseCall(v); return err },
		"profile": func(v string) error {
			return configmap.Create{Name: "kube", Driver: configmap.DriverKubernetes, Profile: v}.Validate()
		},
		"driver": func(v string) error {
			return configmap.Create{Name: "kube", Driver: v, Endpoint: map[string]string{configmap.DriverRemote: "tcp://h:1"}[v]}.Validate()
		},
	} {
		for _, value := range model.FlagValues[name] {
			if err := parse(value); err != nil {
				t.Errorf("--%s=%s: %v", name, value, err)
			}
		}
	}
}
