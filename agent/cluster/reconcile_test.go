package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"

	"github.com/slipway-build/slipway/agent/cluster/clustertest"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/configmap"
)

// fakeAPI is an API server that keeps objects by plural and name, fills defaults
// in and refuses to write over what its writer has not seen. When the template
// of a Deployment changes, its pods become one new pod.
type fakeAPI struct {
	t      *testing.T
	decode runtime.Decoder
	// forbidden are requests, "PUT deployments", that are not allowed.
	forbidden []string
	// before runs ahead of the request that it names, once.
	before map[string]func()

	mu      sync.Mutex
	version int
	objects map[string]metav1.Object
	pods    []corev1.Pod
	seen    []string
}

func newFakeAPI(t *testing.T) *fakeAPI {
	t.Helper()
	return &fakeAPI{
		t: t, decode: newDecoder(t),
		objects: map[string]metav1.Object{}, before: map[string]func(){},
	}
}

// holding has the objects of a node, with their defaults, and a ready pod.
func (p *fakeAPI) holding(node configmap.Node, change func(*appsv1.Deployment)) *fakeAPI {
	p.t.Helper()
	o, err := manifest.Of(node, "ci")
	if err != nil {
		p.t.Fatal(err)
	}
	if change != nil {
		change(o.Deployment)
	}
	p.keep("deployments", o.Deployment)
	for _, cm := range o.ConfigMaps {
		p.keep("configmaps", cm)
	}
	for _, s := range o.Secrets {
		p.keep("secrets", s)
	}
	p.pods = nil
	p.roll(o.Deployment.Spec.Template)
	return p
}

func (p *fakeAPI) keep(plural string, object metav1.Object) {
	p.version++
	object.SetResourceVersion(strconv.Itoa(p.version))
	if d, ok := object.(*appsv1.Deployment); ok {
		d.TypeMeta = metav1.TypeMeta{APIVersion: "apps/v1", Kind: manifest.KindDeployment}
		d.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyAlways
		for i := range d.Spec.Template.Spec.Containers {
			d.Spec.Template.Spec.Containers[i].TerminationMessagePath = corev1.TerminationMessagePathDefault
		}
	}
	p.objects[plural+"/"+object.GetName()] = object
}

func (p *fakeAPI) roll(template corev1.PodTemplateSpec) {
	one := clustertest.Pod("pod-"+strconv.Itoa(p.version), "", true)
	one.Labels, one.Annotations, one.Spec = maps.Clone(template.Labels), template.Annotations, template.Spec
	clustertest.OwnedByReplicaSet(one)
	p.pods = append(p.pods, *one)
}

// requests are those that were made so far.
func (p *fakeAPI) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.seen)
}

func (p *fakeAPI) deployment() *appsv1.Deployment {
	p.mu.Lock()
	defer p.mu.Unlock()
	d, ok := p.objects["deployments/builder-amd64"].(*appsv1.Deployment)
	if !ok {
		p.t.Fatal("there is no deployment")
	}
	return d
}

