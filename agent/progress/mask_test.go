package progress

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/slipway-build/slipway/internal/sanitize"
)

// nasty is a secret that every escaping changes.
const nasty = `p"a\s&s/w+ö<rd%1`

func TestMaskForms(t *testing.T) {
	inJSON, err := json.Marshal(map[string]string{"k": nasty})
	if err != nil {
		t.Fatal(err)
	}
	pair := base64.StdEncoding.EncodeToString([]byte("ci:" + nasty))
	key := "{\n  \"private_key\": \"MIIEvAIBADAN\",\n  \"x\": 1\n}"
	tests := []struct {
		name, secret, text, want string
	}{
		{"as it is", nasty, "a " + nasty + " b", "a *** b"},
		{"twice", "s3cret", "s3crets3cret", "******"},
		{"in a query", nasty, "?p=" + url.QueryEscape(nasty) + "&", "?p=***&"},
		{"in a path", nasty, "/" + url.PathEscape(nasty) + "/", "/***/"},
		{"in JSON", nasty, string(inJSON), `{"k":"***"}`},
		{"quoted by Go", nasty, "x=" + strconv.Quote(nasty), `x="***"`},
		{"in base64", nasty, base64.StdEncoding.EncodeToString([]byte(nasty)), "***"},
		{"in base64 for URLs", nasty, base64.URLEncoding.EncodeToString([]byte(nasty)), "***"},
		{"a line of several", key, `got "private_key": "MIIEvAIBADAN",`, "got ***"},
		{"all of several lines", key, "<" + key + ">", "<***>"},
		{"short lines of several", key, "{ }", "{ }"},
		{"the pair of a config", pair, `"auth": "` + pair + `"`, `"auth": "***"`},
		{"in a query, lower case", nasty, strings.ToLower(url.QueryEscape(nasty)), "***"},
		{"in hex", nasty, hex.EncodeToString([]byte(nasty)), "***"},
		{"in hex, upper case", nasty, strings.ToUpper(hex.EncodeToString([]byte(nasty))), "***"},
		{"in base64 without padding", "s3cret-1", base64.RawStdEncoding.EncodeToString([]byte("s3cret-1")), "***"},
		{"what echo makes base64 of", "s3cr", base64.StdEncoding.EncodeToString([]byte("s3cr\n")), "***"},
		{"with a line end of its own", "s3cret-1\r\n", "is s3cret-1 or s3cret-1\n", "is *** or ***\n"},
		{"nothing but a line end", "abc\n", "abc\n", "abc\n"},
		{"in lines of 16", key, wrapped(base64.StdEncoding.EncodeToString([]byte(key)), 16, "\n"), "***\n"},
		{"in indented lines", nasty, wrapped(hex.EncodeToString([]byte(nasty)), 10, "\r\n  "), "***\r\n  "},
		{"with a colour in it", "s3cret-1", "a s\x1b[31m\x1b[K3cret\x1b[m-1\x1b[0m b", "a ***\x1b[31m\x1b[K\x1b[m\x1b[0m b"},
		{"with no colour in it", "s3cret-1", "\x1b[31ms3cret\x1b-1 \x1b[", "\x1b[31ms3cret\x1b-1 \x1b["},
		{"broken at once", "s3cret-1", "s3c\nret-1", "s3c\nret-1"},
		{"with control characters", "a\x00b\tc-1\x1b[Kd", "ab\tc-1d", "***"},
		{"too short", "abc", "abc", "abc"},
		{"a part", "s3cret", "s3cre", "s3cre"},
		{"nothing", "s3cret", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &Mask{}
			m.Add(tt.secret)
			if got := m.String(tt.text); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// wrapped is a text with an end behind each n bytes, as base64 puts it out.
func wrapped(text string, n int, end string) string {
	var out strings.Builder
	for len(text) > 0 {
		n = min(n, len(text))
		out.WriteString(text[:n] + end)
		text = text[n:]
	}
	return out.String()
}

// A secret in the middle of something that was made base64 of, at any place.
func TestMaskInsideBase64(t *testing.T) {
	const secret = "correct-horse-battery"
	m := &Mask{}
	m.Add(secret)
	for before := range 7 {
		for after := range 4 {
			whole := strings.Repeat("u", before) + secret + strings.Repeat("v", after)
			for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding} {
				got := m.String(encoding.EncodeToString([]byte(whole)))
				if !strings.Contains(got, "***") {
					t.Errorf("%d bytes before, %d after: %q", before, after, got)
				}
			}
		}
	}
}

func TestMaskAdd(t *testing.T) {
	m := &Mask{}
	if got := m.Add("one-secret", "x", "", "one-secret"); len(got) != 1 || got[0] != "one-secret" {
		t.Errorf("added %q", got)
	}
	if got := m.Add("one-secret", "another"); len(got) != 1 || got[0] != "another" {
		t.Errorf("added %q", got)
	}
	if got := (*Mask)(nil).Add("one-secret"); got != nil || (*Mask)(nil).String("a") != "a" {
		t.Errorf("a nil mask added %q", got)
	}
}

// split writes a text in pieces of n bytes.
func split(t testing.TB, w io.Writer, text string, n int) {
	t.Helper()
	for len(text) > 0 {
		n = min(n, len(text))
		if got, err := io.WriteString(w, text[:n]); err != nil || got != n {
			t.Fatalf("wrote %d of %d: %v", got, n, err)
		}
		text = text[n:]
	}
}

func TestMaskWriter(t *testing.T) {
	tests := []struct {
		name, text, want string
		secrets          []string
	}{
		{"in the middle", "log in with s3cret-1, then go\n", "log in with ***, then go\n", []string{"s3cret-1"}},
		{"at the end", "s3cret-1", "***", []string{"s3cret-1"}},
		{"begun and not ended", "s3cret-", "s3cret-", []string{"s3cret-1"}},
		{"begun twice", "s3cs3cret-1", "s3c***", []string{"s3cret-1"}},
		{"one begins another", "abcd abcdefgh abcdefg", "*** *** ***efg", []string{"abcd", "abcdefgh"}},
		{"one overlaps another", "xyzab-abQQQQ", "***-***", []string{"xyzab", "abQQQQ"}},
		{"broken", "is s3cre\n  t-1, s3cr\n", "is ***, s3cr\n", []string{"s3cret-1"}},
		{"coloured", "\x1b[1ms3\x1b[0mcret\x1b[31m-1\x1b[0m s3\x1b[0m", "\x1b[1m***\x1b[0m\x1b[31m\x1b[0m s3\x1b[0m", []string{"s3cret-1"}},
		{"several lines", "a\nkey-1\nkey-2\nb", "a\n***\nb", []string{"key-1\nkey-2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &Mask{}
			m.Add(tt.secrets...)
			for n := 1; n <= len(tt.text); n++ {
				var out bytes.Buffer
				w := sanitize.FilterWriter(&out, m.Filter())
				split(t, w, tt.text, n)
				if err := w.Flush(); err != nil {
					t.Fatal(err)
				}
				if out.String() != tt.want {
					t.Errorf("in pieces of %d: %q, want %q", n, out.String(), tt.want)
				}
			}
		})
	}
}

// What cannot become a secret is not held back: people wait for it.
func TestMaskWriterShowsAtOnce(t *testing.T) {
	m := &Mask{}
	m.Add("s3cret-1")
	var out bytes.Buffer
	w := sanitize.FilterWriter(&out, m.Filter())
	for text, want := range map[string]string{"progress 1s": "progress 1", "a line\n": "a line\n"} {
		out.Reset()
		split(t, w, text, len(text))
		if out.String() != want {
			t.Errorf("%q is shown of %q, want %q", out.String(), text, want)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
}

type brokenWriter struct{}

var errBroken = errors.New("broken pipe")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestMaskWriterFails(t *testing.T) {
	w := sanitize.FilterWriter(brokenWriter{}, (&Mask{}).Filter())
	if _, err := io.WriteString(w, "x"); !errors.Is(err, errBroken) {
		t.Errorf("error %v", err)
	}
}

func FuzzMaskWriter(f *testing.F) {
	f.Add("s3cret-1", "other", "a s3cret-1 b other s3cret-", 3)
	f.Add("aaaa", "aaab", "aaaaaaabaaa", 1)
	f.Add("{\"a\":\n1}", "Kioq", "e30=\n", 2)
	f.Fuzz(func(t *testing.T, one, other, text string, n int) {
		if n < 1 || n > 1<<10 || len(text) > 1<<12 {
			t.Skip()
		}
		m := &Mask{}
		m.Add(one, other)
		var out bytes.Buffer
		w := sanitize.FilterWriter(&out, m.Filter())
		split(t, w, text, n)
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if whole := m.String(text); out.String() != whole {
			t.Errorf("in pieces of %d: %q, as a whole: %q", n, out.String(), whole)
		}
	})
}

// TestDisplayHasNoSecrets shows a build that prints a secret wherever it can.
func TestDisplayHasNoSecrets(t *testing.T) {
	const secret = "s3cret-of-ci"
	for _, mode := range []Mode{Plain, RawJSON} {
		t.Run(string(mode), func(t *testing.T) {
			var out bytes.Buffer
			mask := &Mask{}
			mask.Add(secret)
			terminal := NewTerminal(&out, mask)
			d, err := Open(t.Context(), terminal, mode, "")
			if err != nil {
				t.Fatal(err)
			}
			now := time.Now()
			show := shows(t, d, "")
			v := client.Vertex{Digest: digest.FromString("1"), Name: "RUN login -p " + secret, Started: &now}
			show(&client.SolveStatus{
				Vertexes: []*client.Vertex{&v},
				Logs:     []*client.VertexLog{{Vertex: v.Digest, Stream: 1, Data: []byte("first s3cret"), Timestamp: now}},
				Statuses: []*client.VertexStatus{{ID: "pushing " + secret, Vertex: v.Digest, Timestamp: now}},
				Warnings: []*client.VertexWarning{{Vertex: v.Digest, Short: []byte("warns of " + secret), Detail: [][]byte{[]byte(secret)}}},
			})
			done := v
			done.Completed, done.Error = &now, "exit 1: "+secret
			show(&client.SolveStatus{
				Vertexes: []*client.Vertex{&done},
				Logs:     []*client.VertexLog{{Vertex: v.Digest, Stream: 1, Data: []byte("-of-ci, then s3cr"), Timestamp: now}},
			})
			open := client.Vertex{Digest: digest.FromString("2"), Name: "RUN cut off", Started: &now}
			show(&client.SolveStatus{
				Vertexes: []*client.Vertex{&open},
				Logs:     []*client.VertexLog{{Vertex: open.Digest, Stream: 2, Data: []byte("last words s3c"), Timestamp: now}},
			})
			if _, err := fmt.Fprintf(terminal, "a diagnostic of %s\n", secret); err != nil {
				t.Fatal(err)
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			text := out.String()
			if mode == RawJSON {
				text = logsOf(t, out.Bytes())
			}
			if _, err := fmt.Fprintf(terminal, "after the end %s\n", secret); err != nil {
				t.Fatal(err)
			}
			text += out.String()
			if strings.Contains(text, secret) {
				t.Errorf("the secret is shown:\n%s", text)
			}
			wanted := []string{"RUN login -p ***", "first ***, then s3cr", "last words s3c", "a diagnostic of ***", "exit 1: ***", "warns of ***", "after the end ***"}
			for _, want := range wanted {
				if !strings.Contains(text, want) {
					t.Errorf("output lacks %q:\n%s", want, text)
				}
			}
		})
	}
}

// A step's last words come with its end, not with that of the whole build.
func TestGateEndsSteps(t *testing.T) {
	mask := &Mask{}
	mask.Add("s3cret-of-ci")
	c := &gate{mask: mask}
	now := time.Now()
	one, other := digest.FromString("1"), digest.FromString("2")
	said := c.clean(&client.SolveStatus{Logs: []*client.VertexLog{
		{Vertex: one, Stream: 1, Data: []byte("s3cret")}, {Vertex: other, Stream: 1, Data: []byte("s3c")},
	}})
	if len(said.Logs) != 0 {
		t.Errorf("%d logs are shown that may be the beginning of a secret", len(said.Logs))
	}
	ended := c.clean(&client.SolveStatus{
		Vertexes: []*client.Vertex{{Digest: one, Completed: &now}},
		Logs:     []*client.VertexLog{{Vertex: one, Stream: 1, Data: []byte("-of")}},
	})
	if len(ended.Logs) != 1 || string(ended.Logs[0].Data) != "s3cret-of" || ended.Logs[0].Stream != 1 {
		t.Errorf("the step ended with %v", ended.Logs)
	}
	if rest := c.end(now); len(rest.Logs) != 1 || rest.Logs[0].Vertex != other {
		t.Errorf("the build ended with %v", rest.Logs)
	}
}

// logsOf decodes what a program reads and returns the output of all steps.
func logsOf(t *testing.T, raw []byte) string {
	t.Helper()
	text := map[digest.Digest]string{}
	var all []string
	for dec := json.NewDecoder(bytes.NewReader(raw)); ; {
		var s client.SolveStatus
		if err := dec.Decode(&s); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("no JSON any more: %v\n%s", err, raw)
		}
		for _, l := range s.Logs {
			text[l.Vertex] += string(l.Data)
		}
		for _, w := range s.Warnings {
			all = append(all, string(w.Short), string(bytes.Join(w.Detail, nil)))
		}
	}
	for _, one := range text {
		all = append(all, one)
	}
	return strings.Join(all, "\n")
}

// What might go on for ever is not held back for ever.
func TestMaskHoldsLittle(t *testing.T) {
	m := &Mask{}
	m.Add("s3cret-1")
	f, ok := m.Filter().(*maskFilter)
	if !ok {
		t.Fatal("the filter is another one")
	}
	shown := f.Append(nil, []byte("s3cre"))
	for range 1000 {
		shown = f.Append(shown, []byte("\n  \x1b[31m"))
	}
	if len(f.held) > 4<<10 || len(shown) < 6000 {
		t.Errorf("%d bytes are held back, %d shown", len(f.held), len(shown))
	}
}

// BenchmarkMask is the cost of masking a build's log.
func BenchmarkMask(b *testing.B) {
	var log strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&log, "#12 %d.456   Downloading https://files.example/packages/ab/cd/some_package-1.2.%d-py3-none-any.whl (1.2 MB)\n", i, i)
	}
	for _, secrets := range []int{0, 1, 20} {
		for name, text := range map[string]string{"plain": log.String(), "coloured": strings.ReplaceAll(log.String(), "Down", "\x1b[32mDown\x1b[0m")} {
			b.Run(fmt.Sprintf("%d secrets, %s", secrets, name), func(b *testing.B) {
				m := &Mask{}
				for i := range secrets {
					m.Add(fmt.Sprintf("%c%d-dckr_pat_AbCdEfGhIjKlMnOpQrStUvWxYz", 'a'+i, i))
				}
				w := sanitize.FilterWriter(io.Discard, m.Filter())
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for b.Loop() {
					split(b, w, text, 4096)
				}
			})
		}
	}
}
