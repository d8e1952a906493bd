package image

import (
	"context"
	"path/filepath"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// rootlessUser is who BuildKit's rootless image runs as.
const rootlessUser = 1000

// The capabilities of linux/capability.h that the helpers of rootlesskit need.
// Debian's packages give them the setuid bit instead, with which they fail in
// a pod: "write to uid_map failed".
const (
	capSetgid = 6
	capSetuid = 7
)

// Rootless is BuildKit as its own project ships it for a user that is not root:
// buildkitd behind rootlesskit, with that image's user, folders and variables.
func (m Maker) Rootless(ctx context.Context) (v1.Image, error) {
	trees, err := m.shellAndGit(ctx)
	if err != nil {
		return nil, err
	}
	programs, err := m.buildkitPrograms()
	if err != nil {
		return nil, err
	}
	user, err := m.rootlessUserland(ctx)
	if err != nil {
		return nil, err
	}
	return assemble("amd64", v1.Config{
		Env: []string{
			searchPath,
			"HOME=/home/user",
			"USER=user",
			"XDG_RUNTIME_DIR=/run/user/1000",
			"TMPDIR=/home/user/.local/tmp",
			"BUILDKIT_HOST=unix:///run/user/1000/buildkit/buildkitd.sock",
		},
		User:       strconv.Itoa(rootlessUser) + ":" + strconv.Itoa(rootlessUser),
		Entrypoint: []string{"rootlesskit", "buildkitd"},
		Volumes:    map[string]struct{}{"/home/user/.local/share/buildkit": {}},
	}, append(trees, programs, user)...)
}

// rootlessUserland is the user and what lets it be root of a namespace.
func (m Maker) rootlessUserland(ctx context.Context) (*Tree, error) {
	tree := &Tree{}
	for name, capability := range map[string]int{"rootlesskit": -1, "newuidmap": capSetuid, "newgidmap": capSetgid} {
		program := filepath.Join(m.Debian, "rootless", name)
		libraries, err := linked(ctx, program)
		if err != nil {
			return nil, err
		}
		for _, library := range libraries {
			if err := hostLibrary(tree, library); err != nil {
				return nil, err
			}
		}
		if err := tree.Host("usr/bin/"+name, program); err != nil {
			return nil, err
		}
		if capability >= 0 {
			tree.Capability("usr/bin/"+name, capability)
		}
	}
	tree.File("etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"))
	tree.File("etc/group", 0o644, []byte("root:x:0:\nuser:x:1000:\nnogroup:x:65534:\n"))
	for _, name := range []string{"etc/subuid", "etc/subgid"} {
		tree.File(name, 0o644, []byte("user:100000:65536\n"))
	}
	for _, dir := range []string{"run/user/1000", "home/user", "home/user/.local", "home/user/.local/tmp", "home/user/.local/share", "home/user/.local/share/buildkit"} {
		tree.Dir(dir, 0o755)
		tree.Own(dir, rootlessUser)
	}
	return tree, nil
}
