package dockerimages

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/format"
)

// InspectOptions are the flags of docker image inspect and docker inspect.
type InspectOptions struct {
	// Object is what is looked for: image, object for any, or something that is never found.
	Object string
	// Format is json, a Go template, or text that is printed for each image; empty for
	// an array in JSON.
	Format string
	// Platform is that of the image of several that is shown; empty for the agent's, which
	// has OS and Arch.
	Platform, OS, Arch string
}

// Inspect writes what is known of images. Those that are not known are an error after
// the others have been written, as docker does it.
func (s *Store) Inspect(w io.Writer, names []string, o InspectOptions) error {
	var template *format.Template
	if o.Format != "" && o.Format != "json" {
		parsed, err := format.Parse(o.Format, map[string]any{})
		switch {
		case errors.Is(err, format.ErrNoTemplate):
		case err != nil:
			return &OptionError{Problem: fmt.Sprintf("--format %q: %s", o.Format, err)}
		default:
			template = parsed.Strict()
		}
	}
	state, err := s.Read()
	if err != nil {
		return err
	}
	var unknown fault.List
	found := []map[string]any{}
	for _, name := range names {
		image, err := state.Find(o.Object, name)
		if err == nil && !slices.Contains([]string{"", "image", "object"}, o.Object) { // a container, a volume
			err = &UnknownError{Object: o.Object, Name: name, Known: state.familiarTags()}
		}
		if err != nil {
			unknown = append(unknown, err)
			continue
		}
		shown, err := s.inspection(image, o)
		if err != nil {
			return err
		}
		found = append(found, shown)
	}
	switch {
	case o.Format == "":
		err = format.JSON(w, found)
	case len(found) == 0: // docker prints an empty line
		_, err = fmt.Fprintln(w)
	default:
		err = writeEach(w, o.Format, template, found)
	}
	return errors.Join(err, unknown.Err())
}

