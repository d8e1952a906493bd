package progress

import (
	"fmt"
	"strings"

	"github.com/moby/buildkit/util/progress/progressui"
)

// Mode is how a build is displayed.
type Mode string

// The modes of docker buildx build --progress. None is its older name of
// Quiet.
const (
	Auto    Mode = "auto"
	Plain   Mode = "plain"
	TTY     Mode = "tty"
	RawJSON Mode = "rawjson"
	Quiet   Mode = "quiet"
	None    Mode = "none"
)

// modes is every Mode and the display of BuildKit that does it.
var modes = []struct {
	mode    Mode
	display progressui.DisplayMode
}{
	{Auto, progressui.AutoMode},
	{Plain, progressui.PlainMode},
	{TTY, progressui.TtyMode},
	{RawJSON, progressui.RawJSONMode},
	{Quiet, progressui.QuietMode},
	{None, progressui.QuietMode},
}

// ParseMode returns the Mode of that name; the empty name is Auto.
func ParseMode(name string) (Mode, error) {
	if name == "" {
		return Auto, nil
	}
	known := make([]string, 0, len(modes))
	for _, m := range modes {
		if string(m.mode) == name {
			return m.mode, nil
		}
		known = append(known, string(m.mode))
	}
	return "", fmt.Errorf("unknown progress mode %q, known are %s", name, strings.Join(known, ", "))
}

func (m Mode) display() progressui.DisplayMode {
	for _, known := range modes {
		if known.mode == m {
			return known.display
		}
	}
	return progressui.AutoMode
}
