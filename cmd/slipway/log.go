package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/rs/zerolog"
	"github.com/sirupsen/logrus"
	"golang.org/x/term"

	"github.com/slipway-build/slipway/internal/color"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// newLogger returns the logger for diagnostics. It writes to out; whether that
// is a terminal is judged by stderr, which is behind it.
func newLogger(out, stderr io.Writer, g *global, name called) zerolog.Logger {
	level, err := zerolog.ParseLevel(g.LogLevel) // the flag's enum holds only known names
	if err != nil {
		level = zerolog.InfoLevel
	}
	if g.Debug {
		level = min(level, zerolog.DebugLevel)
	}
	if g.LogFormat != "json" {
		console := zerolog.ConsoleWriter{
			Out:           out,
			NoColor:       !stderrPainter(stderr).On(),
			PartsExclude:  []string{zerolog.TimestampFieldName},
			FormatPrepare: cleanFields,
		}
		if name.docker() {
			console.FormatLevel = func(level any) string { return name.level(fmt.Sprint(level)) }
		}
		out = console
	}
	return zerolog.New(out).Level(level).With().Timestamp().Logger()
}

// cleanFields makes parts of one line of what a diagnostic says, which may quote
// anybody.
func cleanFields(fields map[string]any) error {
	for name, value := range fields {
		if text, ok := value.(string); ok {
			fields[name] = sanitize.Line(text)
		}
	}
	return nil
}

// captureLibraries makes debug lines of what libraries write to the standard
// logger (net/http2, when a connection breaks) and to logrus (BuildKit).
// Unasked they would stand in the middle of a build's log.
func captureLibraries(logger zerolog.Logger) {
	out := debugWriter{logger}
	log.SetFlags(0)
	log.SetOutput(out)
	logrus.SetOutput(out)
}

type debugWriter struct{ logger zerolog.Logger }

func (w debugWriter) Write(p []byte) (int, error) {
	w.logger.Debug().Msg(strings.TrimSpace(string(p)))
	return len(p), nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// painter colours what a command prints.
func (in *invocation) painter() color.Painter {
	return color.For(isTerminal(in.data), in.env.lookup)
}

// stderrPainter is the painter of standard error before the environment is read: an
// error may be that it cannot be.
func stderrPainter(stderr io.Writer) color.Painter {
	return color.For(isTerminal(stderr), os.LookupEnv)
}
