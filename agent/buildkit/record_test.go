package buildkit

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	control "github.com/moby/buildkit/api/services/control"
	"github.com/opencontainers/go-digest"

	"github.com/slipway-build/slipway/agent/buildkit/buildkittest"
	"github.com/slipway-build/slipway/internal/fault"
)

func TestParseProvenanceMode(t *testing.T) {
	for value, want := range map[string]ProvenanceMode{
		"": ProvenanceMin, "min": ProvenanceMin, "max": ProvenanceMax, "disabled": ProvenanceDisabled,
		"true": ProvenanceMin, "false": ProvenanceDisabled, "0": ProvenanceDisabled,
	} {
		if got, err := ParseProvenanceMode(value); err != nil || got != want {
			t.Errorf("%q = %s, %v; want %s", value, got, err, want)
		}
	}
	_, err := ParseProvenanceMode("full")
	var usage *fault.Usage
	if !errors.As(err, &usage) || usage.Flag != "BUILDX_METADATA_PROVENANCE" || !strings.Contains(err.Error(), "is unknown") {
		t.Errorf("error %v", err)
	}
}

func TestPredicate(t *testing.T) {
	const v02 = `{"builder":{"id":"b"},"buildType":"t","invocation":{"configSource":{"entryPoint":"Dockerfile"},"parameters":{}},"buildConfig":{"llbDefinition":[{"id":"step0"}]},"metadata":{"buildInvocationID":"i"}}`
	const v1 = `{"buildDefinition":{"buildType":"t","externalParameters":{"configSource":{"path":"Dockerfile"},"request":{}},"internalParameters":{"buildConfig":{"llbDefinition":[{"id":"step0"}]}}},"runDetails":{"builder":{"id":"b"},"metadata":{"invocationId":"i"}}}`
	tests := []struct {
		name, kind, data string
		mode             ProvenanceMode
		steps            bool
		fails            string
	}{
		{name: "0.2 min", kind: slsaPrefix + "v0.2", data: v02, mode: ProvenanceMin},
		{name: "0.2 max", kind: slsaPrefix + "v0.2", data: v02, mode: ProvenanceMax, steps: true},
		{name: "1 min", kind: slsaV1, data: v1, mode: ProvenanceMin},
		{name: "1 max", kind: slsaV1, data: v1, mode: ProvenanceMax, steps: true},
		{name: "no json", kind: slsaV1, data: "{", fails: "unexpected end"},
		{name: "empty", kind: slsaV1, data: "null", fails: "is empty"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data, err := predicate([]byte(tt.data), tt.kind, tt.mode)
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("error %v, want %q", err, tt.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got struct {
				Builder    struct{ ID string }
				Invocation struct {
					ConfigSource struct{ EntryPoint string }
				}
				BuildConfig, Metadata any
			}
			if err := json.Unmarshal(data, &got); err != nil {
				t.Fatal(err)
			}
			if got.Builder.ID != "b" || got.Invocation.ConfigSource.EntryPoint != "Dockerfile" {
				t.Errorf("predicate is %s", data)
			}
			if (got.BuildConfig != nil) != tt.steps || (got.Metadata != nil) != tt.steps {
				t.Errorf("steps and metadata in %s, want them %v", data, tt.steps)
			}
		})
	}
}

func TestProvenanceOf(t *testing.T) {
	attestation := func(media, predicate string) *control.Descriptor {
		return &control.Descriptor{MediaType: media, Digest: digest.FromString("x").String(), Size: 1, Annotations: map[string]string{"in-toto.io/predicate-type": predicate}}
	}
	huge := attestation(inTotoType, slsaV1)
	huge.Size = maxProvenance + 1
	for _, tt := range []struct {
		name   string
		result *control.BuildResultInfo
		want   bool
	}{
		{"none", &control.BuildResultInfo{}, false},
		{"no result", nil, false},
		{"sbom", &control.BuildResultInfo{Attestations: []*control.Descriptor{attestation(inTotoType, "https://spdx.dev/Document")}}, false},
		{"another media type", &control.BuildResultInfo{Attestations: []*control.Descriptor{attestation("application/json", slsaV1)}}, false},
		{"too large", &control.BuildResultInfo{Attestations: []*control.Descriptor{huge}}, false},
		{"provenance", &control.BuildResultInfo{Attestations: []*control.Descriptor{attestation(inTotoType, "https://spdx.dev/Document"), attestation(inTotoType, slsaV1)}}, true},
	} {
		if _, ok := provenanceOf(tt.result); ok != tt.want {
			t.Errorf("%s: found %v, want %v", tt.name, ok, tt.want)
		}
	}
}

func TestProvenanceWithoutHistory(t *testing.T) {
	dial, _ := buildkittest.Serve(t, &buildkittest.Server{Workers: 1}) // answers Unimplemented
	d, err := Connect(t.Context(), dial)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	for _, mode := range []ProvenanceMode{ProvenanceMin, ProvenanceDisabled} {
		if got, err := d.Provenance(t.Context(), "ref", mode); err != nil || len(got) > 0 {
			t.Errorf("mode %s: %v, %v; want nothing", mode, got, err)
		}
	}
	if err := d.conn.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Provenance(t.Context(), "ref", ProvenanceMin); !IsLost(err) {
		t.Errorf("over a broken connection: %v is not lost", err)
	}
}
