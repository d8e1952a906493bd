package results

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
)

// readGitHub reads a file of outputs as GitHub's runner does on Linux
// (EnvFileKeyValuePairs in src/Runner.Worker/FileCommandManager.cs).
func readGitHub(text string) (map[string]string, error) {
	out := map[string]string{}
	at := 0
	next := func() (line string, ended, ok bool) {
		if at >= len(text) {
			return "", false, false
		}
		begin := at
		if n := strings.IndexByte(text[at:], '\n'); n >= 0 {
			at += n + 1
			return text[begin : at-1], true, true
		}
		at = len(text)
		return text[begin:], false, true
	}
	for {
		line, _, ok := next()
		if !ok {
			return out, nil
		}
		if line == "" {
			continue
		}
		equals, heredoc := strings.Index(line, "="), strings.Index(line, "<<")
		switch {
		case equals >= 0 && (heredoc < 0 || equals < heredoc):
			name, value, _ := strings.Cut(line, "=")
			out[name] = value
		case heredoc >= 0:
			name, delimiter, _ := strings.Cut(line, "<<")
			if name == "" || delimiter == "" {
				return nil, fmt.Errorf("no name or no delimiter: %q", line)
			}
			begin, end := at, at
			for {
				line, ended, ok := next()
				if ok && line == delimiter {
					break
				}
				if !ok || !ended {
					return nil, errors.New("delimiter not found")
				}
				end = at - 1
			}
			out[name] = text[begin:max(begin, end)]
		default:
			return nil, fmt.Errorf("not valid: %q", line)
		}
	}
}

var dotenvKey = regexp.MustCompile(`^[A-Za-z0-9_]+$`)

// readDotenv reads a dotenv report as GitLab does (ParseDotenvArtifactService).
func readDotenv(data string) (map[string]string, error) {
	if len(data) >= 5<<10 {
		return nil, errors.New("too large")
	}
	out := map[string]string{}
	for line := range strings.Lines(data) {
		key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		key, value = strings.TrimSpace(key), strings.Trim(value, " \t\r\n\v\f\x00")
		if !ok || !dotenvKey.MatchString(key) {
			return nil, fmt.Errorf("not valid: %q", line)
		}
		if strings.Contains(value, "$") {
			return nil, fmt.Errorf("a variable is filled in: %q", line)
		}
		out[key] = value
	}
	if len(out) > 20 {
		return nil, errors.New("too many variables")
	}
	return out, nil
}

// readProperties reads properties as java.util.Properties does in load.
func readProperties(data string) (map[string]string, error) {
	out := map[string]string{}
	data = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(data)
	for data != "" {
		// A natural line, and those that go on with it.
		var logical strings.Builder
		for first := true; ; first = false {
			line, rest, _ := strings.Cut(data, "\n")
			data = rest
			line = strings.TrimLeft(line, " \t\f")
			if first && (line == "" || line[0] == '#' || line[0] == '!') {
				break
			}
			slashes := len(line) - len(strings.TrimRight(line, `\`))
			if slashes%2 == 0 {
				logical.WriteString(line)
				break
			}
			logical.WriteString(line[:len(line)-1])
		}
		line := logical.String()
		if line == "" {
			continue
		}
		end := 0
		for end < len(line) && strings.IndexByte("=: \t\f", line[end]) < 0 {
			if line[end] == '\\' {
				end++
			}
			end++
		}
		end = min(end, len(line))
		rest := strings.TrimLeft(line[end:], " \t\f")
		if rest != "" && (rest[0] == '=' || rest[0] == ':') {
			rest = strings.TrimLeft(rest[1:], " \t\f")
		}
		key, err := unescapeProperty(line[:end])
		if err != nil {
			return nil, err
		}
		if out[key], err = unescapeProperty(rest); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func unescapeProperty(text string) (string, error) {
	var units []uint16
	for i := 0; i < len(text); i++ {
		b := text[i]
		if b > '~' {
			return "", fmt.Errorf("depends on the encoding: %q", text)
		}
		if b != '\\' {
			units = append(units, uint16(b))
			continue
		}
		i++
		if i == len(text) {
			break
		}
		switch text[i] {
		case 'u':
			if i+5 > len(text) {
				return "", fmt.Errorf("malformed \\u: %q", text)
			}
			unit, err := strconv.ParseUint(text[i+1:i+5], 16, 16)
			if err != nil {
				return "", err
			}
			units, i = append(units, uint16(unit)), i+4
		case 't':
			units = append(units, '\t')
		case 'n':
			units = append(units, '\n')
		case 'r':
			units = append(units, '\r')
		case 'f':
			units = append(units, '\f')
		default:
			units = append(units, uint16(text[i]))
		}
	}
	return string(utf16.Decode(units)), nil
}

// allowed are the elements of a summary, none of which has an attribute.
var allowed = map[string]bool{"table": true, "tr": true, "th": true, "td": true, "code": true, "details": true, "summary": true, "pre": true}

// readSummary reads a summary as a Markdown renderer does (CommonMark, section 4.6): it
// takes the blocks of HTML apart and returns the texts of cells and of <pre>. What is
// Markdown is in the first result.
func readSummary(t *testing.T, text string) (markdown, cells []string) {
	t.Helper()
	const begin, table = "<pre>", "<table>"
	var blocks []string
	lines := strings.SplitAfter(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimRight(lines[i], "\n")
		switch {
		case strings.TrimSpace(line) == "":
		case strings.HasPrefix(line, begin): // kind 1: ends with the line that has </pre>
			block := lines[i]
			for !strings.Contains(lines[i], "</pre>") && i+1 < len(lines) {
				i++
				block += lines[i]
			}
			blocks = append(blocks, block)
		case strings.HasPrefix(line, table), strings.HasPrefix(line, "<details>"), strings.HasPrefix(line, "</details>"): // kind 6: ends at an empty line
			block := lines[i]
			for i+1 < len(lines) && strings.TrimSpace(lines[i+1]) != "" {
				i++
				block += lines[i]
			}
			blocks = append(blocks, block)
		default:
			markdown = append(markdown, line)
		}
	}
	decoder := xml.NewDecoder(strings.NewReader(strings.Join(blocks, "")))
	decoder.Strict = true
	depth, within := 0, ""
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in:\n%s", err, text)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if !allowed[token.Name.Local] || len(token.Attr) > 0 {
				t.Errorf("element %v %v", token.Name.Local, token.Attr)
			}
			if token.Name.Local == "code" {
				depth, within = depth+1, ""
			}
		case xml.EndElement:
			if token.Name.Local == "code" {
				depth--
				cells = append(cells, within)
			}
		case xml.CharData:
			if depth > 0 {
				within += string(token)
			} else if text := strings.TrimSpace(string(token)); strings.Trim(text, "0123456789.hms%abcdefghijklmnopqrtuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ -µ") != "" {
				t.Errorf("text outside of <code>: %q", text)
			}
		default:
			t.Errorf("%T in the summary", token)
		}
	}
	return markdown, cells
}
