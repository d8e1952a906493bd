package configmap

import (
	"encoding/base64"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// readFiles reads the files below /etc/buildkit. Those of one directory become
// one ConfigMap, so their names and their size must fit into it.
func readFiles(n *rawNode, value any, r report) {
	object, ok := value.(map[string]any)
	if !ok {
		r.bad("must be an object, not %s", describe(value))
		return
	}
	n.files = make(map[string][]byte, len(object))
	sizes := make(map[string]int) // by directory
	for _, name := range keysOf(object) {
		r := r.key(name)
		checkFileName(name, r)
		var text string
		if object[name] != nil && !readString(&text, object[name], r) {
			continue
		}
		content, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			r.hinting("encode the file with: base64 -w0 FILE").bad("is not base64: %v", err)
			continue
		}
		n.files[name] = content
		sizes[path.Dir(name)] += len(content)
	}
	for _, directory := range keysOf(sizes) {
		if sizes[directory] > corev1.MaxSecretSize {
			r.bad("the files of the directory %q are %d bytes together, more than the %d that a ConfigMap may hold", directory, sizes[directory], corev1.MaxSecretSize)
		}
	}
}

func checkFileName(name string, r report) {
	if path.IsAbs(name) || path.Clean(name) != name || name == "." || name == ".." || strings.HasPrefix(name, "../") {
		r.hinting("such as buildkitd.toml or certs/registry.example.com/ca.pem").bad("is not a plain path below /etc/buildkit")
		return
	}
	if strings.Contains(path.Dir(name), ":") {
		// The API server lets it pass, and containerd mounts it.
		r.warn("the directory holds a colon, which Kubernetes' documentation rules out in a mount path; buildx writes _ for it")
	}
	r.badAll("the file name cannot be a key of a ConfigMap", validation.IsConfigMapKey(path.Base(name)))
}
