// Command intruder sends requests to the API server with the token of the pod
// that it runs in, and prints how each was answered: the status, and the start
// of the answer in quotes.
//
// A request is METHOD:PATH. With the methods WEBSOCKET and SPDY it asks for the
// upgrade that exec, attach and port-forward need, as clients do: a GET and a
// POST.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	account = "/var/run/secrets/kubernetes.io/serviceaccount"
	// most bounds what is shown of an answer.
	most = 4 << 10
	// patience bounds the look at a connection that was upgraded, which may
	// stay open for as long as the command runs.
	patience = 5 * time.Second
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(requests []string) error {
	token, err := os.ReadFile(filepath.Join(account, "token"))
	if err != nil {
		return fmt.Errorf("read the token: %w", err)
	}
	authority, err := os.ReadFile(filepath.Join(account, "ca.crt"))
	if err != nil {
		return fmt.Errorf("read the authority: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	// HTTP/2 has no upgrade.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, Protocols: protocols}}
	server := "https://" + net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	for _, request := range requests {
		status, body, err := send(client, server, strings.TrimSpace(string(token)), request)
		if err != nil {
			return fmt.Errorf("%s: %w", request, err)
		}
		fmt.Printf("%d %q\n", status, body)
	}
	return nil
}

// send sends one request and returns its answer's status and the start of what
// it says.
func send(client *http.Client, server, token, text string) (status int, body string, err error) {
	method, path, ok := strings.Cut(text, ":")
	if !ok {
		return 0, "", errors.New("want METHOD:PATH")
	}
	header := http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}
	switch method {
	case "WEBSOCKET":
		method = http.MethodGet
		header.Set("Connection", "Upgrade")
		header.Set("Upgrade", "websocket")
		header.Set("Sec-WebSocket-Version", "13")
		header.Set("Sec-WebSocket-Key", "c2xpcHdheSBpbnRydWRlcg==") // 16 bytes, as the protocol wants them
		header.Set("Sec-WebSocket-Protocol", "v4.channel.k8s.io")
	case "SPDY":
		method = http.MethodPost
		header.Set("Connection", "Upgrade")
		header.Set("Upgrade", "SPDY/3.1")
		header.Set("X-Stream-Protocol-Version", "v4.channel.k8s.io")
		if strings.Contains(path, "/portforward") {
			header.Set("X-Stream-Protocol-Version", "portforward.k8s.io")
		}
	}
	request, err := http.NewRequest(method, server+path, strings.NewReader("{}"))
	if err != nil {
		return 0, "", err
	}
	if method == http.MethodGet {
		request.Body, request.ContentLength = nil, 0
	}
	request.Header = header
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusSwitchingProtocols {
		end := time.AfterFunc(patience, func() { _ = response.Body.Close() })
		defer end.Stop()
	}
	// An upgraded connection that is closed fails to be read on.
	said, err := io.ReadAll(io.LimitReader(response.Body, most))
	if response.StatusCode == http.StatusSwitchingProtocols {
		err = nil
	}
	return response.StatusCode, string(said), err
}
