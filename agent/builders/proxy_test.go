package builders

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/kube"
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

func TestProxyChoosesANode(t *testing.T) {
	node := func(name, arch string) configmap.Node {
		n := configmap.Node{Name: name}
		if arch != "" {
			n.Platforms = []ocispecs.Platform{{OS: "linux", Architecture: arch}}
		}
		return n
	}
	two := []configmap.Node{node("amd", "amd64"), node("arm", "arm64")}
	for _, tt := range []struct {
		nodes []configmap.Node
		arch  string // empty for none
		want  string // empty for an error
	}{
		{two, "", "amd"}, {two, "arm64", "arm"}, {two, "s390x", ""},
		{[]configmap.Node{node("any", "")}, "arm64", "any"},
	} {
		p := Proxy{Definition: configmap.Definition{Name: "kube", Nodes: tt.nodes}}
		if tt.arch != "" {
			p.Platform = &ocispecs.Platform{OS: "linux", Architecture: tt.arch}
		}
		got, err := p.node()
		if got.Name != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s of %d nodes: %q, %v, want %q", tt.arch, len(tt.nodes), got.Name, err, tt.want)
		}
	}
}
