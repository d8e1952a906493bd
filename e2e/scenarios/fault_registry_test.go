package scenarios

import (
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/e2e/faults/hostileregistry"
	"github.com/slipway-build/slipway/e2e/registrytest"
	"github.com/slipway-build/slipway/e2e/registrytest/proxy"
)

// metadataService is where clouds hand out the credentials of their machines.
const metadataService = "169.254.169.254"

// wary is a shop whose agent has credentials for every registry but one, which
// is hostile. Builders and agent trust its certificate, as they would that of
// any registry on the internet.
type wary struct {
	*shop
	hostile, elsewhere *proxy.Proxy
	// other answers in the place of elsewhere, a host that a hostile registry
	// names.
	other *hostileregistry.Registry
	// watched are the addresses of pods whose packets to a metadata service are
	// counted.
	watched []string
}

// newWary makes a wary shop.
func newWary(t *testing.T) *wary {
	t.Helper()
	b := bed(t)
	w := &wary{hostile: startProxy(t), elsewhere: startProxy(t), other: &hostileregistry.Registry{}}
	w.shop = newStranger(t, b.Images.Agent, b.Registry, b.Registry, b.TokenRegistry, w.hostile.Registry(), w.elsewhere.Registry())
	config, err := registrytest.DockerConfigFor(b.Registry, b.TokenRegistry, w.elsewhere.Registry())
	if err != nil {
		t.Fatal(err)
	}
	w.write("/root/.docker/config.json", config)
	w.elsewhere.Add(proxy.Rule{Fault: proxy.Answer("another host", w.other)})
	w.watch(w.address("pod/agent"))
	return w
}

// watch counts what a pod sends to a cloud's metadata service. It goes nowhere.
func (w *wary) watch(address string) {
	w.t.Helper()
	w.block("-s", address, "-d", metadataService, "-j", "DROP")
	w.watched = append(w.watched, address)
}

// address is the IP address of a pod.
func (s *space) address(pod string) string {
	s.t.Helper()
	return s.kubectl("", "get", pod, "-o", "jsonpath={.status.podIP}")
}

// blocked is how many packets from an address to another a rule of block has
// met.
func (s *space) blocked(from, to string) int {
	s.t.Helper()
	out, err := exec.CommandContext(s.t.Context(), "iptables", "-w", "-nvxL", "FORWARD").CombinedOutput()
	if err != nil {
		s.t.Fatalf("iptables: %v: %s", err, out)
	}
	found := regexp.MustCompile(`(?m)^\s*(\d+) .*\s` + regexp.QuoteMeta(from) + `\s+` + regexp.QuoteMeta(to) + `\s*$`).FindSubmatch(out)
	if found == nil {
		s.t.Fatalf("iptables has no rule from %s to %s:\n%s", from, to, out)
	}
	count, err := strconv.Atoi(string(found[1]))
	if err != nil {
		s.t.Fatal(err)
	}
	return count
}

// plant lets the registry behave so for the test and returns its row.
func (w *wary) plant(t *testing.T, what string, r *hostileregistry.Registry) *planted {
	t.Helper()
	w.t = t
	f := plant(t, "registry", what)
	w.hostile.Clear()
	w.hostile.Forget()
	w.hostile.Add(proxy.Rule{Fault: proxy.Answer(what, r)})
	return f
}

// enough is more than any client takes of an answer that is too large, with
// what is in the buffers of connections.
const enough = 32 << 20

// harmless checks that a registry was given no secret, that nothing was sent to
// a metadata service, and that no answer without an end was read.
func (w *wary) harmless(f *planted, r *hostileregistry.Registry) {
	w.t.Helper()
	given := append(r.Given(), w.other.Given()...)
	f.held(leak, len(given) == 0, "it was given %q", given)
	for _, address := range w.watched {
		sent := w.blocked(address, metadataService)
		f.held(leak, sent == 0, "%d packets were sent to %s", sent, metadataService)
	}
	for _, one := range w.hostile.Requests() {
		if one.ResponseBytes > enough {
			w.t.Errorf("%s %s: %d bytes were read", one.Method, one.Path, one.ResponseBytes)
		}
	}
}

