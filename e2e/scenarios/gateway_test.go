package scenarios

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// gatewayClient is a pod that knows the gateway and has a certificate, and neither a token
// nor a way to ask for the name of the Service. Its volumes are of the chart.
const gatewayClient = `
apiVersion: v1
kind: Pod
metadata: {name: %[1]s}
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  hostAliases: [{ip: %[3]q, hostnames: [slipway-gateway.%[4]s.svc]}]
  containers:
    - name: job
      image: %[2]s
      command: [%[5]s]
      workingDir: /workspace
      volumeMounts:
        - {name: builders, mountPath: /etc/slipway/definitions, readOnly: true}
        - {name: certificate, mountPath: /etc/slipway/gateway, readOnly: true}
        - {name: workspace, mountPath: /workspace}
  volumes:
    - {name: builders, configMap: {name: slipway-gateway-builders}}
    - {name: certificate, secret: {secretName: slipway-gateway-client-team-a}}
    - {name: workspace, emptyDir: {}}
`

// TestGateway builds through the chart's gateway of two replicas, from pods without a
// token: by slipway, docker buildx and buildctl. Who is not let in is told why. An upgrade keeps
// certificates and makes those of what is new. A replica
// that is killed in the middle of a build costs it another solve.
func TestGateway(t *testing.T) {
	t.Parallel()
	programs := helmPrograms(t)
	r := release{space: newSpace(t), program: programs[len(programs)-1]}
	if r.Bed.Images.Peer == "" {
		t.Fatal("there is no peer image; make it with: cd e2e && go run ./testbed peer")
	}
	values := func(clients []string, nodes ...node) string {
		var list []map[string]any
		for _, name := range clients {
			list = append(list, map[string]any{"name": name})
		}
		return r.valuesFor(map[string]any{
			"agents":  []map[string]any{},
			"gateway": map[string]any{"enabled": true, "drainSeconds": int(patience.Seconds()), "clients": list},
		}, nodes...)
	}
	made := func(names ...string) string {
		for i := range names {
			names[i] = "slipway-gateway-" + names[i]
		}
		return r.kubectl("", append([]string{"get", "secrets", "-o", "jsonpath={.items[*].data}"}, names...)...)
	}
	r.helm("install", values([]string{"team-a"}, r.builderNode("amd64")))
	before, server := made("ca", "client-team-a"), made("tls", "ca")
	r.helm("upgrade", values([]string{"team-a", "team-b"}, r.builderNode("amd64"), r.builderNode("arm64")))
	if made("ca", "client-team-a") != before {
		t.Error("the upgrade has made certificates that were there")
	}
	if made("tls", "ca") == server || !strings.Contains(made("client-team-b", "ca"), "tls.key") {
		t.Error("the upgrade has made no certificates for a new node and a new client")
	}
	ip := r.kubectl("", "get", "service", "slipway-gateway", "-o", "jsonpath={.spec.clusterIP}")
	client := func(name, image string) *agent {
		command := "sleep, infinity"
		if r.Bed.Images.PodShell != "" {
			command = r.Bed.Images.PodShell
		}
		return r.startAgentFrom(name, fmt.Sprintf(gatewayClient, name, image, ip, r.Name, command))
	}
	job := client("job", r.Bed.Images.Agent)
	r.kubectl("", "rollout", "status", "deployment/slipway-gateway", "--timeout="+patience.String())
	job.write("Dockerfile", unameDockerfile)
	job.write("small/Dockerfile", smallDockerfile)

	job.ok("slipway build " + both + job.base() + "-o out . >&2 && grep x86_64 out/linux_amd64/machine.txt && grep aarch64 out/linux_arm64/machine.txt")
	if listed := job.ok("slipway ls"); !strings.Contains(listed, "running") || !strings.Contains(listed, "linux/arm64") {
		t.Errorf("slipway ls:\n%s", listed)
	}
	job.builtByBuildctl()
	peer := client("peer", r.Bed.Images.Peer)
	peer.write("Dockerfile", smallDockerfile)
	peer.ok("mkdir -p ~/.docker/buildx/instances && cp -L /etc/slipway/definitions/kube ~/.docker/buildx/instances/")
	peer.ok("buildx build --builder kube " + both + "--output type=local,dest=out . >&2 && cmp Dockerfile out/linux_amd64/Dockerfile && cmp Dockerfile out/linux_arm64/Dockerfile")
	if logs := r.gatewayLogs(); !strings.Contains(logs, "team-a") || !strings.Contains(logs, "a client has connected") {
		t.Errorf("the logs of the gateway:\n%s", logs)
	}

	r.refused(job, peer)

	// A replica that is asked to end lets builds come to their end.
	finish := job.buildThatWaits()
	r.kubectl("", "delete", "pod", r.serving(), "--wait=false")
	finish()
	if log := job.ok("cat /tmp/log"); strings.Contains(log, "lost") {
		t.Errorf("a replica that ends has cut a build off:\n%s", log)
	}
	r.kubectl("", "rollout", "status", "deployment/slipway-gateway", "--timeout="+patience.String())
	finish = job.buildThatWaits()
	r.kubectl("", "delete", "pod", r.serving(), "--force", "--grace-period=0")
	job.until("the build is solved again", "grep -q 'solving again' /tmp/log")
	finish()
	t.Logf("%s", job.ok("grep 'solving again' /tmp/log"))
}

