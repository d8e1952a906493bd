package scenarios

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/slipway-build/slipway/e2e/faults/netfault"
)

// network puts itself between an agent and everything that it talks to but its
// own kubelet, by which it gets its scripts from now on.
func (a *agent) network() *netfault.Link {
	a.t.Helper()
	a.shellIP = ""
	return a.space.network(a.pod)
}

// network puts itself between a pod and everything that it talks to but its
// own kubelet.
func (s *space) network(pod string) *netfault.Link {
	s.t.Helper()
	ip := s.kubectl("", "get", "pod", pod, "-o", "jsonpath={.status.podIP}")
	link, err := netfault.Attach(s.t.Context(), ip, 1)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := link.Close(); err != nil {
			s.t.Error(err)
		}
	})
	return link
}

// echo makes a context of a size in the directory, and the build that gives it
// back; what comes out is compared by same.
func (a *agent) echo(dir string, size int) (build string) {
	a.t.Helper()
	a.ok(fmt.Sprintf("mkdir -p %[1]s && head -c %[2]d /dev/urandom > %[1]s/file && printf 'FROM scratch\\nCOPY file /\\n' > %[1]s/Dockerfile", dir, size))
	return "slipway build --debug --progress plain -o " + dir + "-out " + dir
}

// same checks that the output of echo is there, and right.
func (f *planted) same(a *agent, dir string) {
	f.t.Helper()
	r := a.sh("cmp " + dir + "/file " + dir + "-out/file")
	f.held(partialOutput, r.code == 0, "%s", r.stderr)
}

// TestFaultBadNetwork builds by each transport with an agent whose network is
// slow, loses packets, or is narrow.
func TestFaultBadNetwork(t *testing.T) {
	long(t)
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.ok("slipway up >&2")
	link := a.network()
	for _, bad := range []struct {
		name       string
		conditions netfault.Conditions
		size       int
		atLeast    time.Duration // what the build then takes
	}{
		{"200 ms later", netfault.Conditions{Delay: 100 * time.Millisecond}, 100_000, time.Second},
		{"5 % of packets lost", netfault.Conditions{Loss: 0.05}, 1_000_000, 0},
		{"1 Mbit/s", netfault.Conditions{Rate: 1_000_000}, 200_000, 3 * time.Second},
	} {
		for _, transport := range []string{"direct", "portforward", "exec"} {
			t.Run(bad.name+" "+transport, func(t *testing.T) {
				s.t = t
				f := plant(t, "network", "an agent's network: "+bad.name+", "+transport)
				build := a.echo(transport+fmt.Sprint(bad.size), bad.size)
				link.Both(bad.conditions)
				_, before := link.Packets()
				r := f.run(a, build+" --transport "+transport)
				_, lost := link.Packets()
				link.Both(netfault.Conditions{})
				f.survived(r)
				f.same(a, transport+fmt.Sprint(bad.size))
				if r.took < bad.atLeast || bad.conditions.Loss > 0 && lost == before {
					t.Errorf("the network was not that bad: %s, %d packets lost", r.took, lost-before)
				}
			})
		}
	}
	s.t = t
}

// TestFaultNetworkIsGoneForAMoment takes all of an agent's network away in the
// middle of an upload, and gives it back before anybody gives up.
func TestFaultNetworkIsGoneForAMoment(t *testing.T) {
	long(t)
	t.Parallel()
	const moment = 8 * time.Second
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.ok("slipway up >&2")
	link := a.network()
	for _, transport := range []string{"direct", "portforward", "exec"} {
		t.Run(transport, func(t *testing.T) {
			s.t = t
			f := plant(t, "network", fmt.Sprintf("no network for %s in mid-upload, %s", moment, transport))
			build := a.echo(transport, 3_000_000)
			link.Both(netfault.Conditions{Rate: 8_000_000})
			a.background(transport+".", build+" --transport "+transport)
			s.midTransfer(link)
			link.Both(netfault.BlackHole)
			s.eventually("packets get lost for a while", func() func() bool {
				began := time.Now()
				return func() bool { return time.Since(began) >= moment }
			}())
			link.Both(netfault.Conditions{})
			f.survived(f.ends(a, transport+"."))
			f.same(a, transport)
		})
	}
	s.t = t
}

// background starts a command. Its log and its exit code go to files with the
// prefix, by which ends waits for it.
func (a *agent) background(prefix, command string) {
	a.t.Helper()
	a.ok("(" + command + " > " + prefix + "log 2>&1; echo $? > " + prefix + "code) < /dev/null > /dev/null 2>&1 &")
}

// ends waits for the end of what background or holdBuild has started.
func (f *planted) ends(a *agent, prefix string) result {
	f.t.Helper()
	r := result{code: -1}
	wait := f.run(a, fmt.Sprintf("i=0; until test -s %scode; do i=$((i+1)); [ $i -lt %d ] || exit 1; sleep 0.2; done", prefix, int(patience/(200*time.Millisecond))))
	r.stderr = a.ok("cat " + prefix + "log")
	f.held(hang, wait.code == 0, "not ended within %s:\n%s", patience, r.stderr)
	if wait.code == 0 {
		scan(f.t, a.ok("cat "+prefix+"code"), &r.code)
	}
	return r
}

// midTransfer waits until many packets have passed, more than it takes to
// begin.
func (s *space) midTransfer(link *netfault.Link) {
	s.t.Helper()
	before, _ := link.Packets()
	s.eventually("the transfer is on its way", func() bool {
		now, _ := link.Packets()
		return now-before > 700
	})
}

