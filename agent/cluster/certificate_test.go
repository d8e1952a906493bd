package cluster

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"strings"
	"testing"
	"time"
)

const testServer = "buildkitd.builder-amd64.ci"

func testCertificates(t *testing.T, now time.Time, known *certificates) certificates {
	t.Helper()
	set, err := makeCertificates(testServer, now, known)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestMakeCertificates(t *testing.T) {
	now := time.Now()
	set := testCertificates(t, now, nil)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(set.authorities) {
		t.Fatal("no authority")
	}
	for _, tt := range []struct {
		name  string
		pair  pair
		host  string
		usage x509.ExtKeyUsage
		at    time.Duration
		ok    bool
	}{
		{"server", set.server, testServer, x509.ExtKeyUsageServerAuth, 0, true},
		{"server by another name", set.server, "buildkitd.builder-arm64.ci", x509.ExtKeyUsageServerAuth, 0, false},
		{"server as client", set.server, "", x509.ExtKeyUsageClientAuth, 0, false},
		{"client", set.client, "", x509.ExtKeyUsageClientAuth, 0, true},
		{"client as server", set.client, "", x509.ExtKeyUsageServerAuth, 0, false},
		{"clock five minutes behind", set.server, testServer, x509.ExtKeyUsageServerAuth, -5 * time.Minute, true},
		{"clock five minutes behind, client", set.client, "", x509.ExtKeyUsageClientAuth, -5 * time.Minute, true},
		{"clock a day behind", set.server, testServer, x509.ExtKeyUsageServerAuth, -24 * time.Hour, false},
		{"after eleven months", set.server, testServer, x509.ExtKeyUsageServerAuth, 335 * 24 * time.Hour, true},
		{"after a year", set.server, testServer, x509.ExtKeyUsageServerAuth, 366 * 24 * time.Hour, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			parsed, err := tt.pair.parse()
			if err != nil {
				t.Fatal(err)
			}
			_, err = parsed.Leaf.Verify(x509.VerifyOptions{DNSName: tt.host, Roots: roots, CurrentTime: now.Add(tt.at), KeyUsages: []x509.ExtKeyUsage{tt.usage}})
			if (err == nil) != tt.ok {
				t.Errorf("verify: %v, want success: %v", err, tt.ok)
			}
			if parsed.Leaf.IsCA {
				t.Error("it can sign others")
			}
		})
	}
	// No key of the authority anywhere: two keys, those of server and client.
	all := bytes.Join([][]byte{set.authorities, set.server.key, set.client.key, set.server.certificate, set.client.certificate}, nil)
	if n := bytes.Count(all, []byte("PRIVATE KEY-----\n")); n != 2*2 {
		t.Errorf("%d lines about private keys, want 4", n)
	}
	if data := set.clientData(); bytes.Contains(bytes.Join([][]byte{data[keyCA], data[keyCertificate], data[keyPrivate]}, nil), set.server.key) {
		t.Error("the client's data hold the server's key")
	}
}

func TestLongServerName(t *testing.T) {
	name := "buildkitd." + strings.Repeat("b", 63) + "." + strings.Repeat("n", 63)
	set, err := makeCertificates(name, time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseCertificates(set.serverData()); err != nil {
		t.Error(err)
	}
	if set.due(name, time.Now()) {
		t.Error("it is not for its own name")
	}
}

func TestParseCertificates(t *testing.T) {
	set := testCertificates(t, time.Now(), nil)
	other := testCertificates(t, time.Now(), nil)
	renewed := testCertificates(t, time.Now(), &set)
	expired := testCertificates(t, time.Now().Add(-2*certificateLife), nil)
	for _, tt := range []struct {
		name   string
		of     certificates
		change func(map[string][]byte)
		words  string
	}{
		{name: "whole", of: set},
		{name: "whole and renewed", of: renewed},
		{name: "expired, which is not broken", of: expired},
		{name: "empty", of: set, change: func(d map[string][]byte) { clear(d) }, words: "ca.crt holds no certificate"},
		{name: "no key", of: set, change: func(d map[string][]byte) { delete(d, keyPrivate) }, words: "tls.crt: "},
		{name: "no client", of: set, change: func(d map[string][]byte) { delete(d, keyClient) }, words: "client.crt: "},
		{name: "another's key", of: set, change: func(d map[string][]byte) { d[keyPrivate] = other.server.key }, words: "tls.crt: "},
		{name: "another's authority", of: set, change: func(d map[string][]byte) { d[keyCA] = other.authorities }, words: "unknown authority"},
		{name: "half of the one before", of: renewed, change: func(d map[string][]byte) { delete(d, keyBeforePrivate) }, words: "previous.crt: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data := tt.of.serverData()
			if tt.change != nil {
				tt.change(data)
			}
			got, err := parseCertificates(data)
			if tt.words == "" {
				if err != nil {
					t.Fatal(err)
				}
				if !maps.EqualFunc(got.serverData(), data, bytes.Equal) {
					t.Error("it reads back as something else")
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("got %v, want %q", err, tt.words)
			}
		})
	}
}

func TestDue(t *testing.T) {
	now := time.Now()
	set := testCertificates(t, now, nil)
	for _, tt := range []struct {
		name, server string
		after        time.Duration
		want         bool
	}{
		{"new", testServer, 0, false},
		{"half its life", testServer, certificateLife / 2, false},
		{"a little more than a third left", testServer, certificateLife*2/3 - 24*time.Hour, false},
		{"a little less than a third left", testServer, certificateLife*2/3 + 24*time.Hour, true},
		{"expired", testServer, 2 * certificateLife, true},
		{"for another name", "buildkitd.other.ci", 0, true},
	} {
		if got := set.due(tt.server, now.Add(tt.after)); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestSufficesFor(t *testing.T) {
	first := testCertificates(t, time.Now(), nil)
	second := testCertificates(t, time.Now(), &first)
	third := testCertificates(t, time.Now(), &second)
	for _, tt := range []struct {
		name string
		set  certificates
		data map[string][]byte
		want bool
	}{
		{"its own", first, first.clientData(), true},
		{"one renewal ahead", first, second.clientData(), true},
		{"one behind", second, first.clientData(), false},
		{"two ahead", first, third.clientData(), false},
		{"nothing", first, nil, false},
	} {
		if got := tt.set.sufficesFor(tt.data); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	// What is trusted does not grow with each renewal.
	count := 0
	for rest := third.authorities; ; count++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
	}
	if count != 2 {
		t.Errorf("%d authorities after two renewals, want 2", count)
	}
}

func FuzzParseCertificates(f *testing.F) {
	set, err := makeCertificates(testServer, time.Now(), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(set.authorities, set.server.certificate, set.server.key)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n"), []byte(nil), []byte("x"))
	f.Fuzz(func(t *testing.T, ca, certificate, key []byte) {
		data := map[string][]byte{keyCA: ca, keyCertificate: certificate, keyPrivate: key, keyClient: certificate, keyClientPrivate: key}
		if got, err := parseCertificates(data); err == nil {
			// What was found whole can be renewed and shared.
			if _, err := makeCertificates(testServer, time.Now(), &got); err != nil {
				t.Error(err)
			}
			if _, err := parseCredential("secret", got.clientData()); err != nil {
				t.Error(err)
			}
		}
	})
}
