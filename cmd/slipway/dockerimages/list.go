package dockerimages

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"

	"github.com/slipway-build/slipway/internal/format"
	"github.com/slipway-build/slipway/internal/table"
)

// ListOptions are the flags and the argument of docker images.
type ListOptions struct {
	// Match is a repository, with or without a tag; empty for all.
	Match string
	// Quiet prints IDs only, NoTrunc in full.
	Quiet, NoTrunc bool
	// Digests adds the digests that registries have.
	Digests bool
	// Filters are reference=PATTERN, dangling=BOOL, label=KEY[=VALUE], before=IMAGE and
	// since=IMAGE.
	Filters []string
	// Format is table, json or a Go template over Row.
	Format string
}

// Row is a line of docker images, with docker's names for --format.
type Row struct {
	Repository, Tag, Digest, ID string
	CreatedAt, CreatedSince     string
	Size, VirtualSize           string
	Containers, SharedSize      string
	UniqueSize                  string
}

// rowHeaders are the headers of a table by the names of the fields.
var rowHeaders = map[string]string{
	"Repository": "REPOSITORY", "Tag": "TAG", "Digest": "DIGEST", "ID": "IMAGE ID",
	"CreatedAt": "CREATED AT", "CreatedSince": "CREATED", "Size": "SIZE", "VirtualSize": "SIZE",
	"Containers": "CONTAINERS", "SharedSize": "SHARED SIZE", "UniqueSize": "UNIQUE SIZE",
}

// none stands where an image has no name.
const none = "<none>"

// List writes the images that are kept. A mistake in the options is an *OptionError.
func (s *Store) List(w io.Writer, o ListOptions, now time.Time) error {
	template, err := parseTemplate(o.Format, Row{}, "", "table", "json")
	if err != nil {
		return err
	}
	filters, err := parseFilters(o.Filters)
	if err != nil {
		return err
	}
	state, err := s.Read()
	if err != nil {
		return err
	}
	rows, err := s.rows(state, o, filters, now)
	if err != nil {
		return err
	}
	switch {
	case o.Quiet:
		return writeIDs(w, rows)
	case template != nil:
		return writeRows(w, template, rowHeaders, rows)
	case o.Format == "json":
		for _, row := range rows {
			if err := format.JSONLine(w, row); err != nil {
				return err
			}
		}
		return nil
	}
	out := table.New(w, 3, 0)
	header, line := "REPOSITORY\tTAG\tIMAGE ID\tCREATED\tSIZE", func(r Row) []string { return []string{r.Repository, r.Tag, r.ID, r.CreatedSince, r.Size} }
	if o.Digests {
		header, line = "REPOSITORY\tTAG\tDIGEST\tIMAGE ID\tCREATED\tSIZE", func(r Row) []string { return []string{r.Repository, r.Tag, r.Digest, r.ID, r.CreatedSince, r.Size} }
	}
	fmt.Fprintln(out, header)
	for _, row := range rows {
		fmt.Fprintln(out, strings.Join(line(row), "\t"))
	}
	return out.Flush()
}

// writeIDs writes each ID once.
func writeIDs(w io.Writer, rows []Row) error {
	seen := map[string]bool{}
	for _, row := range rows {
		if seen[row.ID] {
			continue
		}
		seen[row.ID] = true
		if _, err := fmt.Fprintln(w, row.ID); err != nil {
			return err
		}
	}
	return nil
}

// rows are the lines of all images that are asked for, one for each name.
func (s *Store) rows(state State, o ListOptions, filters []filter, now time.Time) ([]Row, error) {
	var rows []Row
	for _, image := range state.Images {
		d, err := s.details(image.Parts[0])
		if err != nil {
			return nil, err
		}
		for _, name := range namesOf(image, o.Match) {
			keep := true
			for _, f := range filters {
				one, err := f.keeps(state, image, name, d)
				if err != nil {
					return nil, err
				}
				keep = keep && one
			}
			if keep {
				rows = append(rows, row(image, name, d, o.NoTrunc, now))
			}
		}
	}
	return rows, nil
}

// namesOf are the names of an image that match; an empty one for an image without any
// where all match.
func namesOf(image Image, match string) []string {
	if match == "" && len(image.Tags) == 0 {
		return []string{""}
	}
	return slices.DeleteFunc(slices.Clone(image.Tags), func(name string) bool { return match != "" && !matches(match, name) })
}

