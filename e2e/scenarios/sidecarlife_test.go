package scenarios

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/slipway-build/slipway/e2e/registrytest"
)

// secretSearchProg looks for secrets in the container that it runs in.
var secretSearchProg = program(".", "./testdata/secretsearch")

// sidecarHTTP is where sidecars of scenarios serve health and metrics.
const sidecarHTTP = "127.0.0.1:9464"

// sidecarSpace is a space with a builder for each architecture, and the Secret with the
// credentials for sidecars.
func sidecarSpace(t *testing.T, opts ...string) *space {
	t.Helper()
	s := newSpace(t, "slipway-build", "slipway-manage")
	r := s.Bed.TokenRegistry
	files, err := registrytest.BuilderFiles(r)
	if err != nil {
		t.Fatal(err)
	}
	amd64, arm64 := s.builderNode("amd64", opts...), s.builderNode("arm64")
	amd64.Files, arm64.Files = files, files
	s.define(amd64, arm64)
	s.kubectl("", "create", "secret", "generic", "registry", "--from-literal=REGISTRY="+r.Address,
		"--from-literal=REGISTRY_USERNAME="+r.Username, "--from-literal=REGISTRY_PASSWORD="+r.Password)
	return s
}

// startJob starts a pod like sidecarPod, whose sidecar logs JSON and serves metrics, and
// returns its job's container. SLIPWAY_UNDER_TEST takes the place of the sidecar's
// program, too.
func (s *space) startJob(name, image string) *shop {
	s.t.Helper()
	r := s.Bed.TokenRegistry
	command := "sleep, infinity"
	if s.Bed.Images.PodShell != "" {
		command = s.Bed.Images.PodShell
	}
	manifest := strings.NewReplacer(
		"metadata: {name: job}", "metadata: {name: "+name+"}",
		"agent, serve,", "agent, serve, --log-format, json, --http, '"+sidecarHTTP+"',",
	).Replace(fmt.Sprintf(sidecarPod, image, r.Address, s.Name, command))
	if path := os.Getenv(otherBinary); path != "" {
		path, err := filepath.Abs(path)
		if err != nil {
			s.t.Fatal(err)
		}
		manifest = strings.Replace(manifest, "volumeMounts:\n", "volumeMounts:\n        - {name: program, mountPath: /usr/local/bin/slipway, readOnly: true}\n", 1)
		manifest = strings.Replace(manifest, "volumes:\n", "volumes:\n    - {name: program, hostPath: {path: "+path+", type: File}}\n", 1)
	}
	images, err := registrytest.New(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(images.Close)
	job := &shop{agent: s.startAgentFrom(name, manifest), images: images, repo: r.Address + "/" + s.Name}
	job.until("the builders", "slipway agent health --ready")
	return job
}

// private is the flag that gives a build its base image from the registry of tokens.
func (s *shop) private() string { return "--build-arg BASE=" + s.Bed.TokenRegistry.Base + " " }

// confine lets a pod reach what a NetworkPolicy for sidecars names, the ports of builders,
// the API server and the registry, and nothing else: the testbed enforces none itself.
func (s *space) confine(ip string) {
	s.t.Helper()
	api, err := url.Parse(s.Bed.APIServer)
	if err != nil {
		s.t.Fatal(err)
	}
	_, registry, err := net.SplitHostPort(s.Bed.TokenRegistry.Address)
	if err != nil {
		s.t.Fatal(err)
	}
	// Each goes before those that stand here before it.
	for _, rule := range [][]string{
		{"FORWARD", "-s", ip, "-p", "tcp", "-j", "DROP"},
		{"FORWARD", "-s", ip, "-p", "tcp", "--dport", "1234", "-j", "ACCEPT"},
		{"FORWARD", "-s", ip, "-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT"},
		{"INPUT", "-s", ip, "-p", "tcp", "-j", "DROP"},
		{"INPUT", "-s", ip, "-p", "tcp", "--dport", api.Port(), "-j", "ACCEPT"},
		{"INPUT", "-s", ip, "-p", "tcp", "--dport", registry, "-j", "ACCEPT"},
		{"INPUT", "-s", ip, "-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT"},
	} {
		run := func(ctx context.Context, verb string) error {
			out, err := exec.CommandContext(ctx, filterOf([]string{ip}), append([]string{"-w", verb}, rule...)...).CombinedOutput()
			if err != nil {
				return fmt.Errorf("%s %q: %w: %s", verb, rule, err, out)
			}
			return nil
		}
		if err := run(s.t.Context(), "-I"); err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := run(ctx, "-D"); err != nil {
				s.t.Error(err)
			}
		})
	}
}

