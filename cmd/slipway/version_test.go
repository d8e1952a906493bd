package main

import (
	"runtime/debug"
	"testing"
)

func TestVersionLine(t *testing.T) {
	v := versionInfo{Version: "1.2.3", BuildKitClient: "v0.33.1", GoVersion: "go1.26.8", Platform: "linux/arm64"}
	const unknown = "slipway 1.2.3 linux/arm64 (go1.26.8, BuildKit client v0.33.1)"
	if got := v.line(); got != unknown {
		t.Errorf("without a commit: %q, want %q", got, unknown)
	}
	v.Commit = "0123abc-dirty"
	const known = "slipway 1.2.3 linux/arm64 (commit 0123abc-dirty, go1.26.8, BuildKit client v0.33.1)"
	if got := v.line(); got != known {
		t.Errorf("with a commit: %q, want %q", got, known)
	}
}

func TestCommitOfTheGoCommand(t *testing.T) {
	setting := func(key, value string) debug.BuildSetting { return debug.BuildSetting{Key: key, Value: value} }
	for _, tt := range []struct {
		settings []debug.BuildSetting
		want     string
	}{
		{nil, ""},
		{[]debug.BuildSetting{setting("vcs.modified", "true")}, ""},
		{[]debug.BuildSetting{setting("vcs.revision", "0123abc"), setting("vcs.modified", "false")}, "0123abc"},
		{[]debug.BuildSetting{setting("vcs.modified", "true"), setting("vcs.revision", "0123abc")}, "0123abc-dirty"},
	} {
		if got := vcsCommit(tt.settings); got != tt.want {
			t.Errorf("vcsCommit(%v) = %q, want %q", tt.settings, got, tt.want)
		}
	}
}
