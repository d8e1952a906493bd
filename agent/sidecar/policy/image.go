package policy

import (
	"fmt"
	"path"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/slipway-build/slipway/registry"
)

// ImagePattern stands for images: those of a Pattern, with a tag or a digest if it has
// one.
type ImagePattern struct {
	repositories Pattern
	tag          string        // as path.Match has it; empty for any
	digest       digest.Digest // empty for any
}

// ParseImagePattern parses HOST/PATH[:TAG|@DIGEST], in which the tag may have *, too.
func ParseImagePattern(text string) (ImagePattern, error) {
	var p ImagePattern
	rest, dgst, ok := strings.Cut(text, "@")
	if ok {
		if p.digest = digest.Digest(dgst); p.digest.Validate() != nil {
			return ImagePattern{}, &patternError{text: text, why: "what follows the @ is no digest", hint: "write it as in name@sha256:…, with all 64 digits"}
		}
	}
	if dir, last := path.Split(rest); strings.Contains(last, ":") {
		name, tag, _ := strings.Cut(last, ":")
		if _, err := path.Match(tag, ""); err != nil || tag == "" || strings.Contains(tag, ":") {
			return ImagePattern{}, &patternError{text: text, why: fmt.Sprintf("%q is no tag", tag), hint: "write * for any piece of a tag, and no tag for all"}
		}
		rest, p.tag = dir+name, tag
		if tag == "*" {
			p.tag = ""
		}
	}
	var err error
	if p.repositories, err = ParsePattern(rest); err != nil {
		return ImagePattern{}, err
	}
	return p, nil
}

// all reports whether the pattern stands for all images of a repository.
func (p ImagePattern) all(repository string) bool {
	return p.tag == "" && p.digest == "" && p.repositories.Matches(repository)
}

// Matches reports whether the pattern stands for an image. A tag beside a digest says
// nothing of the content, so such a reference matches no pattern with a tag only.
func (p ImagePattern) Matches(image reference.Named) bool {
	host, name := reference.Domain(image), reference.Path(image)
	if !p.repositories.Matches(registry.CanonicalHost(host) + "/" + name) {
		return false
	}
	digested, hasDigest := image.(reference.Digested)
	if p.digest != "" && (!hasDigest || digested.Digest() != p.digest) {
		return false
	}
	if p.tag == "" {
		return true
	}
	tagged, hasTag := reference.TagNameOnly(image).(reference.Tagged)
	if !hasTag || (hasDigest && p.digest == "") {
		return false
	}
	ok, err := path.Match(p.tag, tagged.Tag())
	return ok && err == nil
}
