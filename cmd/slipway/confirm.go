package main

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/slipway-build/slipway/cmd/slipway/process"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// inputTerminal returns standard input if it is a terminal.
func (in *invocation) inputTerminal() (*os.File, bool) {
	file, ok := in.in.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return nil, false
	}
	return file, true
}

// confirm asks before something is removed. Without a terminal nobody is asked: a
// pipeline would wait for ever.
func (in *invocation) confirm(question string) (bool, error) {
	file, ok := in.inputTerminal()
	if !ok {
		return false, unanswered(question)
	}
	if _, err := sanitize.Fprint(in.err, question+" [y/N] "); err != nil {
		return false, err
	}
	answer, err := answerAt(in.ctx, file, process.ReadLine)
	return isYes(answer), err
}

// confirmPiped is confirm for what docker buildx asks as well, so that scripts
// have an answer piped into it: without a terminal the answer is the first line of
// standard input, if one comes.
func (in *invocation) confirmPiped(question string) (bool, error) {
	if _, ok := in.inputTerminal(); ok {
		return in.confirm(question)
	}
	file, ok := in.in.(*os.File)
	if !ok {
		return false, unanswered(question)
	}
	switch answer, err := process.ReadPiped(in.ctx, file, pipedPatience); {
	case err != nil:
		return false, err
	case isYes(answer):
		return true, nil
	case isNo(answer):
		in.log.Info().Msg("nothing is removed: the answer on standard input is no")
		return false, nil
	}
	// Nothing, or the next line of a script that its shell reads from here, too.
	return false, unanswered(question)
}

func isYes(answer string) bool {
	return strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes")
}

func isNo(answer string) bool {
	return strings.EqualFold(answer, "n") || strings.EqualFold(answer, "no")
}

// unanswered is the error of a question that nobody has answered.
func unanswered(question string) error {
	return &usageError{
		err:   errors.New("--force is not given, and standard input is no terminal to ask at"),
		hints: []string{"with --force it is done without a question: " + strings.TrimSuffix(question, " Are you sure?")},
	}
}

// pipedPatience is how long an answer may take that is piped into a command:
// what is to come is there at once.
const pipedPatience = 5 * time.Second

// answerAt waits for an answer at the terminal.
func answerAt(ctx context.Context, file *os.File, read func(*os.File) (string, error)) (string, error) {
	answer, err := process.AtTerminal(ctx, file, read)
	if errors.Is(err, io.EOF) {
		err = &usageError{err: errors.New("nothing was given")}
	}
	return answer, err
}
