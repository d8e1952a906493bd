// Package groovy gets Groovy for tests, from Debian's packages.
package groovy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/slipway-build/slipway/e2e/testbed/internal/cluster"
	"github.com/slipway-build/slipway/e2e/testbed/internal/debian"
	"github.com/slipway-build/slipway/e2e/testbed/internal/report"
)

// jars are what of Debian's packages runs a script: Groovy with all that it needs,
// and a parser of YAML.
var jars = []string{"usr/share/java/groovy-all.jar", "usr/share/java/snakeyaml.jar"}

var packages = []string{"groovy", "libyaml-snake-java"}

// Command prepares a Groovy script with its arguments. What is missing is unpacked
// into the testbed's cache, or, for Java itself, installed.
func Command(ctx context.Context, script string, args ...string) (*exec.Cmd, error) {
	classpath, err := get(ctx)
	if err != nil {
		return nil, fmt.Errorf("get Groovy: %w", err)
	}
	// A short run: the second compiler would not pay.
	java := []string{"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Dfile.encoding=UTF-8", "-cp", classpath, "groovy.ui.GroovyMain", script}
	return exec.CommandContext(ctx, "java", append(java, args...)...), nil
}

// get makes sure that everything is there and returns the class path.
func get(ctx context.Context) (string, error) {
	cache := os.Getenv("TESTBED_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find the user's cache: %w\nhint: set TESTBED_CACHE to a folder", err)
		}
		cache = filepath.Join(user, "slipway-testbed")
	}
	unlock, err := cluster.Lock(ctx, cache, "groovy", report.New(os.Stderr))
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := debian.Install(ctx, []debian.Need{{Package: "default-jre-headless", Program: "java"}}); err != nil {
		return "", err
	}
	folder := filepath.Join(cache, "groovy")
	if _, err := os.Stat(folder); errors.Is(err, os.ErrNotExist) {
		if err := unpack(ctx, folder); err != nil {
			return "", err
		}
	} else if err != nil {
		return "", err
	}
	var paths []string
	for _, jar := range jars {
		paths = append(paths, filepath.Join(folder, jar))
	}
	return strings.Join(paths, string(filepath.ListSeparator)), nil
}

// unpack makes a folder that is there whole or not at all.
func unpack(ctx context.Context, folder string) error {
	work := folder + ".unfinished" // one that is there was left by a killed start
	if err := os.RemoveAll(work); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	if err := debian.Unpack(ctx, work, "amd64", packages...); err != nil {
		return err
	}
	return os.Rename(work, folder)
}
