package dockerimages

import (
	"fmt"
	"strings"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/registry/imageindex"
)

// matches reports whether a part is for a platform as a flag has it.
func (p Part) matches(platform string) bool {
	want, err := platforms.Parse(platform)
	return err == nil && platforms.NewMatcher(want).Match(p.Platform)
}

// shown returns the part for a platform, without one that for the agent's, which is the
// first one where there is none.
func (i Image) shown(platform, os, arch string) (Part, error) {
	for _, part := range i.Parts {
		if platform != "" && part.matches(platform) || platform == "" && part.matches(os+"/"+arch) {
			return part, nil
		}
	}
	if platform != "" {
		return Part{}, &OptionError{Problem: fmt.Sprintf("image %s has no platform %s", i.ID, platform)}
	}
	return i.Parts[0], nil
}

// name is the platform of a part for messages.
func (p Part) name() string { return platforms.Format(platforms.Normalize(p.Platform)) }

// choose returns the image of an index that a pull is for: of the platform that is asked
// for, else of the agent's, else the first one.
func choose(list []ocispecs.Descriptor, o PullOptions) (ocispecs.Descriptor, error) {
	var images []ocispecs.Descriptor
	for _, desc := range list {
		if !imageindex.IsAttestation(desc) && imageindex.IsImage(desc.MediaType) {
			images = append(images, desc)
		}
	}
	want := o.Platform
	if want == "" {
		want = "linux/" + o.Arch
		if o.OS == "windows" {
			want = "windows/" + o.Arch
		}
	}
	var there []string
	for _, desc := range images {
		if desc.Platform == nil {
			continue
		}
		if (Part{Platform: *desc.Platform}).matches(want) {
			return desc, nil
		}
		there = append(there, platforms.Format(platforms.Normalize(*desc.Platform)))
	}
	if o.Platform != "" || len(images) == 0 {
		return ocispecs.Descriptor{}, &OptionError{Problem: fmt.Sprintf("no image of the index is for %s", want), Advice: "there are " + strings.Join(there, ", ")}
	}
	return images[0], nil
}
