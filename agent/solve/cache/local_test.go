package cache

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/slipway-build/slipway/agent/solve/job"
)

func TestPresent(t *testing.T) {
	dir := t.TempDir()
	hex := strings.Repeat("a", 64)
	write(t, dir, attrs(
		"whole/index.json", `{"manifests":[{"digest":"sha256:`+hex+`","annotations":{"org.opencontainers.image.ref.name":"latest"}}]}`,
		"whole/blobs/sha256/"+hex, "{}",
		"tagged/index.json", `{"manifests":[{"digest":"sha256:`+hex+`","annotations":{"org.opencontainers.image.ref.name":"v1"}}]}`,
		"tagged/blobs/sha256/"+hex, "{}",
		"noblob/index.json", `{"manifests":[{"digest":"sha256:`+hex+`","annotations":{"org.opencontainers.image.ref.name":"latest"}}]}`,
		"broken/index.json", `{"manif`,
		"empty/x", "",
	))
	local := func(name string, more ...string) Entry {
		return Entry{Type: "local", Attrs: attrs(append([]string{"src", filepath.Join(dir, name)}, more...)...)}
	}
	tests := []struct {
		name  string
		cache Entry
		want  bool
	}{
		{"whole", local("whole"), true},
		{"tag", local("tagged", "tag", "v1"), true},
		{"other tag", local("tagged"), false},
		{"digest", local("tagged", "digest", "sha256:"+hex), true},
		{"other digest", local("whole", "digest", "sha256:"+strings.Repeat("b", 64)), false},
		{"blob lost", local("noblob"), false},
		{"broken index", local("broken"), false},
		{"empty", local("empty"), false},
		{"no directory", local("nowhere"), false},
		{"not local", cache("registry", "ref", "a"), true},
	}
	before := tree(t, dir)
	for _, tt := range tests {
		imports, _ := Set{From: []Entry{tt.cache}}.Options(job.Job{Single: true}, false)
		got := Present(imports)
		if (len(got) == 1) != tt.want {
			t.Errorf("%s: present = %v, want it %v", tt.name, got, tt.want)
		}
		if tt.want && tt.cache.Type == "local" && got[0].Attrs["digest"] != "sha256:"+hex {
			t.Errorf("%s: digest is %q", tt.name, got[0].Attrs["digest"])
		}
	}
	if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
		t.Errorf("looking left traces (-before +after):\n%s", diff)
	}
}

// An index that is a named pipe is not waited for.
func TestIndexWithoutAnEnd(t *testing.T) {
	dir := t.TempDir()
	must(t, unix.Mkfifo(filepath.Join(dir, "index.json"), 0o600))
	if got := indexed(dir, ""); got != "" {
		t.Errorf("an index that is a pipe has %s", got)
	}
}
