package scenarios

import (
	"fmt"
	"strings"
	"testing"
)

// TestDiskTooSmallForTheOutput exports more than fits on the agent's disk.
func TestDiskTooSmallForTheOutput(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"), s.builderNode("arm64"))
	// A disk of 16 MiB at /small.
	manifest := strings.NewReplacer(
		"volumeMounts:\n", "volumeMounts:\n        - {name: small, mountPath: /small}\n",
		"volumes:\n", "volumes:\n    - {name: small, emptyDir: {medium: Memory, sizeLimit: 16Mi}}\n",
	).Replace(s.agentManifest("agent", s.Bed.Images.Agent))
	a := s.startAgentFrom("agent", manifest)
	a.write("Dockerfile", "FROM base AS make\nRUN head -c 20000000 /dev/urandom > /big\nFROM scratch\nCOPY --from=make /big /big\n")
	// buildkitd cannot go on with a base that it was loading when a build was
	// cancelled ("unsupported offset"), and here each ends in the middle.
	a.ok("slipway build " + both + a.base() + "-o type=cacheonly .")
	for _, platforms := range []string{"--platform linux/amd64 ", both} {
		for _, output := range []string{"type=local,dest=/small/out", "type=tar,dest=/small/out.tar", "type=oci,dest=/small/image.tar", "type=docker,dest=/small/docker.tar", "type=oci,tar=false,dest=/small/layout"} {
			t.Run(platforms+output, func(t *testing.T) {
				s.t = t
				_, dest, _ := strings.Cut(output, "dest=")
				a.fails(2, "slipway build "+platforms+a.base()+"-o "+output+" .", "error: ", "no space left on device", dest, "hint: ")
				want(t, "what is left", a.ok("ls -A /small"), "")
			})
		}
	}
	s.t = t
}

// TestLargeFile takes a large file through a tar and a directory at once and looks at the
// memory that it took, of which the file is a multiple. make faults has a file that is
// larger than 2 GiB, which takes minutes.
func TestLargeFile(t *testing.T) {
	t.Parallel()
	size := 512 << 20
	if *longFaults {
		size = 2 << 30
	}
	s := newSharedSpace(t, "amd64")
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", fmt.Sprintf("FROM base\nRUN truncate -s %d /big && echo the end >> /big\n", size))
	r := a.sh("slipway build " + a.base() + "-o out -o type=tar,dest=out.tar . & pid=$!\n" +
		// Without a process for each look: there are hundreds.
		"runs=yes; while [ $runs ]; do runs=; while read -r key value _; do [ $key = VmHWM: ] && high=$value runs=yes; done < /proc/$pid/status; sleep 0.5; done\n" +
		"wait $pid && echo VmHWM: $high >&2")
	if r.code != 0 {
		t.Fatalf("exit %d:\n%s", r.code, r.stderr)
	}
	want(t, "the end in the directory", a.ok("tail -c 8 out/big && wc -c < out/big"), fmt.Sprintf("the end\n%d\n", size+8))
	want(t, "the end in the tar", a.ok("tar -xOf out.tar big | tail -c 8"), "the end\n")
	var high int
	_, line, _ := strings.Cut(r.stderr, "VmHWM:")
	scan(t, line, &high)
	if high == 0 || high > 150_000 {
		t.Errorf("slipway took %d KiB of memory at most, want below 150000", high)
	}
}

// TestVolumesInTheDestination has a volume below the destination of an output,
// and builds that are killed there.
func TestVolumesInTheDestination(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"))
	manifest := strings.NewReplacer(
		"volumeMounts:\n", "volumeMounts:\n        - {name: out, mountPath: /out}\n        - {name: reports, mountPath: /out/reports}\n",
		"volumes:\n", "volumes:\n    - {name: out, emptyDir: {}}\n    - {name: reports, emptyDir: {}}\n",
	).Replace(s.agentManifest("agent", s.Bed.Images.Agent))
	a := s.startAgentFrom("agent", manifest)
	a.write("Dockerfile", "FROM base AS make\nRUN mkdir -p /o/reports/sub && echo 1 > /o/a && echo 2 > /o/reports/sub/b && chmod 555 /o/reports/sub\nFROM scratch\nCOPY --from=make /o /\n")
	build := "slipway build " + a.base() + "-o /out ."
	for range 2 { // the second time over what the first has left
		a.ok(build)
		want(t, "the output", a.ok("cat /out/a /out/reports/sub/b && stat -c %a /out/reports/sub && ls -A /out /out/reports | grep -c staging || true"), "1\n2\n555\n0\n")
	}
	a.write("Long", "FROM base\nRUN sleep 600\n")
	a.ok("slipway build " + a.base() + "-f Long -o /out . & until ls -d /out/.slipway-staging-*; do sleep 0.1; done && kill -9 $! && ls -d /out/.slipway-staging-*")
	a.ok(build)
	want(t, "what is left", a.ok("ls -A /out"), "a\nreports\n")
}
