package kube

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/rest"
)

// configMapServer is an API server that keeps one ConfigMap, with its versions.
type configMapServer struct {
	t      *testing.T
	mu     sync.Mutex
	stored *corev1.ConfigMap
	// meanwhile is called once, before the first write: somebody else's.
	meanwhile func(*configMapServer)
	writes    int
}

func (m *configMapServer) put(cm *corev1.ConfigMap) {
	cm = cm.DeepCopy()
	m.writes++
	cm.Name, cm.Namespace, cm.ResourceVersion = "builders", "ci", strconv.Itoa(m.writes)
	m.stored = cm
}

func (m *configMapServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if r.Method != http.MethodGet && m.meanwhile != nil {
		do := m.meanwhile
		m.meanwhile = nil
		do(m)
	}
	answer := func(code int, reason metav1.StatusReason) {
		w.WriteHeader(code)
		m.write(w, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Reason: reason, Code: int32(code)})
	}
	switch {
	case r.Method == http.MethodGet && m.stored == nil:
		answer(http.StatusNotFound, metav1.StatusReasonNotFound)
		return
	case r.Method == http.MethodPost && m.stored != nil:
		answer(http.StatusConflict, metav1.StatusReasonAlreadyExists)
		return
	case r.Method != http.MethodGet:
		sent := m.decode(r)
		if r.Method == http.MethodPut && sent.ResourceVersion != m.stored.ResourceVersion {
			answer(http.StatusConflict, metav1.StatusReasonConflict)
			return
		}
		m.put(sent)
	}
	out := m.stored.DeepCopy()
	out.TypeMeta = metav1.TypeMeta{Kind: "ConfigMap", APIVersion: "v1"}
	m.write(w, out)
}

func (m *configMapServer) write(w io.Writer, object any) {
	if err := json.NewEncoder(w).Encode(object); err != nil {
		m.t.Error(err)
	}
}

func (m *configMapServer) decode(r *http.Request) *corev1.ConfigMap {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		m.t.Error(err)
	}
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		m.t.Error(err)
	}
	cm := &corev1.ConfigMap{}
	if _, _, err := protobuf.NewSerializer(scheme, scheme).Decode(body, nil, cm); err != nil {
		m.t.Error(err)
	}
	return cm
}

func TestEditConfigMap(t *testing.T) {
	immutable := true
	refused := errors.New("refused")
	add := func(data map[string]string) (string, string, error) { return "kube", data["kube"] + "+", nil }
	tests := []struct {
		name      string
		before    *corev1.ConfigMap
		meanwhile func(*configMapServer)
		edit      func(map[string]string) (string, string, error)
		want      *corev1.ConfigMap
		err       error
		reason    Reason
	}{
		{name: "made", edit: add, want: &corev1.ConfigMap{Data: map[string]string{"kube": "+"}}},
		{
			name: "all else stays", edit: add,
			before: &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"a": "b"}}, Data: map[string]string{"kube": "1", "other": "2"}, BinaryData: map[string][]byte{"bin": {0xff}}},
			want:   &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"a": "b"}}, Data: map[string]string{"kube": "1+", "other": "2"}, BinaryData: map[string][]byte{"bin": {0xff}}},
		},
		{
			name: "somebody else changes it meanwhile", edit: add,
			before:    &corev1.ConfigMap{Data: map[string]string{"kube": "1"}},
			meanwhile: func(m *configMapServer) { m.put(&corev1.ConfigMap{Data: map[string]string{"kube": "2", "new": "x"}}) },
			want:      &corev1.ConfigMap{Data: map[string]string{"kube": "2+", "new": "x"}},
		},
		{
			name: "somebody else makes it meanwhile", edit: add,
			meanwhile: func(m *configMapServer) { m.put(&corev1.ConfigMap{Data: map[string]string{"new": "x"}}) },
			want:      &corev1.ConfigMap{Data: map[string]string{"kube": "+", "new": "x"}},
		},
		{
			name: "the edit refuses", edit: func(map[string]string) (string, string, error) { return "", "", refused },
			before: &corev1.ConfigMap{Data: map[string]string{"kube": "1"}},
			want:   &corev1.ConfigMap{Data: map[string]string{"kube": "1"}}, err: refused,
		},
		{
			name: "immutable", edit: add,
			before: &corev1.ConfigMap{Data: map[string]string{"kube": "1"}, Immutable: &immutable},
			want:   &corev1.ConfigMap{Data: map[string]string{"kube": "1"}, Immutable: &immutable}, reason: ReasonDefinition,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			api := &configMapServer{t: t, meanwhile: tt.meanwhile}
			if tt.before != nil {
				api.put(tt.before)
			}
			server := httptest.NewServer(api)
			defer server.Close()
			client, err := New(&rest.Config{Host: server.URL}, Identity{Namespace: "ci"}, "", zerolog.Nop())
			if err != nil {
				t.Fatal(err)
			}
			err = client.EditConfigMap(t.Context(), "", "builders", tt.edit)
			known := (*Error)(nil)
			switch {
			case tt.reason != "":
				if !errors.As(err, &known) || known.Reason != tt.reason {
					t.Errorf("got %v, want reason %s", err, tt.reason)
				}
			case !errors.Is(err, tt.err):
				t.Errorf("got %v, want %v", err, tt.err)
			}
			got := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Labels: api.stored.Labels}, Data: api.stored.Data, BinaryData: api.stored.BinaryData, Immutable: api.stored.Immutable}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
