package cluster

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"

	"github.com/slipway-build/slipway/agent/cluster/clustertest"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/agent/cluster/pki"
	"github.com/slipway-build/slipway/configmap"
)

// fakeSecrets is an API server that keeps Secrets and their versions, and has one
// Deployment.
type fakeSecrets struct {
	t          *testing.T
	deployment *appsv1.Deployment
	decode     runtime.Decoder

	mu      sync.Mutex
	version int
	secrets map[string]*corev1.Secret
	// writes are the names of what was created or updated, in order.
	writes []string
	// before runs ahead of the request that it names, once.
	before map[string]func()
}

func (v *fakeSecrets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := path.Base(r.URL.Path)
	if r.Method == http.MethodPost {
		name = ""
	}
	var body *corev1.Secret
	if r.Method != http.MethodGet {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			v.t.Error(err)
		}
		object, _, err := v.decode.Decode(raw, nil, nil)
		if err != nil {
			v.t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
			return
		}
		secret, ok := object.(*corev1.Secret)
		if !ok {
			v.t.Errorf("%s %s: a %T", r.Method, r.URL.Path, object)
			return
		}
		body, name = secret, secret.Name
	}
	v.mu.Lock()
	hook := v.before[r.Method+" "+name]
	delete(v.before, r.Method+" "+name)
	v.mu.Unlock()
	if hook != nil {
		hook()
	}

	v.mu.Lock()
	defer v.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	answer := func(code int, object any) {
		w.WriteHeader(code)
		if err := json.NewEncoder(w).Encode(object); err != nil {
			v.t.Error(err)
		}
	}
	fail := func(code int32, reason metav1.StatusReason) {
		answer(int(code), metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Reason: reason, Code: code})
	}
	known := v.secrets[name]
	switch {
	case strings.Contains(r.URL.Path, "/deployments/"):
		answer(200, v.deployment)
	case r.Method == http.MethodGet && known == nil, r.Method == http.MethodPut && known == nil:
		fail(404, metav1.StatusReasonNotFound)
	case r.Method == http.MethodGet:
		answer(200, known)
	case r.Method == http.MethodPost && known != nil:
		fail(409, metav1.StatusReasonAlreadyExists)
	case r.Method == http.MethodPut && body.ResourceVersion != known.ResourceVersion:
		fail(409, metav1.StatusReasonConflict)
	default:
		v.version++
		body.ResourceVersion = strconv.Itoa(v.version)
		body.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}
		v.secrets[name] = body
		v.writes = append(v.writes, name)
		answer(200, body)
	}
}

const (
	testServerSecret = "builder-amd64-tls"
	testClientSecret = "builder-amd64-tls-client"
)

const testServer = "buildkitd.builder-amd64.ci"

// testCertificates makes a set for testServer.
func testCertificates(t *testing.T, now time.Time, known *pki.Set) pki.Set {
	t.Helper()
	set, err := pki.Make(testServer, now, known)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// newDecoder reads what clients send.
func newDecoder(t *testing.T) runtime.Decoder {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return serializer.NewCodecFactory(scheme).UniversalDeserializer()
}

func newFakeSecrets(t *testing.T) (*fakeSecrets, func() *workload) {
	t.Helper()
	node := clustertest.Node(nil)
	objects, err := manifest.Of(node, "ci")
	if err != nil {
		t.Fatal(err)
	}
	v := &fakeSecrets{
		t: t, deployment: objects.Deployment, decode: newDecoder(t),
		secrets: map[string]*corev1.Secret{}, before: map[string]func(){},
	}
	server := httptest.NewServer(v)
	t.Cleanup(server.Close)
	return v, func() *workload { // each as if in an agent of its own
		client, err := newTestClient(&rest.Config{Host: server.URL}, kube.Identity{Namespace: "ci"}, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		return &workload{client: client, node: node, namespace: "ci", name: "builder-amd64", report: func(string) {}}
	}
}

// put stores a Secret as if it had been there before.
func (v *fakeSecrets) put(name string, labels map[string]string, data map[string][]byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.version++
	v.secrets[name] = &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "ci", Labels: labels, ResourceVersion: strconv.Itoa(v.version)},
		Data:       data,
	}
}

