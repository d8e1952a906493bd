package session

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/distribution/reference"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/remote"
)

// refusals are messages as buildkitd and its predecessors write them.
var refusals = []struct {
	name, text string
	host, path string
	push       bool
	reason     registry.Reason
}{
	{"pull, no right", "failed to solve: acme/app: failed to resolve source metadata for docker.io/acme/app:latest: pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed", "docker.io", "acme/app", false, registry.NoRight},
	{"pull, wrong password", "alpine: failed to resolve source metadata for docker.io/library/alpine:latest: failed to authorize: failed to fetch oauth token: unexpected status from GET request to https://auth.docker.io/token?scope=repository%3Alibrary%2Falpine%3Apull&service=registry.docker.io: 401 Unauthorized: incorrect username or password", "docker.io", "library/alpine", false, registry.NotAccepted},
	{"pull, older", "failed to resolve source metadata for r.example:5000/a/b@sha256:4bcff63911fcb4448bd4fdacec207030997caf25e9bea4045fa6c8c44de311d1: failed to authorize: failed to fetch oauth token: unexpected status: 401 Unauthorized", "r.example:5000", "a/b", false, registry.NotAccepted},
	{"pull, anonymous token", "failed to resolve source metadata for ghcr.io/acme/app:1: failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://ghcr.io/token?scope=repository%3Aacme%2Fapp%3Apull&service=ghcr.io: 403 Forbidden", "ghcr.io", "acme/app", false, registry.NoRight},
	{"pull, status", "failed to resolve source metadata for r.example/a:1: unexpected status from HEAD request to https://r.example/v2/a/manifests/1: 403 Forbidden", "r.example", "a", false, registry.NoRight},
	{"pull, basic", "failed to resolve source metadata for r.example/a:1: pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials", "r.example", "a", false, registry.NotAccepted},
	{"pull, expired", "failed to resolve source metadata for r.example/a:1: pull access denied, repository does not exist or may require authorization: server message: invalid_token: authorization failed", "r.example", "a", false, registry.NotAccepted},
	{"pull, limit", "failed to resolve source metadata for docker.io/library/alpine:3: failed to copy: httpReadSeeker: failed open: unexpected status code https://registry-1.docker.io/v2/library/alpine/manifests/sha256:ab: 429 Too Many Requests - Server message: toomanyrequests: You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit", "docker.io", "library/alpine", false, registry.TooManyRequests},
	{"pull, layer", "failed to copy: httpReadSeeker: failed open: unexpected status from GET request to https://r.example:8443/v2/team/app/blobs/sha256:ab: 403 Forbidden", "r.example:8443", "team/app", false, registry.NoRight},
	{"pull, authority", `failed to resolve source metadata for r.example/a:1: failed to do request: Head "https://r.example/v2/a/manifests/1": tls: failed to verify certificate: x509: certificate signed by unknown authority`, "r.example", "a", false, registry.UnknownAuthority},
	{"pull, expired certificate", `failed to resolve source metadata for r.example/a:1: failed to do request: Head "https://r.example/v2/a/manifests/1": tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2026-01-02T03:04:05Z is after 2025-01-01T00:00:00Z`, "r.example", "a", false, registry.WrongCertificate},
	{"pull, DNS", `failed to resolve source metadata for r.invalid/a:1: failed to do request: Head "https://r.invalid/v2/a/manifests/1": dial tcp: lookup r.invalid on 10.96.0.10:53: no such host`, "r.invalid", "a", false, registry.UnknownHost},
	{"pull, DNS is silent", `failed to resolve source metadata for r.invalid/a:1: failed to do request: Head "https://r.invalid/v2/a/manifests/1": dial tcp: lookup r.invalid on 10.96.0.10:53: read udp 10.0.0.2:1->10.96.0.10:53: i/o timeout`, "r.invalid", "a", false, registry.UnknownHost},
	{"pull, network", `failed to resolve source metadata for r.example/a:1: failed to do request: Head "https://r.example/v2/a/manifests/1": dial tcp 192.0.2.1:443: i/o timeout`, "r.example", "a", false, registry.NotListening},
	{"pull, closed", `failed to resolve source metadata for localhost:5000/a:1: failed to do request: Head "http://localhost:5000/v2/a/manifests/1": dial tcp [::1]:5000: connect: connection refused`, "localhost:5000", "a", false, registry.NotListening},
	{"push, wrong password", "failed to solve: failed to push r.example/team/app:1: failed to authorize: failed to fetch oauth token: unexpected status from POST request to https://auth.example/token: 401 Unauthorized", "r.example", "team/app", true, registry.NotAccepted},
	{"push, no credential", "failed to push r.example/team/app:1: unexpected status from POST request to https://r.example/v2/team/app/blobs/uploads/: 401 Unauthorized", "r.example", "team/app", true, registry.NotAccepted},
	{"push, no right", "failed to push r.example/team/app:1: push access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed", "r.example", "team/app", true, registry.NoRight},
	{"push, denied", "failed to push docker.io/acme/app:1: denied: requested access to the resource is denied", "docker.io", "acme/app", true, registry.NoRight},
	{"push, denied by status", "failed to push ghcr.io/acme/app:1: unexpected status from HEAD request to https://ghcr.io/v2/acme/app/blobs/sha256:ab: 403 Forbidden", "ghcr.io", "acme/app", true, registry.NoRight},
	{"push, unauthorized", "failed to push h.example/p/app:1: unauthorized: unauthorized to access repository: p/app, action: push: unauthorized to access repository: p/app, action: push", "h.example", "p/app", true, registry.NotAccepted},
	{"push, immutable (ECR)", "failed to push 1.dkr.ecr.eu-west-1.amazonaws.com/app:1: tag invalid: The image tag '1' already exists in the 'app' repository and cannot be overwritten because the repository is immutable.", "1.dkr.ecr.eu-west-1.amazonaws.com", "app", true, registry.Forbidden},
	{"push, quota (Harbor)", "failed to push h.example/p/app:1: denied: adding 1.2 GiB of storage resource, which when updated to current usage of 9.9 GiB will exceed the configured upper limit of 10.0 GiB: quota exceeded", "h.example", "p/app", true, registry.Forbidden},
	{"push, network rules (ACR)", "failed to push acme.azurecr.io/app:1: unexpected status from HEAD request to https://acme.azurecr.io/v2/app/blobs/sha256:ab: 403 Forbidden: denied: client with IP '192.0.2.1' is not allowed access", "acme.azurecr.io", "app", true, registry.Forbidden},
	{"push, no right (Quay)", "failed to push quay.io/acme/app:1: unexpected status from POST request to https://quay.io/v2/acme/app/blobs/uploads/: 401 Unauthorized: unauthorized: access to the requested resource is not authorized", "quay.io", "acme/app", true, registry.NoRight},
	{"push, the name has such words", "failed to push r.example/quota/firewall:1: denied: requested access to the resource is denied", "r.example", "quota/firewall", true, registry.NoRight},
	{"push, unknown", "failed to push 1.dkr.ecr.eu-west-1.amazonaws.com/app:1: name unknown: The repository with name 'app' does not exist in the registry with id '1'", "1.dkr.ecr.eu-west-1.amazonaws.com", "app", true, registry.UnknownRepository},
	{"push, 404", "failed to push r.example/app:1: unexpected status from POST request to https://r.example/v2/app/blobs/uploads/: 404 Not Found", "r.example", "app", true, registry.UnknownRepository},
	{"push, plain", `failed to push r.example:5000/app:1: failed to do request: Head "https://r.example:5000/v2/app/blobs/sha256:ab": http: server gave HTTP response to HTTPS client`, "r.example:5000", "app", true, registry.PlainHTTP},
	{"push by digest", "failed to push r.example/app: failed to authorize: no basic auth credentials", "r.example", "app", true, registry.NotAccepted},
	{"cache", "error writing layer blob: failed to copy: unexpected status from POST request to https://r.example/v2/cache/blobs/uploads/?mount=sha256%3Aab&from=x: 401 Unauthorized", "r.example", "cache", true, registry.NotAccepted},
	{"the agent's own", "failed to authorize: failed to fetch oauth token: authorize r.example/team/app: auth.example answered 401 Unauthorized: incorrect username or password", "r.example", "team/app", false, registry.NotAccepted},
	{"the agent's own, push", "failed to authorize: failed to fetch anonymous token: authorize push to r.example/team/app: auth.example answered 401 Unauthorized", "r.example", "team/app", true, registry.NotAccepted},
}

