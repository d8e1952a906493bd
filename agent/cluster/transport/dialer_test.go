package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/pki"
	"github.com/slipway-build/slipway/configmap"
)

func TestRoute(t *testing.T) {
	const auto, direct, forward, exec = configmap.TransportAuto, configmap.TransportDirect, configmap.TransportPortForward, configmap.TransportExec
	for _, tt := range []struct {
		name          string
		pinned, first configmap.Transport
		listens       bool
		want          []configmap.Transport
	}{
		{"auto", auto, "", true, []configmap.Transport{direct, forward, exec}},
		{"auto, made by buildx", auto, "", false, []configmap.Transport{exec}},
		{"auto, direct failed before", auto, forward, true, []configmap.Transport{forward, exec}},
		{"auto, only exec worked before", auto, exec, true, []configmap.Transport{exec}},
		{"auto, another pod without listener", auto, forward, false, []configmap.Transport{exec}},
		{"direct", direct, "", true, []configmap.Transport{direct}},
		{"direct, made by buildx", direct, "", false, []configmap.Transport{direct}},
		{"portforward", forward, "", true, []configmap.Transport{forward}},
		{"exec", exec, "", true, []configmap.Transport{exec}},
	} {
		var got []configmap.Transport
		for _, one := range candidates(tt.pinned, tt.first, tt.listens) {
			got = append(got, one.name)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestWorthTrying(t *testing.T) {
	for _, tt := range []struct {
		reason        kube.Reason
		forward, exec bool
	}{
		{kube.ReasonBlocked, true, true},
		{kube.ReasonRefused, true, true},
		{kube.ReasonCertificate, false, true},
		{kube.ReasonForbidden, false, true},
		{kube.ReasonTransport, false, true},
	} {
		failed := &kube.Error{Reason: tt.reason}
		if got := dialMethods()[1].worthTrying(failed); got != tt.forward {
			t.Errorf("portforward after %s: %v", tt.reason, got)
		}
		if got := dialMethods()[2].worthTrying(failed); got != tt.exec {
			t.Errorf("exec after %s: %v", tt.reason, got)
		}
	}
}

// TestExecIsNoWayAroundCertificates has what goes wrong between agent and pod:
// exec asks for no certificate, so it is no way to a pod that has shown a wrong
// one or refuses the agent's.
func TestExecIsNoWayAroundCertificates(t *testing.T) {
	from := &pki.Credential{Source: "secret ci/b-tls-client", ServerName: "b"}
	for _, tt := range []struct {
		name string
		err  error
		exec bool
	}{
		{"unknown authority", x509.UnknownAuthorityError{}, false},
		{"another name", x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"other"}}, Host: "b"}, false},
		{"expired", x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: x509.Expired}, false},
		{"no TLS", tls.RecordHeaderError{}, false},
		{"the agent's is refused", &net.OpError{Op: "remote error", Err: errors.New("tls: unknown certificate authority")}, false},
		{"the agent's is of no use", &pki.UnacceptedError{Source: from.Source}, false},
		{"no answer", os.ErrDeadlineExceeded, true},
		{"refused", syscall.ECONNREFUSED, true},
	} {
		failed := explainTLS(tt.err, kube.Pod{Namespace: "ci", Name: "b-0"}, "10.0.0.1:1234", from, time.Now())
		if got := dialMethods()[2].worthTrying(failed); got != tt.exec {
			t.Errorf("%s: exec is tried: %v", tt.name, got)
		}
	}
	// An agent without a certificate knows nothing against the pod.
	if !dialMethods()[2].worthTrying(&kube.Error{Reason: kube.ReasonCertificate, Message: "secret ci/b-tls-client does not exist"}) {
		t.Error("exec is not tried by an agent without a certificate")
	}
}

func TestTogether(t *testing.T) {
	pod := kube.Pod{Namespace: "ci", Name: "b-0"}
	blocked := failure{configmap.TransportDirect, &kube.Error{Reason: kube.ReasonBlocked, Message: "no answer", Advice: []string{"open the port"}}}
	certificate := failure{configmap.TransportDirect, &kube.Error{Reason: kube.ReasonCertificate, Message: "expired", Advice: []string{"restart"}}}
	forbidden := failure{configmap.TransportExec, &kube.Error{Reason: kube.ReasonForbidden, Message: "may not exec", Advice: []string{"grant it"}}}
	gone := failure{configmap.TransportExec, &kube.Error{Reason: kube.ReasonGone, Message: "the pod is gone"}}
	away := failure{configmap.TransportExec, &kube.Error{Reason: kube.ReasonUnreachable, Message: "no API server"}}
	for _, tt := range []struct {
		name     string
		failures []failure
		reason   kube.Reason
		message  string
		hints    string
	}{
		{"one", []failure{blocked}, kube.ReasonBlocked, "no answer", "open the port"},
		{"pod gone", []failure{blocked, gone}, kube.ReasonGone, "the pod is gone", ""},
		// The role is small on purpose: what counts is why direct failed.
		{"no right to exec", []failure{blocked, forbidden}, kube.ReasonBlocked, "no way to buildkitd in pod ci/b-0: direct: no answer; exec: may not exec", "open the port, grant it"},
		{"certificate, and no right to exec", []failure{certificate, forbidden}, kube.ReasonCertificate, "no way to buildkitd in pod ci/b-0: direct: expired; exec: may not exec", "restart, grant it"},
		{"all", []failure{blocked, away}, kube.ReasonUnreachable, "no way to buildkitd in pod ci/b-0: direct: no answer; exec: no API server", "open the port"},
	} {
		err := joinFailures(pod, tt.failures)
		var got *kube.Error
		if !errors.As(err, &got) || got.Reason != tt.reason || got.Error() != tt.message || strings.Join(got.Hints(), ", ") != tt.hints {
			t.Errorf("%s: %v with hints %q", tt.name, err, got.Hints())
		}
	}
}
