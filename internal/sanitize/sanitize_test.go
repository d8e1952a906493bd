package sanitize

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"reflect"
	"strings"
	"testing"
	"testing/quick"

	"github.com/slipway-build/slipway/internal/sanitize/sanitizetest"
)

func TestString(t *testing.T) {
	long := strings.Repeat("x", MaxLine)
	for _, tt := range []struct{ name, text, want string }{
		{"ordinary", "a b\tc\nd: e::f [g] #1 # h -- i --- j\n", "a b\tc\nd: e::f [g] #1 # h -- i --- j\n"},
		{"other scripts", "grün 日本 🎉 ┌─┐ Ωμέγα\n", "grün 日本 🎉 ┌─┐ Ωμέγα\n"},
		{"colour", "\x1b[1;31mred\x1b[0m\n", "\x1b[1;31mred\x1b[0m\x1b[0m\n"},
		{"colour without an end", "\x1b[31mred\nnext", "\x1b[31mred\x1b[0m\nnext"},
		{"256 colours", "\x1b[38;5;8mgrey", "\x1b[38;5;8mgrey\x1b[0m"},
		{"concealed", "\x1b[8mha:AAAA\x1b[0m", "ha:AAAA\x1b[0m\x1b[0m"},
		{"concealed among others", "\x1b[1;08;3mx", "x"},
		{"cursor", "a\x1b[2K\x1b[1Gb\x1b[?25lc\x1b7d\x1b(Be", "abcde"},
		{"clipboard", "a\x1b]52;c;cm0gLXJm\x07b\x1b]8;;http://x\x1b\\c", "abc"},
		{"no end of a string", "a\x1b]0;title\nb", "a\nb"},
		{"a string in 8 bits", "a\u009d52;c;x\u009cb", "a52;c;xb"},
		{"overwritten", "10%\r20%\r\n\rdone\r", "10%\n20%\ndone\n"},
		{"backspace, bell, null", "a\bb\ac\x00d\x7fe", "abcde"},
		{"direction", "a\u202eb\u2066c\u200ed\u061ce", "abcde"},
		{"not to be seen", "#\u200b#\ufeffvso\u00ad[x]", "##vso [x]"},
		{"spaces", "a\u00a0b\u2028c\u3000d", "a b c d"},
		{"no UTF-8", "a\xffb\xe2\x80", "a\ufffdb\ufffd"},
		{"GitHub", "::error::x\n  ::set-output name=a::b\n\u3000:\x1b[1m:x::", ": :error::x\n  : :set-output name=a::b\n :\x1b[1m :x::\x1b[0m"},
		{"GitHub, not at the beginning", "a ::error::x", "a ::error::x"},
		{"GitHub of old", "x ##[group]a", "x ## [group]a"},
		{"Azure", "a##VSO[task.x]b ###vso[c", "a##VSO [task.x]b ###vso [c"},
		{"Azure in colours", "#\x1b[31m#v\x1b[0mso[x ##\x1b[0m", "#\x1b[31m#v \x1b[0mso[x ## \x1b[0m\x1b[0m"},
		{"TeamCity", "##teamcity[message]", "##teamcity [message]"},
		{"GitLab", "\x1b[0Ksection_start:1:a\r\x1b[0Kx section_end:1:a", "section_start :1:a\nx section_end :1:a"},
		{"Buildkite", "--- a\n+++ b\n~~~ c\n^^^ +++\n\x1b[1m--- d", " --- a\n +++ b\n ~~~ c\n ^^^ +++\n\x1b[1m --- d\x1b[0m"},
		{"not Buildkite", "---\n-- a\n----- b\n ---\tc\n+-- d\n-", "---\n-- a\n----- b\n ---\tc\n+-- d\n-"},
		{"long", long + "::y::\n", long + cut + ": :y::\n"},
		{"as long as may be", long + "\n", long + "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := String(tt.text); got != tt.want {
				t.Errorf("%q, want %q", shorten(got), shorten(tt.want))
			}
		})
	}
}

func shorten(text string) string {
	if len(text) > 200 {
		return text[:100] + "…" + text[len(text)-100:]
	}
	return text
}

