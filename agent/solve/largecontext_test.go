package solve

import (
	"testing"

	"github.com/slipway-build/slipway/agent/solve/contextfs"
)

func TestLargeContextWarning(t *testing.T) {
	sent := contextfs.Sent{
		Bytes: 152_000_000, Files: 12000, Largest: []contextfs.SentEntry{{Path: "node_modules", Bytes: 148_000_000}, {Path: "src", Bytes: 4_000_000}},
		Ignorable: []string{"node_modules"},
	}
	if got, want := largeContextWarning("context .", sent), "context .: 152MB in 12000 files went to the builder, most of it node_modules 148MB, src 4MB; if the build does not need them, add to .dockerignore: node_modules"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	sent.Ignorable = nil
	if got, want := largeContextWarning("--build-context data", sent), "--build-context data: 152MB in 12000 files went to the builder, most of it node_modules 148MB, src 4MB; leave out with .dockerignore what the build does not need"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestWhichDirectoriesHaveAnAccount(t *testing.T) {
	said := 0
	r := Request{Context: ".", Warn: func(string) { said++ }}
	for mount, want := range map[string]bool{mountContext: true, mountDockerfile: false, "extra": true} {
		a := r.account(mount)
		if (a != nil) != want {
			t.Errorf("%s: %v", mount, a)
		}
		if a != nil {
			a.Tell(contextfs.Sent{})
		}
	}
	if said != 2 || (Request{}).account(mountContext) != nil {
		t.Errorf("%d warnings", said)
	}
}
