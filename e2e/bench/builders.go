package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/slipway-build/slipway/e2e/kubectl"
)

// startBuilders lets every tool start its builders, all at once, for buildx
// takes half a minute for each. A tool that cannot fails again in its rows,
// where it is written down.
func (s *stand) startBuilders(ctx context.Context) {
	const dir = clones + "/team/start"
	var all sync.WaitGroup
	for _, t := range s.tools {
		if t.bare {
			continue
		}
		for _, b := range []build{{builder: kube, platforms: twoNodes}, {builder: pool, platforms: oneNode}} {
			b.context = dir + "-" + b.builder
			w := work{before: smallContext(b.context), env: job("team/start", b.context, "1")}
			all.Go(func() {
				_, err := s.agents.Run(ctx, "", timed(s.standing[t.name], row{}, w, t.build(b, s.place))...)
				if err = errors.Join(err, s.settle(ctx, t)); err != nil {
					fmt.Printf("%s cannot start builder %s: %v\n", t.name, b.builder, err)
				}
			})
		}
	}
	all.Wait()
}

func (s *stand) startDaemon(ctx context.Context, n kubectl.Namespace) error {
	if _, err := n.Run(ctx, bareDaemon(s.bed.Images.BuildKit), "create", "-f", "-"); err != nil {
		return err
	}
	if _, err := n.Run(ctx, "", "wait", "pod/buildkitd", "--for=condition=Ready", "--timeout=2m"); err != nil {
		return err
	}
	ip, err := n.Run(ctx, "", "get", "pod/buildkitd", "-o", "jsonpath={.status.podIP}")
	s.place.Daemon = net.JoinHostPort(ip, strconv.Itoa(daemonPort))
	return err
}

// removeBuilders takes away all that the tool has made to have a cold builder.
func (s *stand) removeBuilders(ctx context.Context, t tool) error {
	_, err := s.cold[t.name].Run(ctx, "", "delete", "deployments,statefulsets,services,secrets,configmaps", "--all", "--cascade=foreground", "--wait=true")
	return err
}

// settle waits until every pod of the tool's builders is ready.
func (s *stand) settle(ctx context.Context, t tool) error {
	workloads, err := s.builders[t.name].Run(ctx, "", "get", "deployments,statefulsets", "-o", "name")
	if err != nil {
		return err
	}
	for workload := range strings.FieldsSeq(workloads) {
		if _, err := s.builders[t.name].Run(ctx, "", "rollout", "status", workload, "--timeout=3m"); err != nil {
			return err
		}
	}
	return nil
}

// prune empties the caches of all of the tool's builders.
func (s *stand) prune(ctx context.Context, t tool) error {
	pods, err := s.builders[t.name].Run(ctx, "", "get", "pods", "--field-selector=status.phase=Running", "-o", "name")
	if err != nil {
		return err
	}
	for pod := range strings.FieldsSeq(pods) {
		if _, err := s.builders[t.name].Run(ctx, "", "exec", pod, "-c", "buildkitd", "--", "buildctl", "prune", "--all"); err != nil {
			return err
		}
	}
	return nil
}