func (p *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path[strings.Index(r.URL.Path, "/ci/")+len("/ci/"):], "/"), "/")
	request := r.Method + " " + parts[0]
	dry := r.URL.Query().Get("dryRun") == "All"
	if dry {
		request = "TRY " + parts[0]
	}
	if r.URL.Query().Get("watch") != "" { // the answer is all that there ever is
		request = "WATCH " + parts[0]
	}
	p.mu.Lock()
	hook := p.before[request]
	delete(p.before, request)
	p.seen = append(p.seen, request)
	p.mu.Unlock()
	if hook != nil {
		hook()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	answer := func(object any) {
		text, err := json.Marshal(object)
		if err != nil {
			p.t.Error(err)
		}
		_, _ = w.Write(text) // who asked may have what it needs and be gone
	}
	fail := func(code int, reason metav1.StatusReason, message string) {
		w.WriteHeader(code)
		answer(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Reason: reason, Code: int32(code), Message: message})
	}
	if slices.Contains(p.forbidden, strings.Replace(request, "TRY", "PUT", 1)) {
		verb := map[string]string{"GET": "get", "PUT": "update", "TRY": "update", "POST": "create"}[strings.Fields(request)[0]]
		group := map[bool]string{true: "apps"}[parts[0] == "deployments"]
		fail(403, metav1.StatusReasonForbidden, parts[0]+` "x" is forbidden: User "system:serviceaccount:ci:agent" cannot `+verb+` resource "`+parts[0]+`" in API group "`+group+`" in the namespace "ci"`)
		return
	}
	if r.Method == http.MethodPatch {
		fail(422, metav1.StatusReasonInvalid, "nothing is scaled here")
		return
	}
	if parts[0] == "pods" {
		answer(corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}, Items: p.pods})
		return
	}
	if r.Method == http.MethodGet && len(parts) == 1 {
		selector, err := labels.Parse(r.URL.Query().Get("labelSelector"))
		if err != nil {
			p.t.Error(err)
		}
		list := corev1.ConfigMapList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMapList"}}
		for _, object := range p.objects {
			if cm, ok := object.(*corev1.ConfigMap); ok && selector.Matches(labels.Set(cm.Labels)) {
				list.Items = append(list.Items, *cm)
			}
		}
		answer(list)
		return
	}
	var body metav1.Object
	key := strings.Join(parts, "/")
	if r.Method != http.MethodGet {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			p.t.Error(err)
		}
		object, _, err := p.decode.Decode(raw, nil, nil)
		if err != nil {
			p.t.Errorf("%s: %v", request, err)
			return
		}
		var ok bool
		if body, ok = object.(metav1.Object); !ok {
			p.t.Errorf("%s: a %T", request, object)
			return
		}
		key = parts[0] + "/" + body.GetName()
	}
	known := p.objects[key]
	switch {
	case r.Method == http.MethodPost && known != nil:
		fail(409, metav1.StatusReasonAlreadyExists, key)
	case r.Method != http.MethodPost && known == nil:
		fail(404, metav1.StatusReasonNotFound, key)
	case r.Method == http.MethodGet:
		answer(known)
	case known != nil && body.GetResourceVersion() != "" && body.GetResourceVersion() != known.GetResourceVersion():
		fail(409, metav1.StatusReasonConflict, key)
	default:
		was, _ := known.(*appsv1.Deployment)
		p.keep(parts[0], body)
		if dry {
			p.objects[key] = known
		}
		answer(body)
		if d, ok := body.(*appsv1.Deployment); ok && !dry && was != nil && !cmp.Equal(was.Spec.Template, d.Spec.Template) {
			p.roll(d.Spec.Template)
		}
	}
}

// client is one of an agent of its own; log gets its log.
func (p *fakeAPI) client(log io.Writer) *Client {
	p.t.Helper()
	return p.pinnedClient("", log)
}

