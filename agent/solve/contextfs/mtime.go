package contextfs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/tonistiigi/go-csvvalue"
)

// MtimeMode is which modification times the files of contexts have for the
// builder and in images.
type MtimeMode string

// The modes. The zero value is MtimeAuto.
const (
	// MtimeAuto is MtimeContent unless the Dockerfile keeps results of tools
	// between builds, which may compare times, or an output is to have times
	// of its own.
	MtimeAuto MtimeMode = "auto"
	// MtimeKeep leaves the times as they are on the agent; whole seconds get a
	// fraction that is derived from the content.
	MtimeKeep MtimeMode = "keep"
	// MtimeContent derives them from the content, so that a file is sent once
	// whichever clone it comes from.
	MtimeContent MtimeMode = "content"
)

// ComparesTimes says why tools of a Dockerfile may compare the times of files;
// empty when they do not, or the Dockerfile cannot be read. Such tools keep their
// results in cache mounts between builds: a changed file whose derived time lies in
// the past would look older than what was made of it before.
func ComparesTimes(dockerfile string) (reason string) {
	f, err := os.Open(dockerfile)
	if err != nil {
		return "" // found and reported already
	}
	defer closeQuietly(f)
	parsed, err := parser.Parse(f)
	if err != nil {
		return "" // the builder will say so
	}
	for _, node := range parsed.AST.Children {
		if target, found := resultMount(node); found {
			return fmt.Sprintf("line %d of the Dockerfile has a cache mount at %s, and a tool that compares times would not see what has changed; if there is none, use --context-mtime=content", node.StartLine, target)
		}
	}
	return ""
}

// resultMount returns the target of an instruction's cache mount that may hold
// results made from files of the context.
func resultMount(node *parser.Node) (target string, found bool) {
	if node.Next != nil && strings.EqualFold(node.Value, "onbuild") && len(node.Next.Children) > 0 {
		return resultMount(node.Next.Children[0])
	}
	if !strings.EqualFold(node.Value, "run") {
		return "", false
	}
	for _, flag := range node.Flags {
		value, ok := strings.CutPrefix(flag, "--mount=")
		if !ok {
			continue
		}
		if target, found := cacheTarget(value); found && !holdsPackages(target) {
			return target, true
		}
	}
	return "", false
}

// cacheTarget returns the target of a mount if it is, or may be, a cache.
func cacheTarget(value string) (target string, cache bool) {
	fields, err := csvvalue.Fields(value, nil)
	if err != nil {
		return value, true
	}
	for _, field := range fields {
		key, value, _ := strings.Cut(field, "=")
		switch strings.ToLower(key) {
		case "type":
			cache = strings.EqualFold(value, "cache") || strings.Contains(value, "$")
		case "target", "dst", "destination":
			target = value
		}
	}
	return target, cache
}

// packageDirs are directories in which package managers and compilers keep
// what they find again by name or content, never by comparing its time with
// that of a source. They may stand anywhere in a path.
var packageDirs = []string{
	"/.cache/", "/var/cache/", "/var/lib/apt/", // XDG, pip, go-build, apk, apt, dnf
	"/go/pkg/mod/",
	"/.cargo/registry/", "/cargo/registry/", "/.cargo/git/", "/cargo/git/", "/.rustup/",
	"/.npm/", "/.yarn/", "/.pnpm-store/", "/pnpm/store/", "/.bun/",
	"/.m2/", "/.gradle/", "/.ivy2/", "/.sbt/",
	"/.nuget/", "/.composer/", "/.bundle/", "/.gem/", "/.conda/", "/.hex/",
	"/.ccache/", "/ccache/", "/sccache/",
}

// holdsPackages reports whether the target of a cache mount is for packages. A
// path with a variable may be anything.
func holdsPackages(target string) bool {
	if !filepath.IsAbs(target) && !strings.HasPrefix(target, "~/") || strings.Contains(target, "$") {
		return false
	}
	full := filepath.Clean("/"+target) + "/"
	for _, dir := range packageDirs {
		if strings.Contains(full, dir) {
			return true
		}
	}
	return false
}
