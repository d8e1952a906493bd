package scenarios

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"
)

// The clock of the agent that made the certificates is five minutes ahead of,
// or behind, that of buildkitd and of the other agents.
func TestClocksThatDiffer(t *testing.T) {
	t.Parallel()
	a, skewed := startWithSkewedClock(t)
	for _, skew := range []time.Duration{5 * time.Minute, -5 * time.Minute} {
		set := skewed(skew)
		r := a.builds(debugBuild, "direct")
		if strings.Contains(r.stderr, closedWay) || strings.Contains(r.stderr, "certificate") {
			t.Errorf("a clock %s ahead is talked about:\n%s", skew, r.stderr)
		}
		// Nor does anybody think that they must be renewed.
		a.ok("slipway up >&2")
		want(t, "the server's certificate", string(a.secretData("builder-amd64-tls")["tls.crt"]), string(set["tls.crt"]))
	}
}

// startWithSkewedClock starts a builder and an agent. The function that it
// returns puts certificates in place, and returns them, as if who made them had
// a clock that is ahead by skew; the builder's pod starts anew with them.
func startWithSkewedClock(t *testing.T) (a *agent, skewed func(skew time.Duration) map[string][]byte) {
	t.Helper()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"))
	a = s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", smallDockerfile)
	a.ok("slipway up >&2")
	made := s.secretData("builder-amd64-tls")
	return a, func(skew time.Duration) map[string][]byte {
		set := madeBySkewedClock(t, made, skew)
		s.putData("builder-amd64-tls", set)
		s.putData("builder-amd64-tls-client", map[string][]byte{"ca.crt": set["ca.crt"], "tls.crt": set["client.crt"], "tls.key": set["client.key"]})
		s.kubectl("", "delete", "pods", "--selector=app=builder-amd64", "--grace-period=0", "--force")
		return set
	}
}

// secretData are the values of a Secret.
func (s *space) secretData(name string) map[string][]byte {
	s.t.Helper()
	var secret struct{ Data map[string][]byte }
	if err := json.Unmarshal([]byte(s.kubectl("", "get", "secret", name, "-o", "json")), &secret); err != nil {
		s.t.Fatal(err)
	}
	return secret.Data
}

// putData replaces values of a Secret that is there.
func (s *space) putData(name string, data map[string][]byte) {
	s.t.Helper()
	patch, err := json.Marshal(map[string]any{"data": data})
	if err != nil {
		s.t.Fatal(err)
	}
	s.kubectl(string(patch), "patch", "secret", name, "--type=merge", "--patch-file=/dev/stdin")
}

// madeBySkewedClock is the set of certificates of a workload's Secret as an
// agent would have made it whose clock is ahead by skew: all that slipway
// itself wrote into them, with other times. How much room there is for clocks
// that differ is therefore slipway's own. The keys of server and client stay;
// that of their authority is nowhere, so there is a new one.
func madeBySkewedClock(t *testing.T, data map[string][]byte, skew time.Duration) map[string][]byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parse := func(text []byte) *x509.Certificate {
		block, _ := pem.Decode(text)
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	authority := parse(data["ca.crt"])
	authority.PublicKey, authority.SubjectKeyId = &key.PublicKey, nil // the latter follows from the key
	moved := func(c *x509.Certificate, public any) []byte {
		c.NotBefore, c.NotAfter = c.NotBefore.Add(skew), c.NotAfter.Add(skew)
		der, err := x509.CreateCertificate(rand.Reader, c, authority, public, key)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	set := map[string][]byte{"ca.crt": moved(authority, &key.PublicKey)}
	authority = parse(set["ca.crt"])
	for certificate, private := range map[string]string{"tls.crt": "tls.key", "client.crt": "client.key"} {
		pair, err := tls.X509KeyPair(data[certificate], data[private])
		if err != nil {
			t.Fatal(err)
		}
		own, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
		if !ok {
			t.Fatalf("the key of %s is a %T", certificate, pair.PrivateKey)
		}
		set[certificate], set[private] = moved(pair.Leaf, &own.PublicKey), data[private]
	}
	return set
}
