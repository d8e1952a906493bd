package scenarios

import (
	"fmt"
	"testing"
)

// TestDebugImage runs the variant of Slipway's image that has a shell, as a CI system
// does: with a shell as its command, and a user that the image does not know. What the
// target takes from the compiler's stage comes from the agent.
func TestDebugImage(t *testing.T) {
	t.Parallel()
	b := bed(t)
	s := newSharedShop(t)
	s.write("Dockerfile", readFile(t, "../Dockerfile"))
	s.ok(`mkdir -p stage/out/home stage/etc/ssl/certs && mkdir -m 1777 stage/out/home/slipway &&
		cp /usr/local/bin/slipway stage/out/ && cp /etc/ssl/certs/ca-certificates.crt stage/etc/ssl/certs/`)
	s.ok("slipway build --platform linux/amd64,linux/arm64 --target debug --build-context build=stage" +
		" --build-context busybox:1.37.0-musl=oci-layout://" + b.Base.InAgent + ":" + b.Base.Tag + " -t " + s.tag("debug") + " --push .")

	for _, platform := range []string{"linux/amd64", "linux/arm64"} {
		if _, err := s.images.Image(t.Context(), s.own("debug"), platform); err != nil {
			t.Error(err)
		}
	}

	r := b.Registry
	s.kubectl("", "create", "secret", "docker-registry", "pull", "--docker-server="+r.Address, "--docker-username="+r.Username, "--docker-password="+r.Password)
	s.kubectl(fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: debug}
spec:
  restartPolicy: Never
  nodeSelector: {kubernetes.io/arch: amd64}
  terminationGracePeriodSeconds: 0
  imagePullSecrets: [{name: pull}]
  containers:
    - name: step
      image: %q
      stdin: true # the shell that the image starts waits for it, as a CI system's does
      securityContext:
        runAsUser: 12345
        runAsGroup: 54321
        runAsNonRoot: true
        allowPrivilegeEscalation: false
        capabilities: {drop: [ALL]}
`, s.tag("debug")), "create", "-f", "-")
	s.awaitReady("debug")
	got := s.kubectl("", "exec", "debug", "--", "sh", "-c", "id -u; cd && pwd && echo mine > file && cat file && slipway version | cut -d' ' -f1 && test -s /etc/ssl/certs/ca-certificates.crt")
	want(t, "what runs in it", got, "12345\n/home/slipway\nmine\nslipway\n")
}
