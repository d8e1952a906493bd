package main

import (
	"io"
	"os"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"
)

// newLogger returns the logger for diagnostics. It writes to out; whether that
// is a terminal is judged by stderr, which is behind it.
func newLogger(out, stderr io.Writer, g *global) zerolog.Logger {
	level, err := zerolog.ParseLevel(g.LogLevel) // the flag's enum holds only known names
	if err != nil {
		level = zerolog.InfoLevel
	}
	if g.Debug {
		level = min(level, zerolog.DebugLevel)
	}
	if g.LogFormat != "json" {
		out = zerolog.ConsoleWriter{Out: out, NoColor: !isTerminal(stderr), PartsExclude: []string{zerolog.TimestampFieldName}}
	}
	return zerolog.New(out).Level(level).With().Timestamp().Logger()
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
