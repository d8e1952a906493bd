package dockerimages

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// details are what manifest and configuration of a part say.
type details struct {
	manifest ocispecs.Manifest
	config   config
}

// config is the configuration of an image. The part for containers is shown as it is.
type config struct {
	ocispecs.Platform
	Created *time.Time         `json:"created"`
	Author  string             `json:"author"`
	Config  map[string]any     `json:"config"`
	RootFS  ocispecs.RootFS    `json:"rootfs"`
	History []ocispecs.History `json:"history"`
}

func (s *Store) details(part Part) (d details, err error) {
	data, err := s.Blob(part.Manifest.Digest)
	if err == nil {
		err = json.Unmarshal(data, &d.manifest)
	}
	if err == nil {
		data, err = s.Blob(part.shown())
	}
	if err == nil {
		err = json.Unmarshal(data, &d.config)
	}
	if err != nil {
		return d, fmt.Errorf("image %s: %w", part.Config, err)
	}
	return d, nil
}

// size is that of the compressed layers, which is what is known without them, in bytes.
func (d details) size() int64 {
	total := d.manifest.Config.Size
	for _, layer := range d.manifest.Layers {
		total += layer.Size
	}
	return total
}

// created is when the image was made.
func (d details) created(image Image) time.Time {
	if d.config.Created != nil {
		return *d.config.Created
	}
	return image.Kept
}

// labels are the labels of the image.
func (d details) labels() map[string]string {
	labels := map[string]string{}
	if all, ok := d.config.Config["Labels"].(map[string]any); ok {
		for key, value := range all {
			labels[key], _ = value.(string)
		}
	}
	return labels
}

// Redact masks the texts in the configuration of an image: what build arguments were set
// to stands in its history. changed is false where nothing was masked.
func Redact(config []byte, mask func(string) string) (redacted []byte, changed bool) {
	var all any
	decoder := json.NewDecoder(bytes.NewReader(config))
	decoder.UseNumber()
	if decoder.Decode(&all) != nil {
		return config, false
	}
	all = redact(all, mask, &changed)
	if !changed {
		return config, false
	}
	redacted, err := json.Marshal(all)
	if err != nil { // it has just been decoded
		return nil, true
	}
	return redacted, true
}

func redact(value any, mask func(string) string, changed *bool) any {
	switch value := value.(type) {
	case string:
		masked := mask(value)
		*changed = *changed || masked != value
		return masked
	case []any:
		for i := range value {
			value[i] = redact(value[i], mask, changed)
		}
	case map[string]any:
		for key := range value {
			value[key] = redact(value[key], mask, changed)
		}
	}
	return value
}
