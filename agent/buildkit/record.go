package buildkit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/containerd/containerd/v2/core/content/proxy"
	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/solver/llbsolver/provenance/types"
	"github.com/moby/buildkit/util/grpcerrors"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/grpc/codes"

	"github.com/slipway-build/slipway/internal/fault"
)

// ProvenanceMode is how much of a build's provenance is wanted.
type ProvenanceMode string

// The modes of BUILDX_METADATA_PROVENANCE.
const (
	ProvenanceMin      ProvenanceMode = "min"
	ProvenanceMax      ProvenanceMode = "max"
	ProvenanceDisabled ProvenanceMode = "disabled"
)

// envMetadataProvenance says which provenance goes into --metadata-file.
const envMetadataProvenance = "BUILDX_METADATA_PROVENANCE"

// ParseProvenanceMode parses a value of BUILDX_METADATA_PROVENANCE: min (the default),
// max, or disabled or a false boolean. The error is a *fault.Usage.
func ParseProvenanceMode(value string) (ProvenanceMode, error) {
	switch mode := ProvenanceMode(value); mode {
	case "":
		return ProvenanceMin, nil
	case ProvenanceMin, ProvenanceMax, ProvenanceDisabled:
		return mode, nil
	}
	if on, err := strconv.ParseBool(value); err == nil {
		if on {
			return ProvenanceMin, nil
		}
		return ProvenanceDisabled, nil
	}
	return "", &fault.Usage{Flag: envMetadataProvenance, Value: value, Problem: "is unknown", Hint: "there are min, max and disabled"}
}

// inTotoType is the media type of attestations in a build's record.
const inTotoType = "application/vnd.in-toto+json"

// maxProvenance bounds the statement that is read into memory, in bytes, and
// maxProvenanceValues the values in it: each takes many times the memory that it
// has in JSON. One of a large build has some hundred KiB. What is larger is not
// read.
const (
	maxProvenance       = 16 << 20
	maxProvenanceValues = 250_000
)

// Provenance returns the SLSA v0.2 predicates that the daemon kept of a solve,
// by platform ("linux/amd64"), or by "" when the result is not divided by
// platform. It is empty when the daemon keeps no history, or none of this
// solve. The ref is Result.Ref.
func (d *Daemon) Provenance(ctx context.Context, ref string, mode ProvenanceMode) (map[string]json.RawMessage, error) {
	if mode == ProvenanceDisabled {
		return nil, nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer d.Guard(ctx, cancel)()
	found, err := d.provenance(ctx, ref, mode)
	if code := grpcerrors.Code(err); code == codes.Unimplemented || code == codes.NotFound {
		return nil, nil
	}
	if err != nil {
		const what = "read the provenance of the build"
		if ctx.Err() == nil && !unreachable(err) {
			return nil, &fault.Builder{What: what, Err: err}
		}
		return nil, Explain(ctx, fmt.Errorf("%s: %w", what, err))
	}
	return found, nil
}

func (d *Daemon) provenance(ctx context.Context, ref string, mode ProvenanceMode) (map[string]json.RawMessage, error) {
	store := proxy.NewContentStore(d.client.ContentClient())
	found := map[string]json.RawMessage{}
	err := d.eachEvent(ctx, &control.BuildHistoryRequest{Ref: ref, EarlyExit: true}, func(event *control.BuildHistoryEvent) error {
		if event.Record == nil || event.Record.Ref != ref {
			return nil
		}
		results := event.Record.Results
		if len(results) == 0 && event.Record.Result != nil {
			results = map[string]*control.BuildResultInfo{"": event.Record.Result}
		}
		for platform, result := range results {
			desc, ok := provenanceOf(result)
			if !ok {
				continue
			}
			data, err := ReadBlob(ctx, store, desc, maxProvenance)
			if err != nil {
				return err
			}
			if CountValues(data) > maxProvenanceValues {
				continue
			}
			if found[platform], err = predicate(data, desc.Annotations[predicateAnnotation], mode); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// predicateAnnotation names the type of an attestation's predicate.
const predicateAnnotation = "in-toto.io/predicate-type"

// provenanceOf finds the provenance among a result's attestations.
func provenanceOf(result *control.BuildResultInfo) (ocispecs.Descriptor, bool) {
	for _, a := range result.GetAttestations() {
		if a.MediaType == inTotoType && strings.HasPrefix(a.Annotations[predicateAnnotation], slsaPrefix) && a.Size <= maxProvenance {
			return ocispecs.Descriptor{MediaType: a.MediaType, Digest: digest.Digest(a.Digest), Size: a.Size, Annotations: a.Annotations}, true
		}
	}
	return ocispecs.Descriptor{}, false
}

// The types of provenance predicates.
const (
	slsaPrefix = "https://slsa.dev/provenance/"
	slsaV1     = slsaPrefix + "v1"
)

// predicate is a provenance as buildx writes it: version 0.2 whatever was
// asked of the builder; in mode min without the steps and the metadata.
func predicate(data []byte, kind string, mode ProvenanceMode) (json.RawMessage, error) {
	var old *types.ProvenancePredicateSLSA02
	if kind == slsaV1 {
		var current *types.ProvenancePredicateSLSA1
		if err := json.Unmarshal(data, &current); err != nil {
			return nil, err
		}
		if current != nil {
			old = current.ConvertToSLSA02()
		}
	} else if err := json.Unmarshal(data, &old); err != nil {
		return nil, err
	}
	if old == nil {
		return nil, errors.New("it is empty")
	}
	if mode == ProvenanceMin {
		old.BuildConfig, old.Metadata = nil, nil
	}
	return json.Marshal(old)
}
