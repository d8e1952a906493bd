package fault

import (
	"errors"
	"fmt"
)

// Prefixed puts what is about before an error. Of a List each error gets it, because
// each has a line of its own where errors are printed.
func Prefixed(about string, err error) error {
	list := List(nil)
	if !errors.As(err, &list) {
		return fmt.Errorf("%s: %w", about, err)
	}
	all := make(List, len(list))
	for i, one := range list {
		all[i] = fmt.Errorf("%s: %w", about, one)
	}
	if class := ClassOf(err); class != 0 {
		return With(class, all)
	}
	return all
}
