package main

import (
	"fmt"
	"strconv"
)

// The Dockerfiles of repositories. The result is the one file that a commit
// changes, so that the context and nothing else is measured, and a stale one
// is found out.
const (
	copied  = `FROM scratch AS src\nCOPY . /src\nFROM scratch\nCOPY --from=src /src/commit.txt /\n`
	mounted = `FROM base AS src\nRUN --mount=target=/src cp /src/commit.txt /\nFROM scratch\nCOPY --from=src /commit.txt /\n`
)

// repository is a source tree at a commit: everything but one file follows
// from the seed.
type repository struct {
	files      int
	bytes      size
	seed       uint64
	dockerfile string
	commit     string
}

// clone makes a fresh clone, where no clone is. What is not on the disk yet is
// written out before a measure begins, not during it.
func (r repository) clone(dir string) string {
	return fmt.Sprintf(`set -eu
rm -rf %[6]s %[1]s
mkdir -p $(dirname %[1]s)
tree -dir %[1]s -files %[2]d -bytes %[3]d -seed %[4]d
printf '%[5]s' > %[1]s/Dockerfile
echo %[7]s > %[1]s/commit.txt
sync`, dir, r.files, r.bytes, r.seed, r.dockerfile, out, r.commit)
}

// built is the run that builds the clone at dir.
func (r repository) built(project, dir string, run int) work {
	return work{
		before: r.clone(dir),
		env:    job(project, dir, strconv.Itoa(run+1)),
		command: building(build{
			builder: kube, platforms: oneNode, context: dir, base: r.dockerfile == mounted,
			output: "type=local,dest=" + out,
		}),
		check: "cmp " + out + "/commit.txt " + dir + "/commit.txt",
	}
}

// cloneDir is a path that no earlier run had: some CI systems number their
// workspaces.
func cloneDir(project string, run int) string { return fmt.Sprintf("%s/%d/%s", clones, run, project) }

// firstUpload sends a context that no builder has seen: new bytes every time.
func firstUpload(s scale) row {
	const dir = clones + "/team/upload"
	return row{
		name:  s.big.String() + " context, first upload",
		tools: []tool{slipway, buildx, buildctl},
		goals: []goal{{against: buildx, faster: 2.5}, {against: buildctl, within: 1.1}},
		runs:  s.heavy, warmUps: s.warmUps, fresh: true, // a disk that goes with the agent
		work: func(run int) work {
			r := repository{files: 64, bytes: s.big, seed: uint64(run), dockerfile: copied, commit: fmt.Sprint("upload ", run)}
			w := r.built("team/upload", dir, run)
			w.prune = true
			return w
		},
	}
}

// changedFile is the next commit of a repository whose last one the builder
// has built, from a fresh clone on a fresh agent.
func changedFile(s scale) row {
	return row{
		name:  s.repository.String() + " repository, fresh clone on a fresh agent, one file changed",
		tools: []tool{slipway, buildx, buildctl},
		goals: []goal{{against: buildx, faster: 10}},
		runs:  s.heavy, warmUps: s.warmUps, fresh: true,
		work: func(run int) work {
			r := repository{files: s.repositoryFiles, bytes: s.repository, seed: 1, dockerfile: copied, commit: fmt.Sprint("commit ", run)}
			w := r.built("team/shop", cloneDir("team/shop", run), run)
			w.prune = run == 0
			return w
		},
	}
}

// changedFileMounted leaves out what all tools have in common: that BuildKit
// copies the whole repository into a layer when one file has changed.
func changedFileMounted(s scale) row {
	r := changedFile(s)
	r.name = s.repository.String() + " repository as above, but mounted (`RUN --mount`) instead of copied"
	r.goals = nil
	r.work = func(run int) work {
		r := repository{files: s.repositoryFiles, bytes: s.repository, seed: 2, dockerfile: mounted, commit: fmt.Sprint("commit ", run)}
		w := r.built("team/mounted", cloneDir("team/mounted", run), run)
		w.prune = run == 0
		return w
	}
	return r
}

// unchangedFiles builds a commit again from a fresh clone.
func unchangedFiles(s scale) row {
	return row{
		name:  count(s.smallFiles) + " small files, fresh clone on a fresh agent, nothing changed",
		tools: []tool{slipway, buildx, buildctl},
		goals: []goal{{against: buildx, faster: 5}},
		runs:  s.heavy, warmUps: s.warmUps, fresh: true,
		work: func(run int) work {
			r := repository{files: s.smallFiles, bytes: s.small, seed: 3, dockerfile: copied, commit: "same"}
			w := r.built("team/small", cloneDir("team/small", run), run)
			w.prune = run == 0
			return w
		},
	}
}

// filesCurve is unchangedFiles for contexts of other sizes.
func filesCurve(s scale) curve {
	c := curve{name: "curve: files in the context, fresh clone on a fresh agent, nothing changed", quantity: "files of 1 kB"}
	for _, n := range s.curveFiles {
		at := s
		at.smallFiles, at.small = n, size(n)*1000
		r := unchangedFiles(at)
		r.runs, r.goals = min(s.heavy, 2), nil
		c.points = append(c.points, point{n: n, row: r})
	}
	return c
}