// hostileRow is one behaviour of a registry, and what comes of it.
type hostileRow struct {
	what     string
	registry *hostileregistry.Registry
	command  string
	// survives says that the command does well; else it fails with exit code 5.
	survives bool
	words    []string
	// asked is how often manifests are asked for, where it counts.
	asked int
	// long says that it takes more than a minute.
	long bool
}

// judge checks how the command has ended.
func (row hostileRow) judge(f *planted, r result) {
	f.t.Helper()
	if !row.survives {
		f.explained(r, 5, append(row.words, "error: ")...)
		return
	}
	f.survived(r)
	for _, word := range row.words {
		if !strings.Contains(r.stderr, word) {
			f.t.Errorf("%s: it does not say %q:\n%s", f.what, word, r.stderr)
		}
	}
}

// TestFaultHostileRegistryAndTheAgent lets commands that run on the agent alone
// meet a registry that means them no good.
func TestFaultHostileRegistryAndTheAgent(t *testing.T) {
	long(t)
	t.Parallel()
	w := newWary(t)
	host, elsewhere := w.hostile.Registry().Address, w.elsewhere.Registry().Address
	image := host + "/app:1"
	inspect, check := "slipway index inspect "+image, "slipway auth --check "+image
	config := "slipway index inspect --format '{{json .Image}}' " + image
	copied := "slipway index create -t " + w.tag("copied") + " " + image
	at := func(realm string) *hostileregistry.Registry { return &hostileregistry.Registry{Realm: realm} }
	sends := func(to string) *hostileregistry.Registry {
		return &hostileregistry.Registry{Manifest: hostileregistry.Redirect(to)}
	}
	const notHere, notThere = "this machine", "a cloud's metadata service"
	rows := []hostileRow{
		{what: "a token without an end", registry: &hostileregistry.Registry{Token: hostileregistry.Flood("application/json", `{"token":"`, 0)},
			command: check, words: []string{"token service " + host, "more than the 1048576 bytes"}},
		{what: "a token of 400 MiB", registry: &hostileregistry.Registry{Token: hostileregistry.Flood("application/json", `{"token":"`, 400<<20)},
			command: inspect, words: []string{"token service " + host, "more than the 1048576 bytes"}},
		{what: "a token that comes a byte a second", registry: &hostileregistry.Registry{Token: hostileregistry.Drip},
			command: inspect, words: []string{"token service " + host, "too slowly"}},
		{what: "a token that is no JSON", registry: &hostileregistry.Registry{Token: hostileregistry.Text(200, "text/html", "<html>")},
			command: check, words: []string{"token service " + host, "unable to decode"}},
		{what: "a refusal of a token without an end", registry: &hostileregistry.Registry{Token: func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			hostileregistry.Flood("application/json", `{"details":"`, 0)(w, r)
		}}, command: inspect, words: []string{"403 Forbidden"}},
		{what: "a token service that sends to another host", registry: &hostileregistry.Registry{Token: hostileregistry.Redirect("https://" + elsewhere + "/token")},
			command: inspect, words: []string{"redirected to " + elsewhere}},
		{what: "a token service that sends to itself", registry: &hostileregistry.Registry{Token: hostileregistry.Redirect("")},
			command: inspect, words: []string{"stopped after 10 redirects"}},
		{what: "a token service on the agent", registry: at("https://127.0.0.1:4443/token"), command: listening(inspect), words: []string{notHere, "hint: "}},
		{what: "a token service on the agent, by name", registry: at("https://localhost:4443/token"), command: listening(check), words: []string{notHere}},
		{what: "a token service at a metadata service", registry: at("https://" + metadataService + "/latest/"), command: check, words: []string{notThere, "hint: "}},
		{what: "a token service at a metadata service, as IPv6", registry: at("https://[::ffff:" + metadataService + "]/latest/"), command: inspect, words: []string{notThere}},
		{what: "a token service at a metadata service, without TLS", registry: at("http://" + metadataService + "/latest/"), command: inspect, words: []string{"without TLS", "nothing is sent there"}},
		{what: "a token service without TLS", registry: at("http://" + elsewhere + "/token"), command: inspect, words: []string{"without TLS", "nothing is sent there"}},
		{what: "a token service that is no URL", registry: at("::"), command: inspect, words: []string{"without a usable URL"}},
		{what: "a token service of another registry", registry: at("https://" + elsewhere + "/token"), command: inspect + " >&2", survives: true, words: []string{"Digest: "}},
		{what: "a registry that asks for a password", registry: &hostileregistry.Registry{
			Challenge: hostileregistry.Status(401, http.Header{"Www-Authenticate": {"Basic realm=x"}}),
		}, command: inspect, words: []string{"401 Unauthorized", "no credential was found"}},
		{what: "a registry that asks for a token for ever", registry: &hostileregistry.Registry{Manifest: hostileregistry.Status(401, http.Header{
			"Www-Authenticate": {`Bearer realm="https://` + host + `/token"`},
		})}, command: inspect, words: []string{"401 Unauthorized"}, asked: 2},
		{what: "a registry that sends to itself", registry: sends(""), command: inspect, words: []string{"stopped after 10 redirects"}},
		{what: "a registry that sends to the agent", registry: sends("https://127.0.0.1:4443/"), command: listening(inspect), words: []string{notHere}},
		{what: "a registry that sends to a metadata service", registry: sends("http://" + metadataService + "/latest/"), command: inspect, words: []string{notThere}},
		{what: "a registry that sends to another host", registry: sends("https://" + elsewhere + "/v2/app/manifests/1"), command: inspect, words: []string{"401 Unauthorized"}},
		{what: "429 with Retry-After of a year", registry: &hostileregistry.Registry{Manifest: hostileregistry.Status(429, http.Header{"Retry-After": {"31536000"}})},
			command: inspect, words: []string{"429 Too Many Requests", "giving up"}, asked: 2},
		{what: "503 for ever", registry: &hostileregistry.Registry{Manifest: hostileregistry.Status(503, nil)},
			command: inspect, words: []string{"503 Service Unavailable", "trying again"}, asked: 7},
		{what: "a manifest of 1 GiB", registry: &hostileregistry.Registry{Manifest: hostileregistry.Flood("application/vnd.oci.image.manifest.v1+json", `{"x":"`, 1<<30)},
			command: inspect, words: []string{"more than the 4194304 bytes"}},
		{what: "a manifest that comes a byte a second", registry: &hostileregistry.Registry{Manifest: hostileregistry.Drip},
			command: inspect, words: []string{"too slowly"}, long: true},
		{what: "a manifest with another digest", registry: &hostileregistry.Registry{},
			command: "slipway index inspect " + host + "/app@sha256:" + strings.Repeat("0", 64), words: []string{"digest mismatch"}},
		{what: "HEAD that says otherwise than GET", registry: &hostileregistry.Registry{Manifest: hostileregistry.AfterHead(
			hostileregistry.Manifest("text/html", []byte("another")), hostileregistry.Manifest("application/vnd.oci.image.manifest.v1+json", hostileregistry.Image(0)),
		)}, command: inspect + " >&2", survives: true, words: []string{hostileregistry.Digest(hostileregistry.Image(0))}},
		{what: "a configuration without an end", registry: &hostileregistry.Registry{Blob: hostileregistry.Flood("application/octet-stream", "{", 0)},
			command: config, words: []string{"error: "}},
		{what: "a configuration that claims exabytes", registry: &hostileregistry.Registry{
			Manifest: hostileregistry.Manifest("application/vnd.oci.image.manifest.v1+json", hostileregistry.Image(1<<60)),
		}, command: config, words: []string{"more than the 4194304 bytes"}},
		{what: "a layer without an end, to be copied", registry: &hostileregistry.Registry{Blob: hostileregistry.Layers(hostileregistry.Flood("application/octet-stream", "x", 0))},
			command: copied, words: []string{"error: "}},
		{what: "a layer that comes a byte a second, to be copied", registry: &hostileregistry.Registry{Blob: hostileregistry.Layers(hostileregistry.Drip)},
			command: copied, words: []string{"too slowly"}, long: true},
	}
	for _, row := range rows {
		t.Run(strings.ReplaceAll(row.what, " ", "-"), func(t *testing.T) {
			if row.long {
				long(t)
			}
			f := w.plant(t, row.what, row.registry)
			row.judge(f, f.run(w.agent, row.command))
			if n := w.hostile.Count("", regexp.MustCompile("/manifests/")); row.asked > 0 && n != row.asked {
				t.Errorf("manifests were asked for %d times, want %d", n, row.asked)
			}
			f.held(halfMovedTag, w.digest("copied") == "", "the image was copied")
			w.harmless(f, row.registry)
		})
	}
	w.t = t
	// Without this, a rule that meets nothing would tell of nothing.
	w.sh(busybox + " nc -w 1 " + metadataService + " 80 < /dev/null")
	if w.blocked(w.watched[0], metadataService) == 0 {
		t.Errorf("what is sent to %s is not counted", metadataService)
	}
}

