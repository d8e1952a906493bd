package builders

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/source"
)

// stdio is the other side of a command's standard input and output.
type stdio struct {
	net.Conn // what is not overridden is not called
	in       *io.PipeWriter
	out      *io.PipeReader
}

func (s stdio) Read(p []byte) (int, error)       { return s.out.Read(p) }
func (s stdio) Write(p []byte) (int, error)      { return s.in.Write(p) }
func (s stdio) Close() error                     { return errors.Join(s.in.Close(), s.out.Close()) }
func (s stdio) SetDeadline(time.Time) error      { return nil }
func (s stdio) SetReadDeadline(time.Time) error  { return nil }
func (s stdio) SetWriteDeadline(time.Time) error { return nil }
func (s stdio) LocalAddr() net.Addr              { return &net.UnixAddr{} }
func (s stdio) RemoteAddr() net.Addr             { return &net.UnixAddr{} }

// TestProxy speaks BuildKit's protocol over the standard streams of a command.
func TestProxy(t *testing.T) {
	daemon := &fleettest.Daemon{}
	node := configmap.Node{Name: "far0", Remote: &configmap.Remote{Address: daemon.Listen(t), Timeout: 5 * time.Second}}
	inReader, inWriter := io.Pipe()
	outReader, outWriter := io.Pipe()
	p := Proxy{
		Definition: configmap.Definition{Name: "far", Driver: configmap.DriverRemote, Nodes: []configmap.Node{node}},
		Access:     cluster.Access{Access: kube.Access{Files: source.New(t.Context(), nil), Lookup: os.LookupEnv}},
		Report:     func(string) {},
		Log:        zerolog.Nop(),
	}
	ended := make(chan error, 1)
	go func() {
		err := p.Run(t.Context(), inReader, outWriter)
		_ = outWriter.Close()
		ended <- err
	}()
	client, err := buildkit.Connect(t.Context(), func(context.Context) (net.Conn, error) {
		return stdio{in: inWriter, out: outReader}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(client.Platforms()) == 0 {
		t.Error("the daemon has no platform")
	}
	_ = client.Close()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the end of standard input ends nothing")
	}
}

func TestProxyIsCancelled(t *testing.T) {
	here, there := net.Pipe()
	defer func() { _ = there.Close() }()
	in, _ := io.Pipe() // which never ends
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if err := relay(ctx, here, in, io.Discard); fault.ClassOf(err) != fault.ClassCancelled {
		t.Errorf("%v", err)
	}
}

// What the daemon answers after the end of what is sent arrives, over TCP and
// TLS.
func TestProxyReadsTheAnswerToItsEnd(t *testing.T) {
	web := httptest.NewTLSServer(nil) // for its certificate
	defer web.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, caCert := range []string{"", ca} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = listener.Close() }()
		if caCert != "" {
			listener = tls.NewListener(listener, &tls.Config{Certificates: web.TLS.Certificates, NextProtos: []string{"h2"}})
		}
		go func() {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			if request, err := io.ReadAll(c); err == nil {
				time.Sleep(50 * time.Millisecond) // a connection that is closed is closed by now
				_, _ = io.WriteString(c, "answer to "+string(request))
			}
			_ = c.Close()
		}()
		conn, err := buildkit.DialRemote(configmap.Remote{Address: "tcp://" + listener.Addr().String(), CACert: caCert}, source.New(t.Context(), nil))(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := relay(t.Context(), conn, strings.NewReader("request"), &out); err != nil || out.String() != "answer to request" {
			t.Errorf("TLS %t: %q, %v", caCert != "", out.String(), err)
		}
	}
}

// A standard output that fails is no lost builder.
func TestProxyCannotWrite(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fails error
		ended bool // standard input has
		want  fault.Class
	}{
		{"the client has ended", &os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.EPIPE}, false, 0},
		{"a pipe within a program", io.ErrClosedPipe, false, 0},
		{"a full disk", &os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}, false, fault.ClassUsage},
		{"a full disk after the end", &os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}, true, fault.ClassUsage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			here, there := net.Pipe()
			defer func() { _ = there.Close() }()
			var in io.Reader
			in, inWriter := io.Pipe() // which does not end
			defer func() { _ = inWriter.Close() }()
			if tt.ended {
				in = strings.NewReader("")
			}
			go func() { _, _ = io.WriteString(there, "answer") }()
			err := relay(t.Context(), oneWay{here}, in, failing{tt.fails})
			if fault.ClassOf(err) != tt.want || (err == nil) != (tt.want == 0) {
				t.Errorf("%v", err)
			}
			if err != nil && err.Error() != "write to standard output: write /dev/stdout: no space left on device" {
				t.Errorf("%v", err)
			}
		})
	}
}

// oneWay is a connection on which the end of what is sent ends nothing else.
type oneWay struct{ net.Conn }

func (oneWay) CloseWrite() error { return nil }

// failing is a writer that fails.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestProxyChoosesANode(t *testing.T) {
	node := func(name, arch string) configmap.Node {
		n := configmap.Node{Name: name}
		if arch != "" {
			n.Platforms = []ocispecs.Platform{{OS: "linux", Architecture: arch}}
		}
		return n
	}
	two := []configmap.Node{node("amd", "amd64"), node("arm", "arm64")}
	strict := configmap.Definition{Nodes: slices.Clone(two)}.WithStrictPlatforms().Nodes
	far := func(name string, reported ...string) configmap.Node {
		daemon := &fleettest.Daemon{Platforms: reported}
		return configmap.Node{Name: name, Remote: &configmap.Remote{Address: daemon.Listen(t), Timeout: 5 * time.Second}}
	}
	for _, tt := range []struct {
		nodes []configmap.Node
		arch  string // empty for none
		want  string // empty for an error
	}{
		{two, "", "amd"}, {two, "arm64", "arm"}, {two, "s390x", "amd"}, {strict, "arm64", "arm"}, {strict, "s390x", ""},
		{[]configmap.Node{far("far-amd", "linux/amd64"), far("far-arm", "linux/arm64")}, "arm64", "far-arm"},
		{[]configmap.Node{node("any", "")}, "arm64", "any"},
	} {
		p := Proxy{Definition: configmap.Definition{Name: "kube", Nodes: tt.nodes}, Report: func(string) {}, Log: zerolog.Nop()}
		if tt.arch != "" {
			p.Platform = &ocispecs.Platform{OS: "linux", Architecture: tt.arch}
		}
		clients := &fleet.Clients{Access: cluster.Access{Access: kube.Access{Files: source.New(t.Context(), nil)}}, Log: zerolog.Nop()}
		got, err := p.node(t.Context(), clients.Connector())
		if class := fault.ClassOf(err); err != nil && class != fault.ClassUsage {
			t.Errorf("%s: %v of class %d", tt.arch, err, class)
		}
		if got.Name != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s of %d nodes: %q, %v, want %q", tt.arch, len(tt.nodes), got.Name, err, tt.want)
		}
	}
}
