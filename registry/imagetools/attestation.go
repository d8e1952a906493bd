package imagetools

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/imageindex"
)

// maxAttestation bounds one attestation in bytes: the package list of a whole
// distribution takes some ten megabytes.
const maxAttestation = 128 << 20

const (
	mediaTypeInToto         = "application/vnd.in-toto+json"
	mediaTypeEnvelopePrefix = "application/vnd.in-toto."
	mediaTypeEnvelopeSuffix = "+dsse"
	annotationPredicateType = "in-toto.io/predicate-type"
	predicateSPDX           = "https://spdx.dev/Document"
	predicateProvenance     = "https://slsa.dev/provenance/"
)

// SBOM is the package list of one image; further ones come from further
// scanners.
type SBOM struct {
	SPDX            any   `json:",omitempty"`
	AdditionalSPDXs []any `json:",omitempty"`
}

// Provenance says how one image was built.
type Provenance struct {
	SLSA any `json:",omitempty"`
}

// sboms reads the package lists of the images that have any, by platform.
func (i *Inspection) sboms(ctx context.Context) (map[string]SBOM, error) {
	found, err := i.predicates(ctx, func(kind string) bool { return kind == predicateSPDX })
	all := make(map[string]SBOM, len(found))
	for platform, list := range found {
		all[platform] = SBOM{SPDX: list[0], AdditionalSPDXs: list[1:]}
	}
	return all, err
}

// provenances reads how the images were built that say so, by platform.
func (i *Inspection) provenances(ctx context.Context) (map[string]Provenance, error) {
	found, err := i.predicates(ctx, func(kind string) bool { return strings.HasPrefix(kind, predicateProvenance) })
	all := make(map[string]Provenance, len(found))
	for platform, list := range found {
		all[platform] = Provenance{SLSA: list[len(list)-1]}
	}
	return all, err
}

// predicates reads the attestations of the wanted kinds; every list has at
// least one.
func (i *Inspection) predicates(ctx context.Context, wanted func(kind string) bool) (map[string][]any, error) {
	repository, _, err := registry.SplitReference(i.Reference)
	if err != nil {
		return nil, err
	}
	parts, err := i.parts(ctx)
	if err != nil {
		return nil, err
	}
	all := make(map[string][]any)
	for platform, part := range parts {
		for _, d := range part.attestations {
			m, err := i.client.Manifest(ctx, repository, d.Digest)
			if err != nil {
				return nil, err
			}
			var manifest ocispecs.Manifest
			if err := json.Unmarshal(m.Content, &manifest); err != nil {
				return nil, &imageindex.AssembleError{Problem: fmt.Sprintf("manifest %s is not valid JSON: %s", d.Digest, err)}
			}
			for _, layer := range manifest.Layers {
				if !isStatement(layer.MediaType) || !wanted(layer.Annotations[annotationPredicateType]) {
					continue
				}
				data, err := i.client.Blob(ctx, repository, layer, maxAttestation)
				if err != nil {
					return nil, err
				}
				predicate, err := readPredicate(data, layer.MediaType)
				if err != nil {
					return nil, fmt.Errorf("attestation %s of %s: %w", layer.Digest, i.Reference, err)
				}
				all[platform] = append(all[platform], predicate)
			}
		}
	}
	return all, nil
}

// isStatement reports whether a layer is an in-toto statement, bare or signed.
func isStatement(mediaType string) bool { return mediaType == mediaTypeInToto || isEnvelope(mediaType) }

func isEnvelope(mediaType string) bool {
	return strings.HasPrefix(mediaType, mediaTypeEnvelopePrefix) && strings.HasSuffix(mediaType, mediaTypeEnvelopeSuffix)
}

// readPredicate takes the predicate out of an in-toto statement, and that out
// of its envelope of signatures where there is one. The signatures are not
// checked.
func readPredicate(data []byte, mediaType string) (any, error) {
	if isEnvelope(mediaType) {
		var envelope struct {
			Payload []byte `json:"payload"` // base64
		}
		if err := json.Unmarshal(data, &envelope); err != nil {
			return nil, fmt.Errorf("is not a valid envelope: %w", err)
		}
		data = envelope.Payload
	}
	var statement struct {
		Predicate any `json:"predicate"`
	}
	if err := json.Unmarshal(data, &statement); err != nil {
		return nil, fmt.Errorf("is not a valid statement: %w", err)
	}
	return statement.Predicate, nil
}
