package solve

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/slipway-build/slipway/internal/fault"
)

// dockerignore is the file that says what of a directory is not sent.
const dockerignore = ".dockerignore"

// checkLinks refuses links that BuildKit does not follow where the user would
// not expect it: it reads the Dockerfile and .dockerignore within the directory
// that is sent, and a link out of that directory leads nowhere there. Without
// its .dockerignore a build would send, and keep in an image, what was to stay
// on the agent.
func (p *preparation) checkLinks() {
	name := p.inputs.Attrs[attrFilename]
	ofContext := true
	if dir := p.inputs.Mounts[mountDockerfile]; dir != "" && name != "" {
		if problem, target := lostLink(dir, name); problem != "" {
			flag, value := "--file", p.request.Dockerfile
			if value == "" {
				flag, value = "build context", p.request.Context
				problem = name + " " + problem
			}
			hint := ""
			if target != "" {
				hint = "name the file itself: --file " + target
			}
			p.mistakes.Add(&fault.Usage{Flag: flag, Value: value, Problem: problem, Hint: hint})
		}
		own := name + dockerignore // takes the place of the context's
		p.checkIgnoreFile(dir, own)
		_, err := os.Lstat(filepath.Join(dir, own))
		ofContext = err != nil
	}
	if p.contextDir != "" && ofContext {
		p.checkIgnoreFile(p.contextDir, dockerignore)
	}
	for _, c := range p.named {
		p.checkIgnoreFile(c.Value, dockerignore)
	}
}

func (p *preparation) checkIgnoreFile(dir, name string) {
	// Whoever opens a named pipe waits, the builder included.
	if info, err := os.Stat(filepath.Join(dir, name)); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		p.mistakes.Add(&fault.Usage{Flag: "directory", Value: dir, Problem: name + " is not a regular file", Hint: "put a file in its place, or remove it"})
		return
	}
	if problem, _ := lostLink(dir, name); problem != "" {
		p.mistakes.Add(&fault.Usage{
			Flag: "directory", Value: dir, Problem: name + " " + problem + ", so nothing would be excluded",
			Hint: "put the file itself in the place of the link",
		})
	}
}

// lostLink says why the daemon would not find the file behind a link in a
// directory that it may read; empty for a file, for nothing, and for a link
// that stays within. target is the file that the link means on the agent, if
// there is one.
func lostLink(dir, name string) (problem, target string) {
	path := filepath.Join(dir, name)
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return "", ""
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", "" // found and reported when the directory was opened
	}
	defer closeQuietly(root)
	// Like BuildKit, a Root takes neither a link out of the directory nor an
	// absolute one.
	if _, err = root.Stat(name); err == nil {
		return "", ""
	}
	link, readErr := os.Readlink(path)
	target, targetErr := filepath.EvalSymlinks(path)
	switch {
	case readErr != nil:
		return "is a symbolic link that cannot be read: " + fault.Cause(readErr), ""
	case errors.Is(targetErr, fs.ErrNotExist):
		return fmt.Sprintf("is a symbolic link to %s, which does not exist", link), ""
	case targetErr != nil:
		return fmt.Sprintf("is a symbolic link to %s: %s", link, fault.Cause(err)), ""
	}
	return fmt.Sprintf("is a symbolic link to %s, and BuildKit follows only relative links that stay in the directory", link), target
}
