package scenarios

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/e2e/registrytest/proxy"
)

// interruption is a way in which a build ends before it is done.
type interruption struct {
	name string
	// kill ends the process $pid, whose parent then sees code.
	kill string
	code int
	// starved says that the agent runs with little memory.
	starved bool
}

var (
	killed     = interruption{name: "SIGKILL", kill: "kill -KILL $pid", code: 137}
	terminated = interruption{name: "SIGTERMs", kill: "while kill -TERM $pid 2> /dev/null; do sleep 0.02; done", code: 143}
	// A file in memory grows until the container has no more. The kernel then
	// ends the largest process of those with the highest score: slipway, and
	// what writes the file after it.
	outOfMemory = interruption{
		name: "OOM", code: 137, starved: true,
		kill: "echo 1000 > /proc/$pid/oom_score_adj; while grep -q '^State:.[^ZX]' /proc/$pid/status 2> /dev/null; do sh -c 'echo 1000 > /proc/self/oom_score_adj; exec head -c 1000000 /dev/zero' >> /hog/file || break; done; rm /hog/file",
	}
)

// phase is a part of a build.
type phase struct {
	name, flags string
	// line is an expression for the line of the log that tells of it.
	line string
	// held is the request of the agent that is not answered while the build is
	// ended; nil where the line says enough.
	held *regexp.Regexp
	// left is a script that fails unless what has appeared already is whole;
	// empty where nothing may have.
	left string
	// long phases are ended in make faults only.
	long bool
}

// largeDockerfile has a result that takes a while to export.
const largeDockerfile = `ARG BASE=scratch
FROM ${BASE} AS make
RUN head -c 150000000 /dev/zero > /large
FROM scratch
COPY --from=make /large /large
`

// phases are those of a build that makes every kind of output.
func phases(s *shop) []phase {
	large := both + s.from()
	tags := "-t " + s.tag("v1") + " -t " + s.tag("other") + " --push "
	files := "-o out -o type=tar,dest=files.tar "
	const publishing = "merging what the nodes have pushed"
	return []phase{
		{name: "the wait for a builder", long: true, flags: "--definitions waiting --platform linux/s390x -o out small", line: "affinity"},
		{name: "the upload of the context", flags: both + "-o out upload", line: `transferring context: .*MB`},
		{name: "a step", long: true, flags: both + s.from() + "-f small/Long " + files + "small", line: "running$"},
		{name: "a step, with the context from stdin", long: true, flags: both + s.from() + "-f Long " + files + "- < context.tar", line: "running$"},
		{name: "the export to local", flags: large + "-o out large", line: "copying files"},
		{name: "the export to tar", long: true, flags: large + "-o type=tar,dest=files.tar large", line: "sending tarball"},
		{name: "the export to oci", long: true, flags: large + "-o type=oci,compression=uncompressed,dest=image.tar large", line: "sending tarball"},
		{
			name: "the merge of two platforms", long: true, flags: large + tags + files + "-o type=oci,dest=image.tar small",
			line: publishing, held: regexp.MustCompile(`/manifests/sha256:`),
		},
		{
			name: "the publication of an index", flags: large + tags + files + "--iidfile iid --metadata-file meta.json changed",
			line: publishing, held: manifestOf("(v1|other)"),
			// Files appear before tags move.
			left: "tar -tf files.tar && test -f out/linux_amd64/machine.txt -a -f out/linux_arm64/machine.txt && rm -r files.tar out",
		},
	}
}

func TestFaultKilled(t *testing.T) {
	t.Parallel()
	endInEveryPhase(t, killed)
}

func TestFaultSIGTERMs(t *testing.T) {
	long(t)
	t.Parallel()
	endInEveryPhase(t, terminated)
}

func TestFaultOutOfMemory(t *testing.T) {
	long(t)
	t.Parallel()
	endInEveryPhase(t, outOfMemory)
}