func TestLine(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"a name", "builder-amd64-0", "builder-amd64-0"},
		{"several lines", "a\nb\r\n\tc\n", "a b  c"},
		{"colour", "\x1b[31mred\x1b[0m", "red"},
		{"command", "::error::x", ": :error::x"},
		{"command in the second line", "a\n##vso[x]", "a ##vso [x]"},
		{"header", "--- a", " --- a"},
		{"URL", "see https://u:p@h/?sig=x", "see https://xxxxx:xxxxx@h/?sig=xxxxx"},
		{"long", strings.Repeat("ü", MaxLine), strings.Repeat("ü", MaxLine/2) + " [65536 bytes more]"},
		{"empty", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Line(tt.value); got != tt.want {
				t.Errorf("%q, want %q", shorten(got), shorten(tt.want))
			}
		})
	}
}

func TestIndent(t *testing.T) {
	if got, want := Indent("a\n  b\r\n::c::\n\n", "  "), "a\n    b\n  : :c::"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := Indent("a:\n  b\rhint: c\r\n", ""), "a:\n  b hint: c"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := Indent("a\n "+strings.Repeat("x", MaxLine+7), " "), "a\n  "+strings.Repeat("x", MaxLine)+" [7 bytes more]"; got != want {
		t.Errorf("%q, want %q", shorten(got), shorten(want))
	}
}

type named string

type stringer struct{}

func (stringer) String() string { return "s\n" }

func TestFprintf(t *testing.T) {
	var out strings.Builder
	args := []any{"a\nb", errors.New("c\td"), stringer{}, named("e\x1bc"), []string{"f\n"}, 7, true, uint8(8), []byte("g\n"), nil}
	if _, err := Fprintf(&out, "%s\t%v|%s|%s|%v|%03d|%t|%d|%s|%v\n", args...); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "a b\tc d|s|e|[f ]|007|true|8|g|<nil>\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	out.Reset()
	if _, err := Fprintln(&out, "::a::", 1); err != nil || out.String() != ": :a:: 1\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

func TestRedactURLs(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"no URL: a://b is none, ://c neither", "no URL: a://b is none, ://c neither"},
		{"resolve oci-layout://dir@sha256:1 and oci-layout:///p:1@sha256:2, not https://u:p@h", "resolve oci-layout://dir@sha256:1 and oci-layout:///p:1@sha256:2, not https://xxxxx:xxxxx@h"},
		{"https://host:5000/a@sha256:1", "https://host:5000/a@sha256:1"},
		{"https://[::1]:5000/@scope/x", "https://[::1]:5000/@scope/x"},
		{`Get "https://user:pass@h/x": 403`, `Get "https://xxxxx:xxxxx@h/x": 403`},
		{"git+ssh://git@h/x, then http://:p@h", "git+ssh://xxxxx@h/x, then http://:xxxxx@h"},
		{"https://u:p/a?s#s@h/x", "https://xxxxx:xxxxx@h/x"},
		{"https://u:a@b@h/x", "https://xxxxx:xxxxx@h/x"},
		{"(https://s3/x?X-Amz-Signature=abc&X-Amz-Date=1&ref=v1&flag)", "(https://s3/x?X-Amz-Signature=xxxxx&X-Amz-Date=xxxxx&ref=v1&xxxxx)"},
		{"https://auth/token?scope=repository:a:pull&service=reg", "https://auth/token?scope=repository:a:pull&service=reg"},
		{"kubernetes:///kube?deployment=builder-amd64&kubeconfig=", "kubernetes:///kube?deployment=builder-amd64&kubeconfig="},
		{"https://proxy/https://u:p@h/x?a=b#c", "https://proxy/https://xxxxx:xxxxx@h/x?a=xxxxx#c"},
		{"https://h/git#ref:dir https://h/#access_token=x", "https://h/git#ref:dir https://h/#access_token=xxxxx"},
		{"a=https://u:p@h,b=https://u:p@h", "a=https://xxxxx:xxxxx@h,b=https://xxxxx:xxxxx@h"},
	} {
		if got := RedactURLs(tt.text); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.text, got, tt.want)
		}
		if again := RedactURLs(RedactURLs(tt.text)); again != tt.want {
			t.Errorf("%s again is %s", tt.text, again)
		}
	}
}

// hostile is text that is made to get through.
type hostile struct {
	text   string
	pieces []int
}

