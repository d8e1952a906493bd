package scenarios

import (
	"fmt"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/e2e/registrytest"
)

// sidecarPod is a job beside slipway agent. The job has the socket, and neither a
// token, nor a definition, nor a credential.
const sidecarPod = `
apiVersion: v1
kind: Pod
metadata: {name: job}
spec:
  serviceAccountName: agent
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 10
  initContainers:
    - name: slipway
      image: %[1]s
      restartPolicy: Always
      command: [slipway, agent, serve, --registry, %[2]s, --allow-push, %[2]s/%[3]s]
      envFrom: [{secretRef: {name: registry}}]
      startupProbe: {exec: {command: [slipway, agent, health]}, periodSeconds: 1, failureThreshold: 60}
      volumeMounts:
        - {name: builders, mountPath: /etc/slipway/definitions, readOnly: true}
        - {name: slipway, mountPath: /run/slipway}
        - {name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
  containers:
    - name: job
      image: %[1]s
      command: [%[4]s]
      workingDir: /workspace
      volumeMounts:
        - {name: slipway, mountPath: /run/slipway}
        - {name: workspace, mountPath: /workspace}
  volumes:
    - {name: builders, configMap: {name: builders}}
    - {name: workspace, emptyDir: {}}
    - {name: slipway, emptyDir: {}}
    - name: token
      projected:
        sources:
          - serviceAccountToken: {path: token}
          - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
          - downwardAPI: {items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]}
`

// TestSidecar builds in a container that has the sidecar's socket and nothing else:
// both platforms, a private base, a push without a credential, and a refusal to push
// elsewhere. No secret of the sidecar is in the job's container.
func TestSidecar(t *testing.T) {
	t.Parallel()
	b := bed(t)
	r := b.TokenRegistry
	s := newSpace(t, "slipway-build", "slipway-manage")
	files, err := registrytest.BuilderFiles(r)
	if err != nil {
		t.Fatal(err)
	}
	amd64, arm64 := s.builderNode("amd64"), s.builderNode("arm64")
	amd64.Files, arm64.Files = files, files
	s.define(amd64, arm64)
	s.kubectl("", "create", "secret", "generic", "registry", "--from-literal=REGISTRY="+r.Address,
		"--from-literal=REGISTRY_USERNAME="+r.Username, "--from-literal=REGISTRY_PASSWORD="+r.Password)
	command := "sleep, infinity"
	if b.Images.PodShell != "" {
		command = b.Images.PodShell
	}
	a := s.startAgentFrom("job", s.withSidecarUnderTest(fmt.Sprintf(sidecarPod, b.Images.Agent, r.Address, s.Name, command)))
	images, err := registrytest.New(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(images.Close)
	job := &shop{agent: a, images: images, repo: r.Address + "/" + s.Name}
	job.write("Dockerfile", machineDockerfile)

	a.until("the builders", "slipway agent health --ready")
	listing := a.ok("slipway ls")
	for _, word := range []string{"unix:///run/slipway/kube/builder-amd64.sock", "running", "linux/arm64"} {
		if !strings.Contains(listing, word) {
			t.Errorf("ls lacks %q:\n%s", word, listing)
		}
	}
	build := "slipway build " + both + "--build-arg BASE=" + r.Base + " "
	a.ok(build + "-o type=local,dest=out . >&2 && grep -q x86_64 out/linux_amd64/machine.txt && grep -q aarch64 out/linux_arm64/machine.txt")
	a.ok(build + "-t " + job.tag("1") + " --push . >&2")
	job.index("1", "linux/amd64", "linux/arm64")
	a.fails(5, build+"-t "+r.Address+"/team/other:1 --push .", "team/other")

	secrets := a.sh(`test ! -e /var/run/secrets/kubernetes.io || echo token; env | grep -i REGISTRY_PASSWORD; grep -rlF -e '` + r.Password + `' /run /workspace /root /tmp 2>/dev/null; true`)
	if secrets.stdout != "" {
		t.Errorf("the job's container has: %s", secrets.stdout)
	}
	log := s.kubectl("", "logs", "job", "-c", "slipway")
	if strings.Contains(log, r.Password) || !strings.Contains(log, "a client has got a token") {
		t.Errorf("the log of the sidecar:\n%s", log)
	}
	// The pod ends with the job: the sidecar does not keep it.
	s.kubectl("", "delete", "pod", "job", "--wait", "--timeout="+patience.String())
}
