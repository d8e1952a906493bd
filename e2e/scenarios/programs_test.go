package scenarios

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"sync"
)

// Programs that scenarios run or bring into pods. Each is built once, by the
// first scenario that needs it: linking one costs as much as several builds.
var (
	product      = program("../..", "./cmd/slipway")
	commandsProg = program("../..", "./internal/sanitize/sanitizetest/commands") // of another module
	intruderProg = program("..", "./faults/intruder")
	sshListProg  = program(".", "./testdata/sshlist")
)

// programsDir holds them until all scenarios have ended.
var programsDir = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "slipway-scenarios-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755) // other users run some of them, too
})

// program returns a function that builds the command of a package and returns
// the path of the binary, which runs in pods as well.
func program(module, pkg string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		dir, err := programsDir()
		if err != nil {
			return "", err
		}
		file := filepath.Join(dir, path.Base(pkg))
		build := exec.Command("go", "build", "-o", file, pkg)
		build.Dir = filepath.FromSlash(module)
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH=amd64")
		if out, err := build.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
		}
		return file, os.Chmod(file, 0o755)
	})
}

// removePrograms removes what was built.
func removePrograms() error {
	dir, err := programsDir()
	return errors.Join(err, os.RemoveAll(dir))
}
