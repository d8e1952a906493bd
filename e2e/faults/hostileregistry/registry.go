// Package hostileregistry is a registry that an untrusted FROM may name: it
// keeps its clients busy, sends them elsewhere, and remembers what secrets they
// give away.
package hostileregistry

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Registry answers in the place of a registry, with proxy.Answer or a server of
// its own. It gives everybody a token and has one image, of one layer, under
// every name; each of its handlers, unless nil, answers some requests
// otherwise.
type Registry struct {
	// Realm is the URL of the token service; empty is the registry's own.
	Realm string
	// Challenge answers requests without a token, Token those to the token
	// service, Manifest and Blob those with a token.
	Challenge, Token, Manifest, Blob http.HandlerFunc

	mu    sync.Mutex
	given []string
}

// token is what the registry gives to everybody.
const token = "a-token-for-everybody"

// Given are the secrets that clients have sent: headers and forms, without the
// token that is the registry's own.
func (r *Registry) Given() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.given...)
}

// ServeHTTP implements http.Handler.
func (r *Registry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.note(request)
	authorized := request.Header.Get("Authorization") == "Bearer "+token
	var handler http.HandlerFunc
	switch path := request.URL.Path; {
	case path == "/token":
		handler = either(r.Token, giveToken)
	case !authorized:
		handler = either(r.Challenge, r.challenge)
	case strings.Contains(path, "/blobs/"):
		handler = either(r.Blob, blob)
	case strings.Contains(path, "/manifests/"):
		handler = either(r.Manifest, r.manifest)
	default:
		handler = Status(http.StatusOK, nil)
	}
	handler(w, request)
}

func either(given, own http.HandlerFunc) http.HandlerFunc {
	if given != nil {
		return given
	}
	return own
}

// note keeps what of a request is a secret.
func (r *Registry) note(request *http.Request) {
	// A client that ends in mid-request is the client's business.
	body, _ := io.ReadAll(io.LimitReader(request.Body, 1<<20))
	r.mu.Lock()
	defer r.mu.Unlock()
	if header := request.Header.Get("Authorization"); header != "" && header != "Bearer "+token {
		r.given = append(r.given, request.Method+" "+request.URL.Path+": "+header)
	}
	if len(body) > 0 {
		r.given = append(r.given, request.Method+" "+request.URL.Path+": "+string(body))
	}
}

func (r *Registry) challenge(w http.ResponseWriter, request *http.Request) {
	realm := cmp.Or(r.Realm, "https://"+request.Host+"/token")
	w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm=%q,service="hostile"`, realm))
	w.WriteHeader(http.StatusUnauthorized)
}

func giveToken(w http.ResponseWriter, _ *http.Request) {
	write(w, "application/json", []byte(`{"token":"`+token+`"}`))
}

// write answers; a client that is gone is the client's business.
func write(w http.ResponseWriter, mediaType string, content []byte) {
	w.Header().Set("Content-Type", mediaType)
	_, _ = w.Write(content)
}

// The image: a configuration and one layer, an empty tar archive.
var (
	layer  = make([]byte, 1024)
	config = fmt.Appendf(nil, `{"os":"linux","architecture":"amd64","config":{},"rootfs":{"type":"layers","diff_ids":[%q]}}`, Digest(layer))
)

// Digest is the digest of content.
func Digest(content []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(content)) }

// Image is a manifest of the image, as it is or with a configuration that
// claims to have another size.
func Image(configSize int) []byte {
	manifest := map[string]any{
		"schemaVersion": 2, "mediaType": imageType,
		"config": map[string]any{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": Digest(config), "size": cmp.Or(configSize, len(config))},
		"layers": []any{map[string]any{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": Digest(layer), "size": len(layer)}},
	}
	text, err := json.Marshal(manifest)
	if err != nil {
		panic(err) // of strings and numbers
	}
	return text
}

// OtherImage is a manifest of an image whose layer has the digest of the content.
func OtherImage(content []byte) []byte {
	return bytes.ReplaceAll(Image(0), []byte(Digest(layer)), []byte(Digest(content)))
}

const imageType = "application/vnd.oci.image.manifest.v1+json"

func (r *Registry) manifest(w http.ResponseWriter, request *http.Request) {
	Manifest(imageType, Image(0))(w, request)
}

func blob(w http.ResponseWriter, request *http.Request) {
	for _, content := range [][]byte{layer, config} {
		if strings.HasSuffix(request.URL.Path, Digest(content)) {
			write(w, "application/octet-stream", content)
			return
		}
	}
	http.NotFound(w, request)
}

// Layers lets a handler answer requests for all but the configuration.
func Layers(handler http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, Digest(config)) {
			blob(w, r)
			return
		}
		handler(w, r)
	}
}

// Manifest answers with a manifest and its digest.
func Manifest(mediaType string, content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Docker-Content-Digest", Digest(content))
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		write(w, mediaType, content)
	}
}

// Text answers with a status and a text.
func Text(status int, mediaType, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

// Status answers with a status and headers.
func Status(status int, header http.Header) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
	}
}

// Redirect sends a client to a URL; empty is the one that it has asked.
func Redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, cmp.Or(to, r.URL.String()), http.StatusTemporaryRedirect)
	}
}

// Flood answers with a text, so many bytes and no end: as many as it says, or
// until the client has enough where size is 0.
func Flood(mediaType, begin string, size int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		if size > 0 {
			w.Header().Set("Content-Length", fmt.Sprint(size))
		}
		if _, err := io.WriteString(w, begin); err != nil {
			return
		}
		piece := []byte(strings.Repeat("x", 64<<10))
		for sent := len(begin); size == 0 || sent < size; sent += len(piece) {
			if size > 0 {
				piece = piece[:min(len(piece), size-sent)]
			}
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}
}

// Drip answers with a byte a second, until the client has enough.
func Drip(w http.ResponseWriter, r *http.Request) {
	flush := http.NewResponseController(w)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if _, err := io.WriteString(w, " "); err != nil || flush.Flush() != nil {
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// AfterHead answers HEAD requests with one handler and all others with another.
func AfterHead(head, others http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			head(w, r)
			return
		}
		others(w, r)
	}
}
