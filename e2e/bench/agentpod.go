package main

import (
	"context"
	"fmt"
)

// newAgent starts an agent pod and returns its name.
func (s *stand) newAgent(ctx context.Context, t tool) (string, error) {
	s.born++
	pod := fmt.Sprintf("agent-%s-%d", t.name, s.born)
	if _, err := s.agents.Run(ctx, agentManifest(pod, t, s.bed.Images.Peer), "create", "-f", "-"); err != nil {
		return "", err
	}
	if _, err := s.agents.Run(ctx, "", "wait", "pod/"+pod, "--for=condition=Ready", "--timeout=2m"); err != nil {
		return "", err
	}
	for name, program := range s.helpers {
		if err := s.agents.WriteFile(ctx, pod, "/bench/bin/"+name, string(program)); err != nil {
			return "", err
		}
	}
	// A pipeline's own first step with buildx; the mounted files cannot stay
	// where they are, for buildx writes beside them.
	const prepare = `set -eu
chmod +x /bench/bin/*
mkdir -p $HOME/.docker/buildx/instances
cp -L /etc/slipway/definitions/* $HOME/.docker/buildx/instances || test -z "$(ls /etc/slipway/definitions)"`
	_, err := s.agents.Run(ctx, "", "exec", pod, "--", "sh", "-c", prepare)
	if err == nil && t.agent && s.started {
		err = s.startAgent(ctx, pod)
	}
	return pod, err
}

// endAgent takes a pod away and waits until its disk is free again: nothing of
// it is to run into the next measure.
func (s *stand) endAgent(ctx context.Context, pod string) error {
	_, err := s.agents.Run(ctx, "", "delete", "pod", pod, "--wait=true")
	return err
}