// audited are the lines that a sidecar has written of builds.
func (s *space) audited(pod string) []map[string]any {
	s.t.Helper()
	var all []map[string]any
	for line := range strings.Lines(s.kubectl("", "logs", pod, "-c", "slipway")) {
		record := map[string]any{}
		if json.Unmarshal([]byte(line), &record) == nil && record["audit"] == "build" {
			all = append(all, record)
		}
	}
	return all
}

// metric is a sample that a sidecar serves, -1 for none.
func (a *agent) metric(sample string) float64 {
	a.t.Helper()
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(sample) + ` (.+)$`).FindStringSubmatch(a.ok("wget -q -O - http://" + sidecarHTTP + "/metrics"))
	value := -1.0
	if found != nil {
		scan(a.t, found[1], &value)
	}
	return value
}

// TestSidecarOfAConfinedJob runs a job that has a socket and no credential, in a pod that
// reaches what a NetworkPolicy for sidecars names: builds of slipway, buildctl and docker
// buildx with what they have of their own, what the job cannot do, and what the sidecar
// tells of it.
func TestSidecarOfAConfinedJob(t *testing.T) {
	t.Parallel()
	b := bed(t)
	if b.Images.Peer == "" {
		t.Fatal("there is no peer image; make it with: cd e2e && go run ./testbed peer")
	}
	s := sidecarSpace(t)
	job := s.startJob("job", b.Images.Peer)
	builder := s.builderIP()
	s.confine(s.address("pod/job"))
	const canary = "canary-3f90b7c2"
	key, _ := newSSHKey(t)
	job.write("key", key)
	job.ok("chmod 600 key && echo " + canary + "-secret > secret.txt && printf 'one\\n' > file")
	job.write("Dockerfile", machineDockerfile)
	// What is a client's own: secrets, SSH, files of the context, build arguments.
	job.write("own/Dockerfile", machineDockerfile+`ARG WORD
RUN --mount=type=secret,id=word --mount=type=ssh test "$(cat /run/secrets/word)" = `+canary+`-secret && test -S "$SSH_AUTH_SOCK" && test "$WORD" = `+canary+`-argument
COPY file /
`)
	job.ok("cp file own/")

	s.part("builds", func(t *testing.T) {
		job.ok("slipway build " + both + job.private() + "-o type=local,dest=out . >&2 && grep -q x86_64 out/linux_amd64/machine.txt && grep -q aarch64 out/linux_arm64/machine.txt")
		job.ok("slipway build " + both + job.private() + "--build-arg WORD=" + canary + "-argument --secret id=word,src=secret.txt --ssh default=key -t " + job.tag("slipway") + " --push own >&2")
		job.index("slipway", "linux/amd64", "linux/arm64")
	})
	s.part("buildctl", func(t *testing.T) {
		build := "buildctl build --frontend dockerfile.v0 --local context=own --local dockerfile=own --opt build-arg:BASE=" + b.TokenRegistry.Base +
			" --opt build-arg:WORD=" + canary + "-argument --secret id=word,src=secret.txt --ssh default=key "
		job.ok("export BUILDKIT_HOST=unix:///run/slipway/kube/builder-amd64.sock; " + build + "--output type=local,dest=buildctl --export-cache type=local,dest=cache --export-cache type=registry,ref=" + job.tag("cache") + " >&2 && grep -q x86_64 buildctl/machine.txt")
		if out := job.sh("buildctl --addr unix:///run/slipway/kube/builder-arm64.sock " + strings.TrimPrefix(build, "buildctl ") + "--import-cache type=registry,ref=" + job.tag("cache") + " --output type=image,name=" + job.tag("buildctl") + ",push=true >&2"); out.code != 0 || !strings.Contains(out.stderr, "importing cache manifest") {
			t.Errorf("exit %d:\n%s", out.code, out.stderr)
		}
		want(t, "the image that buildctl has pushed", fmt.Sprint(job.digest("buildctl") != ""), "true")
	})
	s.part("buildx", func(t *testing.T) {
		job.ok("buildx create --name side --driver remote --node one --platform linux/amd64 unix:///run/slipway/kube/builder-amd64.sock >&2 && " +
			"buildx create --append --name side --node two --platform linux/arm64 unix:///run/slipway/kube/builder-arm64.sock >&2 && buildx use side")
		own := job.private() + "--build-arg WORD=" + canary + "-argument --secret id=word,src=secret.txt --ssh default=key "
		job.ok("buildx build " + both + own + "-o type=local,dest=buildx own >&2 && grep -q x86_64 buildx/linux_amd64/machine.txt && grep -q aarch64 buildx/linux_arm64/machine.txt")
		job.ok("buildx build --platform linux/amd64 " + own + "--cache-to type=local,dest=cache-buildx -t " + job.tag("buildx") + " --push own >&2 && ls cache-buildx/index.json >&2")
		want(t, "the image that buildx has pushed", fmt.Sprint(job.digest("buildx") != ""), "true")
		job.write("docker-bake.hcl", `target "default" {
  args = {BASE = "`+b.TokenRegistry.Base+`"}
  output = ["type=local,dest=baked"]
  platforms = ["linux/amd64", "linux/arm64"]
}
`)
		job.ok("buildx bake --allow fs.read=. --allow fs.write=. >&2 && cat baked/*/machine.txt >&2")
	})
	s.part("cannot", func(t *testing.T) {
		job.ok("test ! -e /var/run/secrets/kubernetes.io && test ! -e /etc/slipway/definitions")
		raw, err := json.Marshal(map[string]any{"Name": "own", "Driver": "kubernetes", "Nodes": []node{s.builderNode("amd64")}})
		if err != nil {
			t.Fatal(err)
		}
		job.write("/tmp/own", string(raw))
		job.fails(3, "slipway build --definitions /tmp/own -o no .", "error: ", "hint: ")
		job.write("/tmp/kubeconfig", `{"clusters": [{"name": "c", "cluster": {"server": "`+b.APIServer+`", "insecure-skip-tls-verify": true}}], "contexts": [{"name": "c", "context": {"cluster": "c", "user": "nobody"}}], "users": [{"name": "nobody", "user": {}}], "current-context": "c"}`)
		job.fails(3, "slipway build --definitions /tmp/own --kubeconfig /tmp/kubeconfig -o no .", "error: ", "system:anonymous")
		// The builder's port is reached, and asks for a certificate.
		job.write("/tmp/remote", `{"Name": "own", "Driver": "remote", "Nodes": [{"Name": "own0", "Endpoint": "tcp://`+urlHost(builder)+`:1234", "DriverOpts": {"timeout": "5s"}}]}`)
		job.ok("nc -w 2 " + builder + " 1234 < /dev/null >&2")
		job.fails(3, "slipway build --definitions /tmp/remote -o no .", "error: ", "tcp://"+urlHost(builder)+":1234")
		job.fails(5, "slipway build "+both+job.private()+"-t "+b.TokenRegistry.Address+"/team/other:1 --push .", "team/other")
		for _, closed := range []string{b.Registry.Address, net.JoinHostPort(builder, "8080")} {
			host, port, err := net.SplitHostPort(closed)
			if err != nil {
				t.Fatal(err)
			}
			if r := job.sh("nc -w 2 " + host + " " + port + " < /dev/null"); r.code == 0 {
				t.Errorf("the job reaches %s", closed)
			}
		}
	})
	s.part("secrets", func(t *testing.T) { job.holdsNone("job") })
	s.part("log and metrics", func(t *testing.T) {
		log := s.kubectl("", "logs", "job", "-c", "slipway")
		for what, secret := range map[string]string{"the password": b.TokenRegistry.Password, "a secret or an argument of a build": canary} {
			if strings.Contains(log, secret) {
				t.Errorf("the log has %s:\n%s", what, log)
			}
		}
		digest, nodes, pushed := job.digest("buildctl"), map[any]bool{}, false
		for _, line := range s.audited("job") {
			nodes[line["node"]] = true
			if line["digest"] == digest {
				pushed = line["result"] == "ok" && line["node"] == "builder-arm64" && line["transport"] == "direct" && strings.HasPrefix(fmt.Sprint(line["pod"]), "builder-arm64-") &&
					strings.Contains(fmt.Sprint(line["exporters"]), job.tag("buildctl")) && strings.Contains(fmt.Sprint(line["frontends"]), "dockerfile.v0")
			}
		}
		if !pushed || len(nodes) != 2 {
			t.Errorf("the log lacks the image %s or a node:\n%s", digest, log)
		}
		for sample, least := range map[string]float64{
			`slipway_agent_builds_total{builder="kube",node="builder-amd64",result="ok"}`:             5,
			`slipway_agent_builds_total{builder="kube",node="builder-arm64",result="ok"}`:             4,
			`slipway_agent_bytes_total{builder="kube",direction="from_builder",node="builder-amd64"}`: 1000,
			`slipway_agent_dials_total{builder="kube",node="builder-amd64",transport="direct"}`:       5,
			`slipway_agent_pod_choices_total{builder="kube",node="builder-amd64",pod="favourite"}`:    5,
			`slipway_agent_refusals_total{reason="push"}`:                                             1,
			`slipway_agent_sessions_total{builder="kube",node="builder-amd64"}`:                       5,
		} {
			if got := job.metric(sample); got < least {
				t.Errorf("%s is %v, want at least %v", sample, got, least)
			}
		}
		want(t, "sessions that are open", fmt.Sprint(job.metric(`slipway_agent_sessions{builder="kube",node="builder-amd64"}`)), "0")
		for _, process := range s.processes("job", "slipway") {
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process.Pid))
			if err != nil {
				continue
			}
			t.Logf("the sidecar after the builds: %s", strings.Join(regexp.MustCompile(`(VmRSS|RssAnon):\s+\d+ kB`).FindAllString(string(status), -1), ", "))
		}
	})
}