// pinnedClient is client with the transport of all nodes.
func (p *fakeAPI) pinnedClient(pin configmap.Transport, log io.Writer) *Client {
	p.t.Helper()
	server := httptest.NewServer(p)
	p.t.Cleanup(server.Close)
	c, err := newPinnedClient(&rest.Config{Host: server.URL}, kube.Identity{Namespace: "ci"}, pin, zerolog.New(log).Level(zerolog.WarnLevel))
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// driftNode is a node that is reached by exec, with a policy.
func driftNode(policy configmap.Drift, change func(*configmap.Node)) configmap.Node {
	return clustertest.Node(func(n *configmap.Node) {
		n.Kubernetes.Transport, n.Kubernetes.Drift, n.Kubernetes.Timeout = configmap.TransportExec, policy, time.Minute
		n.Files = map[string][]byte{"buildkitd.toml": []byte("debug = true\n"), "tls/reg.key": []byte("the key")}
		if change != nil {
			change(n)
		}
	})
}

func debugging(n *configmap.Node) { n.Flags = []string{"--debug"} }

// TestAWarmBuildAsksForPodsOnly is what drift costs where there is none.
func TestAWarmBuildAsksForPodsOnly(t *testing.T) {
	for _, policy := range []configmap.Drift{"", configmap.DriftIgnore, configmap.DriftWarn, configmap.DriftApply, configmap.DriftFail} {
		p := newFakeAPI(t).holding(driftNode(policy, nil), nil)
		pods, err := p.client(io.Discard).Up(t.Context(), driftNode(policy, nil), func(string) {})
		if err != nil || len(pods) != 1 {
			t.Errorf("%q: pods %v, error %v", policy, pods, err)
		}
		if diff := cmp.Diff([]string{"GET pods"}, p.requests()); diff != "" {
			t.Errorf("%q: requests (-want +got):\n%s", policy, diff)
		}
	}
}

func TestPolicies(t *testing.T) {
	const line = "deployment builder-amd64 in namespace ci is not as its definition says: spec.template.spec.containers[buildkitd].args: cluster has none, definition says [\"--debug\"]"
	for _, tt := range []struct {
		policy configmap.Drift
		// log and told are what is logged and reported of it.
		log, told string
		reason    kube.Reason
		requests  []string
		pod       string
	}{
		{policy: configmap.DriftIgnore, requests: []string{"GET pods"}, pod: "old"},
		{
			policy: configmap.DriftWarn, log: line + "; if the definition here is the newer one, slipway up brings it up to date", pod: "old",
			requests: []string{"GET pods", "GET deployments", "TRY deployments", "GET configmaps", "GET secrets"},
		},
		{
			policy: configmap.DriftFail, reason: kube.ReasonDrift,
			requests: []string{"GET pods", "GET deployments", "TRY deployments", "GET configmaps", "GET secrets"},
		},
		{policy: configmap.DriftApply, told: line + "; updating it", pod: "new"},
	} {
		t.Run(string(tt.policy), func(t *testing.T) {
			p := newFakeAPI(t).holding(driftNode(tt.policy, nil), nil)
			before := p.deployment().ResourceVersion
			old := p.pods[0].Name
			var log bytes.Buffer
			var told []string
			client := p.client(&log)
			pods, err := client.Up(t.Context(), driftNode(tt.policy, debugging), func(line string) { told = append(told, line) })
			known := (*kube.Error)(nil)
			switch {
			case tt.reason != "":
				if !errors.As(err, &known) || known.Reason != tt.reason || known.Error() != line || len(known.Hints()) == 0 {
					t.Errorf("error %v, hints %q", err, known.Hints())
				}
			case err != nil || len(pods) != 1 || (pods[0].Name == old) != (tt.pod == "old"):
				t.Errorf("pods %v, error %v; the old one is %s", pods, err, old)
			}
			if tt.log == "" && log.Len() > 0 || strings.Count(log.String(), strings.ReplaceAll(tt.log, `"`, `\"`)) != 1 && tt.log != "" {
				t.Errorf("log: %s", log.String())
			}
			if tt.told != "" && !slices.Contains(told, tt.told) {
				t.Errorf("told: %q", told)
			}
			if changed := p.deployment().ResourceVersion != before; changed != (tt.policy == configmap.DriftApply) {
				t.Errorf("the deployment has changed: %v", changed)
			}
			if diff := cmp.Diff(tt.requests, p.requests()); tt.requests != nil && diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if tt.policy == configmap.DriftWarn { // a build that looks for another pod
				_, err := client.Up(t.Context(), driftNode(tt.policy, debugging), func(string) {})
				if n := strings.Count(log.String(), "is not as"); err != nil || n != 1 {
					t.Errorf("warned %d times, error %v", n, err)
				}
			}
		})
	}
}

// TestReconcile is what slipway up does before it connects.
func TestReconcile(t *testing.T) {
	for _, tt := range []struct {
		name      string
		live      func(*appsv1.Deployment)
		change    func(*configmap.Node)
		forbidden []string
		// writes are the requests that change something.
		writes []string
		words  string // of the error
	}{
		{name: "as it should be"},
		{name: "as it should be, without the right to change it", forbidden: []string{"PUT deployments", "GET configmaps", "GET secrets"}},
		{
			name: "others have added to it", live: func(d *appsv1.Deployment) {
				d.Spec.Template.Annotations["kubectl.kubernetes.io/restartedAt"] = "today"
				d.Annotations["deployment.kubernetes.io/revision"] = "3"
			},
		},
		{name: "arguments", change: debugging, writes: []string{"PUT deployments"}},
		{name: "replicas", change: func(n *configmap.Node) { n.Kubernetes.Replicas = 3 }, writes: []string{"PUT deployments"}},
		{name: "replicas, asleep", live: func(d *appsv1.Deployment) { d.Spec.Replicas = new(int32(0)) }},
		{
			name: "changed by hand", writes: []string{"PUT deployments"},
			live: func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "by/hand" },
		},
		{
			name: "a field that the definition does not speak of", writes: []string{"PUT deployments"},
			live: func(d *appsv1.Deployment) { d.Spec.Template.Spec.PriorityClassName = "high" },
		},
		{
			name: "content of a file", writes: []string{"PUT configmaps", "PUT deployments"},
			change: func(n *configmap.Node) {
				n.Files = map[string][]byte{"buildkitd.toml": []byte("debug = false\n"), "tls/reg.key": []byte("the key")}
			},
		},
		{
			name: "a private key", writes: []string{"PUT secrets", "PUT deployments"},
			change: func(n *configmap.Node) {
				n.Files = map[string][]byte{"buildkitd.toml": []byte("debug = true\n"), "tls/reg.key": []byte("another key")}
			},
		},
		{
			name: "no right to", change: debugging, forbidden: []string{"PUT deployments"},
			words: `is not as its definition says: spec.template.spec.containers[buildkitd].args: cluster has none, definition says ["--debug"], and it may not be updated: update deployment builder-amd64 in namespace ci: deployments "x" is forbidden`,
		},
		{
			name: "of buildx, as it should be", live: func(d *appsv1.Deployment) { delete(d.Labels, manifest.LabelManagedBy); unhash(d) },
		},
		{
			name: "of buildx", change: debugging, writes: []string{"PUT deployments"},
			live: func(d *appsv1.Deployment) { delete(d.Labels, manifest.LabelManagedBy); unhash(d) },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newFakeAPI(t).holding(driftNode("", nil), tt.live)
			p.forbidden = tt.forbidden
			node := driftNode(configmap.DriftApply, tt.change)
			var told []string
			c := p.client(io.Discard)
			err := c.Reconcile(t.Context(), node, func(line string) { told = append(told, line) })
			if (err == nil) != (tt.words == "") || err != nil && !strings.Contains(err.Error(), tt.words) {
				t.Errorf("error %v, want %q", err, tt.words)
			}
			var writes []string
			for _, request := range p.requests() {
				if strings.HasPrefix(request, "P") {
					writes = append(writes, request)
				}
			}
			if diff := cmp.Diff(tt.writes, writes); diff != "" {
				t.Errorf("writes (-want +got):\n%s\ntold: %q", diff, told)
			}
			if text := strings.Join(told, "\n"); strings.Contains(text, "the key") || strings.Contains(text, "another key") {
				t.Errorf("a private key is told: %s", text)
			}
			if err != nil {
				return
			}
			// Then there is no drift left, whoever asks.
			left, err := p.client(io.Discard).Drift(t.Context(), node)
			if err != nil || len(left.Lines) > 0 {
				t.Errorf("drift after it: %q, error %v", left, err)
			}
		})
	}
}