// writeEach writes each of some images in a line.
func writeEach(w io.Writer, text string, template *format.Template, found []map[string]any) error {
	for _, shown := range found {
		var err error
		switch {
		case text == "json":
			err = format.JSONLine(w, shown)
		case template == nil:
			_, err = fmt.Fprintln(w, text)
		default:
			shown["ID"] = shown["Id"] // docker takes both
			err = writeRows(w, template, nil, []map[string]any{shown})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// inspection is an image in the shape of docker's API
// (https://github.com/moby/moby/blob/docker-v29.0.0/api/types/image/image_inspect.go).
// Lists of texts stay lists of texts, so that join and index take them.
func (s *Store) inspection(image Image, o InspectOptions) (map[string]any, error) {
	part, err := image.shown(o.Platform, o.OS, o.Arch)
	if err != nil {
		return nil, err
	}
	d, err := s.details(part)
	if err != nil {
		return nil, err
	}
	tags, digests, layers := []string{}, []string{}, []string{}
	for _, tag := range image.Tags {
		tags = append(tags, familiar(tag))
	}
	for _, place := range image.Registries {
		digests = append(digests, familiar(place.Repository+"@"+place.Descriptor.Digest.String()))
	}
	for _, id := range d.config.RootFS.DiffIDs {
		layers = append(layers, id.String())
	}
	comment := ""
	if n := len(d.config.History); n > 0 {
		comment = d.config.History[n-1].Comment
	}
	platform := d.config.Platform
	settings := map[string]any{}
	for key, value := range d.config.Config {
		settings[key] = texts(value)
	}
	descriptor := part.Manifest
	if len(image.Registries) > 0 {
		descriptor = image.Registries[0].Descriptor
	}
	shown := map[string]any{
		"Id": image.ID.String(), "RepoTags": tags, "RepoDigests": digests, "Parent": "", "Comment": comment,
		"Created": d.created(image).UTC().Format(time.RFC3339Nano), "DockerVersion": "", "Author": d.config.Author,
		"Config": settings, "Architecture": platform.Architecture, "Os": platform.OS, "Size": d.size(), "VirtualSize": d.size(),
		"GraphDriver": map[string]any{"Name": "", "Data": nil},
		"RootFS":      map[string]any{"Type": "layers", "Layers": layers},
		"Metadata":    map[string]any{"LastTagTime": image.Kept.UTC().Format(time.RFC3339Nano)},
		"Descriptor":  map[string]any{"mediaType": descriptor.MediaType, "digest": descriptor.Digest.String(), "size": descriptor.Size},
	}
	if platform.Variant != "" {
		shown["Variant"] = platform.Variant
	}
	return shown, nil
}

// texts makes a list of texts of a list that has nothing else.
func texts(value any) any {
	list, ok := value.([]any)
	if !ok {
		return value
	}
	all := make([]string, len(list))
	for i, one := range list {
		if all[i], ok = one.(string); !ok {
			return value
		}
	}
	return all
}

// HistoryOptions are the flags of docker history.
type HistoryOptions struct {
	Quiet, NoTrunc bool
	// Human prints sizes and times for people.
	Human bool
	// Format is table, json or a Go template over HistoryRow.
	Format string
	// Platform is that of the image of several that is shown; empty for the agent's, which
	// has OS and Arch.
	Platform, OS, Arch string
}

// HistoryRow is a line of docker history, with docker's names for --format.
type HistoryRow struct {
	ID, CreatedAt, CreatedSince, CreatedBy, Size, Comment string
}

var historyHeaders = map[string]string{
	"ID": "IMAGE", "CreatedAt": "CREATED AT", "CreatedSince": "CREATED", "CreatedBy": "CREATED BY", "Size": "SIZE", "Comment": "COMMENT",
}

// missing is what docker prints for layers that are no images.
const missing = "<missing>"

// History writes the steps that an image was made by, the last one first.
func (s *Store) History(w io.Writer, name string, o HistoryOptions, now time.Time) error {
	template, err := parseTemplate(o.Format, HistoryRow{}, "", "table", "json")
	if err != nil {
		return err
	}
	state, err := s.Read()
	if err != nil {
		return err
	}
	image, err := state.Find("image", name)
	if err != nil {
		return err
	}
	part, err := image.shown(o.Platform, o.OS, o.Arch)
	if err != nil {
		return err
	}
	d, err := s.details(part)
	if err != nil {
		return err
	}
	rows := historyRows(image, d, o, now)
	switch {
	case o.Quiet:
		for _, row := range rows {
			if _, err := fmt.Fprintln(w, row.ID); err != nil {
				return err
			}
		}
		return nil
	case template != nil:
		return writeRows(w, template, historyHeaders, rows)
	case o.Format == "json":
		for _, row := range rows {
			if err := format.JSONLine(w, row); err != nil {
				return err
			}
		}
		return nil
	}
	return writeHistory(w, rows)
}

// maxCreatedBy is how much of an instruction docker prints, in characters.
const maxCreatedBy = 45

func historyRows(image Image, d details, o HistoryOptions, now time.Time) []HistoryRow {
	var rows []HistoryRow
	layer := 0
	for _, h := range d.config.History {
		size := int64(0)
		if !h.EmptyLayer && layer < len(d.manifest.Layers) {
			size = d.manifest.Layers[layer].Size
			layer++
		}
		row := HistoryRow{ID: missing, CreatedBy: oneLine(h.CreatedBy), Comment: h.Comment, Size: sizeText(size, o.Human)}
		if h.Created != nil {
			row.CreatedAt, row.CreatedSince = h.Created.UTC().Format(time.RFC3339), sinceText(*h.Created, now, o.Human)
		}
		if runes := []rune(row.CreatedBy); !o.NoTrunc && len(runes) > maxCreatedBy {
			row.CreatedBy = string(runes[:maxCreatedBy-1]) + "…"
		}
		rows = append(rows, row)
	}
	if n := len(rows); n > 0 {
		rows[n-1].ID = image.ID.String()
		if !o.NoTrunc {
			rows[n-1].ID = short(image.ID.Encoded())
		}
	}
	for i, j := 0, len(rows)-1; i < j; i, j = i+1, j-1 {
		rows[i], rows[j] = rows[j], rows[i]
	}
	return rows
}

// oneLine is a text with blanks in place of line breaks and tabs.
func oneLine(s string) string {
	return strings.NewReplacer("\n", " ", "\r", " ", "\t", " ").Replace(s)
}
