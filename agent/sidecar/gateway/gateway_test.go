package gateway

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newAuthority(t testing.TB, name string) authority {
	t.Helper()
	a := authority{key: newKey(t)}
	a.certificate = a.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, &a.key.PublicKey)
	return a
}

// sign signs a certificate, itself where the authority has none yet.
func (a authority) sign(t testing.TB, c *x509.Certificate, public *ecdsa.PublicKey) *x509.Certificate {
	t.Helper()
	if c.SerialNumber == nil {
		c.SerialNumber = big.NewInt(time.Now().UnixNano())
	}
	if c.NotAfter.IsZero() {
		c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	parent := a.certificate
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, public, a.key)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// client is a certificate for clients.
func (a authority) client(t testing.TB, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{Subject: pkix.Name{CommonName: "team-a"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if change != nil {
		change(c)
	}
	return a.sign(t, c, &newKey(t).PublicKey)
}

// revoke is a list, in DER.
func (a authority) revoke(t testing.TB, until time.Time, revoked ...*x509.Certificate) []byte {
	t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-2 * time.Hour), NextUpdate: until}
	for _, c := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: time.Now().Add(-time.Minute)})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, a.certificate, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestIdentify tests who is let in under which name, and what the others are told.
func TestIdentify(t *testing.T) {
	ours, others := newAuthority(t, "ours"), newAuthority(t, "others")
	below := authority{key: newKey(t)}
	below.certificate = ours.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "below"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, &below.key.PublicKey)
	spiffe, err := url.Parse("spiffe://example/ci/team-a")
	if err != nil {
		t.Fatal(err)
	}
	revoked, plain := ours.client(t, nil), ours.client(t, nil)
	soon := time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		chain []*x509.Certificate
		lists [][]byte
		want  string
		err   string
	}{
		"a common name":          {chain: []*x509.Certificate{plain}, want: "team-a"},
		"a DNS name":             {chain: []*x509.Certificate{ours.client(t, func(c *x509.Certificate) { c.DNSNames = []string{"a.example", "b.example"} })}, want: "a.example"},
		"a URI":                  {chain: []*x509.Certificate{ours.client(t, func(c *x509.Certificate) { c.URIs, c.DNSNames = []*url.URL{spiffe}, []string{"a.example"} })}, want: "spiffe://example/ci/team-a"},
		"by an authority below":  {chain: []*x509.Certificate{below.client(t, nil), below.certificate}, want: "team-a"},
		"without that authority": {chain: []*x509.Certificate{below.client(t, nil)}, err: `of "team-a" was issued by "CN=below", which is not trusted here`},
		"none":                   {err: "a client certificate is needed, and none was sent"},
		"another authority":      {chain: []*x509.Certificate{others.client(t, nil)}, err: `of "team-a" was issued by "CN=others", which is not trusted here`},
		"expired": {chain: []*x509.Certificate{ours.client(t, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			c.NotBefore = c.NotAfter.Add(-time.Hour)
		})}, err: `of "team-a" has expired at 2026-01-02T03:04:05Z`},
		"not valid yet": {chain: []*x509.Certificate{ours.client(t, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Date(2096, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2097, 1, 1, 0, 0, 0, 0, time.UTC)
		})}, err: "is not valid before 2096-01-02T03:04:05Z"},
		"one for servers": {chain: []*x509.Certificate{ours.client(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })}, err: "is not one for clients"},
		"no name":         {chain: []*x509.Certificate{ours.client(t, func(c *x509.Certificate) { c.Subject = pkix.Name{} })}, err: "names nobody"},
		"a line break":    {chain: []*x509.Certificate{ours.client(t, func(c *x509.Certificate) { c.Subject.CommonName = "a\nlevel=info" })}, err: `names "a\nlevel=info"`},
		"a long name":     {chain: []*x509.Certificate{ours.client(t, func(c *x509.Certificate) { c.DNSNames = []string{strings.Repeat("a", 254)} })}, err: "at most 253"},
		"revoked":         {chain: []*x509.Certificate{revoked}, lists: [][]byte{ours.revoke(t, soon, revoked)}, err: `of "team-a" was revoked at 2`},
		"not revoked":     {chain: []*x509.Certificate{plain}, lists: [][]byte{ours.revoke(t, soon, revoked)}, want: "team-a"},
		"an old list":     {chain: []*x509.Certificate{plain}, lists: [][]byte{ours.revoke(t, time.Now().Add(-time.Hour), revoked)}, err: `cannot be checked: the list of certificates that "CN=ours" has revoked was to be renewed by 2`},
		"an authority that was revoked": {chain: []*x509.Certificate{below.client(t, nil), below.certificate},
			lists: [][]byte{ours.revoke(t, soon, below.certificate)}, err: "was revoked at"},
	} {
		t.Run(name, func(t *testing.T) {
			tr := trust{clients: x509.NewCertPool(), authorities: []*x509.Certificate{ours.certificate}}
			tr.clients.AddCert(ours.certificate)
			for _, der := range c.lists {
				lists, err := parseRevoked(der, tr.authorities)
				if err != nil {
					t.Fatal(err)
				}
				tr.revoked = append(tr.revoked, lists...)
			}
			got, err := tr.identify(c.chain, time.Now())
			if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q, %v; want %q, %q", got, err, c.want, c.err)
			}
		})
	}
}

