package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"unicode"

	remoteserrors "github.com/containerd/containerd/v2/core/remotes/errors"
	"github.com/distribution/reference"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/slipway-build/slipway/registry"
)

// Error is a request that a registry refused, or that did not get there. It
// holds no secret: no header, and of a URL only the host.
type Error struct {
	// Op is what was done: push, tag, fetch, resolve, copy, check pull, check
	// push, authorize, authorize push to.
	Op string
	// Reference is what it was done to: docker.io/acme/app:1.
	Reference string
	// Host is what was asked, host[:port]: the registry or its token service.
	Host string
	// Status is the HTTP status of the answer, 0 for no answer.
	Status int
	// Code and Message are what the answer says of the error; may be empty.
	Code, Message string
	// Source says where the credential came from; "anonymous" when the
	// registry asked for one and there was none, empty when it did not ask.
	Source string
	// Accepted says that the registry or its token service has taken the
	// credential, so that it is valid. MayPull says that it was allowed to pull
	// from the repository.
	Accepted, MayPull bool
	// Writing says that a copy failed where it goes to.
	Writing bool
	// Broken are the sources of credentials that could not be used, when there
	// was no credential, and PassedOver why credentials that are there were not.
	Broken     []error
	PassedOver []string
	// Err is the cause.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Status == 0 {
		return fmt.Sprintf("%s %s: %s: %s", e.Op, e.Reference, e.Host, bareError(e.Err))
	}
	text := fmt.Sprintf("%s %s: %s answered %s", e.Op, e.Reference, e.Host, statusText(e.Status))
	if code := strings.ToLower(strings.ReplaceAll(e.Code, "_", " ")); code != "" && !strings.EqualFold(code, e.Message) {
		text += ": " + code
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether the same request may succeed in a while.
func (e *Error) Temporary() bool {
	if e.Status != 0 {
		return temporary(e.Status)
	}
	return temporaryFailure(e.Err)
}

// Hints says what to do about the error.
func (e *Error) Hints() []string {
	var deeper interface{ Hints() []string }
	if errors.As(e.Err, &deeper) {
		return deeper.Hints()
	}
	if hint := registry.HintOf(e.Code + " " + e.Message); hint != "" && e.Status/100 == 4 {
		return []string{hint}
	}
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return e.refusalHints()
	case http.StatusNotFound:
		if e.right() == "push" {
			return []string{"create the repository, if the registry does not do so by itself, and look at its spelling"}
		}
		return []string{"look at the spelling of repository and tag; some registries also answer 404 where the credential may not see the image"}
	case http.StatusTooManyRequests:
		if e.Source == "" || e.Source == "anonymous" {
			return []string{"the registry limits how often it is asked; log in for a higher limit, or try again later"}
		}
		return []string{"the registry limits how often it is asked; try again later"}
	}
	if e.Status != 0 {
		return nil
	}
	return e.connectionHints()
}

// right is what the request takes: pull or push.
func (e *Error) right() string {
	switch e.Op {
	case "push", "tag", "check push", opAuthorizePush:
		return "push"
	case "copy":
		if e.Writing {
			return "push"
		}
	}
	return "pull"
}

// refusalHints says what to do about 401 and 403, which registries do not tell
// apart as one would wish: 401 may be a missing right or a repository that does
// not exist, and 403 a password that has expired.
func (e *Error) refusalHints() []string {
	right := e.right()
	switch {
	case e.Op == opLogin:
		return []string{"look at the user name and the password; where people log in with a second factor or through another service, the registry wants an access token as the password"}
	case e.Source == "" || e.Source == "anonymous":
		hints := append(slices.Clone(e.PassedOver), fmt.Sprintf("no credential was found for this registry: slipway auth %s shows where it was looked for", authArgument(e.Reference)))
		for _, broken := range e.Broken {
			hints = append(hints, "could not be used: "+broken.Error())
		}
		return hints
	case e.Accepted && !e.MayPull && e.Status == http.StatusForbidden:
		return []string{fmt.Sprintf("the credential from %s is valid but has no right to %s here", e.Source, right)}
	case e.Accepted:
		known := Standing{Accepted: true, MayPull: e.MayPull}
		return []string{known.Hint(e.Source, right, authArgument(e.Reference))}
	case e.Status == http.StatusForbidden:
		return []string{fmt.Sprintf("the credential from %s has no right to %s here, or it has expired", e.Source, right)}
	}
	return []string{fmt.Sprintf("the registry does not accept the credential from %s: renew it, or give it the right to %s here", e.Source, right)}
}

// authArgument is the repository of a reference.
func authArgument(ref string) string {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return ref
	}
	return named.Name()
}

