package kubectl

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"

	"k8s.io/client-go/rest"
)

// WebSocket asks the API server for a WebSocket that speaks the protocol at a
// path below the pod, such as "exec?command=true&stdout=true", and hangs up. It
// returns the status and the protocol that was chosen. The request is that of the
// service account, or of the administrator where it is empty.
func (n Namespace) WebSocket(ctx context.Context, pod, path, protocol, account string) (status int, chosen string, err error) {
	config, err := n.config()
	if err != nil {
		return 0, "", err
	}
	config = rest.CopyConfig(config)
	if account != "" {
		config.Impersonate.UserName = "system:serviceaccount:" + n.Name + ":" + account
	}
	secured, err := rest.TLSConfigFor(config)
	if err != nil {
		return 0, "", fmt.Errorf("read the kubeconfig: %w", err)
	}
	secured.NextProtos = []string{"http/1.1"} // which can be upgraded
	transport := &http.Transport{TLSClientConfig: secured, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
	defer transport.CloseIdleConnections()
	wrapped, err := rest.HTTPWrappersForConfig(config, transport)
	if err != nil {
		return 0, "", fmt.Errorf("read the kubeconfig: %w", err)
	}
	address := fmt.Sprintf("%s/api/v1/namespaces/%s/pods/%s/%s", strings.TrimSuffix(config.Host, "/"), n.Name, pod, path)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, "", err
	}
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "c2xpcHdheSBzY2VuYXJpbw==", "Sec-WebSocket-Protocol": protocol,
	} {
		request.Header.Set(name, value)
	}
	answer, err := wrapped.RoundTrip(request)
	if err != nil {
		return 0, "", err
	}
	return answer.StatusCode, answer.Header.Get("Sec-WebSocket-Protocol"), answer.Body.Close()
}