// busybox is the agent's own.
const busybox = "/opt/busybox/busybox-amd64"

// listening runs a command while something listens on the agent, at port 4443,
// which fails it with another exit code if it was spoken to.
func listening(command string) string {
	return fmt.Sprintf(`%s nc -l -p 4443 < /dev/null > /tmp/heard & listener=$!
until grep -q ':115B 0*:0000 0A' /proc/net/tcp /proc/net/tcp6; do kill -0 $listener || exit 98; sleep 0.1; done
%s; code=$?
kill $listener || code=99; wait $listener; [ ! -s /tmp/heard ] || code=99; exit $code`, busybox, command)
}

// TestFaultHostileRegistryInABuild builds from images of a registry that means
// no good, for which the builders ask the agent for tokens.
func TestFaultHostileRegistryInABuild(t *testing.T) {
	t.Parallel()
	w := newWary(t)
	host, elsewhere := w.hostile.Registry().Address, w.elsewhere.Registry().Address
	w.write("cached/Dockerfile", smallDockerfile)
	// Builders keep tokens and what they know of a registry, so each build asks
	// for another repository.
	build := "slipway build --no-cache --progress plain --platform linux/amd64 -o out "
	from, cached := build+".", build+"--cache-from "+host+"/$REPO:1 cached"
	w.ok(build + "cached >&2")
	w.watch(w.builderIP())
	rows := []hostileRow{
		{what: "a base image whose registry asks for a password", registry: &hostileregistry.Registry{
			Challenge: hostileregistry.Status(401, http.Header{"Www-Authenticate": {"Basic realm=x"}}),
		}, command: from, words: []string{"cannot pull " + host + "/app-0"}},
		{what: "a base image whose layer comes a byte a second", registry: &hostileregistry.Registry{
			Manifest: hostileregistry.Manifest("application/vnd.oci.image.manifest.v1+json", hostileregistry.OtherImage([]byte("slow"))),
			Blob:     hostileregistry.Layers(hostileregistry.Drip),
		}},
		{what: "a base image whose layer has another digest", registry: &hostileregistry.Registry{
			Manifest: hostileregistry.Manifest("application/vnd.oci.image.manifest.v1+json", hostileregistry.OtherImage([]byte("another"))),
			Blob:     hostileregistry.Layers(hostileregistry.Text(200, "application/octet-stream", strings.Repeat("x", 1024))),
		}, command: from, words: []string{"unexpected commit digest"}},
		{what: "a base image whose token has no end", registry: &hostileregistry.Registry{Token: hostileregistry.Flood("application/json", `{"token":"`, 0)},
			command: from, words: []string{"more than the 1048576 bytes"}},
		{what: "a base image whose token comes a byte a second", registry: &hostileregistry.Registry{Token: hostileregistry.Drip},
			command: from, words: []string{"too slowly"}, long: true},
		{what: "a base image whose token is no JSON", registry: &hostileregistry.Registry{Token: hostileregistry.Text(200, "text/html", "<html>")},
			command: from, words: []string{"unable to decode"}},
		{what: "a base image whose token service is the agent", registry: &hostileregistry.Registry{Realm: "https://127.0.0.1:4443/token"},
			command: listening(from), words: []string{"this machine"}},
		{what: "a base image whose token service is a metadata service", registry: &hostileregistry.Registry{Realm: "https://" + metadataService + "/latest/"},
			command: from, words: []string{"a cloud's metadata service"}},
		{what: "a base image whose token service is another registry's", registry: &hostileregistry.Registry{Realm: "https://" + elsewhere + "/token"},
			command: from, survives: true, words: []string{"exporting to client"}},
		{what: "a base image whose HEAD says otherwise than GET", registry: &hostileregistry.Registry{Manifest: hostileregistry.AfterHead(
			hostileregistry.Manifest("application/vnd.oci.image.manifest.v1+json", hostileregistry.Image(7)),
			hostileregistry.Manifest("application/vnd.oci.image.manifest.v1+json", hostileregistry.Image(0)),
		)}, command: from, words: []string{host + "/app"}},
		{what: "a cache whose token service is a metadata service", registry: &hostileregistry.Registry{Realm: "https://" + metadataService + "/latest/"},
			command: cached, survives: true, words: []string{"a cloud's metadata service"}},
		{what: "a cache that is no JSON", registry: &hostileregistry.Registry{Manifest: hostileregistry.Text(200, "text/html", "<html>")},
			command: cached, survives: true, words: []string{"importing cache manifest"}},
	}
	for i, row := range rows {
		t.Run(strings.ReplaceAll(row.what, " ", "-"), func(t *testing.T) {
			if row.long {
				long(t)
			}
			f := w.plant(t, row.what, row.registry)
			repository := fmt.Sprintf("app-%d", i)
			w.write("Dockerfile", "FROM "+host+"/"+repository+":1\nCOPY Dockerfile /\n")
			w.ok("rm -rf out")
			if row.command == "" { // only the builder reads it: the build ends when it is told to
				w.terminate(from, `\[1/2\] FROM`)
				f.ended("ended by SIGTERM")
			} else {
				row.judge(f, f.run(w.agent, "REPO="+repository+"; "+row.command))
			}
			w.harmless(f, row.registry)
			if !row.survives {
				f.held(partialOutput, w.sh("test ! -e out").code == 0, "there is an output")
			}
		})
	}
	w.t = t
}

