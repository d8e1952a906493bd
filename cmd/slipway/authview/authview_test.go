package authview

import (
	"strings"
	"testing"
	"time"
)

func TestParseTarget(t *testing.T) {
	tests := []struct{ value, want string }{
		{"registry.example", "registry.example"},
		{"registry.example:5000", "registry.example:5000"},
		{"localhost", "localhost"},
		{"localhost:5000", "localhost:5000"},
		{"[::1]:5000", "[::1]:5000"},
		{"[fd00::1]", "[fd00::1]"},
		{"[fd00::1]:5000/app:1", "[fd00::1]:5000/app"},
		{"app", "docker.io/library/app"},
		{"app:1", "docker.io/library/app"},
		{"app:5000", "docker.io/library/app"},
		{"registry.example/team/app:1", "registry.example/team/app"},
		{"registry.example:5000/app@sha256:0000000000000000000000000000000000000000000000000000000000000000", "registry.example:5000/app"},
	}
	for _, tt := range tests {
		got, err := ParseTarget(tt.value)
		if err != nil || got.String() != tt.want || got.Named != strings.Contains(tt.want, "/") {
			t.Errorf("%s: %s, %v; want %s", tt.value, got, err, tt.want)
		}
	}
}

func TestExpires(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for at, want := range map[time.Time]string{
		{}:                     "-",
		now.Add(time.Hour):     "2030-01-01T01:00:00Z",
		now.Add(-time.Minute):  "expired 2029-12-31T23:59:00Z",
		now.Add(1 - time.Hour): "expired 2029-12-31T23:00:00Z",
	} {
		if got := expires(at, now); got != want {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
	}
}
