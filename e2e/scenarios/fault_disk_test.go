package scenarios

import (
	"fmt"
	"strings"
	"testing"
)

// filesDockerfile makes files out of nothing, and takes those of the context.
const filesDockerfile = `FROM base AS make
ARG FILES
ARG BYTES
RUN mkdir /made && cd /made && seq $FILES | xargs touch && head -c $BYTES /dev/zero > large
FROM scratch
COPY --from=make /made /
COPY . /context/
`

// startSmallDisks is an agent with two disks that are soon full: /small has
// room for 8 MiB, and /inodes for few files.
func startSmallDisks(t *testing.T, inodes int) *agent {
	t.Helper()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"))
	a := s.startAgentFrom("agent", strings.Replace(s.agentManifest("agent", s.Bed.Images.Agent),
		"workingDir:", "securityContext: {privileged: true} # it mounts\n      workingDir:", 1))
	a.ok(fmt.Sprintf("mkdir /small /inodes && mount -t tmpfs -o size=8m none /small && mount -t tmpfs -o nr_inodes=%d,size=1g none /inodes", inodes))
	a.write("ctx/Dockerfile", filesDockerfile)
	return a
}

// files is the build of filesDockerfile with so many files in the context, and
// so many made, of which one has bytes.
func (a *agent) files(context, made, bytes int) string {
	a.t.Helper()
	a.ok(fmt.Sprintf("mkdir -p ctx/files && cd ctx/files && seq %d | xargs touch", context))
	build := fmt.Sprintf("slipway build --provenance=false %s--build-arg FILES=%d --build-arg BYTES=%d ", a.base(), made, bytes)
	// buildkitd cannot go on with a base that it was loading when a build failed.
	a.ok(build + "-o type=cacheonly ctx")
	return build
}

// fullRow is a build that meets a full disk.
type fullRow struct {
	what, script string   // DISK is where the disk is mounted
	words        []string // empty for a build that succeeds all the same
}

// fullRows are builds that write to a disk in every way, once each.
func fullRows(build string) []fullRow {
	return []fullRow{
		{"local", build + "-o DISK/out ctx", []string{"DISK/out"}},
		{"tar", build + "-o type=tar,dest=DISK/files.tar ctx", []string{"DISK/files.tar"}},
		{"oci", build + "-o type=oci,dest=DISK/image.tar ctx", []string{"DISK/image.tar"}},
		{"image layout", build + "-o type=oci,tar=false,dest=DISK/layout ctx", []string{"DISK/layout"}},
		{"cache", build + "-o type=cacheonly --cache-to type=local,mode=max,dest=DISK/cache ctx", []string{"DISK/cache"}},
		{"metadata file", build + "-o type=cacheonly --metadata-file DISK/meta.json ctx", []string{"--metadata-file"}},
		{"image ID", build + "-o type=oci,dest=/image.tar --iidfile DISK/iid ctx", []string{"--iidfile"}},
		{"context from stdin", "TMPDIR=DISK " + build + "-o type=cacheonly - < /ctx.tar", []string{"TMPDIR"}},
		{"tar on stdout", "TMPDIR=DISK " + build + "-o - ctx > /dev/null", []string{"TMPDIR"}},
		// What cannot be kept of the context's digests is read again.
		{"digests", "XDG_CACHE_HOME=DISK " + build + "-o type=cacheonly ctx; code=$?; rmdir DISK/slipway 2> /dev/null; exit $code", nil},
	}
}

// meet runs builds that meet a full disk, which are done again when there is
// room.
func (a *agent) meet(t *testing.T, disk, full, fill string, rows []fullRow) {
	t.Helper()
	defer func() { a.t = t }()
	for _, row := range rows {
		what := full + " for " + row.what
		t.Run(what, func(t *testing.T) {
			a.t = t
			f := plant(t, "disk", what)
			script := strings.ReplaceAll(row.script, "DISK", disk)
			a.ok("rm -rf " + disk + "/* " + disk + "/.[!.]*; " + fill)
			// Blobs of a cache are whole, and the next export finds them.
			list := strings.ReplaceAll("find DISK ! -path DISK/cache ! -path 'DISK/cache/*'; find DISK/cache -type f ! -path '*/blobs/*' 2> /dev/null || true", "DISK", disk)
			before := a.ok(list)
			r := f.run(a, script)
			if len(row.words) == 0 {
				f.survived(r)
			} else {
				words := strings.Split(strings.ReplaceAll(strings.Join(row.words, "\n"), "DISK", disk), "\n")
				f.explained(r, 2, append(words, "error: ", "no space left on device", "hint: ")...)
			}
			after := a.ok(list)
			f.held(partialOutput, after == before, "on the disk there was\n%s\nand there is\n%s", before, after)
			left := a.ok("ls -A; " + temporaries)
			f.held(leak, left == "ctx\n", "there is\n%s", left)
			a.ok("rm -rf " + disk + "/*")
			next := f.run(a, script)
			f.held(leak, next.code == 0, "with room it ends with exit %d:\n%s", next.code, next.stderr)
			if strings.Contains(script, "XDG_CACHE_HOME") {
				a.ok("ls " + disk + "/slipway/*.sums")
			}
		})
	}
}

