package imagetools

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry/imageindex"
	"github.com/slipway-build/slipway/registry/remote"
)

// artifactTypeAttestation is that of BuildKit's attestations which are artifacts.
const artifactTypeAttestation = "application/vnd.docker.attestation.manifest.v1+json"

// attest adds the attestations to an index that its images have beside them and
// not in their index, as docker buildx does.
func (c *Created) attest(ctx context.Context, client *remote.Client) error {
	if !c.Image.IsIndex() {
		return nil
	}
	list, err := imageindex.Members(c.Image)
	if err != nil {
		return err
	}
	known := map[digest.Digest]bool{}
	attested := map[string]bool{}
	for _, d := range list {
		known[d.Digest] = true
		attested[imageindex.Describes(d)] = true
	}
	var bare []ocispecs.Descriptor
	for _, d := range list {
		if imageindex.IsImage(d.MediaType) && !imageindex.IsAttestation(d) && !attested[d.Digest.String()] {
			bare = append(bare, d)
		}
	}
	found := make([]*ocispecs.Descriptor, len(bare))
	partly := make([]bool, len(bare)) // of what refers to it, some was not looked at
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(remote.CopyConcurrency)
	for i, d := range bare {
		group.Go(fault.Guard(func() error {
			listed, complete, err := client.Referrers(groupCtx, c.repositories[d.Digest], d.Digest)
			if err != nil {
				return err
			}
			partly[i] = !complete
			for _, one := range listed {
				if one.ArtifactType == artifactTypeAttestation && !known[one.Digest] {
					attestation := imageindex.AttestationOf(d.Digest, one)
					found[i] = &attestation
					return nil
				}
			}
			return nil
		}))
	}
	if err := group.Wait(); err != nil {
		return err
	}
	var attestations []ocispecs.Descriptor
	for i, one := range found {
		if one == nil && partly[i] {
			c.searched = append(c.searched, bare[i].Digest)
		}
		if one != nil {
			attestations = append(attestations, *one)
			c.repositories[one.Digest] = c.repositories[bare[i].Digest]
		}
	}
	c.Image, err = imageindex.Attest(c.Image, attestations)
	return err
}

// attachment is what refers to a manifest from outside of the image: a
// signature, an attestation, a package list.
type attachment struct {
	subject digest.Digest
	// referrer is a manifest that says itself what it is about, or cosign the
	// tag that does.
	referrer ocispecs.Descriptor
	cosign   remote.CosignTag
}

// String names the attachment in messages.
func (a attachment) String() string {
	if a.cosign.Tag != "" {
		return a.cosign.Tag
	}
	if a.referrer.ArtifactType != "" {
		return fmt.Sprintf("%s (%s)", a.referrer.Digest, remote.OneLine(a.referrer.ArtifactType))
	}
	return a.referrer.Digest.String()
}

// maxAttachments bounds how much is looked for that refers to one manifest.
const maxAttachments = 1000

// attachments copies what refers to images.
type attachments struct {
	client       *remote.Client
	report, warn func(string)
	// found is what refers to a manifest in the repository that it comes from.
	found map[digest.Digest][]attachment
	// told are the indexes for which it was warned of what stays behind, partly
	// the manifests for which it was warned that not all is known.
	told, partly map[digest.Digest]bool
}

// warnPartly tells, once for each manifest, that there is more that refers to it
// than is read.
func (a *attachments) warnPartly(repository string, subject digest.Digest) {
	if a.partly[subject] {
		return
	}
	a.partly[subject] = true
	a.warn(fmt.Sprintf("only a part of what refers to %s in %s is read (at most %d manifests), so that signatures and attestations may be left out", subject, repository, maxAttachments))
}

