package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/slipway-build/slipway/e2e/kubectl"
	"github.com/slipway-build/slipway/e2e/testbed/state"
)

// stand is what the measures are made on: a namespace for the agents and one
// for each tool's builders, so that nothing that one tool leaves is of use to
// another.
type stand struct {
	bed state.State
	// agents is the agents' namespace; builders are those of the tools, by the
	// tool's name, and cold those of the builders that are removed again and
	// again.
	agents         kubectl.Namespace
	builders, cold map[string]kubectl.Namespace
	place          place
	// helpers are the programs that every agent gets, by name.
	helpers map[string][]byte
	// standing are the agents that stay from run to run, by tool.
	standing map[string]string
	born     int
	// tools are those that the chosen rows need, Slipway first.
	tools []tool
	// started says that the builders run.
	started bool
	// kaniko is the program of the tool of that name; nil where no row measures it.
	kaniko []byte
}

// newStand makes the namespaces, the definitions, the bare daemon and an agent
// for each tool, and starts the builders. The caller closes it, also after an
// error.
func newStand(ctx context.Context, bed state.State, used []tool) (*stand, error) {
	prefix := "bench-" + strconv.FormatInt(time.Now().Unix(), 10)
	s := &stand{
		bed:      bed,
		agents:   kubectl.Namespace{Bed: bed, Name: prefix + "-agents"},
		builders: map[string]kubectl.Namespace{},
		cold:     map[string]kubectl.Namespace{},
		standing: map[string]string{},
		tools:    used,
	}
	for _, t := range used {
		s.builders[t.name] = kubectl.Namespace{Bed: bed, Name: prefix + "-" + t.name}
		s.cold[t.name] = kubectl.Namespace{Bed: bed, Name: prefix + "-" + t.name + "-cold"}
	}
	return s, s.setUp(ctx)
}

func (s *stand) setUp(ctx context.Context) error {
	var err error
	if s.helpers, err = helpers(ctx); err != nil {
		return err
	}
	if _, err := s.agents.Run(ctx, "", "create", "namespace", s.agents.Name); err != nil {
		return err
	}
	// Kubernetes makes it a moment later, and pods need it.
	if _, err := s.agents.Run(ctx, "", "wait", "--for=create", "serviceaccount/default", "--timeout=1m"); err != nil {
		return err
	}
	for _, t := range s.tools {
		if err := s.setUpTool(ctx, t); err != nil {
			return fmt.Errorf("set up %s: %w", t.name, err)
		}
	}
	s.startBuilders(ctx)
	s.started = true
	for _, t := range s.tools {
		if t.agent {
			if err := s.startAgent(ctx, s.standing[t.name]); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func (s *stand) setUpTool(ctx context.Context, t tool) error {
	for _, n := range []kubectl.Namespace{s.builders[t.name], s.cold[t.name]} {
		if _, err := n.Run(ctx, "", "create", "namespace", n.Name); err != nil {
			return err
		}
		// More than a build needs, and the same for every tool.
		if _, err := n.Run(ctx, "", "create", "rolebinding", "agent", "--clusterrole=cluster-admin", "--serviceaccount="+s.agents.Name+":default"); err != nil {
			return err
		}
	}
	if t.bare {
		if err := s.startDaemon(ctx, s.builders[t.name]); err != nil {
			return err
		}
	} else {
		more, err := registryFiles(s.bed)
		if err != nil {
			return err
		}
		files, err := definitions(s.builders[t.name].Name, s.cold[t.name].Name, s.bed.Images.BuildKit, more)
		if err != nil {
			return err
		}
		manifest, err := configMap(definitionsOf(t), files)
		if err != nil {
			return err
		}
		if _, err := s.agents.Run(ctx, manifest, "create", "-f", "-"); err != nil {
			return err
		}
	}
	pod, err := s.newAgent(ctx, t)
	if err != nil {
		return err
	}
	s.standing[t.name] = pod
	if s.place.Digest == "" {
		s.place.Layout, s.place.Tag = s.bed.Base.InAgent, s.bed.Base.Tag
		s.place.Base, s.place.Repository = s.bed.Registry.Base, s.bed.Registry.Address+"/"+s.agents.Name
		s.place.Digest, err = s.baseDigest(ctx, pod)
	}
	return err
}

// baseDigest reads the digest of the base image, which buildctl does not look
// up itself.
func (s *stand) baseDigest(ctx context.Context, pod string) (string, error) {
	text, err := s.agents.Run(ctx, "", "exec", pod, "--", "cat", s.place.Layout+"/index.json")
	if err != nil {
		return "", err
	}
	var index struct {
		Manifests []struct {
			Digest      string            `json:"digest"`
			Annotations map[string]string `json:"annotations"`
		} `json:"manifests"`
	}
	if err := json.Unmarshal([]byte(text), &index); err != nil {
		return "", fmt.Errorf("read %s/index.json: %w", s.place.Layout, err)
	}
	for _, m := range index.Manifests {
		if m.Annotations["org.opencontainers.image.ref.name"] == s.place.Tag {
			return m.Digest, nil
		}
	}
	return "", fmt.Errorf("%s has no image %s", s.place.Layout, s.place.Tag)
}

// close removes the namespaces. The processes of the pods end with them.
func (s *stand) close(ctx context.Context) error {
	var errs []error
	all := slices.Concat([]kubectl.Namespace{s.agents}, slices.Collect(maps.Values(s.builders)), slices.Collect(maps.Values(s.cold)))
	for _, n := range all {
		_, err := n.Run(ctx, "", "delete", "namespace", n.Name, "--wait=false", "--ignore-not-found")
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// loadBed finds the cluster and the image with the peers.
func loadBed() (state.State, error) {
	bed, err := state.Load()
	if err == nil && bed.Images.Peer == "" {
		err = errors.New("there is no peer image\nhint: make it with: cd e2e && go run ./testbed peer" + foreignHint())
	}
	return bed, err
}

func foreignHint() string {
	if os.Getenv("TESTBED_KUBECONFIG") == "" {
		return ""
	}
	return ", and name it in TESTBED_PEER_IMAGE"
}
