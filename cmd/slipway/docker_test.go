package main

import (
	"slices"
	"strings"
	"testing"
)

func TestArgumentsOfDocker(t *testing.T) {
	for _, tt := range []struct {
		name called
		args string
		want string
	}{
		{"docker-buildx", "buildx build .", "build ."},
		{"docker-buildx", "build buildx", "build buildx"},
		{"docker-buildx", "-D buildx build .", "build ."},
		{"docker-buildx", "--context X buildx ls", "ls"},
		{"docker-buildx", "--context buildx buildx ls", "ls"},
		{"docker-buildx", "--context=X --config dir --tlsverify buildx ls", "ls"},
		{"docker-buildx", "-H tcp://h:1 -cX -l debug -DHtcp://h:1 -DH tcp://h:1 buildx ls --context Y", "ls --context Y"},
		{"docker", "-D buildx --builder kube build buildx", "--builder kube build buildx"},
		// Without the plugin's name all is Slipway's.
		{"docker-buildx", "--builder kube build buildx", "--builder kube build buildx"},
		{"docker-buildx", "-D build buildx", "-D build buildx"},
		{"docker-buildx", "--context", "--context"},
		{"docker-buildx", "-", "-"},
		{"slipway", "-D buildx ls", "-D buildx ls"},
	} {
		if got := tt.name.arguments(strings.Fields(tt.args)); !slices.Equal(got, strings.Fields(tt.want)) {
			t.Errorf("%s %s: %q, want %q", tt.name, tt.args, got, tt.want)
		}
	}
}
