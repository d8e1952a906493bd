package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/agent/cluster/pki"
)

// explainTLS says why there is no connection with the buildkitd at an address of
// pod; the message does not name the pod. It tells failures of the network from
// those of TLS: the agent refuses the server's certificate, or the server refuses
// the agent's, of which its alert is all that is known.
func explainTLS(err error, pod kube.Pod, address string, from *pki.Credential, now time.Time) *kube.Error {
	certificate := func(hint, format string, args ...any) *kube.Error {
		return &kube.Error{Reason: kube.ReasonCertificate, Message: address + ": " + fmt.Sprintf(format, args...), Advice: []string{hint}, Cause: err, Unproven: true}
	}
	restart := fmt.Sprintf("buildkitd reads its certificate when it starts: slipway up renews it, then restart the pod: kubectl delete pod --namespace %s %s", pod.Namespace, pod.Name)

	var invalid x509.CertificateInvalidError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var other *pki.UnacceptedError
	var remote *net.OpError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && now.Before(invalid.Cert.NotBefore):
		return certificate("compare the clocks of this machine and of the one that made the certificate",
			"the certificate of buildkitd is not valid before %s and the clock here says %s", stamp(invalid.Cert.NotBefore), stamp(now))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return certificate(restart, "the certificate of buildkitd expired at %s, and the clock here says %s", stamp(invalid.Cert.NotAfter), stamp(now))
	case errors.As(err, &authority):
		return certificate(fmt.Sprintf("the certificates were made anew, or renewed twice, since the pod has started: restart it: kubectl delete pod --namespace %s %s", pod.Namespace, pod.Name),
			"the certificate of buildkitd is signed by another authority than those in %s", from.Source)
	case errors.As(err, &name):
		return certificate("Slipway.tls.serverName of the definition must be a name in the certificate",
			"the certificate of buildkitd is for %s and not for %s", strings.Join(hostsOf(name.Certificate), ", "), from.ServerName)
	case errors.As(err, &other):
		return certificate(restart, "buildkitd does not accept the client's certificate: %v", other)
	case errors.As(err, &remote) && remote.Op == "remote error":
		return explainAlert(remote.Err, certificate, from, restart)
	case errors.Is(err, os.ErrDeadlineExceeded), kube.IsContextError(err), kube.IsTimeout(err):
		return &kube.Error{
			Reason: kube.ReasonBlocked, Message: address + ": no answer", Cause: err,
			Advice: []string{fmt.Sprintf("a NetworkPolicy or firewall that drops packets looks like this: let agents reach TCP port %d of the builder's pods, or use --transport exec", manifest.ListenPort)},
		}
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH),
		errors.Is(err, syscall.EAFNOSUPPORT), errors.Is(err, syscall.EADDRNOTAVAIL): // of IPv6, where this machine has none
		return &kube.Error{
			Reason: kube.ReasonBlocked, Message: address + ": no route from here", Cause: err,
			Advice: []string{"the addresses of pods can be reached from within the cluster; elsewhere use --transport portforward or exec"},
		}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &kube.Error{Reason: kube.ReasonRefused, Message: address + ": connection refused: nothing listens there, or a firewall refuses it", Cause: err, Advice: []string{podHint(pod)}}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return &kube.Error{Reason: kube.ReasonRefused, Message: address + ": the connection was cut before buildkitd answered", Cause: err, Advice: []string{podHint(pod)}}
	}
	var plain tls.RecordHeaderError
	if errors.As(err, &plain) {
		return certificate(podHint(pod), "what answers there does not speak TLS")
	}
	return &kube.Error{Reason: kube.ReasonTransport, Message: fmt.Sprintf("%s: %v", address, err), Cause: err, Advice: []string{podHint(pod)}}
}

// hostsOf are the names and addresses that a certificate is for.
func hostsOf(certificate *x509.Certificate) []string {
	hosts := slices.Clone(certificate.DNSNames)
	for _, ip := range certificate.IPAddresses {
		hosts = append(hosts, ip.String())
	}
	return hosts
}

// explainAlert puts a server's alert into words. Those of crypto/tls are all
// that tells the alerts apart.
func explainAlert(alert error, certificate func(hint, format string, args ...any) *kube.Error, from *pki.Credential, restart string) *kube.Error {
	why := alert.Error()
	for _, one := range []struct{ alert, words string }{
		{"expired certificate", "it has expired, or the clock of the pod's cluster node is wrong"},
		{"unknown certificate authority", "it is signed by an authority that the pod does not know"},
		{"certificate required", "none was shown"},
		{"bad certificate", "it is not valid there"},
		{"protocol version not supported", "the server is too old for TLS 1.3"},
	} {
		if strings.Contains(why, one.alert) {
			why = one.words
		}
	}
	return certificate(restart, "buildkitd refuses the client's certificate of %s: %s", from.Source, why)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
