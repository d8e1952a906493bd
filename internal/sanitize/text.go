package sanitize

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"
)

// String returns a text of several lines as Text leaves it.
func String(text string) string {
	f := Text()
	return string(f.End(f.Append(nil, []byte(text))))
}

// Line returns a value as a part of one line: what String leaves of it, without
// colours, with a space for each newline and tab, without what URLs hide, and
// cut off at MaxLine.
func Line(value string) string {
	if plain(value) {
		return value
	}
	value = strings.TrimRight(value, "\r\n")
	var c Controls
	controlled := c.End(c.Append(nil, []byte(value)))
	line := make([]byte, 0, len(controlled))
	for i := 0; i < len(controlled); i++ {
		switch b := controlled[i]; b {
		case '\n', '\t':
			line = append(line, ' ')
		case escape:
			for controlled[i] != 'm' {
				i++
			}
		default:
			line = append(line, b)
		}
	}
	value = RedactURLs(string(line))
	if more := len(value) - MaxLine; more > 0 {
		end := MaxLine
		for !utf8.RuneStart(value[end]) {
			end--
		}
		value = fmt.Sprintf("%s [%d bytes more]", value[:end], len(value)-end)
	}
	m := Markers{whole: true}
	return string(m.End(m.Append(nil, []byte(value))))
}

// plain reports whether there is nothing to do for a value: names and numbers,
// which most values are.
func plain(value string) bool {
	for i := range len(value) {
		switch b := value[i]; {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9', b == '.', b == '/', b == '_', b == ' ' && i > 0, b == '-' && i > 0:
		default:
			return false
		}
	}
	return len(value) <= MaxLine
}

// Indent returns a text of several lines, each of them as Line makes it, with
// the indent before all but the first. Colours are lost, and so are empty lines
// at the end.
func Indent(text, indent string) string {
	var lines []string
	// A carriage return makes no line of its own, which would have no indent of
	// the text's.
	for line := range strings.SplitSeq(text, "\n") {
		// Spaces in front are an indent, too.
		rest := strings.TrimLeft(line, " \t")
		lines = append(lines, line[:len(line)-len(rest)]+Line(rest))
	}
	return strings.TrimRight(strings.Join(lines, "\n"+indent), " \n")
}

// Fprintf is fmt.Fprintf for a format that may be trusted and arguments that
// may not: strings, and what prints as a string, are printed as Line makes them.
func Fprintf(w io.Writer, format string, args ...any) (int, error) {
	return fmt.Fprintf(w, format, clean(args)...)
}

// Sprintf is fmt.Sprintf as Fprintf is fmt.Fprintf.
func Sprintf(format string, args ...any) string { return fmt.Sprintf(format, clean(args)...) }

// Fprint is fmt.Fprint as Fprintf is fmt.Fprintf.
func Fprint(w io.Writer, args ...any) (int, error) { return fmt.Fprint(w, clean(args)...) }

// Fprintln is fmt.Fprintln for arguments that may not be trusted, as Fprintf is
// for fmt.Fprintf.
func Fprintln(w io.Writer, args ...any) (int, error) {
	return fmt.Fprintln(w, clean(args)...)
}

func clean(args []any) []any {
	out := make([]any, len(args))
	for i, arg := range args {
		out[i] = cleanOne(arg)
	}
	return out
}

func cleanOne(arg any) any {
	switch v := arg.(type) {
	case nil, bool, int, int64, float64:
		return v
	case string:
		return Line(v)
	case []byte:
		return Line(string(v))
	case error:
		return Line(v.Error())
	case fmt.Stringer:
		return Line(v.String())
	}
	switch reflect.TypeOf(arg).Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		return arg
	}
	return Line(fmt.Sprint(arg))
}
