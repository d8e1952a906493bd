package fault_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/internal/fault"
)

func TestGuard(t *testing.T) {
	own := errors.New("own")
	var list []int
	for _, tt := range []struct {
		name string
		f    func() error
		want string
	}{
		{"nothing", func() error { return nil }, ""},
		{"an error", func() error { return own }, "own"},
		{"index", func() error { _ = list[3]; return nil }, "slipway has a fault: runtime error: index out of range [3] with length 0, at "},
		{"a string", func() error { panic("s3cret") }, "slipway has a fault: panic of type string"},
		{"one that is thrown on", func() error { panic(fault.Guard(func() error { _ = list[3]; return nil })()) }, "slipway has a fault: runtime error: index out of range [3] with length 0, at "},
		{"an error that is thrown", func() error { panic(errors.New("s3cret")) }, "slipway has a fault: panic of type *errors.errorString"},
	} {
		err := fault.Guard(tt.f)()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
		if err == nil || errors.Is(err, own) {
			continue
		}
		if strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "fault/panic_test.go:") {
			t.Errorf("%s: error %v", tt.name, err)
		}
		var hinted interface{ Hints() []string }
		if !errors.As(err, &hinted) || !strings.Contains(hinted.Hints()[0], "/issues") {
			t.Errorf("%s: no hint to report it", tt.name)
		}
	}
}

func TestProtect(t *testing.T) {
	var told []*fault.Panic
	stop := fault.OnPanic(func(p *fault.Panic) { told = append(told, p) })
	ran := false
	fault.Protect(func() { ran = true })()
	fault.Protect(func() { panic("s3cret") })()
	if !ran || len(told) != 1 || !strings.HasPrefix(told[0].Error(), "slipway has a fault: panic of type string, at fault/panic_test.go:") {
		t.Errorf("ran: %t, told: %v", ran, told)
	}
	stop()
	defer func() {
		if thrown := recover(); thrown != "again" || len(told) != 1 {
			t.Errorf("a panic that nobody is told of throws %v, told: %v", thrown, told)
		}
	}()
	fault.Protect(func() { panic("again") })()
}