// copy copies what refers to the image and its members into a repository. What
// cannot be copied is warned of and is no failure: the image is there.
func (a *attachments) copy(ctx context.Context, created *Created, to string) error {
	type copied struct {
		from    string
		subject digest.Digest
		cosign  bool
	}
	var subjects []copied
	known := map[digest.Digest]bool{created.Image.Descriptor.Digest: true}
	for _, d := range created.members {
		known[d.Digest] = true
		// cosign signs images and indexes; attestations have referrers only.
		subjects = append(subjects, copied{created.repositories[d.Digest], d.Digest, !imageindex.IsAttestation(d)})
	}
	var left []indexSource
	for _, index := range created.indexes {
		switch {
		case index.digest == created.Image.Descriptor.Digest:
			subjects = append(subjects, copied{index.repository, index.digest, true})
		case !known[index.digest] && index.repository != to:
			left = append(left, index)
		}
	}
	subjects = slices.DeleteFunc(subjects, func(c copied) bool { return c.from == to })
	for _, d := range created.searched {
		a.warnPartly(created.repositories[d], d)
	}
	var mu sync.Mutex
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(remote.CopyConcurrency)
	lookUp := func(s copied) {
		mu.Lock()
		_, done := a.found[s.subject]
		mu.Unlock()
		if done {
			return
		}
		group.Go(fault.Guard(func() error {
			list, complete, err := a.find(groupCtx, s.from, s.subject, s.cosign)
			mu.Lock()
			defer mu.Unlock()
			if err == nil && !complete {
				a.warnPartly(s.from, s.subject)
			}
			if err != nil && groupCtx.Err() == nil {
				a.warn(fmt.Sprintf("%s cannot be asked what refers to %s, so that signatures of it may be lost: %v", s.from, s.subject, err))
				err = nil
			}
			a.found[s.subject] = list
			return err
		}))
	}
	for _, s := range subjects {
		lookUp(s)
	}
	for _, index := range left {
		lookUp(copied{index.repository, index.digest, true})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, s := range subjects {
		for _, one := range a.found[s.subject] {
			if known[one.referrer.Digest] {
				continue // the index has it
			}
			a.report(fmt.Sprintf("copying %s, which refers to %s, from %s to %s", one, one.subject, s.from, to))
			err := a.copyOne(ctx, s.from, one, to)
			if err != nil && ctx.Err() != nil {
				return err
			}
			if err != nil {
				a.warn(fmt.Sprintf("%s, which refers to %s, is not copied to %s: %v", one, one.subject, to, err))
			}
		}
	}
	a.warnLeft(created, left)
	return nil
}

// warnLeft tells, once for each, what refers to an index of which the image was
// made and says nothing of the image, which has another digest.
func (a *attachments) warnLeft(created *Created, left []indexSource) {
	for _, index := range left {
		var names []string
		for _, one := range a.found[index.digest] {
			names = append(names, one.String())
		}
		if len(names) == 0 || a.told[index.digest] {
			continue
		}
		a.told[index.digest] = true
		a.warn(fmt.Sprintf("what refers to the index %s in %s is not copied, for the new image has another digest, %s, and must be signed itself: %s",
			index.digest, index.repository, created.Image.Descriptor.Digest, strings.Join(names, ", ")))
	}
}

func (a *attachments) copyOne(ctx context.Context, from string, one attachment, to string) error {
	if one.cosign.Tag != "" {
		return a.client.CopyCosignTag(ctx, from, one.cosign, to)
	}
	return a.client.CopyReferrer(ctx, from, one.referrer, to, one.subject)
}

// find lists what refers to a manifest, and what refers to that in turn: a
// signature of an attestation. complete is false when there may be more of that.
func (a *attachments) find(ctx context.Context, from string, subject digest.Digest, cosign bool) (all []attachment, complete bool, err error) {
	if cosign {
		tags, err := a.client.CosignTags(ctx, from, subject)
		if err != nil {
			return nil, false, err
		}
		for _, tag := range tags {
			all = append(all, attachment{subject: subject, cosign: tag})
		}
	}
	seen := map[digest.Digest]bool{subject: true}
	complete = true
	for queue := []digest.Digest{subject}; len(queue) > 0; queue = queue[1:] {
		if len(all) >= maxAttachments {
			return all, false, nil
		}
		listed, whole, err := a.client.Referrers(ctx, from, queue[0])
		if err != nil {
			return all, false, err
		}
		complete = complete && whole
		for _, d := range listed {
			if !seen[d.Digest] {
				seen[d.Digest] = true
				all = append(all, attachment{subject: queue[0], referrer: d})
				queue = append(slices.Clip(queue), d.Digest)
			}
		}
	}
	return all, complete, nil
}
