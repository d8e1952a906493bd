package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/sirupsen/logrus"
	"golang.org/x/term"

	"github.com/slipway-build/slipway/agent/ci"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/internal/color"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// ciFlags say how the log of a build is written.
type ciFlags struct {
	CI        string        `name:"ci" default:"auto" env:"SLIPWAY_CI" placeholder:"NAME" help:"CI system for whose log the build is shown: auto (the one that runs the job), none, plain, forgejo, gitea, github, gitlab, azure, bitbucket, buildkite, circleci, woodpecker, drone, jenkins, tekton or argo."`
	LogGroup  bool          `env:"SLIPWAY_LOG_GROUP" help:"Print the log of each step as a whole, when the step ends."`
	Heartbeat time.Duration `default:"60s" env:"SLIPWAY_HEARTBEAT" placeholder:"DURATION" help:"Say that a step is still running after so long without output, then after twice as long each time; 0 for never."`
}

// choose is the CI system of --ci, for the log and for the results, and the others that
// are there. Who calls the program by the name of docker reads what docker leaves, and
// gets that unless a system is named.
func (f ciFlags) choose(in *invocation) (chosen ci.System, others []ci.System, err error) {
	name := f.CI
	if in.called.docker() && (name == "" || name == ci.Auto) {
		name = ci.None
	}
	return in.env.CI.Choose(name)
}

// system is the CI system of the flags, which are checked.
func (f ciFlags) system(in *invocation) (ci.System, error) {
	system, others, err := f.choose(in)
	if err != nil {
		return system, &usageError{err: fmt.Errorf("--ci: %w", err)}
	}
	if f.Heartbeat < 0 {
		return system, &usageError{err: fmt.Errorf("--heartbeat %s: is negative; 0 is never", f.Heartbeat)}
	}
	for _, other := range others {
		in.log.Debug().Msgf("CI system: %s (%s); not %s, though there is %s", system.Title, system.Signs, other.Title, other.Signs)
	}
	if len(others) == 0 && system.Known() {
		in.log.Debug().Msgf("CI system: %s", system.Title)
	}
	return system, nil
}

// ableMode is the mode of progress for a terminal of that TERM: nothing can be drawn on
// a dumb one.
func ableMode(mode progress.Mode, system ci.System, term string) progress.Mode {
	if mode == progress.Auto && !system.Known() && term == "dumb" {
		return progress.Plain
	}
	return mode
}

// steps is the form of a log that is printed line by line; nil for BuildKit's, which is
// what docker buildx prints: where no CI system is known, and for --progress=plain, which
// programs may parse.
func (f ciFlags) steps(system ci.System, mode progress.Mode) *progress.StepLog {
	if !f.LogGroup && (!system.Known() || mode != progress.Auto) {
		return nil
	}
	form := &progress.StepLog{Grouped: f.LogGroup, Heartbeat: f.Heartbeat}
	if system.Known() {
		form.Sections = system.Commands
	}
	return form
}

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
