// Command token-registry is the distribution project's registry and the service
// that signs the tokens it asks for, under one address: clients that take no
// other private address for a token service take that one.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	access "github.com/gorilla/handlers"
	"github.com/sirupsen/logrus"

	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

func main() {
	if err := serve(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func serve(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: token-registry CONFIGURATION USERS")
	}
	file, err := os.Open(args[0])
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	defer func() { _ = file.Close() }()
	config, err := configuration.Parse(file)
	if err != nil {
		return fmt.Errorf("configuration %s: %w", args[0], err)
	}
	pair, err := tls.LoadX509KeyPair(config.HTTP.TLS.Certificate, config.HTTP.TLS.Key)
	if err != nil {
		return fmt.Errorf("load the certificate: %w", err)
	}
	issuer, _ := config.Auth.Parameters()["issuer"].(string) // the registry refuses another type
	tokens, err := newService(issuer, pair, args[1])
	if err != nil {
		return err
	}
	logrus.SetLevel(logrus.ErrorLevel) // the access log is another
	mux := http.NewServeMux()
	mux.HandleFunc("/token", tokens.token)
	mux.Handle("/", handlers.NewApp(context.Background(), config))
	server := &http.Server{
		Addr: config.HTTP.Addr, Handler: access.CombinedLoggingHandler(os.Stdout, mux), ReadHeaderTimeout: 10 * time.Second,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
	}
	return server.ListenAndServeTLS("", "")
}

func newService(issuer string, pair tls.Certificate, usersFile string) (service, error) {
	signer, err := newSigner(pair)
	if err != nil {
		return service{}, err
	}
	text, err := os.ReadFile(usersFile)
	if err != nil {
		return service{}, fmt.Errorf("read the users: %w", err)
	}
	s := service{issuer: issuer, signer: signer}
	if err := json.Unmarshal(text, &s.users); err != nil {
		return service{}, fmt.Errorf("users %s: %w", usersFile, err)
	}
	return s, nil
}