// set is what the workload's Secret holds; it must be whole, and the agents'
// must fit it.
func (v *fakeSecrets) set() pki.Set {
	v.t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	set, err := pki.Parse(v.secrets[testServerSecret].Data)
	if err != nil {
		v.t.Fatal(err)
	}
	if shared := v.secrets[testClientSecret]; shared == nil || !set.SufficesFor(shared.Data) {
		v.t.Fatal("the Secret of the agents does not fit that of the workload")
	}
	if _, ok := v.secrets[testClientSecret].Data[pki.KeyClientPrivate]; ok || bytes.Contains(v.secrets[testClientSecret].Data[pki.KeyPrivate], set.Server.Key) {
		v.t.Error("the Secret of the agents holds the server's key")
	}
	return set
}

func TestCertify(t *testing.T) {
	ours := map[string]string{manifest.LabelManagedBy: manifest.ManagedBy, manifest.LabelApp: "builder-amd64"}
	now := time.Now()
	set := testCertificates(t, now, nil)
	due := testCertificates(t, now.Add(-pki.Life*3/4), nil)
	half := func() map[string][]byte { d := set.ServerData(); delete(d, pki.KeyPrivate); return d }
	for _, tt := range []struct {
		name   string
		before func(*fakeSecrets)
		how    certifyMode
		writes []string
		words  string
		check  func(*testing.T, pki.Set)
	}{
		{name: "nothing there", writes: []string{testServerSecret, testClientSecret}},
		{name: "nothing there, as expected", how: certifyNew, writes: []string{testServerSecret, testClientSecret}},
		{
			name: "all there",
			before: func(v *fakeSecrets) {
				v.put(testServerSecret, ours, set.ServerData())
				v.put(testClientSecret, ours, set.ClientData())
			},
		},
		{
			name: "all there, not as expected", how: certifyNew,
			before: func(v *fakeSecrets) {
				v.put(testServerSecret, ours, set.ServerData())
				v.put(testClientSecret, ours, set.ClientData())
			},
		},
		{
			name:   "the agents' is missing",
			before: func(v *fakeSecrets) { v.put(testServerSecret, ours, set.ServerData()) },
			writes: []string{testClientSecret},
		},
		{
			name: "the agents' is of another time",
			before: func(v *fakeSecrets) {
				v.put(testServerSecret, ours, set.ServerData())
				v.put(testClientSecret, ours, due.ClientData())
			},
			writes: []string{testClientSecret},
		},
		{
			name: "due",
			before: func(v *fakeSecrets) {
				v.put(testServerSecret, ours, due.ServerData())
				v.put(testClientSecret, ours, due.ClientData())
			},
			writes: []string{testClientSecret, testServerSecret}, // agents first
			check: func(t *testing.T, got pki.Set) {
				if !bytes.Equal(got.Previous.Certificate, due.Client.Certificate) || !bytes.Contains(got.Authorities, due.Authorities) {
					t.Error("the set before is forgotten")
				}
			},
		},
		{
			name: "renewed by order", how: certifyRenew,
			before: func(v *fakeSecrets) {
				v.put(testServerSecret, ours, set.ServerData())
				v.put(testClientSecret, ours, set.ClientData())
			},
			writes: []string{testClientSecret, testServerSecret},
		},
		{
			name:   "broken",
			before: func(v *fakeSecrets) { v.put(testServerSecret, ours, half()) },
			writes: []string{testClientSecret, testServerSecret},
		},
		{
			name:   "broken and not ours",
			before: func(v *fakeSecrets) { v.put(testServerSecret, nil, half()) },
			words:  "secret builder-amd64-tls in namespace ci is not slipway's",
		},
		{
			name: "the agents' is not ours",
			before: func(v *fakeSecrets) {
				v.put(testServerSecret, ours, set.ServerData())
				v.put(testClientSecret, nil, nil)
			},
			words: "secret builder-amd64-tls-client in namespace ci is not slipway's",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, agent := newFakeSecrets(t)
			if tt.before != nil {
				tt.before(v)
			}
			w := agent()
			err := w.certify(t.Context(), tt.how)
			if tt.words != "" {
				if err == nil || !strings.Contains(err.Error(), tt.words) {
					t.Errorf("got %v, want %q", err, tt.words)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(v.writes, tt.writes) {
				t.Errorf("writes %q, want %q", v.writes, tt.writes)
			}
			got := v.set()
			if tt.check != nil {
				tt.check(t, got)
			}
			// Who made them need not ask for them.
			if from, err := w.client.dialer.Credential(t.Context(), w.node); err != nil || from.ServerName != testServer {
				t.Errorf("credential: %+v, %v", from, err)
			}
		})
	}
}

// TestCertifyRace ends with one set for all, whoever makes or renews it.
func TestCertifyRace(t *testing.T) {
	for _, how := range []certifyMode{certifyNew, certifyCheck, certifyRenew} {
		t.Run(fmt.Sprint(how), func(t *testing.T) {
			v, agent := newFakeSecrets(t)
			var all sync.WaitGroup
			for range 20 {
				w := agent()
				all.Go(func() {
					if err := w.certify(t.Context(), how); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			v.set()
			if n := len(v.writes); how != certifyRenew && n != 2 {
				t.Errorf("%d writes for two Secrets: %q", n, v.writes)
			}
		})
	}
}

// TestRenewalIsNotUndone lets a second agent, which knows only the old set,
// look after the Secrets at each step of a renewal by a first one.
func TestRenewalIsNotUndone(t *testing.T) {
	for _, step := range []string{"PUT " + testClientSecret, "PUT " + testServerSecret} {
		t.Run(step, func(t *testing.T) {
			v, agent := newFakeSecrets(t)
			if err := agent().certify(t.Context(), certifyNew); err != nil {
				t.Fatal(err)
			}
			old := v.set()
			second := agent()
			v.before[step] = func() {
				if err := second.certify(t.Context(), certifyCheck); err != nil {
					t.Error(err)
				}
				v.set()
			}
			if err := agent().certify(t.Context(), certifyRenew); err != nil {
				t.Fatal(err)
			}
			if got := v.set(); maps.EqualFunc(got.ServerData(), old.ServerData(), bytes.Equal) {
				t.Error("nothing was renewed")
			}
		})
	}
}

// TestRenewInPassing renews what a build finds to be due, and only that.
func TestRenewInPassing(t *testing.T) {
	v, agent := newFakeSecrets(t)
	if err := agent().certify(t.Context(), certifyNew); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		age    time.Duration
		renews bool
	}{{0, false}, {pki.Life * 3 / 4, true}} {
		set := testCertificates(t, time.Now().Add(-tt.age), nil)
		v.put(testServerSecret, map[string]string{manifest.LabelManagedBy: manifest.ManagedBy, manifest.LabelApp: "builder-amd64"}, set.ServerData())
		v.put(testClientSecret, map[string]string{manifest.LabelManagedBy: manifest.ManagedBy, manifest.LabelApp: "builder-amd64"}, set.ClientData())
		w := agent()
		if _, err := w.client.dialer.Credential(t.Context(), w.node); err != nil {
			t.Fatal(err)
		}
		w.renewIfDue(t.Context(), time.Now())
		if got := !bytes.Equal(v.set().Server.Certificate, set.Server.Certificate); got != tt.renews {
			t.Errorf("at the age of %s: renewed %v", tt.age, got)
		}
		from, err := w.client.dialer.Credential(t.Context(), w.node)
		if err != nil {
			t.Fatal(err)
		}
		if want := 1; tt.renews != (len(from.Pairs) > want) {
			t.Errorf("at the age of %s: %d pairs", tt.age, len(from.Pairs))
		}
	}
}

func TestCertifyByCommand(t *testing.T) {
	v, agent := newFakeSecrets(t)
	w := agent()
	var said []string
	report := func(line string) { said = append(said, line) }
	if err := w.client.Certify(t.Context(), w.node, false, report); err != nil {
		t.Fatal(err)
	}
	first := v.set()
	if err := w.client.Certify(t.Context(), w.node, true, report); err != nil {
		t.Fatal(err)
	}
	if got := v.set(); bytes.Equal(got.Server.Certificate, first.Server.Certificate) {
		t.Error("not renewed")
	}
	if len(said) != 1 || !strings.Contains(said[0], "renewed the certificates in secret builder-amd64-tls") {
		t.Errorf("said %q", said)
	}

	brought := w.node
	k := *brought.Kubernetes
	k.TLS = configmap.TLS{ServerSecret: "s", ClientSecret: "c"}
	brought.Kubernetes = &k
	if err := w.client.Certify(t.Context(), brought, true, report); err == nil || !strings.Contains(err.Error(), "not slipway's to renew") {
		t.Errorf("brought certificates: %v", err)
	}
	v.deployment.Spec.Template.Annotations = nil
	writes := len(v.writes)
	if err := w.client.Certify(t.Context(), w.node, false, report); err != nil || len(v.writes) != writes {
		t.Errorf("a workload without listener: %v, %d writes", err, len(v.writes)-writes)
	}
}
