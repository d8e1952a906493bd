package scenarios

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// debugBuild is a build whose log names the transport.
const debugBuild = "slipway build --debug --progress plain -o out . "

// closedWay is what a build says once when it is not direct and could be.
const closedWay = " and not direct: "

// values are what the log says about a key, "key=value".
func (r result) values(key string) []string {
	var all []string
	for _, word := range strings.Fields(r.stderr) {
		if value, ok := strings.CutPrefix(word, key+"="); ok {
			all = append(all, value)
		}
	}
	return all
}

// builds runs a build that must succeed by the transport.
func (a *agent) builds(script, transport string) result {
	a.t.Helper()
	r := a.sh(script)
	if r.code != 0 {
		a.t.Fatalf("%s: exit %d after %s:\n%s", script, r.code, r.took, r.stderr)
	}
	// The last one, for those before it are of attempts that failed.
	all := r.values("transport")
	if len(all) == 0 || all[len(all)-1] != transport {
		a.t.Fatalf("%s: transports %q, want %s:\n%s", script, all, transport, r.stderr)
	}
	return r
}

// newSpaceWithout is a space whose agents may do all but what is named, of the
// rule about connecting to pods.
func newSpaceWithout(t *testing.T, resources string) *space {
	t.Helper()
	s := newSpace(t, "slipway-manage")
	const rule = "resources: [pods/exec, pods/portforward]"
	role := demoRole(t, "slipway-build")
	if !strings.Contains(role, rule) {
		t.Fatalf("the role of the demo has no rule with %s", rule)
	}
	s.kubectl(strings.Replace(role, rule, "resources: ["+resources+"]", 1), "create", "-f", "-")
	s.kubectl("", "create", "rolebinding", "slipway-build", "--role=slipway-build", "--serviceaccount="+s.Name+":agent")
	return s
}

// builderIP is the address of the only pod of the node builder-amd64.
func (s *space) builderIP() string {
	s.t.Helper()
	return s.kubectl("", "get", "pods", "--selector=app=builder-amd64", "-o", "jsonpath={.items[0].status.podIP}")
}

// block adds a rule to the path of every packet between pods and returns what
// removes it; the end of the test does so, too.
func (s *space) block(rule ...string) (unblock func()) {
	s.t.Helper()
	filter := filterOf(rule)
	run := func(ctx context.Context, verb string) error {
		out, err := exec.CommandContext(ctx, filter, append([]string{"-w", verb, "FORWARD", "-p", "tcp"}, rule...)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s %s %q: %w: %s", filter, verb, rule, err, out)
		}
		return nil
	}
	if err := run(s.t.Context(), "-I"); err != nil {
		s.t.Fatal(err)
	}
	removed := false
	unblock = func() {
		if removed {
			return
		}
		removed = true
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := run(ctx, "-D"); err != nil {
			s.t.Error(err)
		}
	}
	s.t.Cleanup(unblock)
	return unblock
}