func TestParseRefusal(t *testing.T) {
	for _, tt := range refusals {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := parseRefusal(tt.text)
			want := refusal{target: registry.Request{Host: tt.host, Repository: tt.path, Push: tt.push}, reason: tt.reason, hint: got.hint}
			if !ok || got != want || (got.hint != "") != (tt.reason == registry.Forbidden) {
				t.Errorf("%+v, %t; want %+v", got, ok, want)
			}
		})
	}
	for name, text := range map[string]string{
		"no registry":      "failed to authorize: failed to fetch oauth token: unexpected status: 401 Unauthorized",
		"no reason":        "failed to push r.example/app:1: failed to copy: io: read/write on closed pipe",
		"no such image":    "failed to resolve source metadata for docker.io/library/nope:1: unexpected status from HEAD request to https://r/v2/library/nope/manifests/1: 404 Not Found",
		"not a reference":  "failed to push A B: 401 Unauthorized",
		"not a repository": "unexpected status from GET request to https://r.example/v2/Team\x1b[2J/blobs/sha256:ab: 403 Forbidden",
		"not a host":       "unexpected status from GET request to https://registry/v2/app/blobs/sha256:ab: 403 Forbidden",
		"nothing":          "",
		"a build's output": "denied: no",
	} {
		if got, ok := parseRefusal(text); ok {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func FuzzParseRefusal(f *testing.F) {
	for _, r := range refusals {
		f.Add(r.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, ok := parseRefusal(text)
		if !ok {
			return
		}
		// What is shown and asked for is a repository, whatever a registry says.
		named, err := reference.ParseNormalizedNamed(r.target.String())
		if err != nil || reference.Domain(named) != r.target.Host || reference.Path(named) != r.target.Repository || !reference.IsNameOnly(named) {
			t.Errorf("%q is no repository: %v", r.target, err)
		}
		e := &RefusedError{refusal: r, err: errors.New(text)}
		if e.what() == "" || len(r.hints(registry.Credential{}, remote.Standing{}, time.Now())) == 0 {
			t.Errorf("nothing is said of reason %d", r.reason)
		}
	})
}

// asRefused is the refusal in err, nil for none.
func asRefused(err error) *RefusedError {
	var refused *RefusedError
	errors.As(err, &refused)
	return refused
}

// knowing is a keychain that tells what it has.
type knowing struct {
	keys
	broken []error
	over   []string
}

func (k knowing) Alike(_ context.Context, host string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(k.keys)), func(known string) bool { return known == host })
}