// matches reports whether a name is what an argument or a filter means: a repository, a
// name with a tag, or a pattern for either.
func matches(pattern, name string) bool {
	short := familiar(name)
	repository, _ := split(name)
	for _, candidate := range []string{short, name, familiar(repository), repository} {
		if ok, err := path.Match(pattern, candidate); err == nil && ok {
			return true
		}
	}
	return false
}

func row(image Image, name string, d details, full bool, now time.Time) Row {
	created := d.created(image)
	r := Row{
		Repository: none, Tag: none, Digest: none, ID: image.ID.String(),
		CreatedAt: created.Local().Format("2006-01-02 15:04:05 -0700 MST"), CreatedSince: sinceText(created, now, true),
		Size: units.HumanSizeWithPrecision(float64(d.size()), 3), Containers: "N/A", SharedSize: "N/A", UniqueSize: "N/A",
	}
	r.VirtualSize = r.Size
	if !full {
		r.ID = short(image.ID.Encoded())
	}
	if name == "" {
		return r
	}
	repository, tag := split(name)
	r.Repository, r.Tag = familiar(repository), tag
	for _, place := range image.Registries {
		if place.Repository == repository {
			r.Digest = place.Descriptor.Digest.String()
			break
		}
	}
	return r
}

// short is an ID as docker prints it.
func short(hex string) string { return hex[:min(len(hex), 12)] }

// OptionError is a mistake in the flags of a command.
type OptionError struct {
	Problem string
	Advice  string
}

// Error implements error.
func (e *OptionError) Error() string { return e.Problem }

// Hints says what to do about the error.
func (e *OptionError) Hints() []string {
	if e.Advice == "" {
		return nil
	}
	return []string{e.Advice}
}

// filter is a parsed --filter.
type filter struct{ key, value string }

func parseFilters(values []string) ([]filter, error) {
	var all []filter
	for _, value := range values {
		key, v, ok := strings.Cut(value, "=")
		f := filter{strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(v)}
		switch f.key {
		case "reference", "label", "before", "since":
		case "dangling":
			if _, err := strconv.ParseBool(f.value); err != nil {
				return nil, &OptionError{Problem: fmt.Sprintf("--filter %q: %q is neither true nor false", value, f.value)}
			}
		default:
			return nil, &OptionError{Problem: fmt.Sprintf("--filter %q: is not known", value), Advice: "there are reference, dangling, label, before and since"}
		}
		if !ok {
			return nil, &OptionError{Problem: fmt.Sprintf("--filter %q: has no value", value), Advice: "the form is KEY=VALUE"}
		}
		all = append(all, f)
	}
	return all, nil
}

// keeps reports whether an image with a name, which may be empty, is wanted.
func (f filter) keeps(state State, image Image, name string, d details) (bool, error) {
	switch f.key {
	case "reference":
		return name != "" && matches(f.value, name), nil
	case "dangling":
		dangling, _ := strconv.ParseBool(f.value) // it has been parsed
		return dangling == (name == ""), nil
	case "label":
		key, value, withValue := strings.Cut(f.value, "=")
		got, ok := d.labels()[key]
		return ok && (!withValue || got == value), nil
	}
	other, err := state.Find("image", f.value)
	if err != nil {
		return false, err
	}
	if f.key == "before" {
		return image.Kept.Before(other.Kept), nil
	}
	return image.Kept.After(other.Kept), nil
}

// parseTemplate parses a --format: nil for one of the words, an *OptionError for what is
// no template over such rows.
func parseTemplate(value string, row any, words ...string) (*format.Template, error) {
	if slices.Contains(words, value) {
		return nil, nil
	}
	parsed, err := format.Parse(value, row)
	if errors.Is(err, format.ErrNoTemplate) {
		err = errors.New("is neither table, json nor a Go template")
	}
	if err != nil {
		return nil, &OptionError{Problem: fmt.Sprintf("--format %q: %s", value, err)}
	}
	return parsed, nil
}

// writeRows writes rows by a template.
func writeRows[T any](w io.Writer, t *format.Template, headers map[string]string, rows []T) error {
	all := make([]any, len(rows))
	for i, row := range rows {
		all[i] = row
	}
	err := t.Write(w, headers, all)
	if failed := (*format.ExecError)(nil); errors.As(err, &failed) {
		return &OptionError{Problem: fmt.Sprintf("--format %q: %s", failed.Template, failed)}
	}
	return err
}