func TestDirectIsTheDefault(t *testing.T) {
	t.Parallel()
	s := newSpaceWithout(t, "pods/status") // neither exec nor portforward
	s.define(s.builderNode("amd64"), s.builderNode("arm64"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", smallDockerfile)
	a.builds(debugBuild+both, "direct") // the agent that makes the certificates
	b := s.startAgent("other", s.Bed.Images.Agent)
	b.write("Dockerfile", smallDockerfile)
	r := b.builds(debugBuild+both, "direct") // and one that reads them
	want(t, "transports of two nodes", strings.Join(r.values("transport"), " "), "direct direct")
	want(t, "secrets", strings.Join(s.names("secrets"), " "),
		"secret/builder-amd64-tls secret/builder-amd64-tls-client secret/builder-arm64-tls secret/builder-arm64-tls-client")
	// A pod holds nothing of its clients' key.
	want(t, "files in the pod", s.kubectl("", "exec", "deployment/builder-amd64", "--", "sh", "-c", "ls /etc/slipway/tls"), "ca.crt\ntls.crt\ntls.key\n")

	r = b.fails(3, "slipway build --transport exec -o no .", "error: ", `resource "pods/exec"`, "kind: Role")
	if strings.Contains(r.stderr, "tls") {
		t.Errorf("the hint about exec is about certificates:\n%s", r.stderr)
	}
	b.fails(3, "SLIPWAY_TRANSPORT=portforward slipway build -o no .", "error: ", `resource "pods/portforward"`, "kind: Role")
	b.fails(2, "slipway build --transport carrier-pigeon -o no .", "error: ", "--transport", "auto, direct, portforward, exec")
}

func TestPortForwardWithoutExec(t *testing.T) {
	t.Parallel()
	s := newSpaceWithout(t, "pods/portforward")
	n := s.builderNode("amd64")
	n.Slipway = map[string]any{"transport": "portforward"}
	s.define(n)
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", smallDockerfile)
	a.builds(debugBuild, "portforward")
	a.ok("cmp Dockerfile out/Dockerfile && head -c 20000000 /dev/urandom > large && echo 'COPY large /' >> Dockerfile")
	a.builds(debugBuild, "portforward")
	a.ok("cmp large out/large")
	a.builds(debugBuild+"--transport direct", "direct") // the command line wins
}

func TestDirectBlocked(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", smallDockerfile)
	a.ok("slipway up >&2")
	ip := s.builderIP()

	unblock := s.block("-d", ip, "--dport", "1234", "-j", "DROP")
	r := a.builds(debugBuild, "portforward")
	if got := strings.Count(r.stderr, closedWay); got != 1 {
		t.Errorf("it says %d times why it is not direct, want once:\n%s", got, r.stderr)
	}
	if words := "reached by portforward" + closedWay + urlHost(ip) + ":1234: no answer"; !strings.Contains(r.stderr, words) {
		t.Errorf("it does not say %q:\n%s", words, r.stderr)
	}
	a.fails(3, "slipway build --transport direct -o no .", "error: ", urlHost(ip)+":1234: no answer", "hint: ", "NetworkPolicy", "1234")
	unblock()

	unblock = s.block("-d", ip, "--dport", "1234", "-j", "REJECT", "--reject-with", "tcp-reset")
	a.fails(3, "slipway build --transport direct -o no .", "error: ", urlHost(ip)+":1234: connection refused")
	unblock()
	r = a.builds(debugBuild, "direct")
	if strings.Contains(r.stderr, closedWay) {
		t.Errorf("it is direct and says it is not:\n%s", r.stderr)
	}

	// With the right to neither read the certificate nor to use anything but
	// exec.
	s.kubectl("", "delete", "rolebindings", "--all")
	s.kubectl("", "create", "role", "only-exec", "--verb=create,get", "--resource=pods/exec")
	s.kubectl("", "create", "role", "only-list", "--verb=list", "--resource=pods")
	s.kubectl("", "create", "role", "only-look", "--verb=get", "--resource=deployments.apps")
	for _, role := range []string{"only-exec", "only-list", "only-look"} {
		s.kubectl("", "create", "rolebinding", role, "--role="+role, "--serviceaccount="+s.Name+":agent")
	}
	r = a.builds(debugBuild, "exec")
	if !strings.Contains(r.stderr, closedWay) || !strings.Contains(r.stderr, `cannot get resource "secrets"`) {
		t.Errorf("it does not say why it is not direct:\n%s", r.stderr)
	}
	a.fails(3, "slipway build --transport direct -o no .", `cannot get resource "secrets"`, "resourceNames:\n  - builder-amd64-tls-client\n")
}

func TestBlockedInMidBuild(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", "FROM base AS build\nRUN sleep 15 && echo done > /file\nFROM scratch\nCOPY --from=build /file /\n")
	a.ok("slipway up >&2")
	ip := s.builderIP()
	a.ok("(" + debugBuild + a.base() + "> log 2>&1; echo $? > code) < /dev/null > /dev/null 2>&1 &")
	a.until("the RUN step starts", "grep -q 'RUN sleep 15' log")
	s.block("-d", ip, "--dport", "1234", "-j", "DROP")
	s.block("-s", ip, "--sport", "1234", "-j", "DROP")
	a.until("the build ends", "test -s code")
	log := a.ok("cat log")
	if got := a.sh("cat out/file"); got.stdout != "done\n" {
		t.Errorf("the build did not go on another way:\n%s", log)
	}
	for _, words := range []string{"solving again (2 of 3)", "transport=direct", "transport=portforward", closedWay} {
		if !strings.Contains(log, words) {
			t.Errorf("the log lacks %q:\n%s", words, log)
		}
	}
}

func TestCertificatesAreRenewedUnderBuilds(t *testing.T) {
	t.Parallel()
	const builds = 10
	s := newSpace(t, "slipway-build", "slipway-manage")
	n := s.builderNode("amd64")
	n.Slipway = map[string]any{"transport": "direct"}
	s.define(n)
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", "FROM base AS build\nARG N\nRUN sleep 6 && echo $N > /file\nFROM scratch\nCOPY --from=build /file /\n")
	a.ok("slipway up >&2")
	certificate := func() string {
		return s.kubectl("", "get", "secret", "builder-amd64-tls", "-o", `jsonpath={.data.tls\.crt}`)
	}
	before := certificate()

	a.ok(fmt.Sprintf(`for n in $(seq %d); do
(slipway build --progress plain %s --build-arg N=$n -o out$n . > log$n 2>&1; echo $? > code$n) < /dev/null > /dev/null 2>&1 &
done`, builds, a.base()))
	a.until("all builds run", fmt.Sprintf("test $(grep -l 'RUN sleep 6' log* | wc -l) -eq %d", builds))
	r := a.sh("slipway up --progress plain --renew-certificates")
	if r.code != 0 || !strings.Contains(r.stderr, "renewed the certificates in secret builder-amd64-tls") {
		t.Fatalf("exit %d:\n%s", r.code, r.stderr)
	}
	if certificate() == before {
		t.Error("the certificate is the same")
	}
	// The pod still has the old one; who comes now reads the new Secret.
	a.builds(debugBuild+a.base()+"--build-arg N=late", "direct")
	a.until("all builds end", fmt.Sprintf("test $(cat code* | wc -l) -eq %d", builds))
	want(t, "exit codes", a.ok("cat code* | sort -u"), "0\n")
	want(t, "results", a.ok("cat out?/file out??/file | sort -n | uniq | wc -l"), fmt.Sprintf("%d\n", builds))

	// A pod that starts after the renewal has the new one.
	s.kubectl("", "delete", "pods", "--selector=app=builder-amd64", "--grace-period=0", "--force")
	a.builds(debugBuild+a.base()+"--build-arg N=later", "direct")
	// And once more, with nothing but the rights of a build.
	a.ok("slipway up --renew-certificates >&2")
	s.kubectl("", "delete", "rolebinding", "slipway-manage")
	a.builds(debugBuild+a.base()+"--build-arg N=last", "direct")
}

func TestStrangersAreRefused(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.ok("slipway up >&2")
	var known struct{ Data map[string][]byte }
	if err := json.Unmarshal([]byte(s.kubectl("", "get", "secret", "builder-amd64-tls-client", "-o", "json")), &known); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(known.Data["ca.crt"])
	own, err := tls.X509KeyPair(known.Data["tls.crt"], known.Data["tls.key"])
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	strange, err := tls.X509KeyPair(newAuthority(t, now).sign(t, "client", now, time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		pairs []tls.Certificate
		words string
	}{
		{"its own", []tls.Certificate{own}, ""},
		{"none", nil, "certificate required"},
		{"another authority's", []tls.Certificate{strange}, "unknown certificate authority"},
	} {
		config := &tls.Config{
			RootCAs: roots, ServerName: "buildkitd.builder-amd64." + s.Name, NextProtos: []string{"h2"},
			// Whatever the server asks for.
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if len(tt.pairs) == 0 {
					return &tls.Certificate{}, nil
				}
				return &tt.pairs[0], nil
			},
		}
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", net.JoinHostPort(s.builderIP(), "1234"), config)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		// The server says what it thinks of the certificate, or the first
		// bytes of HTTP/2.
		_, err = conn.Read(make([]byte, 1))
		if tt.words == "" && err != nil || tt.words != "" && (err == nil || !strings.Contains(err.Error(), tt.words)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.words)
		}
		if version := conn.ConnectionState().Version; version != tls.VersionTLS13 {
			t.Errorf("%s: TLS version %x", tt.name, version)
		}
		_ = conn.Close()
	}
}

// authority signs certificates that a platform team brings along.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

func newAuthority(t *testing.T, now time.Time) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	made := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the platform team's"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: now.Add(-1000 * time.Hour), NotAfter: now.Add(1000 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, made, made, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return authority{made, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// sign makes a certificate for server and client alike that is valid from a
// moment on, and its key.
func (a authority) sign(t *testing.T, name string, from time.Time, life time.Duration) (certificate, private []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: from, NotAfter: from.Add(life),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// putCertificate makes or replaces a Secret as cert-manager writes it.
func (s *space) putCertificate(name string, ca, certificate, key []byte) {
	s.t.Helper()
	e := base64.StdEncoding.EncodeToString
	s.kubectl(fmt.Sprintf(`{"apiVersion":"v1","kind":"Secret","type":"kubernetes.io/tls","metadata":{"name":%q},"data":{"ca.crt":%q,"tls.crt":%q,"tls.key":%q}}`,
		name, e(ca), e(certificate), e(key)), "apply", "-f", "-")
}

func TestBroughtCertificates(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	n := s.builderNode("amd64")
	const serverName = "builders.example.com"
	n.Slipway = map[string]any{"transport": "direct", "tls": map[string]any{"serverSecret": "builder-server", "clientSecret": "builder-amd64-tls-client", "serverName": serverName}}
	s.define(n)
	now := time.Now()
	team := newAuthority(t, now)
	put := func(name string, by authority, serverName string, from time.Time, life time.Duration) {
		certificate, key := by.sign(t, serverName, from, life)
		s.putCertificate(name, team.pem, certificate, key)
	}
	restart := func() {
		s.kubectl("", "delete", "pods", "--selector=app=builder-amd64", "--grace-period=0", "--force")
	}
	const client = "builder-amd64-tls-client" // the role of the demo names it
	// A clock five minutes ahead has made them: they are not valid yet, which
	// the makers of certificates give room for, as here.
	put("builder-server", team, serverName, now.Add(-5*time.Minute), time.Hour)
	put(client, team, "agents", now.Add(-5*time.Minute), time.Hour)
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", smallDockerfile)
	a.builds(debugBuild, "direct")
	want(t, "secrets", strings.Join(s.names("secrets"), " "), "secret/builder-amd64-tls-client secret/builder-server")
	a.fails(2, "slipway up --renew-certificates", "not slipway's to renew", "builder-server")

	put(client, team, "agents", now.Add(-2*time.Hour), time.Hour)
	a.fails(3, "slipway build -o no .", "buildkitd refuses the client's certificate of secret "+s.Name+"/"+client+": it has expired")
	put(client, newAuthority(t, now), "agents", now, time.Hour)
	a.fails(3, "slipway build -o no .", "buildkitd refuses the client's certificate")
	put(client, team, "agents", now, time.Hour)

	put("builder-server", team, serverName, now.Add(-2*time.Hour), time.Hour)
	restart()
	a.fails(3, "slipway build -o no .", "the certificate of buildkitd expired at ", "hint: ", "kubectl delete pod")
	put("builder-server", team, serverName, now.Add(5*time.Hour), time.Hour)
	restart()
	a.fails(3, "slipway build -o no .", "the certificate of buildkitd is not valid before ", "clock")
	put("builder-server", team, "other.example.com", now, time.Hour)
	restart()
	a.fails(3, "slipway build -o no .", "is for other.example.com and not for "+serverName)
	put("builder-server", newAuthority(t, now), serverName, now, time.Hour)
	restart()
	a.fails(3, "slipway build -o no .", "signed by another authority than those in secret "+s.Name+"/"+client)
	// No other transport makes up for that, least of all one without
	// certificates.
	r := a.fails(3, "slipway --debug build --transport auto -o no .", "signed by another authority")
	if strings.Contains(r.stderr, "transport=portforward") || strings.Contains(r.stderr, "transport=exec") {
		t.Errorf("it tries another way:\n%s", r.stderr)
	}
}

func TestCertificateFromADirectory(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-manage")
	s.kubectl("", "create", "role", "only-list", "--verb=list,watch", "--resource=pods")
	s.kubectl("", "create", "role", "only-get", "--verb=get", "--resource=deployments")
	for _, role := range []string{"only-list", "only-get"} {
		s.kubectl("", "create", "rolebinding", role, "--role="+role, "--serviceaccount="+s.Name+":agent")
	}
	n := s.builderNode("amd64")
	n.Slipway = map[string]any{"tls": map[string]any{"clientDir": "/workspace/client"}}
	s.define(n)
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", smallDockerfile)
	// Without the files there is no way at all, and each reason is told.
	a.fails(3, "slipway build -o no .", "direct: the client's certificate in /workspace/client cannot be used", "exec: ", "Slipway.tls.clientDir")
	s.kubectl("", "delete", "rolebinding", "slipway-manage")
	for key, file := range map[string]string{`ca\.crt`: "ca.pem", `tls\.crt`: "cert.pem", `tls\.key`: "key.pem"} {
		raw, err := base64.StdEncoding.DecodeString(s.kubectl("", "get", "secret", "builder-amd64-tls-client", "-o", "jsonpath={.data."+key+"}"))
		if err != nil {
			t.Fatal(err)
		}
		a.write("client/"+file, string(raw))
	}
	a.builds(debugBuild, "direct")
}

func TestPodReplacedBetweenChoiceAndDial(t *testing.T) {
	t.Parallel()
	s := newSpaceWithout(t, "pods/status")
	s.define(s.builderNode("amd64", "replicas=2"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", smallDockerfile)
	a.ok("slipway up >&2")
	s.kubectl("", "rollout", "status", "deployment/builder-amd64", "--timeout="+patience.String())
	chosen := a.builds(debugBuild, "direct").values("pod")[0]
	ip := s.kubectl("", "get", "pod", chosen, "-o", "jsonpath={.status.podIP}")
	// Packets to it vanish, as they do when it is no more; the dial waits.
	s.block("-d", ip, "--dport", "1234", "-j", "DROP")
	a.ok("(" + debugBuild + "> log 2>&1; echo $? > code) < /dev/null > /dev/null 2>&1 &")
	s.eventually("the dial begins", func() bool {
		out, err := exec.CommandContext(t.Context(), filterOf([]string{ip}), "-w", "-nvxL", "FORWARD").Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			if f := strings.Fields(line); len(f) > 7 && f[2] == "DROP" && slices.Contains(f, ip) {
				return f[0] != "0"
			}
		}
		return false
	})
	s.kubectl("", "delete", "pod", chosen, "--grace-period=0", "--force")
	a.until("the build ends", "test -s code")
	log := a.ok("cat log")
	if code := a.ok("cat code"); code != "0\n" {
		t.Fatalf("exit %s:\n%s", code, log)
	}
	if !strings.Contains(log, "pod "+chosen+" does not answer") || !strings.Contains(log, "transport=direct") {
		t.Errorf("the log does not tell of the other pod:\n%s", log)
	}
}

// TestRolesMadeForBuildx builds from nothing, and again, with no right but those
// that buildx needs: none to Secrets, none to watch.
func TestRolesMadeForBuildx(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.kubectl(`
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: buildx}
rules:
  - {apiGroups: [apps], resources: [deployments, statefulsets], verbs: [get, create]}
  - {apiGroups: [""], resources: [configmaps], verbs: [create, update]}
  - {apiGroups: [""], resources: [pods], verbs: [list]}
  - {apiGroups: [""], resources: [pods/exec], verbs: [create]}
`, "create", "-f", "-")
	s.kubectl("", "create", "rolebinding", "buildx", "--role=buildx", "--serviceaccount="+s.Name+":agent")
	s.define(s.builderNode("amd64"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n")
	first := a.builds(debugBuild, "exec")
	if n := strings.Count(first.stderr, "no right to make certificates, so deployment builder-amd64 will be reached by exec"); n != 1 {
		t.Errorf("it says %d times why it makes no certificates:\n%s", n, first.stderr)
	}
	if again := a.builds(debugBuild, "exec"); strings.Contains(again.stderr, closedWay) || strings.Contains(again.stderr, "certificates") {
		t.Errorf("a warm build complains:\n%s", again.stderr)
	}
	a.fails(3, "slipway up --renew-certificates --transport direct", "takes no TLS connections")
}
