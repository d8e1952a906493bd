package image

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/slipway-build/slipway/e2e/testbed/internal/run"
)

// Busybox is a small userland: busybox with a link for each of its applets, and
// the folders and files that programs expect. Programs live below /usr, as they
// do on the machine that the libraries are copied from.
func Busybox(ctx context.Context, program, lister string) (*Tree, error) {
	tree := &Tree{}
	for _, dir := range []string{"usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/local/bin", "etc", "root", "home", "proc", "sys", "dev", "run", "var/lib", "opt"} {
		tree.Dir(dir, 0o755)
	}
	for _, dir := range []string{"tmp", "var/tmp"} {
		tree.Dir(dir, 0o1777)
	}
	for _, dir := range []string{"bin", "sbin", "lib", "lib64"} {
		tree.Symlink(dir, "usr/"+dir)
	}
	if err := tree.Host("usr/bin/busybox", program); err != nil {
		return nil, err
	}
	// Asked of a busybox that runs here: the applets of both architectures
	// are the same.
	applets, err := run.Output(ctx, lister, "--list-full")
	if err != nil {
		return nil, fmt.Errorf("list busybox's applets: %w", err)
	}
	for applet := range strings.FieldsSeq(applets) {
		applet = strings.TrimPrefix(applet, "usr/")
		if !strings.HasPrefix(applet, "bin/") && !strings.HasPrefix(applet, "sbin/") || applet == "bin/busybox" {
			continue
		}
		tree.Symlink("usr/"+applet, "/usr/bin/busybox")
	}
	tree.File("etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"))
	tree.File("etc/group", 0o644, []byte("root:x:0:\nnogroup:x:65534:\n"))
	tree.File("etc/nsswitch.conf", 0o644, []byte("passwd: files\ngroup: files\nhosts: files dns\n"))
	return tree, nil
}

// gitLeftOut are parts of git that no build uses and that are large or need an
// interpreter.
var gitLeftOut = []string{"mergetools", "scalar", "git-imap-send", "git-http-push", "git-add--interactive", "git-instaweb", "git-subtree", "git-filter-branch", "git-shell"}

// Git is this machine's git with everything it loads, and CA certificates.
func Git(ctx context.Context) (*Tree, error) {
	tree := &Tree{}
	if err := tree.Host("etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt"); err != nil {
		return nil, err
	}
	if err := tree.Host("usr/share/git-core/templates/description", "/usr/share/git-core/templates/description"); err != nil {
		return nil, err
	}
	if err := tree.Host("usr/bin/git", "/usr/bin/git"); err != nil {
		return nil, err
	}
	const core = "usr/lib/git-core"
	if err := tree.Host(core, "/"+core); err != nil {
		return nil, err
	}
	for name := range tree.entries {
		for _, out := range gitLeftOut {
			if left := path.Join(core, out); name == left || strings.HasPrefix(name, left+"/") {
				delete(tree.entries, name)
			}
		}
	}
	for _, program := range []string{"/usr/bin/git", "/" + core + "/git-remote-http"} {
		libraries, err := linked(ctx, program)
		if err != nil {
			return nil, err
		}
		for _, library := range libraries {
			if err := hostLibrary(tree, library); err != nil {
				return nil, err
			}
		}
	}
	return tree, nil
}

// hostLibrary adds a library under the name by which it is loaded, its links
// followed, below /usr whichever way this machine spells it.
func hostLibrary(tree *Tree, library string) error {
	resolved, err := filepath.EvalSymlinks(library)
	if err != nil {
		return fmt.Errorf("find the library %s: %w", library, err)
	}
	content, err := os.ReadFile(resolved)
	if err != nil {
		return fmt.Errorf("take %s into an image: %w", library, err)
	}
	name := strings.TrimPrefix(library, "/")
	if !strings.HasPrefix(name, "usr/") {
		name = "usr/" + name
	}
	tree.File(name, 0o755, content)
	return nil
}
