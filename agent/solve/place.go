package solve

import (
	"errors"
	"fmt"
	"strings"

	"github.com/moby/buildkit/solver/errdefs"
)

// maxInstruction bounds the text of an instruction in an error, in characters: the
// excerpt has all of it.
const maxInstruction = 80

// failedProcess stands in BuildKit's error before how a process has ended.
//
//	https://github.com/moby/buildkit/blob/v0.33.1/solver/llbsolver/ops/exec.go
const failedProcess = "did not complete successfully: "

// explained is an error that says why an instruction has failed.
type explained interface {
	error
	// reason is the message without the instruction.
	reason() string
}

// Failure says in a line which instruction of the Dockerfile a build has failed at,
// and why: "RUN make (Dockerfile:3): exit code: 2". Without an instruction it is the
// error's own message.
func Failure(err error) string {
	reason := strings.TrimPrefix(err.Error(), "failed to solve: ")
	for _, source := range errdefs.Sources(err) {
		if source.Info == nil || len(source.Ranges) == 0 || source.Ranges[0].Start == nil {
			continue
		}
		first := source.Ranges[0]
		lines := strings.Split(string(source.Info.Data), "\n")
		at := int(first.Start.Line)
		if at < 1 || at > len(lines) {
			continue
		}
		if _, after, ok := cutLast(reason, failedProcess); ok {
			reason = after
		}
		// What explains a failure names the instruction itself.
		if known := (explained)(nil); errors.As(err, &known) {
			reason = known.reason()
		}
		more := first.End != nil && first.End.Line > first.Start.Line
		return fmt.Sprintf("%s (%s:%d): %s", instructionText(lines[at-1], more), source.Info.Filename, at, reason)
	}
	return reason
}

// instructionText is the first line of an instruction, shortened; more says that
// there are others.
func instructionText(line string, more bool) string {
	text := strings.TrimSpace(carriageReturns.Replace(line))
	if cut, ok := strings.CutSuffix(text, `\`); ok {
		text, more = strings.TrimSpace(cut), true
	}
	if runes := []rune(text); len(runes) > maxInstruction {
		text, more = strings.TrimSpace(string(runes[:maxInstruction])), true
	}
	if more {
		text += " ..."
	}
	return text
}

// cutLast is strings.Cut around the last separator.
func cutLast(s, sep string) (before, after string, found bool) {
	at := strings.LastIndex(s, sep)
	if at < 0 {
		return s, "", false
	}
	return s[:at], s[at+len(sep):], true
}

// stepError is a solve that failed at a step.
type stepError struct {
	error
	step string
}

// Unwrap returns the failure.
func (e *stepError) Unwrap() error { return e.error }

// FailedPlace returns where in the Dockerfile a build has failed: the file's name, as
// BuildKit has it, and the first and the last line, counted from 1. It returns false
// for a failure that is at no line.
func FailedPlace(err error) (name string, start, end int, ok bool) {
	for _, source := range errdefs.Sources(err) {
		if source.Info == nil || len(source.Ranges) == 0 || source.Ranges[0].GetStart().GetLine() < 1 {
			continue
		}
		start = int(source.Ranges[0].GetStart().GetLine())
		return source.Info.Filename, start, max(start, int(source.Ranges[0].GetEnd().GetLine())), true
	}
	return "", 0, 0, false
}

// FailedStep returns the name of the step that a solve has failed at, such as
// "[linux/arm64 2/3] RUN make"; empty when it has failed as a whole.
func FailedStep(err error) string {
	if known := (*stepError)(nil); errors.As(err, &known) {
		return known.step
	}
	return ""
}
