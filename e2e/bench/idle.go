package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// podUse is the CPU that the pods of a namespace have used until a time.
type podUse struct {
	pods int
	// seconds of CPU, of all pods together, and since when the kubelets count.
	cpu float64
	at  time.Time
}

// idle measures what builders that nobody uses take of the CPU, in thousandths
// of a core for a pod, by tool. The kubelets look every ten seconds or so, so
// less than a minute says little.
func (s *stand) idle(ctx context.Context, whole time.Duration) (fact, error) {
	before, err := s.podUses(ctx)
	if err != nil {
		return fact{}, err
	}
	wait := time.NewTimer(whole)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
		return fact{}, context.Cause(ctx)
	}
	after, err := s.podUses(ctx)
	if err != nil {
		return fact{}, err
	}
	var parts []string
	for _, t := range s.tools {
		a, b := before[t.name], after[t.name]
		if b.pods == 0 || a.pods != b.pods || !b.at.After(a.at) {
			continue
		}
		parts = append(parts, fmt.Sprintf("%s %.2f mCPU", t.name, 1000*(b.cpu-a.cpu)/b.at.Sub(a.at).Seconds()/float64(b.pods)))
	}
	slices.Sort(parts)
	return fact{fmt.Sprintf("an idle builder pod, over %s", rounded(whole)), strings.Join(parts, ", ")}, nil
}

// podUses asks the kubelets what the pods of each tool's builders have used.
func (s *stand) podUses(ctx context.Context) (map[string]podUse, error) {
	uses := map[string]podUse{}
	for _, node := range s.bed.Nodes {
		text, err := s.agents.Run(ctx, "", "get", "--raw", "/api/v1/nodes/"+node.Name+"/proxy/stats/summary")
		if err != nil {
			return nil, err
		}
		var summary struct {
			Pods []struct {
				PodRef struct{ Namespace string }
				CPU    struct {
					Time                 time.Time
					UsageCoreNanoSeconds uint64
				}
			}
		}
		if err := json.Unmarshal([]byte(text), &summary); err != nil {
			return nil, fmt.Errorf("read the statistics of %s: %w", node.Name, err)
		}
		for _, p := range summary.Pods {
			for _, t := range s.tools {
				if p.PodRef.Namespace != s.builders[t.name].Name {
					continue
				}
				use := uses[t.name]
				use.pods++
				use.cpu += float64(p.CPU.UsageCoreNanoSeconds) / 1e9
				if use.at.IsZero() || p.CPU.Time.Before(use.at) {
					use.at = p.CPU.Time
				}
				uses[t.name] = use
			}
		}
	}
	return uses, nil
}
