package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// podsHash identifies what a node's pods are made of: their template, before
// the hash is in it, and the content of the files that they mount. How many
// pods there are is no part of it. encoding/json sorts maps, which makes the
// bytes canonical. It is a prefix of SHA-256: 64 bits are plenty for telling
// two specs apart.
func podsHash(template corev1.PodTemplateSpec, files map[string][]byte) (string, error) {
	data, err := json.Marshal(struct {
		Template corev1.PodTemplateSpec
		Files    map[string][]byte
	}{template, files})
	if err != nil {
		return "", fmt.Errorf("hash the pod template: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8]), nil
}

// stampHash writes the hash into the template, where a build that lists pods finds
// it without a further request, and where other content of the files makes
// other pods of an otherwise equal template.
func stampHash(template *corev1.PodTemplateSpec, files map[string][]byte) (string, error) {
	// A patch has no say in it.
	delete(template.Annotations, AnnotationSpecHash)
	hash, err := podsHash(*template, files)
	if err != nil {
		return "", err
	}
	if template.Annotations == nil {
		template.Annotations = map[string]string{}
	}
	template.Annotations[AnnotationSpecHash] = hash
	return hash, nil
}