// holdsNone looks for the secrets of the sidecar in the job's container, while a client of
// the socket runs: in files, in the environment and the memory of processes, and in what
// the sidecar answers.
func (s *shop) holdsNone(pod string) {
	s.t.Helper()
	r := s.Bed.TokenRegistry
	token := strings.TrimSpace(s.kubectl("", "exec", pod, "-c", "slipway", "--", "cat", identityDir+"/token"))
	key := s.secretData("builder-amd64-tls-client")["tls.key"]
	if len(token) < 100 || len(key) < 100 {
		s.t.Fatalf("the sidecar has a token of %d bytes and a key of %d", len(token), len(key))
	}
	words := []string{r.Password, base64.StdEncoding.EncodeToString([]byte(r.Username + ":" + r.Password)), token[len(token)-60:], strings.Split(string(key), "\n")[1]}
	control := "a-word-that-is-there-" + s.Name // the search finds what is there
	s.ok("echo " + control + " > /tmp/control")
	var inverted []string
	for _, word := range append(words, control) {
		raw := []byte(word)
		for i := range raw {
			raw[i] = ^raw[i]
		}
		inverted = append(inverted, hex.EncodeToString(raw))
	}
	file, err := secretSearchProg()
	if err != nil {
		s.t.Fatal(err)
	}
	program, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write("/tmp/secretsearch", string(program))
	s.write("slow/Dockerfile", machineDockerfile+"RUN sleep 5\n")
	s.background("slow.", "slipway build --progress plain --no-cache --platform linux/amd64 "+s.private()+"-t "+s.tag("slow")+" --push slow")
	s.until("the step runs", "grep -q 'RUN sleep' slow.log")
	found := s.ok("chmod 755 /tmp/secretsearch && /tmp/secretsearch /run/slipway/agent.sock " + strings.Join(inverted, " "))
	s.until("the build ends", "test -s slow.code")
	want(s.t, "exit code of the build", s.ok("cat slow.code"), "0\n")
	lines := strings.Split(strings.TrimSpace(found), "\n")
	if !strings.Contains(found, fmt.Sprintf("word %d in file /tmp/control", len(words))) {
		s.t.Errorf("the search does not find what is there:\n%s", found)
	}
	for _, line := range lines {
		if strings.HasPrefix(line, "word ") && !strings.HasPrefix(line, fmt.Sprintf("word %d ", len(words))) {
			s.t.Errorf("a secret of the sidecar is in the job's container (0 and 1: the password, 2: the token, 3: the key of the certificate): %s", line)
		}
	}
	var answers, files, environment, memory int64
	if _, err := fmt.Sscanf(lines[len(lines)-1], "looked at: answers %d files %d environment %d memory %d", &answers, &files, &environment, &memory); err != nil ||
		answers < 100 || files < 1<<20 || environment < 100 || memory < 1<<20 {
		s.t.Errorf("too little was looked at (%v): %s", err, lines[len(lines)-1])
	}
}