// unhash takes away what buildx does not write.
func unhash(d *appsv1.Deployment) {
	delete(d.Annotations, manifest.AnnotationSpecHash)
	delete(d.Spec.Template.Annotations, manifest.AnnotationSpecHash)
	delete(d.Spec.Template.Labels, manifest.LabelManagedBy)
}

// TestReconcileAfterOthersHaveWritten has somebody write between the look and
// the update: nothing of theirs is lost.
func TestReconcileAfterOthersHaveWritten(t *testing.T) {
	p := newFakeAPI(t).holding(driftNode("", nil), nil)
	p.before["PUT deployments"] = func() {
		theirs := p.deployment().DeepCopy()
		p.mu.Lock()
		defer p.mu.Unlock()
		theirs.Annotations["theirs"] = "kept"
		p.keep("deployments", theirs)
	}
	if err := p.client(io.Discard).Reconcile(t.Context(), driftNode(configmap.DriftApply, debugging), func(string) {}); err != nil {
		t.Fatal(err)
	}
	d := p.deployment()
	if d.Annotations["theirs"] != "kept" || !slices.Contains(d.Spec.Template.Spec.Containers[0].Args, "--debug") {
		t.Errorf("annotations %v, arguments %v", d.Annotations, d.Spec.Template.Spec.Containers[0].Args)
	}
}

// TestAbsentIsMade has slipway up make what is not there.
func TestAbsentIsMade(t *testing.T) {
	p := newFakeAPI(t)
	if err := p.client(io.Discard).Reconcile(t.Context(), driftNode(configmap.DriftApply, nil), func(string) {}); err != nil {
		t.Fatal(err)
	}
	p.deployment()
	if left, err := p.client(io.Discard).Drift(t.Context(), driftNode(configmap.DriftApply, nil)); err != nil || len(left.Lines) > 0 {
		t.Errorf("drift of what was just made: %q, error %v", left, err)
	}
}

