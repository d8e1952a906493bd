package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	tunnel "k8s.io/apimachinery/pkg/util/portforward"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/client-go/transport/websocket"
	"k8s.io/streaming/pkg/httpstream"
	streamspdy "k8s.io/streaming/pkg/httpstream/spdy"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/agent/cluster/pki"
	"github.com/slipway-build/slipway/internal/fault"
)

// dialPortForward connects to the same listener as dialDirect, through the API
// server and the kubelet. The TLS is with buildkitd: neither of them can read
// along.
func (d *Dialer) dialPortForward(ctx context.Context, pod kube.Pod, from *pki.Credential, limits timeouts) (net.Conn, error) {
	target := d.api.PodURL(pod.Namespace, pod.Name, "portforward", nil)
	limited, cancel := context.WithTimeout(ctx, limits.answer)
	defer cancel()
	raw := start(limited, &forwarding{dialer: d, target: target}, pod.String())
	if err := raw.await(limited, raw.stdin.event); err != nil {
		return nil, explainForward(ctx, err, pod, d.api.Identity())
	}
	conn, err := startTLS(limited, raw, from, limits)
	var ended *endedError
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.As(err, &ended):
		return nil, &kube.Error{
			Reason:  kube.ReasonRefused,
			Message: fmt.Sprintf("port-forward to pod %s: %v", pod, ended),
			Advice:  []string{podHint(pod)},
			Cause:   err,
		}
	}
	return nil, explainTLS(err, pod, "the end of a port-forward", from, time.Now())
}

// explainForward says why the API server does not forward a port.
func explainForward(ctx context.Context, err error, pod kube.Pod, id kube.Identity) error {
	doing := "port-forward to pod " + pod.String()
	if kube.IsContextError(err) && ctx.Err() == nil {
		return &kube.Error{
			Reason: kube.ReasonBlocked, Message: doing + ": the API server or the kubelet gave no answer", Cause: err,
			Advice: []string{podHint(pod)},
		}
	}
	return explainUpgrade(err, doing, pod, id)
}

// forwarding is the executor of one forwarded connection.
type forwarding struct {
	dialer *Dialer
	target *url.URL
}

// StreamWithContext implements executor: it copies between the standard
// streams and a port of the pod until one side ends. What goes wrong there is
// its error.
func (f *forwarding) StreamWithContext(ctx context.Context, streams remotecommand.StreamOptions) error {
	conn, err := f.connect(ctx)
	if err != nil {
		return err
	}
	// Closing it ends both streams and with them the copying.
	defer func() { _ = conn.Close() }()
	headers := http.Header{}
	headers.Set(corev1.PortHeader, strconv.Itoa(manifest.ListenPort))
	headers.Set(corev1.PortForwardRequestIDHeader, "0")
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	complaints, err := conn.CreateStream(headers)
	if err != nil {
		return err
	}
	// Nothing is written there.
	_ = complaints.Close()
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := conn.CreateStream(headers)
	if err != nil {
		return err
	}

	complained := make(chan error, 1)
	go fault.Protect(func() { complained <- read(complaints) })()
	received := make(chan error, 1)
	go fault.Protect(func() {
		_, err := io.Copy(streams.Stdout, data)
		received <- err
	})()
	go fault.Protect(func() {
		// This ends with the input, which the connection's owner closes.
		_, _ = io.Copy(data, streams.Stdin)
		_ = data.Close()
	})()
	select {
	case err = <-received:
		// The kubelet's words, if there are any, say more and may come later.
		select {
		case words := <-complained:
			err = errors.Join(words, err)
		case <-time.After(closeTimeout):
		case <-ctx.Done():
		}
		return err
	case err = <-complained:
		return err
	case <-conn.CloseChan():
		return errors.New("the connection to the API server broke")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// read returns what the kubelet says of the pod's side as an error.
func read(complaints io.Reader) error {
	words, err := io.ReadAll(io.LimitReader(complaints, 4<<10))
	if len(words) > 0 {
		return errors.New(string(words))
	}
	return err
}

// connect takes SPDY first and a WebSocket where that is refused, as exec does
// and for the same reasons.
func (f *forwarding) connect(ctx context.Context) (httpstream.Connection, error) {
	config := f.dialer.api.StreamConfig()
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.target.String(), nil)
	if err != nil {
		return nil, err
	}
	conn, _, err := spdy.NegotiateStreaming(upgrader, &http.Client{Transport: transport}, request, portforward.PortForwardProtocolV1Name)
	if err == nil || !worthWebSocket(err) {
		return conn, err
	}
	f.dialer.log.Debug().Err(err).Msg("port-forward over spdy refused, trying a websocket")
	return f.overWebSocket(ctx, config)
}

func (f *forwarding) overWebSocket(ctx context.Context, config *rest.Config) (httpstream.Connection, error) {
	transport, holder, err := websocket.RoundTripperFor(config)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.target.String(), nil)
	if err != nil {
		return nil, err
	}
	conn, err := websocket.Negotiate(transport, holder, request, tunnel.WebsocketsSPDYTunnelingPortForwardV1)
	if err != nil {
		return nil, err
	}
	return streamspdy.NewClientConnectionWithPings(portforward.NewTunnelingConnection("client", conn), portforward.PingPeriod)
}