// finishOnce lets a build over a socket go: it must succeed at the first attempt.
func (b *heldBuild) finishOnce() {
	b.t.Helper()
	want(b.t, "exit code of "+b.name+" before it may end", b.sh("cat "+b.name+"/code").stdout, "")
	b.answer(b.name, b.name)
	b.until("build "+b.name+" ends", "test -s "+b.name+"/code")
	if code, log := b.ok("cat "+b.name+"/code"), b.ok("cat "+b.name+"/log"); code != "0\n" || strings.Contains(log, "solving again") {
		b.t.Errorf("build %s: exit code %s:\n%s", b.name, code, log)
	}
	want(b.t, "what "+b.name+" made", b.sh("cat "+b.name+"/out/answer").stdout, b.name+"\n")
}

// TestSidecarLife kills the builder, then the sidecar, in mid-build, ends the sidecar while
// a build runs, and has a second job on the same builders.
func TestSidecarLife(t *testing.T) {
	t.Parallel()
	s := sidecarSpace(t)
	job := s.startJob("job", s.Bed.Images.Agent)
	job.serve()
	restarts := func() string {
		return s.kubectl("", "get", "pod", "job", "-o", "jsonpath={.status.initContainerStatuses[0].restartCount}")
	}
	sidecar := func() *os.Process {
		t.Helper()
		all := s.processes("job", "slipway")
		if len(all) != 1 {
			t.Fatalf("%d processes are slipway, want the sidecar", len(all))
		}
		return all[0]
	}
	// buildctl has no attempts of its own: it is run where the builder has it.
	s.part("a builder that is killed", func(t *testing.T) {
		job.holdBuild("lost", "--platform linux/amd64").awaitStep()
		pod := job.builderPod()
		s.kubectl("", "delete", "pod", pod, "--grace-period=0", "--force")
		job.until("the build is solved again", "grep -q 'solving again (2 of 3)' lost/log")
		job.answer("lost", "lost")
		job.until("the build ends", "test -s lost/code")
		log := job.ok("cat lost/log")
		want(t, "exit code", job.ok("cat lost/code"), "0\n")
		want(t, "what it made", job.sh("cat lost/out/answer").stdout, "lost\n")
		if !strings.Contains(log, "the connection to pod "+pod+" of node builder-amd64 was lost") {
			t.Errorf("the log does not say that pod %s was lost:\n%s", pod, log)
		}
		lines := s.audited("job")
		if len(lines) < 2 || lines[0]["result"] != "lost" || lines[0]["pod"] != pod || lines[len(lines)-1]["result"] != "ok" {
			t.Errorf("the sidecar says %v", lines)
		}
	})
	s.part("two jobs", func(t *testing.T) {
		other := s.startJob("other", s.Bed.Images.Agent)
		var held []*heldBuild
		for i := range 6 {
			held = append(held, job.holdBuild(fmt.Sprint("busy", i), "--platform linux/amd64"))
		}
		for _, b := range held {
			b.awaitStep()
		}
		// The builds of one job do not keep another one from building.
		other.write("Dockerfile", machineDockerfile)
		other.ok("slipway build --no-cache " + both + other.private() + "-o out . >&2 && cat out/*/machine.txt >&2")
		for _, b := range held {
			b.finishOnce()
		}
		s.kubectl("", "delete", "pod", "other", "--wait=false")
	})
	s.part("SIGTERM", func(t *testing.T) {
		before := restarts()
		b := job.holdBuild("drained", "--platform linux/amd64")
		b.awaitStep()
		s.kubectl("", "exec", "job", "-c", "slipway", "--", "kill", "-TERM", "1")
		job.until("it takes no more connections", "! slipway agent health --ready 2> ready.log && grep -q ending ready.log")
		job.ok("test ! -e /run/slipway/kube/builder-amd64.sock")
		b.finishOnce()
		s.eventually("the sidecar is started again", func() bool { return restarts() != before })
		want(t, "its exit code", s.kubectl("", "get", "pod", "job", "-o", "jsonpath={.status.initContainerStatuses[0].lastState.terminated.exitCode}"), "0")
		job.until("the builders", "slipway agent health --ready")
		job.write("Dockerfile", smallDockerfile)
		job.ok("slipway build -o drained-after . >&2")
	})
	s.part("SIGKILL", func(t *testing.T) {
		before := restarts()
		job.holdBuild("killed", "--platform linux/amd64").awaitStep()
		for _, process := range s.processes("job", "slipway") {
			if parent, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", process.Pid)); err == nil && strings.Contains(string(parent), "serve") {
				if err := process.Kill(); err != nil {
					t.Error(err)
				}
			}
		}
		job.answer("killed", "killed")
		job.until("the build ends", "test -s killed/code")
		s.eventually("the sidecar is started again", func() bool { return restarts() != before })
		job.until("the builders", "slipway agent health --ready")
		job.ok("slipway build -o killed-after . >&2 && cmp Dockerfile killed-after/Dockerfile")
		log := job.ok("cat killed/log")
		want(t, "exit code of the build", job.ok("cat killed/code"), "0\n")
		want(t, "what it made", job.sh("cat killed/out/answer").stdout, "killed\n")
		if !strings.Contains(log, "solving again (2 of 3)") {
			t.Errorf("the build did not notice:\n%s", log)
		}
	})
	process := sidecar()
	idle := func() (ticks int) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')'):]))
		var user, system int
		scan(t, fields[12]+" "+fields[13], &user, &system)
		return user + system
	}
	time.Sleep(time.Second) // what began with the last build
	before := idle()
	time.Sleep(5 * time.Second)
	if used := idle() - before; used > 5 {
		t.Errorf("a sidecar that does nothing takes %d hundredths of a second of CPU in 5 s", used)
	}
}

