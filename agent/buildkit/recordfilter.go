package buildkit

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"
)

// RecordFilter chooses records of a history: all conditions must hold. The zero
// RecordFilter chooses all.
type RecordFilter struct {
	conditions []string // in BuildKit's form
	matchers   []func(BuildRecord) bool
}

// recordComparators are longer ones first, so that none is found in another one.
var recordComparators = []string{"!=", "<=", ">=", "=", "<", ">"}

// recordStatuses are the values of the condition status.
var recordStatuses = []string{"completed", "running", "error", "canceled"}

// ParseRecordFilter parses conditions as docker buildx history ls --filter takes
// them: ref, repository and status with = or !=, startedAt, completedAt and duration
// with <, <=, > or >=. A time is in RFC 3339 or a duration before now.
// (https://github.com/docker/buildx/blob/v0.38.2/commands/history/utils.go)
func ParseRecordFilter(list []string, now time.Time) (RecordFilter, error) {
	var f RecordFilter
	for _, text := range list {
		key, comparator, value := cutComparator(text)
		var match func(BuildRecord) bool
		var err error
		switch key {
		case "ref", "repository", "status":
			match, err = textCondition(key, comparator, value)
		case "startedAt", "completedAt", "duration":
			match, err = timeCondition(key, comparator, value, now)
		default:
			err = fmt.Errorf("there are ref, repository, status, startedAt, completedAt and duration, each with a comparison, for example status=error")
		}
		if err != nil {
			return RecordFilter{}, fmt.Errorf("--filter %q: %w", text, err)
		}
		if comparator == "=" {
			comparator = "~="
			if key == "status" {
				comparator = "=="
			}
		}
		f.conditions = append(f.conditions, key+comparator+value)
		f.matchers = append(f.matchers, match)
	}
	return f, nil
}

// cutComparator cuts a condition at its first comparator; all are empty without one.
func cutComparator(text string) (key, comparator, value string) {
	at := strings.IndexAny(text, "!=<>")
	if at < 0 {
		return "", "", ""
	}
	for _, c := range recordComparators {
		if value, ok := strings.CutPrefix(text[at:], c); ok {
			return text[:at], c, value
		}
	}
	return "", "", ""
}

func textCondition(key, comparator, value string) (func(BuildRecord) bool, error) {
	if comparator != "=" && comparator != "!=" {
		return nil, fmt.Errorf("%s is compared with = or !=", key)
	}
	of := map[string]func(BuildRecord) string{"ref": func(r BuildRecord) string { return r.Ref }, "repository": repositoryOf, "status": statusOf}[key]
	switch {
	case comparator == "!=":
		return func(r BuildRecord) bool { return of(r) != value }, nil
	case key != "status":
		return func(r BuildRecord) bool { return strings.Contains(of(r), value) }, nil
	}
	for _, known := range recordStatuses {
		if value == known {
			return func(r BuildRecord) bool { return of(r) == value }, nil
		}
	}
	return nil, fmt.Errorf("a status is one of %s", strings.Join(recordStatuses, ", "))
}

// repositoryOf is the repository that a build's context came from; empty where that
// is not known.
func repositoryOf(r BuildRecord) string {
	if source, ok := r.Attrs["vcs:source"]; ok {
		return source
	}
	if ref, _, err := dfgitutil.ParseGitRef(r.Attrs["context"]); err == nil {
		return ref.Remote
	}
	return ""
}

// statusOf is one of recordStatuses, as BuildKit has it.
func statusOf(r BuildRecord) string {
	switch {
	case r.CompletedAt.IsZero():
		return "running"
	case !r.Failed:
		return "completed"
	case strings.Contains(r.Message, "context canceled"):
		return "canceled"
	}
	return "error"
}

func timeCondition(key, comparator, value string, now time.Time) (func(BuildRecord) bool, error) {
	if comparator == "=" || comparator == "!=" {
		return nil, fmt.Errorf("%s is compared with <, <=, > or >=", key)
	}
	holds := map[string]func(int) bool{
		"<":  func(c int) bool { return c < 0 },
		"<=": func(c int) bool { return c <= 0 },
		">":  func(c int) bool { return c > 0 },
		">=": func(c int) bool { return c >= 0 },
	}[comparator]
	length, err := time.ParseDuration(value)
	if key == "duration" {
		if err != nil {
			return nil, fmt.Errorf("%q is not a duration, for example 90s", value)
		}
		return func(r BuildRecord) bool {
			took := time.Duration(0)
			if !r.CompletedAt.IsZero() {
				took = r.CompletedAt.Sub(r.CreatedAt)
			}
			return holds(cmp.Compare(took, length))
		}, nil
	}
	at := now.Add(-length)
	if err != nil {
		if at, err = time.Parse(time.RFC3339, value); err != nil {
			return nil, fmt.Errorf("%q is neither a duration before now, for example 24h, nor a time, for example 2026-01-31T15:04:05Z", value)
		}
	}
	return func(r BuildRecord) bool {
		of := r.CreatedAt
		if key == "completedAt" {
			of = r.CompletedAt
		}
		return holds(cmp.Compare(of.Unix(), at.Unix())) // as exactly as BuildKit
	}, nil
}

// request is the filter as a daemon takes it: one list of comma-separated values is
// conditions that must all hold.
func (f RecordFilter) request() []string {
	if len(f.conditions) == 0 {
		return nil
	}
	var line bytes.Buffer
	w := csv.NewWriter(&line)
	_ = w.Write(f.conditions) // a buffer takes everything
	w.Flush()
	return []string{strings.TrimSuffix(line.String(), "\n")}
}

// match applies the filter: daemons before BuildKit 0.20 know none.
func (f RecordFilter) match(r BuildRecord) bool {
	for _, match := range f.matchers {
		if !match(r) {
			return false
		}
	}
	return true
}