// builtByBuildctl builds with buildctl, which takes the server name as a flag.
func (a *agent) builtByBuildctl() {
	a.t.Helper()
	program, err := os.ReadFile(filepath.Join(a.Bed.BinDir, "buildctl"))
	if err != nil {
		a.t.Fatal(err)
	}
	a.write("/usr/local/bin/buildctl", string(program))
	a.ok("chmod +x /usr/local/bin/buildctl")
	a.ok(a.buildctl("builder-arm64.kube") + "build --frontend dockerfile.v0 --local context=small --local dockerfile=small --output type=local,dest=ctl >&2 && cmp small/Dockerfile ctl/Dockerfile")
	if said := a.sh(a.buildctl("slipway-gateway") + "debug workers").stderr; !strings.Contains(said, "certificate is valid for") {
		a.t.Errorf("a server name that the certificate does not have: %s", said)
	}
}

func (a *agent) buildctl(serverName string) string {
	const dir = "/etc/slipway/gateway/"
	return fmt.Sprintf("buildctl --addr tcp://slipway-gateway.%s.svc:8443 --tlscacert %[2]sca.crt --tlscert %[2]stls.crt --tlskey %[2]stls.key --tlsservername %[3]s ", a.Name, dir, serverName)
}

// refused tries certificates that are not let in.
func (r release) refused(job, peer *agent) {
	t := r.t
	decode := func(key string) []byte {
		text, err := base64.StdEncoding.DecodeString(r.kubectl("", "get", "secret", "slipway-gateway-ca", "-o", `jsonpath={.data.tls\.`+key+`}`))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	ca, err := tls.X509KeyPair(decode("crt"), decode("key"))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []*agent{job, peer} {
		for dir, pair := range map[string][2]string{"expired": issue(t, ca, -time.Hour), "foreign": issue(t, tls.Certificate{}, time.Hour)} {
			a.write("/certificates/"+dir+"/tls.crt", pair[0])
			a.write("/certificates/"+dir+"/tls.key", pair[1])
			a.ok("sed s,/etc/slipway/gateway/tls,/certificates/" + dir + "/tls, /etc/slipway/definitions/kube > /certificates/" + dir + "/kube")
		}
		a.ok(`mkdir -p /certificates/none && grep -v '"cert": \|"key": ' /etc/slipway/definitions/kube > /certificates/none/kube`)
	}
	for dir, why := range map[string]string{
		"none":    "a client certificate is needed, and none was sent",
		"expired": `the client certificate of "nobody" has expired at 20`,
		"foreign": `the client certificate of "nobody" was issued by "CN=nobody", which is not trusted here`,
	} {
		job.fails(3, "slipway build --definitions /certificates/"+dir+"/kube -o no small", "slipway agent: "+why)
		r := peer.sh("cp /certificates/" + dir + "/kube ~/.docker/buildx/instances/kube && buildx build --builder kube -o no .")
		if r.code == 0 || !strings.Contains(r.stderr, why) {
			t.Errorf("buildx with certificate %q: exit %d after %s\n%s", dir, r.code, r.took, r.stderr)
		}
	}
	job.ok("test ! -e no")
}

// issue makes a certificate of a client, in PEM with its key, that an authority has signed,
// or that is its own, and that ends after a time.
func issue(t *testing.T, ca tls.Certificate, life time.Duration) [2]string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "nobody"},
		NotBefore: time.Now().Add(life - 2*time.Hour), NotAfter: time.Now().Add(life), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	parent, signer := template, any(key)
	if ca.Leaf != nil {
		parent, signer = ca.Leaf, ca.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return [2]string{
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
	}
}

// gatewayLogs are those of all replicas, each line with its pod.
func (r release) gatewayLogs() string {
	r.t.Helper()
	return r.kubectl("", "logs", "--selector=app.kubernetes.io/component=gateway", "--prefix", "--tail=-1")
}

// serving is the replica that the last client has connected to.
func (r release) serving() string {
	r.t.Helper()
	last, at := "", ""
	logs := r.kubectl("", "logs", "--selector=app.kubernetes.io/component=gateway", "--prefix", "--timestamps", "--tail=-1")
	for line := range strings.Lines(logs) {
		// [pod/NAME/gateway] TIME …
		fields := strings.Fields(line)
		if strings.Contains(line, "a client has connected") && fields[1] > at {
			last, at = strings.Split(fields[0], "/")[1], fields[1]
		}
	}
	if last == "" {
		r.t.Fatalf("no client has connected:\n%s", logs)
	}
	return last
}