// TestFaultAPIServerIsDownUnderASidecar ends the API server for a minute while a job builds
// over its socket. No other scenario runs meanwhile.
func TestFaultAPIServerIsDownUnderASidecar(t *testing.T) {
	long(t)
	s := sidecarSpace(t)
	job := s.startJob("job", s.Bed.Images.Agent)
	job.serve()
	job.write("small/Dockerfile", smallDockerfile)
	before := job.holdBuild("before", "--platform linux/amd64")
	before.awaitStep()

	f := plant(t, "cluster", "the API server is down for a minute, a build of a sidecar runs")
	t.Cleanup(func() { s.testbed("restart", "kube-apiserver") }) // it does no harm where it runs
	s.testbed("kill", "kube-apiserver")
	time.Sleep(time.Minute)
	job.ok("slipway agent health")
	job.answer("before", "before")
	r := f.ends(job.agent, "before/")
	f.survived(r)
	want(t, "what the build made", job.sh("cat before/out/answer").stdout, "before\n")
	if strings.Contains(r.stderr, "solving again") {
		t.Errorf("the builder was lost:\n%s", r.stderr)
	}

	// The sidecar knows the pods, and they prove themselves by their certificates.
	f = plant(t, "cluster", "the API server is down when a build of a sidecar begins")
	r = f.run(job.agent, "slipway build --progress plain -o meanwhile small && cmp small/Dockerfile meanwhile/Dockerfile")
	f.survived(r)
	s.testbed("restart", "kube-apiserver")

	f = plant(t, "cluster", "the API server was down for a minute, a build of a sidecar begins")
	job.until("the builders", "slipway agent health --ready")
	f.survived(f.run(job.agent, "slipway build -o after small && cmp small/Dockerfile after/Dockerfile"))
}
