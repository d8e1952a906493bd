package main

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/slipway-build/slipway/internal/sanitize"
)

// confirm asks before something is removed. Only a terminal is asked: a
// pipeline would wait for ever, or take what it was fed for an answer.
func (in *invocation) confirm(question string) (bool, error) {
	file, ok := in.in.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return false, &usageError{
			err:   errors.New("--force is not given, and standard input is no terminal to ask at"),
			hints: []string{"with --force it is done without a question: " + strings.TrimSuffix(question, " Are you sure?")},
		}
	}
	if _, err := sanitize.Fprint(in.err, question+" [y/N] "); err != nil {
		return false, err
	}
	answer, err := atTerminal(in.ctx, file, readLine)
	return strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes"), err
}