// parts are what commands are made of, and what may be put between.
var parts = []string{
	"#", "##", "[", "]", "vso", "VSO[", "##vso[task.setvariable variable=a]b", "##[group]", "group", ":", "::", "::error::", "add-mask",
	"section_start", "section_end", ":1:a", "section_start:1:a\r\x1b[0K", "-", "---", "+", "+++", "~~~", "^^^", " ", "\t",
	"\x1b", "\x1b[", "\x1b[0m", "\x1b[31m", "\x1b[8m", "\x1b[38;5;8m", "\x1b[8mha:", "m", "8", ";", "\x1b]52;c;", "\x1b]", "\x1bP", "\x1b\\", "\a", "\x1b[2K", "\x1bc",
	"\u009b", "\u009d", "\u009c", "\u0085", "\u2028", "\u00a0", "\u3000", "\u200b", "\ufeff", "\u00ad", "\u202e", "\u2066", "\ufe0f", "\U000e0041", "\u034f",
	"\xe2", "\x80", "\xff", "\xc2", "\r", "\n", "\r\n", "\n\r", "\v", "\f", "\b", "\x00", "\x7f", "a", "error", "é", "日",
}

// Generate implements quick.Generator.
func (hostile) Generate(r *rand.Rand, size int) reflect.Value {
	var text strings.Builder
	for range r.Intn(size + 1) {
		if r.Intn(8) == 0 {
			text.WriteByte(byte(r.Intn(256)))
		} else {
			text.WriteString(parts[r.Intn(len(parts))])
		}
	}
	h := hostile{text: text.String()}
	for range 1 + r.Intn(8) {
		h.pieces = append(h.pieces, 1+r.Intn(1+r.Intn(12)))
	}
	return reflect.ValueOf(h)
}

// filtered is the text in its pieces as a filter makes it.
func (h hostile) filtered(f Filter) string {
	var out []byte
	rest := []byte(h.text)
	for i := 0; len(rest) > 0; i++ {
		n := min(len(rest), h.pieces[i%len(h.pieces)])
		out = f.Append(out, bytes.Clone(rest[:n]))
		rest = rest[n:]
	}
	return string(f.End(out))
}

func TestNoCommandGetsThrough(t *testing.T) {
	config := &quick.Config{MaxCount: 5000, Rand: rand.New(rand.NewSource(1))}
	check := func(h hostile) bool {
		got := h.filtered(Text())
		for _, command := range sanitizetest.Commands(got) {
			t.Errorf("%q became %q: %s", h.text, got, command)
		}
		if whole := String(h.text); whole != got {
			t.Errorf("%q is %q in one piece and %q in pieces of %v", h.text, whole, got, h.pieces)
		}
		if again := String(got); len(sanitizetest.Commands(again)) > 0 {
			t.Errorf("%q became %q", got, again)
		}
		line := Line(h.text)
		for _, command := range sanitizetest.Commands(line) {
			t.Errorf("%q became the line %q: %s", h.text, line, command)
		}
		if strings.ContainsAny(line, "\n\t\x1b") {
			t.Errorf("%q became %q, which is not a part of one line", h.text, line)
		}
		return !t.Failed()
	}
	if err := quick.Check(check, config); err != nil {
		t.Error(err)
	}
}

// Lines that have something in front have no markers that count anywhere.
func TestPrefixedLines(t *testing.T) {
	config := &quick.Config{MaxCount: 5000, Rand: rand.New(rand.NewSource(2))}
	check := func(h hostile) bool {
		f := NewChain(&Controls{}, &Markers{Prefixed: true})
		var printed strings.Builder
		for line := range strings.Lines(h.filtered(f)) {
			printed.WriteString("#1 0.1 " + line)
		}
		for _, command := range sanitizetest.Commands(printed.String()) {
			t.Errorf("%q became %q: %s", h.text, printed.String(), command)
		}
		return !t.Failed()
	}
	if err := quick.Check(check, config); err != nil {
		t.Error(err)
	}
}

// The recognizers find what they are there for.
func TestRecognizers(t *testing.T) {
	for _, text := range []string{
		"::error::x", " \u3000::add-mask::x", "a\r::debug::x", "\u200b::error::x", "x ##[error]y", "##vso[a]", "a##VSO[b", "##teamcity[x]", "#\x1b[1m#vso[x",
		"section_start:1:a\r\x1b[0K", "--- a", "x\n+++ a", "~~~ a", "^^^ +++", "\x1b[1m--- a", "\x1b[8mha:x", "\x1b]52;c;x\a", "\x1b[2J", "\u009b2J", "\u202e",
		"\xff", "\x1b[31mx", strings.Repeat("x", 2*MaxLine),
	} {
		if len(sanitizetest.Commands(text)) == 0 {
			t.Errorf("nothing found in %q", shorten(text))
		}
	}
	if found := sanitizetest.Commands("a ::b:: --- \x1b[31mx\x1b[0m\n---\n"); len(found) > 0 {
		t.Errorf("found %q", found)
	}
}

