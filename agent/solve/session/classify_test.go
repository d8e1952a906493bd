package session_test

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/agent/solve/session"
)

// Test that a registry's refusal is known for one, before and after it is
// explained.
func TestRefusalsAreOfTheRegistry(t *testing.T) {
	c, err := session.NewCredentials(nil, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range session.RefusalTexts() {
		err := status.Error(codes.Unknown, text)
		if kind := solve.Classify(err); kind != solve.KindRegistry {
			t.Errorf("%s: it is classified as %s", text, kind)
		}
		if kind := solve.Classify(c.Explain(t.Context(), err)); kind != solve.KindRegistry {
			t.Errorf("%s: explained, it is classified as %s", text, kind)
		}
	}
}
