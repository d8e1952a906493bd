package transport

import (
	"crypto/x509"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/pki"
)

// TestExplainTLSOfAddresses has failures that depend on the IP family: another
// address of the pod may be reached.
func TestExplainTLSOfAddresses(t *testing.T) {
	dial := func(number syscall.Errno) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", number)}
	}
	for _, tt := range []struct {
		name   string
		err    error
		reason kube.Reason
		words  string
	}{
		{"no route", dial(syscall.ENETUNREACH), kube.ReasonBlocked, "[fd00::1]:1234: no route from here"},
		{"a kernel without the family", dial(syscall.EAFNOSUPPORT), kube.ReasonBlocked, "[fd00::1]:1234: no route from here"},
		{"no address of the family here", dial(syscall.EADDRNOTAVAIL), kube.ReasonBlocked, "[fd00::1]:1234: no route from here"},
		{"refused", dial(syscall.ECONNREFUSED), kube.ReasonRefused, "connection refused"},
		{"a certificate for names", x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"a.example", "b.example"}}}, kube.ReasonCertificate, "is for a.example, b.example and not for buildkitd.b.ci"},
		{"a certificate for addresses", x509.HostnameError{Certificate: &x509.Certificate{IPAddresses: []net.IP{net.ParseIP("fd00::1")}}}, kube.ReasonCertificate, "is for fd00::1 and not for buildkitd.b.ci"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := explainTLS(tt.err, kube.Pod{Namespace: "ci", Name: "b-1"}, "[fd00::1]:1234", &pki.Credential{ServerName: "buildkitd.b.ci"}, time.Now())
			if got.Reason != tt.reason || !strings.Contains(got.Error(), tt.words) {
				t.Errorf("%s: %v, want %s with %q", got.Reason, got, tt.reason, tt.words)
			}
		})
	}
}
