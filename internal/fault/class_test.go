package fault_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/slipway-build/slipway/internal/fault"
)

func TestClass(t *testing.T) {
	plain := errors.New("it broke")
	for _, tt := range []struct {
		name string
		err  error
		want fault.Class
	}{
		{"none", plain, 0},
		{"nil", nil, 0},
		{"given", fault.With(fault.ClassLost, plain), fault.ClassLost},
		{"wrapped", fmt.Errorf("node a: %w", fault.With(fault.ClassCluster, plain)), fault.ClassCluster},
		{"the first one counts", fault.With(fault.ClassUsage, fmt.Errorf("node a: %w", fault.With(fault.ClassRegistry, plain))), fault.ClassRegistry},
	} {
		if got := fault.ClassOf(tt.err); got != tt.want {
			t.Errorf("%s: class %d, want %d", tt.name, got, tt.want)
		}
	}
	if err := fault.With(fault.ClassBuild, nil); err != nil {
		t.Errorf("nil with a class is %v", err)
	}
	if err := fault.With(fault.ClassBuild, plain); err.Error() != "it broke" || !errors.Is(err, plain) {
		t.Errorf("with a class it is %v", err)
	}
}
