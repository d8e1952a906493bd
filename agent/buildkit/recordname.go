package buildkit

import (
	"path"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"
)

// Name is what docker buildx calls the build: BUILDKIT_BUILD_NAME, else what it can
// tell of context, Dockerfile and target. context and dockerfile are the paths on the
// machine that built, as docker buildx keeps them there; empty elsewhere. The name is
// empty where nothing is known.
// (https://github.com/docker/buildx/blob/v0.38.2/util/history/name.go)
func (r BuildRecord) Name(context, dockerfile string) string {
	if name := r.Attrs["build-arg:BUILDKIT_BUILD_NAME"]; name != "" {
		return name
	}
	name := r.contextName()
	if name == "" {
		name = r.fileName(context, dockerfile)
	}
	switch target := r.Attrs["target"]; {
	case target == "":
	case name == "":
		return target
	default:
		return name + " (" + target + ")"
	}
	if name == "" {
		name, _ = dfgitutil.FragmentFormat(r.source(), false) // empty where it is none
	}
	return name
}

// contextName is the URL of a context, or the path of a local one in its repository.
func (r BuildRecord) contextName() string {
	if context, ok := r.Attrs["context"]; ok {
		return slashed(context)
	}
	if dir := r.Attrs["vcs:localdir:context"]; dir != "." {
		return slashed(dir)
	}
	return ""
}

// source is the repository of a context; empty where that is not known.
func (r BuildRecord) source() string {
	if source, ok := r.Attrs["vcs:source"]; ok {
		return source
	}
	if input := r.Attrs["input:context"]; input != "" {
		if _, ok, _ := dfgitutil.ParseGitRef(input); ok {
			return input
		}
	}
	return ""
}

// fileName is made of the paths of context and Dockerfile: the directory of the
// context, and what the Dockerfile adds to it.
func (r BuildRecord) fileName(context, dockerfile string) string {
	const usual = "Dockerfile"
	file := ""
	if name := r.Attrs["filename"]; name != usual {
		file = slashed(name)
	}
	if dir := r.Attrs["vcs:localdir:dockerfile"]; dir != "" && dir != "." {
		file = path.Join(slashed(dir), file)
	}
	dir := ""
	if !strings.Contains(context, "://") && !strings.HasPrefix(context, "git@") {
		if context != "-" {
			dir = slashed(context)
		}
		if dockerfile != "" && dockerfile != "-" && dockerfile != usual {
			file = slashed(dockerfile)
		}
	}
	isUsual := file == "" || strings.HasSuffix(file, "/"+usual)
	file = strings.TrimSuffix(file, "/"+usual)
	switch {
	case len(file) > len(dir) && strings.HasPrefix(file, dir):
		return file[strings.LastIndex(dir, "/")+1:]
	case file == "" && dir == "":
		return ""
	case file == "":
		return dir[strings.LastIndex(dir, "/")+1:]
	case isUsual:
		return path.Base(file)
	}
	return path.Join(path.Base(path.Dir(file)), path.Base(file))
}

func slashed(p string) string { return strings.ReplaceAll(p, `\`, "/") }
