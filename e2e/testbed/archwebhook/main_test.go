package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	admission "k8s.io/api/admission/v1"
)

func TestHandler(t *testing.T) {
	arches := map[string]string{"node2": "arm64"}
	for _, tt := range []struct{ name, object, patch string }{
		{
			"a kubelet registers", `{"metadata":{"name":"node2","labels":{"kubernetes.io/arch":"amd64"}},"status":{"nodeInfo":{"architecture":"amd64"}}}`,
			`[{"op":"add","path":"/metadata/labels/kubernetes.io~1arch","value":"arm64"},{"op":"add","path":"/metadata/labels/beta.kubernetes.io~1arch","value":"arm64"},{"op":"replace","path":"/status/nodeInfo/architecture","value":"arm64"}]`,
		},
		{
			"a node without labels and status", `{"metadata":{"name":"node2"}}`,
			`[{"op":"add","path":"/metadata/labels","value":{}},{"op":"add","path":"/metadata/labels/kubernetes.io~1arch","value":"arm64"},{"op":"add","path":"/metadata/labels/beta.kubernetes.io~1arch","value":"arm64"}]`,
		},
		{"a node that it does not know", `{"metadata":{"name":"node1"}}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u1","object":` + tt.object + `}}`
			recorder := httptest.NewRecorder()
			handler(arches).ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)))
			var review admission.AdmissionReview
			if err := json.Unmarshal(recorder.Body.Bytes(), &review); err != nil {
				t.Fatalf("%v: %s", err, recorder.Body)
			}
			if r := review.Response; review.Kind != "AdmissionReview" || r == nil || !r.Allowed || r.UID != "u1" || string(r.Patch) != tt.patch {
				t.Errorf("the answer is %s", recorder.Body)
			}
		})
	}
	recorder := httptest.NewRecorder()
	handler(arches).ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}")))
	if recorder.Code != http.StatusBadRequest {
		t.Errorf("no review is answered with %d", recorder.Code)
	}
}
