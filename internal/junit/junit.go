// Package junit reads test reports in the XML that most runners of tests write, which
// began as that of JUnit's runner for Ant. There is no standard; the names read here are
// those that Jenkins and GitLab read.
//
//	https://github.com/testmoapp/junitxml
package junit

import (
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The bounds of what is read: a report comes from the code that is tested.
const (
	// MaxSize is the size of a file that is read, in bytes.
	MaxSize = 16 << 20
	// maxDepth is how deep elements are nested.
	maxDepth = 100
	// MaxFailures is how many failures are kept of a report; all are counted.
	MaxFailures = 100
	// maxText is what is kept of a name or a message, in bytes.
	maxText = 500
)

// Report is what a report says of all its tests.
type Report struct {
	// Tests counts all tests, Failed those that have failed or could not run, Skipped
	// those that were not run.
	Tests, Failed, Skipped int
	// Failures are the first ones, in the order of the report: at most MaxFailures.
	Failures []Failure
}

// Failure is a test that has failed.
type Failure struct {
	// Name is that of the test, with its class in front.
	Name string
	// Message is why, in a line; it may be empty.
	Message string
	// File is where the test is, as the report has it, and Line counts from 1; most
	// reports have neither.
	File string
	Line int
}

// Add adds another report.
func (r *Report) Add(other Report) {
	r.Tests, r.Failed, r.Skipped = r.Tests+other.Tests, r.Failed+other.Failed, r.Skipped+other.Skipped
	r.Failures = append(r.Failures, other.Failures[:min(len(other.Failures), MaxFailures-len(r.Failures))]...)
}

// ErrOther is a file that is no test report.
var ErrOther = errors.New("not a test report")

// parser reads the elements of a report.
type parser struct {
	report Report
	depth  int
	files  []string // of the open test suites
	test   *test    // nil outside of a test
	// text collects the text of a failure that has no message; nil elsewhere.
	text *strings.Builder
}

// test is a test case that is being read.
type test struct {
	depth           int
	failure         Failure
	failed, skipped bool
}

// Parse reads a report. The error is ErrOther for a file that is something else, by its
// first element.
func Parse(r io.Reader) (Report, error) {
	limited := &io.LimitedReader{R: r, N: MaxSize + 1}
	d := xml.NewDecoder(limited)
	d.CharsetReader = charset
	var p parser
	for first := true; ; {
		token, err := d.Token()
		if limited.N == 0 {
			return Report{}, fmt.Errorf("it is larger than %d MiB", MaxSize>>20)
		}
		switch {
		case errors.Is(err, io.EOF) && !first:
			return p.report, nil
		case err != nil && first:
			return Report{}, ErrOther
		case err != nil:
			return Report{}, err
		}
		switch element := token.(type) {
		case xml.StartElement:
			if first && element.Name.Local != "testsuites" && element.Name.Local != "testsuite" {
				return Report{}, ErrOther
			}
			first = false
			if err := p.start(element); err != nil {
				return Report{}, err
			}
		case xml.EndElement:
			p.end(element)
		case xml.CharData:
			if p.text != nil && p.text.Len() < maxText {
				p.text.Write(element[:min(len(element), maxText)])
			}
		}
	}
}

// attribute returns an attribute of an element; empty when there is none.
func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func (p *parser) start(e xml.StartElement) error {
	if p.depth++; p.depth > maxDepth {
		return fmt.Errorf("elements are nested more than %d deep", maxDepth)
	}
	switch name := e.Name.Local; {
	case name == "testsuite":
		p.files = append(p.files, cmp.Or(attribute(e, "file"), p.file()))
	case name == "testcase" && p.test == nil:
		line, _ := strconv.Atoi(attribute(e, "line"))
		p.test = &test{depth: p.depth, failure: Failure{
			Name: shorten(testName(attribute(e, "classname"), attribute(e, "name"))),
			File: shorten(cmp.Or(attribute(e, "file"), p.file())), Line: max(line, 0),
		}}
	case p.test == nil || p.depth != p.test.depth+1:
	case name == "failure", name == "error":
		if !p.test.failed {
			p.test.failure.Message = firstLine(attribute(e, "message"))
			if p.test.failure.Message == "" {
				p.text = &strings.Builder{}
			}
		}
		p.test.failed = true
	case name == "skipped":
		p.test.skipped = true
	}
	return nil
}

func (p *parser) end(e xml.EndElement) {
	switch name := e.Name.Local; {
	case name == "testsuite" && len(p.files) > 0:
		p.files = p.files[:len(p.files)-1]
	case p.test != nil && p.depth == p.test.depth:
		p.report.Tests++
		switch {
		case p.test.failed:
			p.report.Failed++
			if len(p.report.Failures) < MaxFailures {
				p.report.Failures = append(p.report.Failures, p.test.failure)
			}
		case p.test.skipped:
			p.report.Skipped++
		}
		p.test = nil
	case p.test != nil && p.depth == p.test.depth+1 && p.text != nil:
		p.test.failure.Message, p.text = firstLine(p.text.String()), nil
	}
	p.depth--
}

// file is that of the innermost test suite that has one.
func (p *parser) file() string {
	if len(p.files) == 0 {
		return ""
	}
	return p.files[len(p.files)-1]
}

// testName is class and name; some runners write the class into the name as well.
func testName(class, name string) string {
	switch {
	case class == "" || strings.HasPrefix(name, class):
		return cmp.Or(name, "a test without a name")
	case name == "":
		return class
	}
	return class + "." + name
}

// firstLine is the first line of a text that is not empty.
func firstLine(text string) string {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			return shorten(line)
		}
	}
	return ""
}

// shorten cuts off a text that is too long.
func shorten(text string) string {
	if len(text) <= maxText {
		return text
	}
	end := maxText
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "..."
}

// charset reads what is not UTF-8 and still common: Latin-1, whose bytes are the first
// code points of Unicode.
func charset(label string, in io.Reader) (io.Reader, error) {
	switch strings.ToLower(label) {
	case "us-ascii", "ascii":
		return in, nil
	case "iso-8859-1", "latin1", "windows-1252":
		return &latin1{in: in}, nil
	}
	return nil, fmt.Errorf("the encoding %q is not known", label)
}

// latin1 makes UTF-8 of Latin-1.
type latin1 struct {
	in   io.Reader
	rest []byte
}

// Read implements io.Reader.
func (l *latin1) Read(p []byte) (int, error) {
	if len(l.rest) == 0 {
		raw := make([]byte, 4096)
		n, err := l.in.Read(raw)
		for _, b := range raw[:n] {
			l.rest = utf8.AppendRune(l.rest, rune(b))
		}
		if len(l.rest) == 0 {
			return 0, err
		}
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}
