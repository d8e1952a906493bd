package buildkit

import (
	"context"
	"encoding/pem"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/internal/source/sourcetest"
)

func TestDialRemote(t *testing.T) {
	dir := t.TempDir()
	unix, err := net.Listen("unix", filepath.Join(dir, "sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close() }()
	plain := httptest.NewServer(nil)
	defer plain.Close()
	secure := httptest.NewUnstartedServer(nil)
	secure.EnableHTTP2 = true
	secure.StartTLS()
	defer secure.Close()

	six := httptest.NewUnstartedServer(nil)
	if err := six.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	if six.Listener, err = net.Listen("tcp", "[::1]:0"); err != nil {
		t.Fatal(err)
	}
	six.EnableHTTP2 = true
	six.StartTLS() // with the same certificate
	defer six.Close()

	ca := filepath.Join(dir, "ca.pem")
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	if err := os.WriteFile(ca, data, 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	plainAddr, secureAddr := plain.Listener.Addr().String(), secure.Listener.Addr().String()

	tests := []struct {
		name      string
		remote    configmap.Remote
		authority string
		fails     string
	}{
		{name: "unix", remote: configmap.Remote{Address: "unix://" + dir + "/sock"}},
		{name: "tcp", remote: configmap.Remote{Address: "tcp://" + plainAddr}, authority: plainAddr},
		{name: "tls by address", remote: configmap.Remote{Address: "tcp://" + secureAddr, CACert: ca}, authority: "127.0.0.1"},
		{name: "tls by name", remote: configmap.Remote{Address: "tcp://" + secureAddr, CACert: ca, ServerName: "example.com"}, authority: "example.com"},
		{name: "tls by an IPv6 address", remote: configmap.Remote{Address: "tcp://" + six.Listener.Addr().String(), CACert: ca}, authority: "[::1]"},
		{name: "wrong name", remote: configmap.Remote{Address: "tcp://" + secureAddr, CACert: ca, ServerName: "other.test"}, fails: "not other.test"},
		{name: "unknown authority", remote: configmap.Remote{Address: "tcp://" + secureAddr, ServerName: "example.com"}, fails: "unknown authority"},
		{name: "server speaks no tls", remote: configmap.Remote{Address: "tcp://" + plainAddr, CACert: ca}, fails: "tls with tcp://"},
		{name: "ca absent", remote: configmap.Remote{Address: "tcp://" + secureAddr, CACert: dir + "/nope"}, fails: "cacert"},
		{name: "ca empty", remote: configmap.Remote{Address: "tcp://" + secureAddr, CACert: empty}, fails: "holds no certificate"},
		{name: "key absent", remote: configmap.Remote{Address: "tcp://" + secureAddr, CACert: ca, Cert: ca, Key: dir + "/nope"}, fails: "key " + dir + "/nope"},
		{name: "nobody listens", remote: configmap.Remote{Address: "unix://" + dir + "/nope"}, fails: "no such file"},
		{name: "scheme", remote: configmap.Remote{Address: "ssh://h"}, fails: `unknown scheme "ssh"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := DialRemote(tt.remote, source.New(t.Context(), nil))(t.Context())
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("error %v does not say %q", err, tt.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if named, ok := conn.(authorityConn); ok != (tt.authority != "") || ok && named.Authority() != tt.authority {
				t.Errorf("connection %T does not name %q", conn, tt.authority)
			}
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := DialRemote(tests[1].remote, source.New(t.Context(), nil))(ctx); err == nil {
		t.Error("dialled with a context that is over")
	}
}

// A node is connected to several times, with the certificates of a pipe.
func TestRemoteCertificateOfPipe(t *testing.T) {
	files := source.New(t.Context(), nil)
	remote := configmap.Remote{Address: "tcp://127.0.0.1:1", CACert: sourcetest.Pipe(t, []byte("no certificate"))}
	for range 2 {
		_, err := DialRemote(remote, files)(t.Context())
		if err == nil || err.Error() != "cacert "+remote.CACert+": holds no certificate" {
			t.Errorf("%v", err)
		}
	}
}
