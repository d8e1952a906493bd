package output

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/internal/target"
)

const (
	// dockerSocket is where an engine listens by default.
	dockerSocket = "/var/run/docker.sock"
	// engineTimeout is how long an engine may take to say that it is there.
	engineTimeout = 10 * time.Second
)

// engine is a Docker engine as the place where an image goes.
type engine struct {
	address string // for messages
	client  *http.Client
	base    string // scheme and host of its API
}

// openEngine finds the engine that type=docker without dest loads into, and
// asks whether it is there.
func openEngine(ctx context.Context, o Output, env Env) (destination, *fault.Usage) {
	e, err := findEngine(env)
	if err == nil {
		err = e.ping(ctx)
	}
	if err != nil {
		return nil, o.mistake("there is no Docker engine to load the image into: "+err.Error(),
			"mount the engine's socket at "+dockerSocket+" or set DOCKER_HOST; without an engine write an archive, type=docker,dest=image.tar, or pipe it, type=docker,dest=- | ctr images import -")
	}
	return e, o.checkTemp()
}

// findEngine reads where the engine is from the variables that the docker CLI
// has for it.
func findEngine(env Env) (*engine, error) {
	host, _ := env.lookup("DOCKER_HOST")
	if name, _ := env.lookup("DOCKER_CONTEXT"); host == "" && name != "" && name != "default" {
		return nil, fmt.Errorf("DOCKER_CONTEXT %q: docker contexts are not supported, set DOCKER_HOST", name)
	}
	if host == "" {
		info, err := os.Stat(dockerSocket)
		if err != nil {
			return nil, fmt.Errorf("%s: %s", dockerSocket, fault.Cause(err))
		}
		if info.Mode()&fs.ModeSocket == 0 {
			return nil, fmt.Errorf("%s is not a socket", dockerSocket)
		}
		host = "unix://" + dockerSocket
	}
	scheme, rest, ok := strings.Cut(host, "://")
	if !ok || rest == "" {
		return nil, fmt.Errorf("DOCKER_HOST %q is not unix://PATH or tcp://HOST:PORT", sanitize.RedactURLs(host))
	}
	switch scheme {
	case "unix":
		return unixEngine(host, rest), nil
	case "tcp":
		return tcpEngine(host, env)
	}
	return nil, fmt.Errorf("DOCKER_HOST %q: %s:// is not supported, unix:// and tcp:// are", sanitize.RedactURLs(host), scheme)
}

func unixEngine(host, path string) *engine {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	return &engine{address: host, base: "http://docker", client: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

func tcpEngine(host string, env Env) (*engine, error) {
	address, err := url.Parse(host)
	if err != nil || address.Host == "" {
		return nil, fmt.Errorf("DOCKER_HOST %q is not tcp://HOST:PORT", sanitize.RedactURLs(host))
	}
	transport := &http.Transport{DisableKeepAlives: true}
	e := &engine{address: "tcp://" + address.Host, base: "http://" + address.Host, client: &http.Client{Transport: transport}}
	if verify, _ := env.lookup("DOCKER_TLS_VERIFY"); verify == "" {
		return e, nil
	}
	transport.TLSClientConfig, err = engineTLS(env)
	e.base = "https://" + address.Host
	return e, err
}

// engineTLS reads the certificates for an engine as the docker CLI does.
func engineTLS(env Env) (*tls.Config, error) {
	dir, _ := env.lookup("DOCKER_CERT_PATH")
	if dir == "" {
		dir = filepath.Join(env.Home, ".docker")
	}
	ca, err := env.Files.Read(filepath.Join(dir, "ca.pem"), source.MaxConfig)
	if err != nil {
		return nil, fmt.Errorf("DOCKER_TLS_VERIFY: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("DOCKER_TLS_VERIFY: %s holds no certificate", filepath.Join(dir, "ca.pem"))
	}
	own, err := env.Files.KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		return nil, fmt.Errorf("DOCKER_TLS_VERIFY: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, Certificates: []tls.Certificate{own}}, nil
}

// ping fails when no engine answers.
func (e *engine) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.base+"/_ping", nil)
	if err != nil {
		return err
	}
	answer, err := e.client.Do(request)
	if err != nil {
		return fmt.Errorf("%s: %w", e.address, bareURLError(err))
	}
	defer closeQuietly(answer.Body)
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", e.address, answer.Status)
	}
	return nil
}

// bareURLError leaves out the URL that net/http puts before its errors: the
// address is in the message already.
func bareURLError(err error) error {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

func (e *engine) traits() traits          { return traits{place: "the Docker engine", turn: turnEngine} }
func (e *engine) parent() (string, error) { return target.TempPath(), nil }
func (e *engine) check() error            { return nil }

// place loads an archive and reads the engine's answer to its end, for that
// is where it says that it could not.
func (e *engine) place(ctx context.Context, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer closeQuietly(f)
	info, err := f.Stat()
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.base+"/images/load?quiet=1", f)
	if err != nil {
		return err
	}
	request.ContentLength = info.Size()
	request.Header.Set("Content-Type", "application/x-tar")
	answer, err := e.client.Do(request)
	if err != nil {
		return fmt.Errorf("load the image into %s: %w", e.address, bareURLError(err))
	}
	defer closeQuietly(answer.Body)
	if err := loaded(answer.StatusCode, answer.Body); err != nil {
		return fmt.Errorf("load the image into %s: %w", e.address, err)
	}
	return nil
}

// loaded reads the answer to a load: messages in JSON, one after the other,
// any of which may be an error.
func loaded(status int, body io.Reader) error {
	decoder := json.NewDecoder(body)
	for {
		var message struct {
			Message     string `json:"message"` // of a refusal
			Error       string `json:"error"`
			ErrorDetail struct {
				Message string `json:"message"`
			} `json:"errorDetail"`
		}
		err := decoder.Decode(&message)
		switch {
		case errors.Is(err, io.EOF) && status == http.StatusOK:
			return nil
		case err != nil && status == http.StatusOK:
			return fmt.Errorf("read the engine's answer: %w", err)
		case message.ErrorDetail.Message != "":
			return errors.New(message.ErrorDetail.Message)
		case message.Error != "":
			return errors.New(message.Error)
		case message.Message != "":
			return errors.New(message.Message)
		case status != http.StatusOK && err != nil:
			return fmt.Errorf("the engine answers %d %s", status, http.StatusText(status))
		}
	}
}

// HasEngine reports whether the environment or the usual socket says that there is a
// Docker engine. It is not asked.
func HasEngine(lookup func(string) (string, bool)) bool {
	if host, _ := lookup("DOCKER_HOST"); host != "" {
		return true
	}
	info, err := os.Stat(dockerSocket)
	return err == nil && info.Mode()&fs.ModeSocket != 0
}
