package solve

import (
	"errors"
	"testing"

	"github.com/slipway-build/slipway/internal/fault"
)

// A --file that is not there is mostly in the context, or misspelt.
func TestMeantDockerfile(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write(t, dir, attrs("Dockerfile", "FROM scratch\n", "app/build.Dockerfile", "FROM scratch\n", "app/cfg.d/x", "x"))
	for name, tt := range map[string]struct{ file, context, hint string }{
		"misspelt":          {"Dokcerfile", ".", "did you mean Dockerfile?"},
		"below":             {"app/biuld.Dockerfile", ".", "did you mean app/build.Dockerfile?"},
		"in the context":    {"build.Dockerfile", "./app", "did you mean app/build.Dockerfile? --file is relative to the working directory, not to the context"},
		"a directory there": {"cfg.d", "app", ""},
		"nothing like it":   {"Containerfile", ".", ""},
		"no directory":      {"none/Dockerfile", ".", ""},
	} {
		s := &sources{request: Request{Dockerfile: tt.file, Context: tt.context, WorkDir: dir}}
		s.localDockerfile(tt.file)
		var e *fault.Usage
		if err := s.mistakes.Err(); !errors.As(err, &e) || e.Flag != "--file" || e.Hint != tt.hint {
			t.Errorf("%s: %v, hint %q, want %q", name, err, fault.Hints(err), tt.hint)
		}
	}
}
