package transport

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/pki"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/source"
)

func TestMemory(t *testing.T) {
	now := time.Now()
	m := newMemory[string]()
	m.now = func() time.Time { return now }
	m.put("a", "direct")
	now = now.Add(memoryLife - 1)
	if got, age := m.withAge("a"); got != "direct" || age != memoryLife-1 || m.get("b") != "" {
		t.Errorf("%q after %s, and %q of another", got, age, m.get("b"))
	}
	now = now.Add(1)
	if got := m.get("a"); got != "" || m.old("a") != "direct" || m.old("b") != "" {
		t.Errorf("%q is kept for longer, %q as an old value", got, m.old("a"))
	}
	m.put("a", "exec")
	m.forget("a")
	if got := m.get("a"); got != "" || m.old("a") != "" {
		t.Errorf("%q was not forgotten", got)
	}
}

// TestRenewedCertificates tests that a process that lives for long uses certificates that
// were renewed since it has read them: at once where pods refuse the old ones, and after
// a while where they do not.
func TestRenewedCertificates(t *testing.T) {
	for name, c := range map[string]struct {
		age   time.Duration // of what was read
		fails bool          // the first dial of a credential of the set before
		dials int
		want  string // of the credential that is used last
	}{
		"just read, and refused": {age: time.Second, fails: true, dials: 1, want: "before"},
		"read before, refused":   {age: time.Minute, fails: true, dials: 2, want: "renewed"},
		"read before, taken":     {age: time.Minute, dials: 1, want: "before"},
		"read long ago":          {age: memoryLife, dials: 1, want: "renewed"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write := func(set pki.Set) {
				t.Helper()
				for key, content := range set.ClientData() {
					if err := os.WriteFile(filepath.Join(dir, key), content, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			before := testSet(t, time.Now(), nil)
			write(before)
			d := New(new(kube.Client), "", source.New(t.Context(), strings.NewReader("")), nil, zerolog.Nop())
			now := time.Now()
			d.credentials.now = func() time.Time { return now }
			node := configmap.Node{Name: "n", Kubernetes: &configmap.Kubernetes{Namespace: "ci", TLS: configmap.TLS{ClientDir: dir}}}
			old, err := d.Credential(t.Context(), node)
			if err != nil {
				t.Fatal(err)
			}
			write(testSet(t, time.Now(), nil))
			now = now.Add(c.age)
			var used []*pki.Credential
			method := dialMethod{name: configmap.TransportDirect, tls: true, dial: func(_ *Dialer, _ context.Context, _ kube.Pod, from *pki.Credential, _ timeouts) (net.Conn, error) {
				used = append(used, from)
				if from == old && c.fails {
					return nil, &kube.Error{Reason: kube.ReasonCertificate, Message: "signed by another authority"}
				}
				here, there := net.Pipe()
				_ = there.Close()
				return here, nil
			}}
			conn, err := d.dialWith(t.Context(), method, node, kube.Pod{Listens: true}, timeouts{})
			if conn != nil {
				_ = conn.Close()
			}
			if (err != nil) != (c.fails && c.dials == 1) || len(used) != c.dials {
				t.Fatalf("%d dials, %v", len(used), err)
			}
			got := "renewed"
			if used[len(used)-1] == old {
				got = "before"
			}
			if got != c.want {
				t.Errorf("the last dial was with the certificate %s, want %s", got, c.want)
			}
		})
	}
}

// TestOldCredential tests that certificates are not given up where the API server, which
// has them, does not answer.
func TestOldCredential(t *testing.T) {
	d := New(new(kube.Client), "", source.New(t.Context(), strings.NewReader("")), nil, zerolog.Nop())
	now := time.Now()
	d.credentials.now = func() time.Time { return now }
	node := configmap.Node{Name: "n", Kubernetes: &configmap.Kubernetes{Namespace: "ci"}}
	made := &pki.Credential{}
	unreachable := &kube.Error{Reason: kube.ReasonUnreachable}
	if got := d.oldCredential(node, unreachable); got != nil {
		t.Errorf("of none that was read: %v", got)
	}
	d.KeepCredential(node, made)
	now = now.Add(memoryLife + 1)
	if got := d.CachedCredential(node); got != nil {
		t.Errorf("it counts as fresh: %v", got)
	}
	if got := d.oldCredential(node, unreachable); got != made {
		t.Errorf("without an API server: %v", got)
	}
	if got := d.oldCredential(node, &kube.Error{Reason: kube.ReasonForbidden}); got != nil {
		t.Errorf("of an agent that may not read it any more: %v", got)
	}
}
