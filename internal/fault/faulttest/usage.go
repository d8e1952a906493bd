// Package faulttest checks errors of package fault in tests.
package faulttest

import (
	"errors"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/internal/fault"
)

// WantUsage fails unless err is a usage error whose message begins with the flag
// and says what it should.
func WantUsage(t *testing.T, err error, flag, want string) {
	t.Helper()
	var usage *fault.Usage
	if !errors.As(err, &usage) {
		t.Fatalf("error %v is no *fault.Usage", err)
	}
	if !strings.HasPrefix(err.Error(), flag) || !strings.Contains(err.Error(), want) {
		t.Errorf("error %q does not name %s or say %q", err, flag, want)
	}
}
