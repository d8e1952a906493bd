package fault_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/slipway-build/slipway/internal/fault"
)

func TestHints(t *testing.T) {
	a := &fault.Usage{Flag: "--a", Problem: "is wrong", Hint: "mend it"}
	b := &fault.Usage{Flag: "--b", Problem: "is wrong", Hint: "leave it out"}
	for _, tt := range []struct {
		name string
		errs []error
		want []string
	}{
		{"nothing", nil, nil},
		{"no error", []error{nil}, nil},
		{"no hint", []error{errors.New("x"), &fault.Usage{Flag: "--c"}}, nil},
		{"one", []error{a}, []string{"mend it"}},
		{"a wrapped one", []error{fmt.Errorf("x: %w", fault.With(fault.ClassUsage, a))}, []string{"mend it"}},
		{"each once, in their order", []error{b, a, fmt.Errorf("again: %w", b)}, []string{"leave it out", "mend it"}},
		{"of a list", []error{fault.List{a, b, a}}, []string{"mend it", "leave it out"}},
	} {
		if got := fault.Hints(tt.errs...); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestList(t *testing.T) {
	one := errors.New("one")
	list := fault.List{one, errors.New("two")}
	if got := list.Error(); got != "one; two" || !errors.Is(list, one) {
		t.Errorf("message %q", got)
	}
}

func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		err  fault.Usage
		want string
	}{
		{fault.Usage{Flag: "--shm-size", Value: "1x", Problem: "is no size"}, `--shm-size "1x": is no size`},
		{fault.Usage{Flag: "source", Problem: "is missing"}, "source: is missing"},
		{fault.Usage{Flag: "--build-context", Value: "a=https://ci:s3cret@host/x", Problem: "is refused"}, `--build-context "a=https://xxxxx:xxxxx@host/x": is refused`},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
