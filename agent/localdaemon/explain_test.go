package localdaemon

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// The lines are those of rootlesskit 1.1 and 2.3, shadow 4.13 and BuildKit 0.34.
func TestHintOf(t *testing.T) {
	for log, want := range map[string]string{
		`[rootlesskit:parent] error: failed to setup UID/GID map: newuidmap 9013 [0 65000 1] failed: : exec: "newuidmap": executable file not found in $PATH`:   "package uidmap",
		`[rootlesskit:parent] error: failed to setup UID/GID map: failed to compute uid/gid map: No subuid ranges found for user 65000 ("builder")`:             "/etc/subuid",
		`[rootlesskit:parent] error: failed to setup UID/GID map: failed to compute uid/gid map: user: unknown userid 65000`:                                    "/etc/passwd",
		"newuidmap 9035 [0 65000 1 1 200000 65536] failed: newuidmap: write to uid_map failed: Operation not permitted\n: exit status 1":                        "allowPrivilegeEscalation: true",
		`[rootlesskit:parent] error: failed to start the child: fork/exec /proc/self/exe: operation not permitted`:                                              "kernel.unprivileged_userns_clone=1",
		`[rootlesskit:parent] error: failed to start the child: fork/exec /proc/self/exe: no space left on device`:                                              "user.max_user_namespaces",
		`[rootlesskit:parent] error: failed to start the child: fork/exec /proc/self/exe: permission denied`:                                                    "apparmor_restrict_unprivileged_userns",
		"buildkitd: no worker found, rebuild the buildkit daemon?":                                                                                              "runc",
		"buildkitd: could not lock /x/buildkitd.lock, another instance running?":                                                                                "another buildkitd",
		"buildkitd: write /x/state/cache.db: no space left on device":                                                                                           "disk",
		"buildkitd: mkdir /x/state: read-only file system":                                                                                                      "cannot be written",
		"newuidmap is there\nsomething else: operation not permitted":                                                                                           "",
		`level=warning msg="failed check for fsverity support" error="enable fsverity failed: operation not supported" path=/root/state/runc-overlayfs/content`: "",
		"": "",
	} {
		if got := hintOf(log); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s\n\thint %q, want %q in it", log, got, want)
		}
	}
}

func TestLastLines(t *testing.T) {
	log := "time=1 level=info msg=fine\n\none\r\ntwo\nthree\nfour\nfive\nsix " + strings.Repeat("x", 400) + "\ntime=1 level=debug msg=fine\n"
	want := "two | three | four | five | six " + strings.Repeat("x", maxLine-4) + "…"
	if diff := cmp.Diff(want, lastLines(log)); diff != "" {
		t.Error(diff)
	}
}

func FuzzLastLines(f *testing.F) {
	f.Add("one\ntwo\n\xff\xfe level=info x\n" + strings.Repeat("ä", 400))
	f.Fuzz(func(t *testing.T, log string) {
		_ = hintOf(log)
		got := lastLines(log)
		if len(got) > tailLines*(maxLine+len("…")+len(" | ")) || utf8.ValidString(log) && !utf8.ValidString(got) {
			t.Errorf("%q", got)
		}
	})
}

func TestCommand(t *testing.T) {
	have := func(names ...string) func(string) (string, error) {
		return func(name string) (string, error) {
			for _, n := range names {
				if n == name {
					return "/bin/" + n, nil
				}
			}
			return "", errors.New(name + ": not found")
		}
	}
	n := configmap.Node{
		Local: &configmap.Local{Buildkitd: "buildkitd", Rootlesskit: "rootlesskit", Root: "/r"},
		Flags: []string{"--debug"},
		Files: map[string][]byte{"buildkitd.toml": nil},
	}
	daemon := "/bin/buildkitd --addr=unix:///r/buildkitd.sock --root=/r/state --otel-socket-path=/r/otel.sock --containerd-worker=false --config=/r/etc/buildkitd.toml --debug"
	for _, c := range []struct {
		name string
		root bool
		have []string
		want string
		hint string
	}{
		{"root", true, []string{"buildkitd"}, daemon, ""},
		{"user", false, []string{"buildkitd", "rootlesskit"}, "/bin/rootlesskit " + daemon, ""},
		{"user without rootlesskit", false, []string{"buildkitd"}, "", "driver-opt rootlesskit=PATH"},
		{"nothing", true, nil, "", "driver-opt buildkitd=PATH"},
	} {
		line, err := command(n, c.root, have(c.have...))
		if got := strings.Join(line, " "); got != c.want || !strings.Contains(strings.Join(fault.Hints(err), " "), c.hint) || (err == nil) != (c.hint == "") {
			t.Errorf("%s: %q, %v, %q", c.name, got, err, fault.Hints(err))
		}
	}
}

func TestWriteFiles(t *testing.T) {
	root := t.TempDir()
	n := configmap.Node{Local: &configmap.Local{Root: root}, Files: map[string][]byte{
		"buildkitd.toml": []byte(`ca=["/etc/buildkit/certs/r/ca.pem"]`),
		"certs/r/ca.pem": []byte("pem"),
	}}
	if err := writeFiles(n); err != nil {
		t.Fatal(err)
	}
	toml, err := os.ReadFile(filepath.Join(root, "etc/buildkitd.toml"))
	if want := `ca=["` + root + `/etc/certs/r/ca.pem"]`; err != nil || string(toml) != want {
		t.Errorf("%s, %v, want %s", toml, err, want)
	}
	if pem, err := os.ReadFile(filepath.Join(root, "etc/certs/r/ca.pem")); err != nil || string(pem) != "pem" {
		t.Errorf("%s, %v", pem, err)
	}
	n.Files = map[string][]byte{"../out": nil}
	if err := writeFiles(n); err == nil {
		t.Error("a file outside was written")
	}
}