// TestFaultHostileRegistryAtPublication pushes to a registry that, once the
// builders have pushed to it, shows the agent other manifests.
func TestFaultHostileRegistryAtPublication(t *testing.T) {
	t.Parallel()
	p := startProxy(t)
	s := newShop(t, bed(t).Images.Agent, p.Registry())
	build := "slipway build " + both + s.from() + "-t " + s.tag("v1") + " --push ."
	s.ok(build)
	before, address := s.digest("v1"), s.address("pod/agent")
	s.write("Dockerfile", machineDockerfile+"RUN echo changed >> /machine.txt\n")
	for _, row := range []struct {
		what   string
		answer http.HandlerFunc
		words  []string
		long   bool
	}{
		{"a pushed manifest of 1 GiB", hostileregistry.Flood("application/vnd.oci.image.manifest.v1+json", `{"x":"`, 1<<30), []string{"more than the 4194304 bytes"}, false},
		{"a pushed manifest that is another", hostileregistry.Manifest("application/vnd.oci.image.manifest.v1+json", hostileregistry.Image(0)), []string{"digest mismatch"}, false},
		{"a pushed manifest that comes a byte a second", hostileregistry.Drip, []string{"too slowly"}, true},
	} {
		t.Run(strings.ReplaceAll(row.what, " ", "-"), func(t *testing.T) {
			if row.long {
				long(t)
			}
			s.t = t
			f := plant(t, "registry", row.what)
			p.Clear()
			p.Add(proxy.Rule{Method: http.MethodGet, Path: regexp.MustCompile(`/manifests/sha256:`), Client: address, Fault: proxy.Answer(row.what, row.answer)})
			f.explained(f.run(s.agent, build), 5, append(row.words, "error: ")...)
			f.held(halfMovedTag, s.digest("v1") == before, "the tag is %s, was %s", s.digest("v1"), before)
		})
	}
	s.t = t
	p.Clear()
	s.ok(build)
	if s.digest("v1") == before {
		t.Error("the build without a fault has moved no tag")
	}
}