// What BuildKit's display draws is no command, and hides none.
func TestDrawn(t *testing.T) {
	const drawn = "\x1b[?25l\x1b[12A\x1b[0G\x1b[34m => [1/2] a ::b::\r\n\x1b[0m\x1b[?25h"
	if found := sanitizetest.Drawn(drawn); len(found) > 0 {
		t.Errorf("found %q", found)
	}
	for _, text := range []string{"\x1b[8mha:x", "\x1b[2J", "\x1b[1A", "\x1b[1G", "a\rb", "\x1b]52;c;x\a", "##\x1b[1mvso[x", "--- a\r\n"} {
		if len(sanitizetest.Drawn(drawn+text)) == 0 {
			t.Errorf("nothing found in %q", text)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, text := range []string{"##vso[a]\r::b::\n--- c", "\x1b]52;c;x\a\x1b[8mha:", "section_start:1:a\r\x1b[0K", "\u200b:\x1b[1m:x::\u202e\xe2\x80",
		"##" + strings.Repeat("vso", 2*longestTail) + "[a]"} {
		f.Add(text, 1)
		f.Add(text, 3)
		f.Add(text, 7)
	}
	f.Fuzz(func(t *testing.T, text string, n int) {
		if n < 1 || len(text) > 1<<12 {
			t.Skip()
		}
		got := hostile{text, []int{n}}.filtered(Text())
		for _, command := range sanitizetest.Commands(got) {
			t.Errorf("%q became %q: %s", text, got, command)
		}
		if whole := String(text); whole != got {
			t.Errorf("%q is %q in one piece and %q in pieces of %d", text, whole, got, n)
		}
	})
}

// Output without line ends does not stay in memory.
func TestEndlessLine(t *testing.T) {
	var lines, longest, length int
	w := NewWriter(writerFunc(func(p []byte) (int, error) {
		for _, b := range p {
			if length++; b == '\n' {
				lines, length = lines+1, 0
			}
			longest = max(longest, length)
		}
		return len(p), nil
	}))
	piece := bytes.Repeat([]byte("0123456789"), 100)
	for range 5 * MaxLine / len(piece) {
		if _, err := w.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if lines != 4 || longest > MaxLine+len(cut) {
		t.Errorf("%d lines, the longest of %d bytes", lines, longest)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// What may begin a command is held back, and nothing else: people wait for it.
func TestWriterShowsAtOnce(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out)
	for _, step := range []struct{ text, want string }{
		{"progress 1", "progress 1"}, {"s #", "s #"}, {"#vso", "#vso"}, {"[\n", " [\n"}, {":", ":"}, {":x\n", " :x\n"}, {"--", ""}, {"x\x1b[3", "--x"}, {"1m", "\x1b[31m"},
	} {
		out.Reset()
		if n, err := io.WriteString(w, step.text); err != nil || n != len(step.text) {
			t.Fatal(n, err)
		}
		if out.String() != step.want {
			t.Errorf("%q is shown of %q, want %q", out.String(), step.text, step.want)
		}
	}
}

func TestWriterFails(t *testing.T) {
	broken := errors.New("broken pipe")
	w := NewWriter(writerFunc(func([]byte) (int, error) { return 0, broken }))
	if _, err := io.WriteString(w, "x"); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

// upper is a filter between: it sees text without controls and before markers
// are broken.
type upper struct{ saw []byte }

func (u *upper) Append(dst, p []byte) []byte {
	u.saw = append(u.saw, p...)
	return append(dst, bytes.ToUpper(p)...)
}
func (u *upper) End(dst []byte) []byte { return dst }

func TestBetween(t *testing.T) {
	u := &upper{}
	f := Text(u)
	got := f.End(f.Append(nil, []byte("a\x00##vso[b")))
	if string(got) != "A##VSO [B" || string(u.saw) != "a##vso[b" {
		t.Errorf("%q, between %q", got, u.saw)
	}
}

func BenchmarkText(b *testing.B) {
	for name, line := range map[string]string{
		"plain":   "#12 3.456   Downloading https://files.example/packages/ab/cd/some_package-1.2.3-py3-none-any.whl (1.2 MB)\n",
		"colours": "#12 3.456 \x1b[1m\x1b[92m   Compiling\x1b[0m serde v1.0.203 [2/17] \x1b[32m━━━━━━━━━━\x1b[0m\n",
		"bytes":   strings.Repeat("\xff\x1b[2J##vso[", 10) + "\n",
	} {
		b.Run(name, func(b *testing.B) {
			w := NewWriter(io.Discard)
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := fmt.Fprint(w, line); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
