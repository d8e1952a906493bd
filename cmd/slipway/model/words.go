package model

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
)

// Words decodes the values of flags as the docker command line does: the next
// word is the value, though it begins with a hyphen, as in --build-arg -DX=1.
// But the name of a flag is none: a variable that was empty must not swallow
// --push.
type Words struct{ flags map[string]bool }

// Decode implements kong.Mapper.
func (w *Words) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	token := ctx.Scan.Pop()
	if token.IsEOL() {
		return errors.New("a value is missing")
	}
	text, ok := token.Value.(string)
	if !ok {
		return fmt.Errorf("expected text, not a %T", token.Value)
	}
	// What follows the equals sign may be a secret.
	name := text
	if strings.HasPrefix(text, "--") {
		name, _, _ = strings.Cut(text, "=")
	}
	if token.Type == kong.UntypedToken && w.flags[name] {
		return fmt.Errorf("a value is missing before %s", name)
	}
	target.SetString(text)
	return nil
}

// Know learns the names of all flags of the command line.
func (w *Words) Know(app *kong.Application) {
	w.flags = map[string]bool{}
	for _, group := range app.AllFlags(false) {
		w.add(group)
	}
	for _, command := range app.Leaves(false) {
		for _, group := range command.AllFlags(false) {
			w.add(group)
		}
	}
}

func (w *Words) add(flags []*kong.Flag) {
	for _, flag := range flags {
		w.flags["--"+flag.Name] = true
		if flag.Short != 0 {
			w.flags["-"+string(flag.Short)] = true
		}
	}
}
