// Command archwebhook is a mutating admission webhook that tells the API server
// which architecture nodes have. A kubelet insists on the one that it was compiled
// for; before Kubernetes 1.36 only a webhook can have the last word.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	admission "k8s.io/api/admission/v1"
	core "k8s.io/api/core/v1"
)

const usage = "usage: archwebhook ADDRESS CERTIFICATE KEY NODE=ARCH …"

func main() {
	if err := serve(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func serve(args []string) error {
	if len(args) < 4 {
		return errors.New(usage)
	}
	arches := map[string]string{}
	for _, pair := range args[3:] {
		name, arch, ok := strings.Cut(pair, "=")
		if !ok {
			return errors.New(usage)
		}
		arches[name] = arch
	}
	server := &http.Server{Addr: args[0], Handler: handler(arches), ReadHeaderTimeout: 10 * time.Second}
	return server.ListenAndServeTLS(args[1], args[2])
}

// longest is more than an API server sends of a node, before and after.
const longest = 16 << 20

func handler(arches map[string]string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review admission.AdmissionReview
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, longest)).Decode(&review); err != nil || review.Request == nil {
			http.Error(w, "no admission review", http.StatusBadRequest)
			return
		}
		response, err := admit(arches, review.Request)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		review.Request, review.Response = nil, response
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(review) // a client that went away asks again
	})
}

// admit lets every node pass, with its architecture.
func admit(arches map[string]string, request *admission.AdmissionRequest) (*admission.AdmissionResponse, error) {
	response := &admission.AdmissionResponse{UID: request.UID, Allowed: true}
	var node core.Node
	if err := json.Unmarshal(request.Object.Raw, &node); err != nil {
		return nil, fmt.Errorf("read the node: %w", err)
	}
	arch, ok := arches[node.Name]
	if !ok {
		return response, nil
	}
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	var patch []operation
	if node.Labels == nil {
		patch = append(patch, operation{"add", "/metadata/labels", map[string]string{}})
	}
	for _, label := range []string{core.LabelArchStable, "beta.kubernetes.io/arch"} {
		patch = append(patch, operation{"add", "/metadata/labels/" + strings.ReplaceAll(label, "/", "~1"), arch})
	}
	if node.Status.NodeInfo.Architecture != "" {
		patch = append(patch, operation{"replace", "/status/nodeInfo/architecture", arch})
	}
	text, err := json.Marshal(patch)
	if err != nil {
		return nil, fmt.Errorf("write the patch: %w", err)
	}
	kind := admission.PatchTypeJSONPatch
	response.Patch, response.PatchType = text, &kind
	return response, nil
}