// endInEveryPhase ends a build in each of its phases, all in one workspace, and
// builds there again each time.
func endInEveryPhase(t *testing.T, e interruption) {
	p := startProxy(t)
	s := newShop(t, bed(t).Images.Agent, p.Registry())
	if e.starved {
		config := s.ok("cat /root/.docker/config.json")
		s.agent = s.startAgentFrom("starved", strings.NewReplacer(
			"workingDir:", "resources: {limits: {memory: 256Mi}, requests: {memory: 256Mi}}\n      workingDir:",
			"volumeMounts:\n", "volumeMounts:\n        - {name: hog, mountPath: /hog}\n",
			"volumes:\n", "volumes:\n    - {name: hog, emptyDir: {medium: Memory}}\n",
		).Replace(s.agentManifest("starved", s.Bed.Images.Agent)))
		s.write("/root/.docker/config.json", config)
	}
	ip := s.kubectl("", "get", "pod", s.pod, "-o", "jsonpath={.status.podIP}")
	waiting := s.builderNode("s390x")
	waiting.Slipway = map[string]any{"unschedulableGrace": "100s"}
	s.definitionFile("waiting", waiting)
	s.write("small/Dockerfile", machineDockerfile)
	s.write("small/Long", "ARG BASE=scratch\nFROM ${BASE}\nRUN echo running && sleep 600\n")
	s.write("changed/Dockerfile", machineDockerfile+"LABEL changed=yes\n")
	s.write("large/Dockerfile", largeDockerfile)
	s.write("upload/Dockerfile", "FROM scratch\nCOPY . /\n")
	s.ok("rm -f Dockerfile; truncate -s 400M upload/file; mkdir job; tar -C small -cf context.tar .")
	// It makes all that the others make.
	whole := "slipway build " + both + s.from() + "-t " + s.tag("v1") + " -t " + s.tag("other") +
		" -o out -o type=tar,dest=files.tar -o type=oci,dest=image.tar --push --iidfile iid --metadata-file meta.json - < context.tar"
	const results, everything = "out files.tar image.tar iid meta.json", "changed\ncontext.tar\nfiles.tar\niid\nimage.tar\njob\nlarge\nmeta.json\nout\nsmall\nupload\nwaiting\n"
	s.ok(whole)
	before := s.digest("v1")
	for _, ph := range phases(s) {
		t.Run(ph.name, func(t *testing.T) {
			if ph.long {
				long(t)
			}
			s.t = t
			row := plant(t, "signal", e.name+" during "+ph.name)
			p.Forget()
			if ph.held != nil {
				p.Add(proxy.Rule{Method: http.MethodPut, Path: ph.held, Client: ip, Fault: proxy.Hold(make(chan struct{}))})
			}
			s.ok("rm -rf job/* " + results + "; (slipway build --progress plain " + ph.flags + ` > job/log 2>&1 & pid=$!
until test -e job/end || ` + fmt.Sprintf("%t && grep -q '%s' job/log", ph.held == nil, ph.line) + `; do kill -0 $pid || break; sleep 0.05; done
` + e.kill + "; wait $pid; echo $? > job/code) < /dev/null > job/sh 2>&1 &")
			if ph.held != nil {
				s.until("the log tells of the phase", "grep -q '"+ph.line+"' job/log || test -s job/code")
				await, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				if err := p.Await(await, http.MethodPut, ph.held, 1); err != nil {
					t.Error(err)
				}
				s.ok("touch job/end")
			}
			row.run(s.agent, "until test -s job/code; do sleep 0.1; done")
			r := s.sh("cat job/log job/sh >&2; exit $(cat job/code)")
			p.Clear()
			row.explained(r, e.code)
			if !regexp.MustCompile("(?m)" + ph.line).MatchString(r.stderr) {
				t.Fatalf("the log does not tell of the phase:\n%s", r.stderr)
			}

			if ph.left != "" {
				whole := s.sh(ph.left)
				row.held(partialOutput, whole.code == 0, "what has appeared is not whole: %s", whole.stderr)
			}
			left := s.ok("ls -d " + results + " 2> /dev/null || true")
			row.held(partialOutput, left == "", "the build has left %q", left)
			for _, tag := range []string{"v1", "other"} {
				got := s.digest(tag)
				row.held(halfMovedTag, got == before, "tag %s was %s and is %s", tag, before, got)
			}
			active := 0
			s.eventually("no builder works for nobody", func() bool { active = activeBuilds(s.agent); return active == 0 })
			row.held(leak, active == 0, "%d builds still run", active)

			next := row.run(s.agent, whole)
			if next.code != 0 {
				t.Fatalf("the next build: exit %d:\n%s", next.code, next.stderr)
			}
			left = s.ok("ls -A; " + temporaries)
			row.held(leak, left == everything, "after the next build there is\n%s", left)
			s.index("v1", "linux/amd64", "linux/arm64")
			tags, err := s.images.Tags(t.Context(), s.Name)
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(tags)
			row.held(leak, strings.Join(tags, " ") == "other v1", "the repository has tags %q", tags)
			before = s.digest("v1")
		})
		s.t = t
	}
}

// temporaries is a script that lists what builds may have left outside of the
// workspace.
const temporaries = `find /tmp ~/.cache/slipway -name '*slipway-*' -o -name '.tmp-*' 2> /dev/null || true`

// activeBuilds is how many builds run on all builders.
func activeBuilds(a *agent) int {
	a.t.Helper()
	n := 0
	for _, node := range inspect(a, "").Nodes {
		for _, pod := range node.Pods {
			n += pod.ActiveBuilds
		}
	}
	return n
}
