package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"strings"
	"testing"
	"time"
)

const testName = "buildkitd.builder-amd64.ci"

func testSet(t *testing.T, now time.Time, known *Set) Set {
	t.Helper()
	set, err := Make(testName, now, known)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestMakeCertificates(t *testing.T) {
	now := time.Now()
	set := testSet(t, now, nil)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(set.Authorities) {
		t.Fatal("no authority")
	}
	for _, tt := range []struct {
		name  string
		pair  Pair
		host  string
		usage x509.ExtKeyUsage
		at    time.Duration
		ok    bool
	}{
		{"server", set.Server, testName, x509.ExtKeyUsageServerAuth, 0, true},
		{"server by another name", set.Server, "buildkitd.builder-arm64.ci", x509.ExtKeyUsageServerAuth, 0, false},
		{"server as client", set.Server, "", x509.ExtKeyUsageClientAuth, 0, false},
		{"client", set.Client, "", x509.ExtKeyUsageClientAuth, 0, true},
		{"client as server", set.Client, "", x509.ExtKeyUsageServerAuth, 0, false},
		{"clock five minutes behind", set.Server, testName, x509.ExtKeyUsageServerAuth, -5 * time.Minute, true},
		{"clock five minutes behind, client", set.Client, "", x509.ExtKeyUsageClientAuth, -5 * time.Minute, true},
		{"clock a day behind", set.Server, testName, x509.ExtKeyUsageServerAuth, -24 * time.Hour, false},
		{"after eleven months", set.Server, testName, x509.ExtKeyUsageServerAuth, 335 * 24 * time.Hour, true},
		{"after a year", set.Server, testName, x509.ExtKeyUsageServerAuth, 366 * 24 * time.Hour, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			parsed, err := tt.pair.Parse()
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
	all := bytes.Join([][]byte{set.Authorities, set.Server.Key, set.Client.Key, set.Server.Certificate, set.Client.Certificate}, nil)
	if n := bytes.Count(all, []byte("PRIVATE KEY-----\n")); n != 2*2 {
		t.Errorf("%d lines about private keys, want 4", n)
	}
	if data := set.ClientData(); bytes.Contains(bytes.Join([][]byte{data[KeyCA], data[KeyCertificate], data[KeyPrivate]}, nil), set.Server.Key) {
		t.Error("the client's data hold the server's key")
	}
}

func TestLongServerName(t *testing.T) {
	name := "buildkitd." + strings.Repeat("b", 63) + "." + strings.Repeat("n", 63)
	set, err := Make(name, time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(set.ServerData()); err != nil {
		t.Error(err)
	}
	if set.Due(name, time.Now()) {
		t.Error("it is not for its own name")
	}
}

func TestParseCertificates(t *testing.T) {
	set := testSet(t, time.Now(), nil)
	other := testSet(t, time.Now(), nil)
	renewed := testSet(t, time.Now(), &set)
	expired := testSet(t, time.Now().Add(-2*Life), nil)
	for _, tt := range []struct {
		name   string
		of     Set
		change func(map[string][]byte)
		words  string
	}{
		{name: "whole", of: set},
		{name: "whole and renewed", of: renewed},
		{name: "expired, which is not broken", of: expired},
		{name: "empty", of: set, change: func(d map[string][]byte) { clear(d) }, words: "ca.crt holds no certificate"},
		{name: "no key", of: set, change: func(d map[string][]byte) { delete(d, KeyPrivate) }, words: "tls.crt: "},
		{name: "no client", of: set, change: func(d map[string][]byte) { delete(d, keyClient) }, words: "client.crt: "},
		{name: "another's key", of: set, change: func(d map[string][]byte) { d[KeyPrivate] = other.Server.Key }, words: "tls.crt: "},
		{name: "another's authority", of: set, change: func(d map[string][]byte) { d[KeyCA] = other.Authorities }, words: "unknown authority"},
		{name: "half of the one before", of: renewed, change: func(d map[string][]byte) { delete(d, KeyPreviousPrivate) }, words: "previous.crt: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data := tt.of.ServerData()
			if tt.change != nil {
				tt.change(data)
			}
			got, err := Parse(data)
			if tt.words == "" {
				if err != nil {
					t.Fatal(err)
				}
				if !maps.EqualFunc(got.ServerData(), data, bytes.Equal) {
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
	set := testSet(t, now, nil)
	for _, tt := range []struct {
		name, server string
		after        time.Duration
		want         bool
	}{
		{"new", testName, 0, false},
		{"half its life", testName, Life / 2, false},
		{"a little more than a third left", testName, Life*2/3 - 24*time.Hour, false},
		{"a little less than a third left", testName, Life*2/3 + 24*time.Hour, true},
		{"expired", testName, 2 * Life, true},
		{"for another name", "buildkitd.other.ci", 0, true},
	} {
		if got := set.Due(tt.server, now.Add(tt.after)); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestSufficesFor(t *testing.T) {
	first := testSet(t, time.Now(), nil)
	second := testSet(t, time.Now(), &first)
	third := testSet(t, time.Now(), &second)
	for _, tt := range []struct {
		name string
		set  Set
		data map[string][]byte
		want bool
	}{
		{"its own", first, first.ClientData(), true},
		{"one renewal ahead", first, second.ClientData(), true},
		{"one behind", second, first.ClientData(), false},
		{"two ahead", first, third.ClientData(), false},
		{"nothing", first, nil, false},
	} {
		if got := tt.set.SufficesFor(tt.data); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	// What is trusted does not grow with each renewal.
	count := 0
	for rest := third.Authorities; ; count++ {
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
	set, err := Make(testName, time.Now(), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(set.Authorities, set.Server.Certificate, set.Server.Key)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n"), []byte(nil), []byte("x"))
	f.Fuzz(func(t *testing.T, ca, certificate, key []byte) {
		data := map[string][]byte{KeyCA: ca, KeyCertificate: certificate, KeyPrivate: key, keyClient: certificate, KeyClientPrivate: key}
		if got, err := Parse(data); err == nil {
			// What was found whole can be renewed and shared.
			if _, err := Make(testName, time.Now(), &got); err != nil {
				t.Error(err)
			}
			if _, err := ParseCredential("secret", got.ClientData()); err != nil {
				t.Error(err)
			}
		}
	})
}
