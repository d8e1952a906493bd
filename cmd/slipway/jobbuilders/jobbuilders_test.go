package jobbuilders

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func isKube(name string) bool { return name == "kube" || name == "mine" }

func TestPlan(t *testing.T) {
	s := State{Dir: t.TempDir()}
	if err := s.SetMade(t.Context(), "mine", []string{"mine0"}); err != nil {
		t.Fatal(err)
	}
	if err := s.SetAlias(t.Context(), "other", "kube", time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		create   Create
		standard string
		action   Action
		builder  string
	}{
		// What docker's action does without inputs.
		{Create{Name: "builder-9f3f", Driver: "docker-container"}, "kube", Name, "kube"},
		{Create{Name: "builder-9f3f", Driver: "docker"}, "kube", Name, "kube"},
		{Create{Name: "x"}, "kube", Name, "kube"},
		{Create{Name: "x", Endpoint: "tls-environment"}, "kube", Name, "kube"},
		{Create{Name: "x", Driver: "docker-container", Endpoint: "tcp://h:1"}, "kube", Name, "kube"},
		// Without a builder there is none that a name could stand for.
		{Create{Name: "x", Driver: "docker-container"}, "", Make, "x"},
		{Create{Name: "x"}, "", Make, "x"},
		// A builder of the job's own.
		{Create{Name: "x", Driver: "kubernetes"}, "kube", Make, "x"},
		{Create{Name: "x", Driver: "remote", Endpoint: "tcp://h:1"}, "kube", Make, "x"},
		{Create{Name: "x", Endpoint: "tcp://h:1"}, "kube", Make, "x"},
		{Create{Name: "mine", Change: true}, "kube", Make, "mine"},
		{Create{Name: "mine", Driver: "kubernetes"}, "kube", Make, "mine"},
		{Create{Name: "x", Change: true}, "kube", Make, "x"},
		// One that is shared.
		{Create{Name: "kube", Driver: "kubernetes"}, "kube", Keep, "kube"},
		{Create{Name: "kube", Driver: "docker-container"}, "mine", Keep, "kube"},
		{Create{Name: "kube", Change: true}, "", Keep, "kube"},
		{Create{Name: "other", Change: true}, "kube", Keep, "kube"},
		{Create{Name: "other"}, "mine", Name, "mine"},
	} {
		if action, builder := s.Plan(tt.create, isKube, tt.standard); action != tt.action || builder != tt.builder {
			t.Errorf("%+v, %q: %d %q, want %d %q", tt.create, tt.standard, action, builder, tt.action, tt.builder)
		}
	}
	if got := Name.Says(Create{Name: "x"}, "kube", []string{"driver-opt", "platform"}); got != "builder x is another name of kube in this job: there is no Docker engine for the driver docker-container; without effect: --driver-opt, --platform" {
		t.Errorf("%q", got)
	}
	if got := Keep.Says(Create{Name: "kube"}, "kube", nil); got != "builder kube is not changed: this job has not made it" {
		t.Errorf("%q", got)
	}
}

func TestIsName(t *testing.T) {
	for name, want := range map[string]bool{
		"kube": true, "K0": true, "a.b_c-d": true, "a*": false, "builder-9f3f097a-f0c7-4a6b-b53e-b9c6f2543226": true,
		"": false, "0a": false, "-a": false, ".": false, "..": false, "a/b": false, "a b": false, "a\n": false, "ä": false, "aä": false, "a\x00": false,
		strings.Repeat("a", 253): true, strings.Repeat("a", 254): false,
	} {
		if isName(name) != want {
			t.Errorf("%q: %v, want %v", name, !want, want)
		}
	}
}

func TestState(t *testing.T) {
	ctx, s := t.Context(), State{Dir: filepath.Join(t.TempDir(), "a", "b")}
	if got := s.Resolve("", isKube); got != "" {
		t.Errorf("%q", got)
	}
	if err := s.Forget("kube"); err != nil {
		t.Error(err)
	}
	for _, err := range []error{s.SetAlias(ctx, "Other", "kube", time.Now()), s.Select(ctx, "mine"), s.SetMade(ctx, "mine", []string{"mine0", "mine1"}), s.SetMade(ctx, "empty", nil)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"": "mine", "kube": "kube", "other": "kube", "OTHER": "kube", "unknown": "unknown", "../x": "../x"} {
		if got := s.Resolve(name, isKube); got != want {
			t.Errorf("%q stands for %q, want %q", name, got, want)
		}
	}
	// What is no longer defined is not taken.
	if got := s.Resolve("", func(string) bool { return false }); got != "" {
		t.Errorf("%q", got)
	}
	if nodes, made := s.Made("MINE"); !made || !slices.Equal(nodes, []string{"mine0", "mine1"}) {
		t.Errorf("%q, %v", nodes, made)
	}
	if nodes, made := s.Made("empty"); !made || len(nodes) > 0 {
		t.Errorf("%q, %v", nodes, made)
	}
	if _, made := s.Made("kube"); made {
		t.Error("kube counts as made")
	}
	for _, name := range []string{"../x", "", "a/b", "-x", strings.Repeat("x", 300)} {
		if s.SetAlias(ctx, name, "kube", time.Now()) == nil || s.SetMade(ctx, name, nil) == nil {
			t.Errorf("%q is taken for a name", name)
		}
	}
	for _, name := range []string{"mine", "other", "../selected"} {
		if err := s.Forget(name); err != nil {
			t.Error(err)
		}
	}
	if _, made := s.Made("mine"); made || s.Alias("other") != "" || s.Resolve("", isKube) != "" {
		t.Error("something is left of what was forgotten")
	}
}

// TestOldNames tests that names of runs long ago do not pile up.
func TestOldNames(t *testing.T) {
	s, now := State{Dir: t.TempDir()}, time.Now()
	for _, name := range []string{"a", "b"} {
		if err := s.SetAlias(t.Context(), name, "kube", now); err != nil {
			t.Fatal(err)
		}
	}
	old := now.Add(-maxAge - time.Hour)
	if err := os.Chtimes(filepath.Join(s.Dir, aliasDir, "a"), old, old); err != nil {
		t.Fatal(err)
	}
	if err := s.SetAlias(t.Context(), "c", "kube", now); err != nil {
		t.Fatal(err)
	}
	if s.Alias("a") != "" || s.Alias("b") != "kube" || s.Alias("c") != "kube" {
		t.Errorf("%q %q %q", s.Alias("a"), s.Alias("b"), s.Alias("c"))
	}
}

// TestNoFile tests that what is in the place of a file is not waited for.
func TestNoFile(t *testing.T) {
	s := State{Dir: t.TempDir()}
	if err := unix.Mkfifo(filepath.Join(s.Dir, selectedFile), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := s.Resolve("", isKube); got != "" {
		t.Errorf("%q", got)
	}
	if err := os.MkdirAll(filepath.Join(s.Dir, aliasDir, "other"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := s.Alias("other"); got != "" {
		t.Errorf("%q", got)
	}
}

// FuzzNames reads files that another program may have written.
func FuzzNames(f *testing.F) {
	f.Add("kube\nother\n")
	f.Add("\x00../x \x1b[2J")
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range names(text) {
			if !isName(name) || name != filepath.Base(name) {
				t.Errorf("%q", name)
			}
		}
	})
}
