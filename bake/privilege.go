package bake

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Privileges are what was allowed of what a bake file may ask for, by --allow: the
// values, such as network.host, device=NAME or fs.read=PATH.
type Privileges struct {
	values []string
	// read and write are paths; any stands for all of them.
	read, write       []string
	anyRead, anyWrite bool
}

// The kinds of privileges that name something.
const (
	privilegeFS      = "fs"
	privilegeFSRead  = "fs.read"
	privilegeFSWrite = "fs.write"
	privilegeSSH     = "ssh"
	privilegeDevice  = "device"
	privilegeDelete  = "buildx.local.delete"
)

// ParsePrivileges parses the values of --allow.
func ParsePrivileges(values []string) (Privileges, error) {
	p := Privileges{}
	for _, value := range values {
		kind, what, named := strings.Cut(value, "=")
		switch kind {
		case "":
			continue
		case "network.host", "security.insecure", privilegeSSH, privilegeDelete:
			if named {
				return p, fmt.Errorf("--allow %q: %s takes no value", value, kind)
			}
		case privilegeDevice, "image", "image.push", "image.load":
		case privilegeFS, privilegeFSRead, privilegeFSWrite:
			if what == "" {
				return p, fmt.Errorf("--allow %q: is not %s=PATH", value, kind)
			}
			if kind != privilegeFSWrite {
				p.read, p.anyRead = append(p.read, what), p.anyRead || what == "*"
			}
			if kind != privilegeFSRead {
				p.write, p.anyWrite = append(p.write, what), p.anyWrite || what == "*"
			}
			continue
		default:
			return p, fmt.Errorf("--allow %q: is none of network.host, security.insecure, device, ssh, fs, fs.read, fs.write, %s", value, privilegeDelete)
		}
		p.values = append(p.values, value)
	}
	return p, nil
}

// Missing are the values of --allow that the plan needs beside those given: what a file
// asks for beyond the directory of the command. files says that paths are looked at.
// lookup reads the environment.
func (p Privileges) Missing(plan *Plan, dir string, files bool, lookup func(string) (string, bool)) []string {
	var missing []string
	need := func(value string) {
		kind, _, _ := strings.Cut(value, "=")
		if slices.Contains(p.values, value) || kind == privilegeDevice && slices.Contains(p.values, kind) {
			return
		}
		missing = append(missing, value)
	}
	var asked Paths
	for _, name := range slices.Sorted(maps.Keys(plan.Targets)) {
		t := plan.Targets[name]
		for _, entitlement := range t.Entitlements {
			need(entitlement)
		}
		for _, o := range t.Outputs {
			if o[keyType] == "local" && o["mode"] == "delete" {
				need(privilegeDelete)
			}
		}
		paths := t.paths(dir, lookup)
		asked.Read, asked.Write = append(asked.Read, paths.Read...), append(asked.Write, paths.Write...)
		if files && slices.ContainsFunc(t.SSH, func(s SSH) bool { return len(s.Paths) == 0 }) {
			need(privilegeSSH)
		}
	}
	if files {
		if !p.anyRead {
			missing = append(missing, outside(asked.Read, slices.Concat(p.read, plan.Named.Read), dir, privilegeFSRead)...)
		}
		if !p.anyWrite {
			missing = append(missing, outside(asked.Write, slices.Concat(p.write, plan.Named.Write), dir, privilegeFSWrite)...)
		}
	}
	return uniqueStrings(missing)
}

// paths are those that a target reads and writes on the machine of the command.
func (t *Target) paths(dir string, lookup func(string) (string, bool)) Paths {
	var p Paths
	local := func(value string) {
		path, ok := localPath(value)
		if !ok && isDir(value, dir) { // a build takes it for that, not for a URL
			path, ok = value, true
		}
		if ok {
			p.Read = append(p.Read, path)
		}
	}
	local(*t.Context)
	if !IsRemote(*t.Context) && t.DockerfileInline == nil {
		p.Read = append(p.Read, t.DockerfilePath())
	}
	for _, value := range t.Contexts {
		local(value)
	}
	for _, e := range t.Outputs {
		if e[keyDest] != "" && e[keyDest] != "-" {
			p.Write = append(p.Write, e[keyDest])
		}
	}
	p.Read = append(p.Read, valuesOf(localOnes(t.CacheFrom), keySource)...)
	p.Write = append(p.Write, valuesOf(localOnes(t.CacheTo), keyDest)...)
	for _, e := range t.Secrets {
		switch _, inEnv := lookup(e[keyID]); {
		case e[keySource] != "":
			p.Read = append(p.Read, e[keySource])
		case e[keyEnv] == "" && !inEnv: // a file of that name
			p.Read = append(p.Read, e[keyID])
		}
	}
	for _, one := range t.SSH {
		p.Read = append(p.Read, one.Paths...)
	}
	return p
}

// localPath is the path that a context is; false where it is none.
func localPath(value string) (string, bool) {
	if layout, ok := strings.CutPrefix(value, "oci-layout://"); ok {
		path, _, _ := strings.Cut(layout, "@")
		if at := strings.LastIndex(path, ":"); at > strings.LastIndex(path, "/") {
			path = path[:at]
		}
		return path, true
	}
	if path, ok := strings.CutPrefix(value, hostPrefix); ok {
		return path, true
	}
	if IsRemote(value) || strings.HasPrefix(value, linkPrefix) || strings.HasPrefix(value, "docker-image:") {
		return "", false
	}
	return value, true
}

// outside are the values of a privilege for paths that are in none of the directories.
func outside(paths, allowed []string, dir, privilege string) []string {
	var roots []string
	for _, path := range append(slices.Clone(allowed), ".") {
		roots = append(roots, resolve(path, dir), follow(path, dir))
	}
	var missing []string
	for _, path := range paths {
		inside := func(real string) bool {
			return slices.ContainsFunc(roots, func(root string) bool { return within(real, root) })
		}
		// What reads it may take .. after a link for the parent of the link, or of what the
		// link is to.
		if !inside(resolve(path, dir)) || !inside(follow(path, dir)) {
			missing = append(missing, privilege+"="+path)
		}
	}
	slices.Sort(missing)
	return missing
}

// within says whether a path is a directory or below it.
func within(path, dir string) bool {
	return path == dir || dir == "/" || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// isDir reports whether a path is a directory.
func isDir(path, dir string) bool {
	if !filepath.IsAbs(path) {
		path = dir + string(filepath.Separator) + path
	}
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// follow is the absolute path as the system finds it, which follows links before a .. after
// them, as far as it is there.
func follow(path, dir string) string {
	if !filepath.IsAbs(path) {
		path = dir + string(filepath.Separator) + path
	}
	for at, rest := path, ""; at != ""; {
		if real, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(real, rest)
		}
		cut := strings.LastIndexByte(at, filepath.Separator)
		if cut < 0 {
			break
		}
		at, rest = at[:cut], filepath.Join(at[cut+1:], rest)
	}
	return filepath.Clean(path)
}

// resolve is the absolute path without symbolic links, as far as it is there.
func resolve(path, dir string) string {
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	path = filepath.Clean(path)
	rest := ""
	for at := path; ; at = filepath.Dir(at) {
		if real, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(real, rest)
		}
		if _, err := os.Lstat(at); err == nil && at != path { // a link to nowhere
			return path
		}
		if at == "/" || at == "." {
			return path
		}
		rest = filepath.Join(filepath.Base(at), rest)
	}
}
