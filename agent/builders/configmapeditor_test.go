package builders

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/internal/fault"
)

// TestConfigMapEditor writes a key of a ConfigMap that has another one.
func TestConfigMapEditor(t *testing.T) {
	written := ""
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/namespaces/ci/configmaps/builders") {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
		if r.Method != http.MethodGet {
			raw, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			written = r.Method + " " + string(raw)
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "data": map[string]string{"other": "stays"},
			"metadata": map[string]any{"name": "builders", "namespace": "ci", "resourceVersion": "7"},
		}); err != nil {
			t.Error(err)
		}
	}))
	defer api.Close()
	editor := ConfigMapEditor{Access: access(t, api.URL), Name: "builders", Timeout: listTimeout, Log: zerolog.Nop()}
	err := editor.Run(t.Context(), func(data map[string]string) (string, string, error) {
		if data["other"] != "stays" {
			t.Errorf("it is given %q", data)
		}
		return "kube", "text", nil
	})
	if err != nil || !strings.Contains(written, "kube\x12\x04text") || !strings.Contains(written, "stays") {
		t.Errorf("wrote %q, error %v", written, err)
	}

	written = ""
	own := errors.New("not like this")
	if err := editor.Run(t.Context(), func(map[string]string) (string, string, error) { return "", "", own }); !errors.Is(err, own) || fault.ClassOf(err) != 0 || written != "" {
		t.Errorf("error %v, wrote %q", err, written)
	}
}

// TestConfigMapEditorIsNotAnswered has an API server that takes too long.
func TestConfigMapEditorIsNotAnswered(t *testing.T) {
	ended := make(chan struct{})
	api := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-ended }))
	defer api.Close()
	defer close(ended)
	editor := ConfigMapEditor{Access: access(t, api.URL), Name: "builders", Timeout: 50 * time.Millisecond, Log: zerolog.Nop()}
	err := editor.Run(t.Context(), func(map[string]string) (string, string, error) { return "", "", nil })
	if err == nil || !strings.HasPrefix(err.Error(), "no answer from the API server within 50ms: ") || fault.ClassOf(err) != fault.ClassCluster {
		t.Errorf("error %v", err)
	}
}