func (k knowing) Broken(string) []error { return k.broken }

func (k knowing) PassedOver(string) []string { return k.over }

// standings is a registry that says of a credential how it stands. It is asked
// about pushes to one repository only.
type standings struct {
	seen
	of     remote.Standing
	t      *testing.T
	target string
}

func (s *standings) Standing(_ context.Context, repository string) remote.Standing {
	if repository != s.target {
		s.t.Errorf("asked about %s", repository)
	}
	return s.of
}

func TestExplain(t *testing.T) {
	ci := registry.Credential{Username: "ci", Password: "s3cret", Source: "/root/.docker/config.json"}
	// A token that ended in 2001.
	expired := registry.Credential{Username: "ci", Password: "e30.eyJleHAiOjEwMDAwMDAwMDB9.c2ln", Source: "CI_JOB_TOKEN"}
	push := "failed to push r.example:5000/team/app:1: "
	const unauthorized = "unexpected status from POST request to https://r.example:5000/v2/team/app/blobs/uploads/: 401 Unauthorized"
	const denied = "push access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed"
	for _, tt := range []struct {
		name     string
		keychain registry.Keychain
		text     string
		want     string
		hints    []string
	}{
		{
			"no keychain", nil, push + unauthorized,
			"cannot push r.example:5000/team/app: the registry wants a credential and none was found (anonymous): ",
			[]string{"slipway login r.example:5000", "slipway auth r.example:5000/team/app"},
		},
		{
			"a stage misspelt", nil, "biuld: failed to resolve source metadata for docker.io/library/biuld:latest: pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed (did you mean build?)",
			"cannot pull docker.io/library/biuld: it does not exist, or the registry wants a credential and none was found (anonymous): ",
			[]string{"did you mean build?", "slipway login docker.io", "look at the spelling"},
		},
		{
			"the credential is for another port", knowing{keys: keys{"r.example": ci}}, push + unauthorized,
			"the registry wants a credential and none was found (anonymous): ",
			[]string{"there is a credential for r.example, which is not the same as r.example:5000", "slipway login"},
		},
		{
			"a source is broken", knowing{broken: []error{errors.New("config.json:3:1: no JSON")}}, push + unauthorized,
			"none was found (anonymous): ",
			[]string{"this source of credentials could not be used: config.json:3:1: no JSON", "slipway login"},
		},
		{
			"a credential is passed over", knowing{over: []string{"REGISTRY_USERNAME is set but names no registry"}}, push + unauthorized,
			"none was found (anonymous): ",
			[]string{"REGISTRY_USERNAME is set but names no registry", "slipway login"},
		},
		{
			"wrong", keys{"r.example:5000": ci}, push + unauthorized,
			`the registry does not accept the credential (user "ci" from /root/.docker/config.json): `,
			[]string{"the credential from /root/.docker/config.json is wrong or has expired, or has no right to push to r.example:5000/team/app: renew it"},
		},
		{
			"may pull", keys{"r.example:5000": ci}, push + unauthorized,
			`the credential may pull and may not push (user "ci" from /root/.docker/config.json): `,
			[]string{"the credential from /root/.docker/config.json is valid: it may pull from r.example:5000/team/app and may not push to it", `give user "ci" the right to push`},
		},
		{
			"valid", keys{"r.example:5000": ci}, push + unauthorized,
			`the credential is valid and has no right to it, or it does not exist (user "ci" from`,
			[]string{"the credential from /root/.docker/config.json is valid; it has no right to push here", `give user "ci" the right to push`},
		},
		{
			"not known", keys{"r.example:5000": ci}, push + unauthorized,
			`the registry has refused the credential for this (user "ci" from`,
			[]string{"either the credential from /root/.docker/config.json is not valid, or it has no right to push to r.example:5000/team/app: slipway auth --check r.example:5000/team/app asks the registry"},
		},
		{
			"wrong, for a pull", keys{"r.example:5000": ci}, "failed to resolve source metadata for r.example:5000/team/app:1: failed to authorize: 401 Unauthorized",
			`the registry does not accept the credential (user "ci" from`,
			[]string{"is wrong or has expired, or has no right to pull from r.example:5000/team/app: renew it"},
		},
		{
			"expired", keys{"r.example:5000": expired}, push + unauthorized,
			"the registry does not accept the credential",
			[]string{"the credential from CI_JOB_TOKEN has expired at 2001-09-09T01:46:40Z"},
		},
		{
			"no right to push", keys{"r.example:5000": ci}, push + denied,
			"the credential has no right to it, or it does not exist (user",
			[]string{`give user "ci" the right to push to r.example:5000/team/app`, "spelling"},
		},
		{
			"authority", nil, push + `failed to do request: Head "https://r.example:5000/v2/team/app/blobs/sha256:ab": tls: failed to verify certificate: x509: certificate signed by unknown authority`,
			"signed by an unknown authority",
			[]string{`certs/r.example_5000/ca.pem, and name it in its buildkitd.toml: [registry."r.example:5000"] ca = ["/etc/buildkit/certs/r.example_5000/ca.pem"]`},
		},
		{
			"limit", nil, "failed to resolve source metadata for docker.io/library/alpine:3: unexpected status from HEAD request to https://registry-1.docker.io/v2/library/alpine/manifests/3: 429 Too Many Requests",
			"cannot pull docker.io/library/alpine: the registry limits how often it is asked (anonymous): ",
			[]string{"slipway login docker.io"},
		},
		{
			"a signed URL", nil, "failed to resolve source metadata for r.example/a:1: failed to copy: unexpected status from GET request to https://s3.example/x?X-Amz-Signature=s3cret: 403 Forbidden",
			"unexpected status from GET request to https://s3.example/x: 403 Forbidden",
			[]string{"slipway login r.example"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := NewCredentials(tt.keychain, &standings{of: map[string]remote.Standing{
				"wrong": {Rejected: true}, "expired": {Rejected: true}, "may pull": {Accepted: true, MayPull: true}, "valid": {Accepted: true},
			}[tt.name], t: t, target: "r.example:5000/team/app"}, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			explained := c.Explain(t.Context(), status.Error(codes.Unknown, tt.text))
			refused := asRefused(explained)
			if refused == nil {
				t.Fatalf("error %v", explained)
			}
			if !strings.Contains(explained.Error(), tt.want) {
				t.Errorf("error %q, want %q", explained, tt.want)
			}
			hints := refused.Hints()
			if len(hints) != len(tt.hints) && !strings.Contains(hints[0], tt.hints[0]) {
				t.Errorf("hints %q, want %q", hints, tt.hints)
			}
			for _, want := range tt.hints {
				if !strings.Contains(strings.Join(hints, "\n"), want) {
					t.Errorf("hints %q, want %q", hints, want)
				}
			}
			// What is set in buildkitd.toml may be there by now, and the pods not have it.
			inFiles := tt.name == "authority" || tt.name == "limit"
			if parts := fault.DefinitionParts(explained); slices.Contains(parts, fault.PartFiles) != inFiles {
				t.Errorf("mended in %q of the definition", parts)
			}
			if strings.Contains(explained.Error()+strings.Join(hints, ""), "s3cret") {
				t.Error("a secret is in the message")
			}
		})
	}
}
