package fault

import (
	"errors"
	"fmt"
	"testing"
)

func TestPrefixed(t *testing.T) {
	if got := Prefixed("target a", errors.New("x")).Error(); got != "target a: x" {
		t.Errorf("one error: %s", got)
	}
	err := Prefixed("target a", With(ClassRegistry, fmt.Errorf("wrapped: %w", List{errors.New("x"), errors.New("y")})))
	if err.Error() != "target a: x; target a: y" || ClassOf(err) != ClassRegistry {
		t.Errorf("a list: %v of class %v", err, ClassOf(err))
	}
}