func TestFaultFullDisk(t *testing.T) {
	long(t)
	t.Parallel()
	a := startSmallDisks(t, 100)
	build := a.files(2100, 10, 300_000)
	a.ok("tar -C ctx -cf /ctx.tar .")
	rows := fullRows(build)
	a.meet(t, "/small", "no byte left", "! head -c 9000000 /dev/zero > /small/fill 2> /dev/null", rows)
	// The root of the file system is an inode, too. A tree has more files than
	// that: it is TestFaultTooFewInodes's.
	a.meet(t, "/inodes", "no inode left", "cd /inodes && seq 99 | xargs touch && ! touch more 2> /dev/null", rows[1:])
}

func TestFaultTooFewInodes(t *testing.T) {
	t.Parallel()
	a := startSmallDisks(t, 1000)
	a.tooFewInodes(t, 2000)
}

func TestFaultTooFewInodesForManyFiles(t *testing.T) {
	long(t)
	t.Parallel()
	a := startSmallDisks(t, 50_000)
	a.tooFewInodes(t, 100_000)
}

// tooFewInodes lets a disk become full while a tree is received.
func (a *agent) tooFewInodes(t *testing.T, files int) {
	t.Helper()
	f := plant(t, "disk", fmt.Sprintf("too few inodes for a tree of %d files", files))
	build := a.files(files, files, 1)
	before := a.ok("ls -A /inodes")
	r := f.run(a, build+"-o /inodes/out ctx")
	f.explained(r, 2, "error: ", "no space left on device", "/inodes/out", "hint: ")
	after := a.ok("ls -A /inodes")
	f.held(partialOutput, after == before, "the disk has %q", after)
	next := f.run(a, build+"-o out ctx && ls out | wc -l")
	f.held(leak, next.code == 0 && next.stdout == fmt.Sprintln(files+2), "elsewhere there are %s entries, exit %d:\n%s", next.stdout, next.code, next.stderr)
	left := a.ok("ls -A; " + temporaries)
	f.held(leak, left == "ctx\nout\n", "there is\n%s", left)
}

func TestFaultNoDescriptors(t *testing.T) {
	t.Parallel()
	a := startSmallDisks(t, 10)
	a.noDescriptors(t, 2000, 8, 10, 13, 16, 20, 26, 40)
}

func TestFaultNoDescriptorsForManyFiles(t *testing.T) {
	long(t)
	t.Parallel()
	a := startSmallDisks(t, 10)
	limits := []int{64, 128, 256}
	for n := 8; n < 48; n += 5 {
		limits = append(limits, n)
	}
	a.noDescriptors(t, 100_000, limits...)
}

// noDescriptors builds with few file descriptors.
func (a *agent) noDescriptors(t *testing.T, files int, limits ...int) {
	t.Helper()
	defer func() { a.t = t }()
	build := a.files(files, files, 300_000) + "-o out -o type=tar,dest=files.tar -o type=oci,dest=image.tar --iidfile iid --metadata-file meta.json ctx"
	const results = "out files.tar image.tar iid meta.json"
	for _, limit := range limits {
		what := fmt.Sprintf("%d descriptors and %d files", limit, files)
		t.Run(what, func(t *testing.T) {
			a.t = t
			f := plant(t, "disk", what)
			a.ok("rm -rf " + results)
			r := f.run(a, fmt.Sprintf("ulimit -n %d; %s", limit, build))
			left := a.ok("ls -A; " + temporaries)
			if r.code == 0 {
				f.survived(r)
				f.held(partialOutput, left == "ctx\nfiles.tar\niid\nimage.tar\nmeta.json\nout\n", "there is\n%s", left)
				return
			}
			f.explained(r, 2, "error: ", "too many open files", "hint: ", "ulimit -n")
			f.held(partialOutput, left == "ctx\n", "there is\n%s", left)
		})
	}
	a.t = t
	a.ok("rm -rf " + results + "; " + build)
}

func TestFaultFileSizeLimit(t *testing.T) {
	t.Parallel()
	a := startSmallDisks(t, 10)
	build := a.files(10, 10, 3_000_000)
	for _, output := range []string{"out", "type=tar,dest=files.tar", "type=oci,compression=uncompressed,dest=image.tar"} {
		t.Run(output, func(t *testing.T) {
			a.t = t
			f := plant(t, "disk", "a limit of the size of files, output "+output)
			r := f.run(a, "ulimit -f 2000; "+build+"-o "+output+" ctx")
			f.explained(r, 2, "error: ", "file too large", "hint: ", "ulimit -f")
			left := a.ok("ls -A; " + temporaries)
			f.held(partialOutput, left == "ctx\n", "there is\n%s", left)
			next := f.run(a, build+"-o "+output+" ctx")
			f.held(leak, next.code == 0, "without the limit: exit %d:\n%s", next.code, next.stderr)
			a.ok("rm -rf out files.tar image.tar")
		})
		a.t = t
	}
}