// TestNewPodsAreTakenInARollout has old pods ready beside those of this
// definition.
func TestNewPodsAreTakenInARollout(t *testing.T) {
	node := driftNode("", nil)
	o, err := manifest.Of(node, "ci")
	if err != nil {
		t.Fatal(err)
	}
	hash := o.Hash()
	for _, tt := range []struct {
		policy configmap.Drift
		ready  bool // the new one
		want   string
	}{
		{configmap.DriftWarn, true, "new"},
		{configmap.DriftFail, true, "new"},
		{configmap.DriftApply, true, "new"},
		{configmap.DriftIgnore, true, "new old"},
		// It is on its way, and what the old one begins it finishes.
		{configmap.DriftWarn, false, "old"},
		{configmap.DriftFail, false, "old"},
	} {
		p := newFakeAPI(t)
		p.pods = []corev1.Pod{*clustertest.Pod("old", "0000", true), *clustertest.Pod("new", hash, tt.ready)}
		pods, err := p.client(io.Discard).Up(t.Context(), driftNode(tt.policy, nil), func(string) {})
		var names []string
		for _, pod := range pods {
			names = append(names, pod.Name)
		}
		if got := strings.Join(names, " "); err != nil || got != tt.want {
			t.Errorf("%s, new one ready %v: %q, error %v, want %q", tt.policy, tt.ready, got, err, tt.want)
		}
		if diff := cmp.Diff([]string{"GET pods"}, p.requests()); diff != "" {
			t.Errorf("%s: requests (-want +got):\n%s", tt.policy, diff)
		}
	}
}

// TestManyApplyAtOnce ends with one new template and no error.
func TestManyApplyAtOnce(t *testing.T) {
	p := newFakeAPI(t).holding(driftNode("", nil), nil)
	var all sync.WaitGroup
	for range 20 {
		client := p.client(io.Discard)
		all.Go(func() {
			pods, err := client.Up(t.Context(), driftNode(configmap.DriftApply, debugging), func(string) {})
			if err != nil || len(pods) != 1 || pods[0].Name == "pod-3" {
				t.Errorf("pods %v, error %v", pods, err)
			}
		})
	}
	all.Wait()
	if len(p.pods) != 2 {
		t.Errorf("%d templates, want the old one and the new one", len(p.pods))
	}
}

// TestAsleepIsBroughtUpToDateBeforeItIsWoken has no pod to tell of the drift.
func TestAsleepIsBroughtUpToDateBeforeItIsWoken(t *testing.T) {
	for policy, want := range map[configmap.Drift]string{
		configmap.DriftApply: "GET pods, GET deployments, GET deployments, TRY deployments, GET configmaps, GET secrets, GET pods, PUT deployments",
		configmap.DriftWarn:  "GET pods, GET deployments, GET deployments, TRY deployments, GET configmaps, GET secrets",
	} {
		p := newFakeAPI(t).holding(driftNode("", nil), func(d *appsv1.Deployment) { d.Spec.Replicas = new(int32(0)) })
		p.pods = nil
		_, err := p.client(io.Discard).Up(t.Context(), driftNode(policy, debugging), func(string) {})
		if err == nil || !strings.Contains(err.Error(), "nothing is scaled here") {
			t.Errorf("%s: %v", policy, err)
		}
		if got := strings.Join(p.requests(), ", "); !strings.HasPrefix(got, want+", PATCH deployments") {
			t.Errorf("%s: requests %s, want %s", policy, got, want)
		}
	}
}

// TestMadeWithoutCertificates is about a workload that is reached by exec only
// because its maker could not make certificates.
func TestMadeWithoutCertificates(t *testing.T) {
	node := clustertest.Node(func(n *configmap.Node) {
		n.Kubernetes.Transport, n.Kubernetes.Drift, n.Kubernetes.Timeout = configmap.TransportAuto, configmap.DriftApply, time.Minute
	})
	plain := clustertest.Node(func(n *configmap.Node) { n.Kubernetes.Transport = configmap.TransportExec })
	for _, tt := range []struct {
		name      string
		forbidden []string
		listens   bool
	}{
		{"as before by one who cannot either", []string{"GET secrets", "POST secrets", "PUT deployments"}, false},
		{"made to listen by one who can", nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newFakeAPI(t).holding(plain, nil)
			p.forbidden = tt.forbidden
			pods, err := p.client(io.Discard).Up(t.Context(), node, func(string) {})
			if diff := cmp.Diff([]string{"GET pods"}, slices.DeleteFunc(p.requests(), func(r string) bool { return r == "GET secrets" })); err != nil || len(pods) != 1 || diff != "" {
				t.Errorf("a build: pods %v, error %v, requests (-want +got):\n%s", pods, err, diff)
			}
			// How it is reached is no matter of the definition.
			client := p.pinnedClient(configmap.TransportDirect, io.Discard)
			if err := client.Reconcile(t.Context(), node, func(string) {}); err != nil {
				t.Fatal(err)
			}
			if d := p.deployment(); (manifest.Workload{Deployment: d}).Listens() != tt.listens {
				t.Errorf("it listens: %v", !tt.listens)
			}
		})
	}
}
