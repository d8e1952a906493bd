package configmap

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/internal/source/sourcetest"
)

// certificate writes a certificate and its key and returns their paths.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	certPEM, keyPEM := sourcetest.KeyPair(t)
	dir := write(t, map[string]string{"cert.pem": certPEM, "key.pem": keyPEM})
	return filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
}

func TestRemoteOptions(t *testing.T) {
	cert, key := certificate(t)
	d, problems := load(t, definitionWith(t, DriverRemote, "tcp://[::1]:1234", options{
		"cacert": cert, "cert": cert, "key": key, "servername": "buildkitd", "default-load": "true", "timeout": "1m",
	}))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := &Remote{Address: "tcp://[::1]:1234", CACert: cert, Cert: cert, Key: key, ServerName: "buildkitd", DefaultLoad: true, Timeout: time.Minute}
	if diff := cmp.Diff(want, d.Nodes[0].Remote); diff != "" {
		t.Error(diff)
	}
	if all := strings.Join(d.Warnings, "\n"); !strings.Contains(all, "driver-opt timeout: is slipway's own") {
		t.Errorf("warnings: %q", all)
	}
}

func TestRemoteProblems(t *testing.T) {
	cert, key := certificate(t)
	otherCert, otherKey := certificate(t)
	missing := filepath.Join(t.TempDir(), "missing.pem")
	junk := filepath.Join(t.TempDir(), "junk.pem")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	const tcp, unix = "tcp://host:1234", "unix:///run/buildkitd.sock"
	const form = "is not of the form tcp://host:port"
	for _, test := range []struct {
		name, endpoint string
		options        options
		want           []string
		hint           string
	}{
		{"no endpoint", "", nil, []string{"Endpoint: the driver remote needs a tcp:// or unix:// address here"}, "write it like tcp://"},
		{"no scheme", "host:1234", nil, []string{"Endpoint: the driver remote needs a tcp:// or unix:// address here"}, ""},
		{"no port", "tcp://host", nil, []string{form}, ""},
		{"named port", "tcp://host:http", nil, []string{"is not a valid address"}, ""},
		{"port too high", "tcp://host:70000", nil, []string{form}, ""},
		{"no host", "tcp://:1234", nil, []string{form}, ""},
		{"path", "tcp://host:1234/x", nil, []string{form}, ""},
		{"relative socket", "unix://run/x.sock", nil, []string{"is not of the form unix:///path"}, ""},
		{"buildx's other addresses", "kube-pod://pod", nil, []string{"kube-pod:// needs a program beside slipway"}, ""},
		{"other scheme", "https://host:1", nil, []string{"https:// is not an address that works here"}, ""},
		{"unknown option", tcp, options{"cacerts": cert}, []string{"driver-opt cacerts: unknown option"}, `did you mean "cacert"?`},
		{"relative path", tcp, options{"cacert": "ca.pem"}, []string{`driver-opt cacert: "ca.pem" is not an absolute path`}, ""},
		{"relative pair", tcp, options{"cacert": cert, "cert": "c", "key": "k"}, []string{`driver-opt cert: "c" is not an absolute path`, `driver-opt key: "k" is not an absolute path`}, ""},
		{"not there", tcp, options{"cacert": missing, "cert": missing, "key": missing}, []string{
			"driver-opt cacert: " + missing + " cannot be read: no such file", "driver-opt cert: " + missing + " cannot be read", "driver-opt key: " + missing + " cannot be read",
		}, "mount the certificates into the agent"},
		{"no certificate", tcp, options{"cacert": junk}, []string{"holds no certificate in PEM form"}, ""},
		{"no pair", tcp, options{"cacert": cert, "cert": otherCert, "key": key}, []string{"are no pair of certificate and key"}, ""},
		{"no authority", tcp, options{"cert": otherCert, "key": otherKey}, []string{"driver-opt cacert: is missing: TLS needs it"}, ""},
		{"name alone", tcp, options{"servername": "x"}, []string{"driver-opt cacert: is missing: TLS needs it"}, ""},
		{"no key", tcp, options{"cacert": cert, "cert": cert}, []string{"driver-opt key: is missing: cert is given"}, ""},
		{"no cert", tcp, options{"cacert": cert, "key": key}, []string{"driver-opt cert: is missing: key is given"}, ""},
		{"socket without a name", unix, options{"cacert": cert}, []string{"driver-opt servername: is missing"}, ""},
		{"values", tcp, options{"default-load": "maybe", "timeout": "-1s"}, []string{`driver-opt default-load: "maybe" is neither`, `driver-opt timeout: "-1s" is not a duration`}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			checkProblems(t, definitionWith(t, DriverRemote, test.endpoint, test.options), test.want, test.hint)
		})
	}
	t.Run("what only a workload has", func(t *testing.T) {
		checkProblems(t, `
Name: a
Driver: remote
Slipway: {transport: exec, tls: {}}
Nodes:
- Name: m
  Endpoint: tcp://host:1234
  Flags: [--debug]
  Files: {buildkitd.toml: ''}
  Slipway: {podTemplate: {spec: {}}, unschedulableGrace: 1s}
`, []string{
			"Slipway.transport: has no meaning with the driver remote", "Slipway.tls: has no meaning with the driver remote", "node m: Flags: the driver remote does not start buildkitd", "node m: Files: the driver remote does not start buildkitd",
			"node m: Slipway.podTemplate: has no meaning", "node m: Slipway.unschedulableGrace: has no meaning",
		}, "")
	})
}
