package registrytest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Statement is one in-toto statement about an image.
type Statement struct {
	Type          string    `json:"_type"`
	PredicateType string    `json:"predicateType"`
	Subject       []Subject `json:"subject"`
	// Predicate is what is stated, Raw the whole statement, both JSON.
	Predicate json.RawMessage `json:"predicate"`
	Raw       json.RawMessage `json:"-"`
}

// Subject is what a statement is about.
type Subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// Annotations with which BuildKit ties an attestation to an image.
const (
	annotationType      = "vnd.docker.reference.type"
	annotationImage     = "vnd.docker.reference.digest"
	annotationPredicate = "in-toto.io/predicate-type"
	attestationManifest = "attestation-manifest"
)

func isAttestation(d v1.Descriptor) bool { return d.Annotations[annotationType] == attestationManifest }

// Attestations are the statements about each image of the index, by platform.
// An attestation of no image of the index is an error.
func Attestations(index v1.ImageIndex) (map[string][]Statement, error) {
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("read an index: %w", err)
	}
	platforms := map[string]string{}
	for _, d := range manifest.Manifests {
		if !isAttestation(d) {
			platforms[d.Digest.String()] = platformOf(d)
		}
	}
	all := map[string][]Statement{}
	var failed error
	for _, d := range manifest.Manifests {
		if !isAttestation(d) {
			continue
		}
		platform, ok := platforms[d.Annotations[annotationImage]]
		if !ok {
			failed = errors.Join(failed, fmt.Errorf("the attestation %s is of %q, which the index does not hold", d.Digest, d.Annotations[annotationImage]))
			continue
		}
		image, err := index.Image(d.Digest)
		if err != nil {
			return nil, fmt.Errorf("read the attestation %s: %w", d.Digest, err)
		}
		statements, err := statements(image)
		if err != nil {
			return nil, fmt.Errorf("attestation %s of %s: %w", d.Digest, platform, err)
		}
		all[platform] = append(all[platform], statements...)
	}
	return all, failed
}

// PredicateTypes lists what the statements state, in their order.
func PredicateTypes(statements []Statement) []string {
	var all []string
	for _, s := range statements {
		all = append(all, s.PredicateType)
	}
	return all
}

func statements(attestation v1.Image) ([]Statement, error) {
	manifest, err := attestation.Manifest()
	if err != nil {
		return nil, fmt.Errorf("read its manifest: %w", err)
	}
	var all []Statement
	for _, d := range manifest.Layers {
		raw, err := readBlob(attestation, d)
		if err != nil {
			return nil, err
		}
		s := Statement{Raw: raw}
		if err := json.Unmarshal(raw, &s); err != nil {
			return nil, fmt.Errorf("statement %s: %w", d.Digest, err)
		}
		if s.PredicateType == "" || s.PredicateType != d.Annotations[annotationPredicate] {
			return nil, fmt.Errorf("statement %s has the predicate type %q and is annotated with %q", d.Digest, s.PredicateType, d.Annotations[annotationPredicate])
		}
		all = append(all, s)
	}
	return all, nil
}

// readBlob reads a layer as it is stored and checks its digest and its size.
func readBlob(image v1.Image, d v1.Descriptor) ([]byte, error) {
	layer, err := image.LayerByDigest(d.Digest)
	if err != nil {
		return nil, fmt.Errorf("find the blob %s: %w", d.Digest, err)
	}
	content, err := layer.Compressed()
	if err != nil {
		return nil, fmt.Errorf("read the blob %s: %w", d.Digest, err)
	}
	raw, err := io.ReadAll(content)
	if err := errors.Join(err, content.Close()); err != nil {
		return nil, fmt.Errorf("read the blob %s: %w", d.Digest, err)
	}
	return raw, sameBytes(raw, d)
}