// TestFaultBuilderBecomesABlackHole takes the network of the builder's pod away
// in the middle of an export. The kubelet still reaches it, and so does the
// agent, through it.
func TestFaultBuilderBecomesABlackHole(t *testing.T) {
	long(t)
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.ok("slipway up >&2")
	f := plant(t, "network", "the builder's packets vanish in mid-export, direct")
	a.write("make/Dockerfile", "FROM base AS make\nRUN head -c 8000000 /dev/urandom > /file\nFROM scratch\nCOPY --from=make /file /\n")
	build := "slipway build --debug --progress plain " + a.base() + "-o make-out make"
	a.ok("slipway build " + a.base() + "-o type=cacheonly make")
	link := s.network(a.builderPod())
	link.Both(netfault.Conditions{Rate: 8_000_000})
	a.background("make.", build)
	s.midTransfer(link)
	link.Both(netfault.BlackHole)
	r := f.ends(a, "make.")
	f.survived(r)
	want(t, "size of the output", a.ok("wc -c < make-out/file"), "8000000\n")
	f.held(partialOutput, a.sh("ls -A | grep staging").stdout == "", "staging directories are left")
	for _, words := range []string{"solving again (2 of 3)", "transport=portforward"} {
		if !strings.Contains(r.stderr, words) {
			t.Errorf("the log lacks %q:\n%s", words, r.stderr)
		}
	}
}

// TestFaultAgentBecomesABlackHole takes agents' networks away for good, in the
// middle of an upload and of an export, both ways and one way. All of them wait
// for their ends at the same time.
func TestFaultAgentBecomesABlackHole(t *testing.T) {
	t.Parallel()
	long(t)
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"))
	type row struct {
		*agent
		*planted
		link            *netfault.Link
		transport, when string
		hole            func(*netfault.Link, netfault.Conditions)
	}
	var rows []*row
	for _, one := range []row{
		{transport: "direct", when: "upload", hole: (*netfault.Link).Both},
		{transport: "direct", when: "export", hole: (*netfault.Link).Both},
		{transport: "portforward", when: "upload", hole: (*netfault.Link).Both},
		{transport: "portforward", when: "export", hole: (*netfault.Link).Both},
		{transport: "exec", when: "upload", hole: (*netfault.Link).Both},
		{transport: "exec", when: "export", hole: (*netfault.Link).Both},
		{transport: "direct", when: "upload", hole: (*netfault.Link).From},
		{transport: "direct", when: "export", hole: (*netfault.Link).To},
	} {
		one.agent = s.startAgent(fmt.Sprintf("agent-%d", len(rows)), s.Bed.Images.Agent)
		rows = append(rows, &one)
	}
	const made = "FROM base AS make\nRUN head -c 8000000 /dev/urandom > /file\nFROM scratch\nCOPY --from=make /file /\n"
	rows[0].ok("slipway up >&2")
	for i, r := range rows {
		r.planted = plant(t, "network", fmt.Sprintf("no network in mid-%s, %s (%d)", r.when, r.transport, i))
		build := r.echo("build", 8_000_000)
		if r.when == "export" {
			r.write("build/Dockerfile", made)
			build += " " + r.base()
			r.ok("slipway build " + r.base() + "-o type=cacheonly build")
		}
		r.link = r.network()
		r.link.Both(netfault.Conditions{Rate: 8_000_000})
		r.background("build.", build+" --transport "+r.transport)
		s.midTransfer(r.link)
		r.hole(r.link, netfault.BlackHole)
	}
	for _, r := range rows {
		ended := r.ends(r.agent, "build.")
		r.explained(ended, 3, "builder lost", "solving again", "error: ", "no answer from", "hint: ")
		r.held(partialOutput, r.sh("ls -A | grep -e staging -e build-out").stdout == "", "something of the output is there")
	}
}

// TestFaultNoNameServer pushes to a registry by name where nobody resolves
// names: the resolver refuses, or says nothing.
func TestFaultNoNameServer(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	// A name server that is there and silent.
	silent, err := net.ListenPacket("udp", net.JoinHostPort(s.Bed.Nodes[0].IP, "53"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	for _, server := range []struct{ name, ip string }{{"refuses", "127.0.0.1"}, {"silent", s.Bed.Nodes[0].IP}} {
		n := s.builderNode("amd64")
		n.Name = server.name + "-amd64"
		n.Slipway = map[string]any{"podTemplate": map[string]any{"spec": map[string]any{
			"dnsPolicy": "None", "dnsConfig": map[string]any{"nameservers": []string{server.ip}},
		}}}
		s.kubectl("", "delete", "configmap", "builders", "--ignore-not-found")
		s.define(n)
		a := s.startAgentFrom(server.name, strings.Replace(s.agentManifest(server.name, s.Bed.Images.Agent),
			"spec:\n", "spec:\n  dnsPolicy: None\n  dnsConfig: {nameservers: ["+server.ip+"]}\n", 1))
		a.write("Dockerfile", smallDockerfile)
		a.ok("slipway up >&2")
		t.Run(server.name, func(t *testing.T) {
			if server.name == "silent" {
				long(t)
			}
			s.t = t
			f := plant(t, "network", "the name server "+server.name)
			f.survived(f.run(a, "slipway build -o out .")) // it needs no names
			f.explained(f.run(a, "slipway build -t registry.example.test/app:1 --push ."), 5, "error: ", "registry.example.test", "hint: ")
		})
		s.t = t
	}
}