func TestServerName(t *testing.T) {
	names := []string{ServerName("Kube", "builder_amd64"), ServerName("kube", "arm64"), ServerName("kube.eu", "arm64")}
	for asked, want := range map[string]string{
		"builder-amd64.kube":                   "builder-amd64.kube",
		"Builder-AMD64.kube.":                  "builder-amd64.kube",
		"builder-amd64.kube.builders.example":  "builder-amd64.kube",
		"arm64.kube.eu":                        "arm64.kube.eu",
		"arm64.kube.eu.example":                "arm64.kube.eu",
		"arm64.kube.europe":                    "arm64.kube",
		"arm64.kubernetes":                     "",
		"xarm64.kube":                          "",
		"kube":                                 "",
		"slipway-gateway.buildkit.svc.cluster": "",
		"":                                     "",
	} {
		if got := Route(names, asked); got != want {
			t.Errorf("%q: %q, want %q", asked, got, want)
		}
	}
}

// files writes what a gateway needs.
func files(t *testing.T, a authority) Files {
	t.Helper()
	dir := t.TempDir()
	f := Files{Certificate: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key"), ClientCA: filepath.Join(dir, "ca.crt")}
	writePair(t, f, a)
	write(t, f.ClientCA, pemOf("CERTIFICATE", a.certificate.Raw))
	return f
}

func writePair(t *testing.T, f Files, a authority) {
	t.Helper()
	key := newKey(t)
	certificate := a.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: "gateway"}, DNSNames: []string{"amd64.kube"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, &key.PublicKey)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, f.Certificate, pemOf("CERTIFICATE", certificate.Raw))
	write(t, f.Key, pemOf("PRIVATE KEY", der))
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestNewRefuses tests that all that is wrong is said at once.
func TestNewRefuses(t *testing.T) {
	a, other := newAuthority(t, "ours"), newAuthority(t, "other")
	f := files(t, a)
	write(t, f.Key, []byte("none"))
	f.Revoked = f.ClientCA + ".crl"
	write(t, f.Revoked, pemOf("X509 CRL", other.revoke(t, time.Now().Add(time.Hour))))
	_, err := New(f, []string{"a.b", "c", "a.b"}, os.ReadFile, zerolog.Nop())
	for _, want := range []string{"two nodes have the server name a.b", "tls.crt with ", "tls.key: tls: failed to find any PEM data", `ca.crt.crl: the list of "CN=other" is signed by none of the authorities of clients`} {
		if err == nil || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
	for text, want := range map[string]string{
		"": "holds no certificate",
		string(pemOf("PRIVATE KEY", []byte("x"))): "holds a PRIVATE KEY: only certificates",
		string(pemOf("CERTIFICATE", []byte("x"))): "x509: malformed certificate",
	} {
		if _, err := parseAuthorities([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	for text, want := range map[string]string{
		"x": "holds no list of revoked certificates",
		string(pemOf("CERTIFICATE", a.certificate.Raw)): "holds a CERTIFICATE",
	} {
		if _, err := parseRevoked([]byte(text), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// TestRenewal tests that changed files are used after a while, and that those in the
// middle of a change, or that are gone, leave what was read before.
func TestRenewal(t *testing.T) {
	a := newAuthority(t, "ours")
	f := files(t, a)
	g, err := New(f, []string{"amd64.kube"}, os.ReadFile, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	g.now = func() time.Time { return now }
	serial := func() string { return g.current().pair.Leaf.SerialNumber.String() }
	first := serial()
	writePair(t, f, a)
	if serial() != first {
		t.Error("the files were read again at once")
	}
	now = now.Add(recheck)
	second := serial()
	if second == first {
		t.Error("a renewed certificate is not used")
	}
	write(t, f.Key, []byte("half"))
	now = now.Add(recheck)
	if serial() != second {
		t.Error("what was read before is not used any more")
	}
	writePair(t, f, a)
	now = now.Add(recheck)
	if got := serial(); got == second || got == first {
		t.Error("after a fault a renewed certificate is not used")
	}
}

func FuzzParse(f *testing.F) {
	a := newAuthority(f, "ours")
	f.Add(pemOf("CERTIFICATE", a.certificate.Raw))
	f.Add(pemOf("X509 CRL", a.revoke(f, time.Now().Add(time.Hour), a.certificate)))
	f.Fuzz(func(t *testing.T, text []byte) {
		if all, err := parseAuthorities(text); (err == nil) != (len(all) > 0) {
			t.Errorf("%d authorities, %v", len(all), err)
		}
		if lists, err := parseRevoked(text, []*x509.Certificate{a.certificate}); (err == nil) != (len(lists) > 0) {
			t.Errorf("%d lists, %v", len(lists), err)
		}
	})
}