func (e *Error) connectionHints() []string {
	var (
		unknownCA x509.UnknownAuthorityError
		wrongName x509.HostnameError
		lookup    *net.DNSError
	)
	switch {
	case errors.As(e.Err, &unknownCA):
		return []string{fmt.Sprintf("trust the registry's certificate authority: put it under certs/ of the builder's definition, into /etc/docker/certs.d/%s/ca.crt, or name it in SSL_CERT_FILE", e.Host)}
	case errors.As(e.Err, &wrongName):
		return []string{"the certificate is for another name: use the name that stands in it"}
	case errors.Is(e.Err, http.ErrSchemeMismatch):
		return []string{fmt.Sprintf("the registry speaks plain HTTP: set http = true for %s in buildkitd.toml of the builder's definition", e.Host)}
	case errors.As(e.Err, &lookup):
		return []string{"look at the spelling of the registry's host, and at the DNS of this agent"}
	case errors.Is(e.Err, syscall.ECONNREFUSED):
		return []string{"nothing listens there: look at the registry's host and port"}
	}
	return nil
}

// MovedError is a tag that, right after it was set, pointed elsewhere.
type MovedError struct {
	// Want is the digest that was tagged, Got the one found afterwards.
	Want, Got string
}

// Error implements error.
func (e *MovedError) Error() string {
	return fmt.Sprintf("the tag was set to %s and points at %s now: somebody else has moved it", e.Want, e.Got)
}

// Hints says what to do about the error.
func (e *MovedError) Hints() []string {
	return []string{"another build pushes the same tag at the same time; give each its own tag"}
}

// fail makes the error that a user meets; nil stays nil. An end by the context
// is passed on as it is.
func (c *Client) fail(op, reference, host string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s %s: %w", op, reference, context.Canceled)
	}
	if registry.IsLayout(host) {
		return layoutError(op, reference, err)
	}
	e := &Error{Op: op, Reference: reference, Host: host, Err: err}
	e.Source, e.Accepted = c.auth.source(host)
	if e.Source == "anonymous" {
		e.Broken, e.PassedOver = c.auth.missed(host)
	}
	asked := ""
	e.Status, asked, e.Code, e.Message = answerOf(err)
	if asked != "" {
		e.Host = asked
	}
	return e
}

// answerOf reads a registry's answer out of an error: the status (0 for no
// answer), the host that gave it, and its code and message.
func answerOf(err error) (status int, host, code, message string) {
	var (
		token    *tokenError
		raw      remoteserrors.ErrUnexpectedStatus
		response *errcode.ErrorResponse
	)
	if errors.As(err, &token) {
		host = token.host
	}
	switch {
	case errors.As(err, &raw):
		code, message = readAnswer(raw.Body)
		return raw.StatusCode, host, code, message
	case errors.As(err, &response):
		if response.URL != nil {
			host = response.URL.Host
		}
		if len(response.Errors) > 0 {
			code, message = OneLine(response.Errors[0].Code), OneLine(response.Errors[0].Message)
		}
		return response.StatusCode, host, code, message
	case errors.Is(err, errdef.ErrNotFound):
		return http.StatusNotFound, host, "", ""
	}
	return 0, host, "", ""
}

// readAnswer reads the body with which a token service refuses: that of the
// distribution specification, or the simpler ones that Docker Hub and others
// send.
func readAnswer(body []byte) (code, message string) {
	var answer struct {
		Errors  errcode.Errors  `json:"errors"`
		Details json.RawMessage `json:"details"`
		Message string          `json:"message"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return "", ""
	}
	if len(answer.Errors) > 0 {
		return OneLine(answer.Errors[0].Code), OneLine(answer.Errors[0].Message)
	}
	var details string
	if json.Unmarshal(answer.Details, &details) == nil && details != "" {
		return "", OneLine(details)
	}
	return "", OneLine(answer.Message)
}

// OneLine makes what a registry says fit for a line of a log: without line ends
// and control characters, and cut after some hundred characters.
func OneLine(text string) string {
	const longest = 300
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if runes := []rune(text); len(runes) > longest {
		return string(runes[:longest]) + "…"
	}
	return text
}

// statusText is a status as it stands in an answer: 403 Forbidden.
func statusText(status int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
}

// bareError is an error without the URLs that net/http wraps around it: the
// query of an upload's URL is a key to it.
func bareError(err error) string {
	var (
		inURL   *url.Error
		byCheck *tls.CertificateVerificationError
		network *net.OpError
	)
	switch {
	case errors.As(err, &byCheck):
		return "certificate: " + byCheck.Err.Error()
	case errors.Is(err, http.ErrSchemeMismatch):
		return "it speaks plain HTTP, not TLS"
	case errors.As(err, &network):
		return network.Error()
	case errors.As(err, &inURL):
		err = inURL.Err
	}
	return BareText(err.Error())
}

// BareText is a message without what of its URLs may be a secret.
func BareText(message string) string { return inURLs.ReplaceAllString(message, "$1$2") }

// inURLs finds what of a URL may be a secret: user and password, and the query,
// which is a signature where a registry redirects to its storage. A colon at
// the end belongs to the message.
var inURLs = regexp.MustCompile(`(https?://)(?:[^\s"/@]*@)?([^\s"?]*)(?:\?(?:[^\s"]*[^\s":])?)?`)
