package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Refusal says what of a request is against the policy.
type Refusal struct {
	// Problems are sentences without a period.
	Problems []string
}

// maxProblems bounds how many problems a refusal names.
const maxProblems = 10

// Error implements error.
func (r *Refusal) Error() string {
	problems := r.Problems
	if more := len(problems) - maxProblems; more > 0 {
		problems = append(slices.Clone(problems[:maxProblems]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(problems, "; ")
}

// findings collects what is wrong with a request, each once.
type findings struct{ problems []string }

func (f *findings) refuse(format string, args ...any) {
	// Clients name an exporter in old and in new fields.
	if problem := fmt.Sprintf(format, args...); !slices.Contains(f.problems, problem) {
		f.problems = append(f.problems, problem)
	}
}

func (f *findings) err() error {
	if len(f.problems) == 0 {
		return nil
	}
	return &Refusal{Problems: f.problems}
}

// maxShown bounds how many bytes of a client's value a message repeats.
const maxShown = 200

// short quotes a value of a client for a message.
func short(value string) string {
	if len(value) > maxShown {
		return strconv.Quote(value[:maxShown]) + "…"
	}
	return strconv.Quote(value)
}

// Known reports what of a message this side does not know: fields, and values of
// enumerations, at any depth. A newer daemon may understand it.
func Known(m proto.Message) error {
	var f findings
	f.unknown(m.ProtoReflect(), "")
	return f.err()
}

// maxDepth bounds messages in messages. BuildKit nests definitions in definitions.
const maxDepth = 100

func (f *findings) unknown(m protoreflect.Message, at string) {
	if strings.Count(at, ".") > maxDepth {
		f.refuse("%s is nested too deeply", m.Descriptor().Name())
		return
	}
	if len(m.GetUnknown()) > 0 {
		f.refuse("%s%s has fields that are not known here", m.Descriptor().Name(), at)
	}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		at := at + "." + string(fd.Name())
		switch {
		case fd.IsMap():
			if fd.MapValue().Message() != nil {
				v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
					f.unknown(v.Message(), at)
					return true
				})
			}
		case fd.IsList():
			for i := range v.List().Len() {
				f.value(fd, v.List().Get(i), at)
			}
		default:
			f.value(fd, v, at)
		}
		return true
	})
}

func (f *findings) value(fd protoreflect.FieldDescriptor, v protoreflect.Value, at string) {
	switch {
	case fd.Message() != nil:
		f.unknown(v.Message(), at)
	case fd.Enum() != nil && fd.Enum().Values().ByNumber(v.Enum()) == nil:
		f.refuse("%s is %d, which is not known here", strings.TrimPrefix(at, "."), v.Enum())
	}
}
