package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/pki"
)

const testName = "buildkitd.builder-amd64.ci"

// testSet makes a set for testName.
func testSet(t *testing.T, now time.Time, known *pki.Set) pki.Set {
	t.Helper()
	set, err := pki.Make(testName, now, known)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// testDaemon listens as buildkitd does: with its one certificate, wanting one
// of the client, and sending its first bytes unasked. It echoes what it gets.
func testDaemon(t *testing.T, set pki.Set) string {
	t.Helper()
	server, err := set.Server.Parse()
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(set.Authorities)
	return testListener(t, func(conn net.Conn) {
		secured := tls.Server(conn, &tls.Config{
			Certificates: []tls.Certificate{server}, ClientCAs: clients,
			ClientAuth: tls.RequireAndVerifyClientCert, NextProtos: []string{"h2"},
		})
		if _, err := secured.Write([]byte("settings")); err == nil {
			_, _ = io.Copy(secured, secured)
		}
		_ = secured.Close()
	})
}

// testListener serves until the test ends and waits for its connections.
func testListener(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serve(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return listener.Addr().String()
}

func testCredential(t *testing.T, set pki.Set) *pki.Credential {
	t.Helper()
	from, err := pki.ParseCredential("secret ci/builder-amd64-tls-client", set.ClientData())
	if err != nil {
		t.Fatal(err)
	}
	from.ServerName = testName
	return from
}

var shortTimeouts = timeouts{packet: 100 * time.Millisecond, answer: 200 * time.Millisecond}

func TestDialTLS(t *testing.T) {
	now := time.Now()
	first := testSet(t, now, nil)
	second := testSet(t, now, &first)
	third := testSet(t, now, &second)
	other := testSet(t, now, nil)
	old := testSet(t, now.Add(-2*pki.Life), nil)
	afterOld := testSet(t, now, &old)
	future := testSet(t, now.Add(24*time.Hour), nil)
	behind, ahead := testSet(t, now.Add(5*time.Minute), nil), testSet(t, now.Add(-5*time.Minute), nil)
	// The newest authority is known, and only the pair that has expired.
	expiredClient := afterOld
	expiredClient.Client = old.Client
	// The server knows one authority of two, and the client has only the
	// other's pair.
	stranger := first
	stranger.Client = other.Client

	daemon := func(set pki.Set) func(*testing.T) string {
		return func(t *testing.T) string { return testDaemon(t, set) }
	}
	for _, tt := range []struct {
		name   string
		listen func(*testing.T) string
		client pki.Set
		server string // the name to expect, empty for the right one
		reason kube.Reason
		words  string
	}{
		{name: "same set", listen: daemon(first), client: first},
		{name: "pod of before the renewal", listen: daemon(first), client: second},
		{name: "pod of after the renewal", listen: daemon(second), client: second},
		{name: "maker's clock five minutes ahead", listen: daemon(behind), client: behind},
		{name: "maker's clock five minutes behind", listen: daemon(ahead), client: ahead},
		{name: "agent of before the renewal", listen: daemon(second), client: first, reason: kube.ReasonCertificate, words: "signed by another authority than those in secret ci/builder-amd64-tls-client"},
		{name: "pod of two renewals ago", listen: daemon(first), client: third, reason: kube.ReasonCertificate, words: "signed by another authority"},
		{name: "another builder", listen: daemon(other), client: first, reason: kube.ReasonCertificate, words: "signed by another authority"},
		{name: "client of another authority", listen: daemon(first), client: stranger, reason: kube.ReasonCertificate, words: "does not accept the client's certificate: it takes no certificate of those authorities"},
		{name: "server expired", listen: daemon(old), client: old, reason: kube.ReasonCertificate, words: "the certificate of buildkitd expired at "},
		{name: "server not yet valid", listen: daemon(future), client: future, reason: kube.ReasonCertificate, words: "the certificate of buildkitd is not valid before "},
		{name: "client expired", listen: daemon(afterOld), client: expiredClient, reason: kube.ReasonCertificate, words: "refuses the client's certificate of secret ci/builder-amd64-tls-client: it has expired"},
		{name: "other name", listen: daemon(first), client: first, server: "buildkitd.other.ci", reason: kube.ReasonCertificate, words: "is for " + testName + " and not for buildkitd.other.ci"},
		{name: "no TLS", client: first, reason: kube.ReasonCertificate, words: "does not speak TLS", listen: func(t *testing.T) string {
			return testListener(t, func(c net.Conn) { _, _ = io.WriteString(c, "220 welcome to something else\r\n") })
		}},
		{name: "cut", client: first, reason: kube.ReasonRefused, words: "was cut before buildkitd answered", listen: func(t *testing.T) string {
			return testListener(t, func(net.Conn) {})
		}},
		{name: "silent", client: first, reason: kube.ReasonBlocked, words: "no answer", listen: func(t *testing.T) string {
			return testListener(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
		}},
		{name: "silent after the handshake", client: first, reason: kube.ReasonBlocked, words: "no answer", listen: func(t *testing.T) string {
			server, err := first.Server.Parse()
			if err != nil {
				t.Fatal(err)
			}
			return testListener(t, func(c net.Conn) {
				_, _ = io.Copy(io.Discard, tls.Server(c, &tls.Config{Certificates: []tls.Certificate{server}}))
			})
		}},
		{name: "nothing listens", client: first, reason: kube.ReasonRefused, words: "connection refused", listen: func(t *testing.T) string {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			return errors.Join(listener.Close(), errors.New(listener.Addr().String())).Error()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			from := testCredential(t, tt.client)
			if tt.server != "" {
				from.ServerName = tt.server
			}
			address := tt.listen(t)
			limits := shortTimeouts
			if tt.reason != kube.ReasonBlocked {
				limits = lastTimeouts
			}
			conn, err := dialTLS(t.Context(), address, from, limits)
			if tt.reason == "" {
				if err != nil {
					t.Fatal(err)
				}
				checkEcho(t, conn)
				return
			}
			if err == nil {
				t.Fatal("it connected", conn.Close())
			}
			got := explainTLS(err, kube.Pod{Namespace: "ci", Name: "b-0"}, address, from, now)
			if got.Reason != tt.reason || !strings.Contains(got.Error(), tt.words) || !strings.Contains(got.Error(), address+": ") {
				t.Errorf("got %s: %v\nwant %s with %q", got.Reason, got, tt.reason, tt.words)
			}
			if len(got.Hints()) == 0 {
				t.Error("no hint")
			}
		})
	}
}

// checkEcho wants the first bytes, then what it writes, and closes.
func checkEcho(t *testing.T, conn net.Conn) {
	t.Helper()
	sent := strings.Repeat("0123456789abcdef", 1<<14)
	go func() { _, _ = io.WriteString(conn, sent) }()
	got := make([]byte, len("settings")+len(sent))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "settings"+sent {
		t.Errorf("read %.20q…, %v", got, err)
	}
	answered, ok := conn.(*answeredConn)
	if !ok {
		t.Fatalf("a %T", conn)
	}
	if name := answered.Authority(); name != testName {
		t.Errorf("authority %q", name)
	}
	if secured, ok := answered.Conn.(*tls.Conn); !ok || secured.ConnectionState().Version != tls.VersionTLS13 {
		t.Errorf("not TLS 1.3: %T", answered.Conn)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

// The answer of a daemon that has read the end of what is sent arrives.
func TestDialTLSClosesOneWay(t *testing.T) {
	set := testSet(t, time.Now(), nil)
	server, err := set.Server.Parse()
	if err != nil {
		t.Fatal(err)
	}
	address := testListener(t, func(c net.Conn) {
		secured := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{server}, MinVersion: tls.VersionTLS13})
		_, _ = io.WriteString(secured, "settings")
		request, err := io.ReadAll(secured)
		if err == nil {
			_, _ = io.WriteString(secured, ", answer to "+string(request))
		}
		_ = secured.Close()
	})
	conn, err := dialTLS(t.Context(), address, testCredential(t, set), lastTimeouts)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		t.Fatalf("a %T cannot end what is sent alone", conn)
	}
	if _, err := io.WriteString(conn, "request"); err != nil {
		t.Fatal(err)
	}
	if err := half.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err != nil || string(got) != "settings, answer to request" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestDialTLSEndsWithItsContext(t *testing.T) {
	reached := make(chan struct{})
	address := testListener(t, func(c net.Conn) {
		close(reached)
		_, _ = io.Copy(io.Discard, c)
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-reached; cancel() }()
	client := &Dialer{}
	_, err := client.dialDirect(ctx, kube.Pod{Addresses: []string{}}, testCredential(t, testSet(t, time.Now(), nil)), lastTimeouts)
	if known := (*kube.Error)(nil); !errors.As(err, &known) || known.Reason != kube.ReasonBlocked {
		t.Errorf("a pod without address: %v", err)
	}
	if _, err := dialTLS(ctx, address, testCredential(t, testSet(t, time.Now(), nil)), lastTimeouts); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestCredentialOfDir(t *testing.T) {
	first := testSet(t, time.Now(), nil)
	second := testSet(t, time.Now(), &first)
	buildx := map[string][]byte{"ca.pem": first.Authorities, "cert.pem": first.Client.Certificate, "key.pem": first.Client.Key}
	without := func(data map[string][]byte, key string) map[string][]byte { delete(data, key); return data }
	for _, tt := range []struct {
		name  string
		files map[string][]byte
		pairs int
		words string
	}{
		{"mounted Secret", first.ClientData(), 1, ""},
		{"mounted Secret after a renewal", second.ClientData(), 2, ""},
		{"BuildKit's names", buildx, 1, ""},
		{"no key", without(first.ClientData(), pki.KeyPrivate), 0, "key.pem: no such file"},
		{"half of the one before", without(second.ClientData(), pki.KeyPreviousPrivate), 0, "previous.crt and previous.key: "},
		{"empty", nil, 0, "ca.pem: no such file"},
		{"no certificate", map[string][]byte{pki.KeyCA: []byte("x"), pki.KeyCertificate: nil, pki.KeyPrivate: nil}, 0, "ca.crt holds no certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range tt.files {
				if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := credentialOfDir(nil, dir)
			if tt.words != "" {
				if err == nil || !strings.Contains(err.Error(), tt.words) || !strings.Contains(err.Error(), dir) {
					t.Errorf("got %v, want %q", err, tt.words)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Pairs) != tt.pairs {
				t.Errorf("%d pairs, want %d", len(got.Pairs), tt.pairs)
			}
		})
	}
}
