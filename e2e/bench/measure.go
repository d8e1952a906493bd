package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-build/slipway/e2e/bench/sample"
)

const (
	// runTimeout ends a process that hangs; buildx's own timeouts are shorter.
	runTimeout = 5 * time.Minute
	// enoughFailures of a tool one after the other end its part in a row.
	enoughFailures = 2
)

// result is what a tool did in a row.
type result struct {
	tool   tool
	rounds []sample.Round // counted ones, also those that failed
	// failures say what went wrong, warm-ups and preparations included.
	failures []string
	// inARow counts failures since the last success.
	inARow int
	// agentKB is the largest resident size of slipway agent, in KiB.
	agentKB int64
}

func (r *result) failed(what string) {
	r.failures = append(r.failures, what)
	r.inARow++
}

func (r *result) gaveUp() bool { return r.inARow >= enoughFailures }

// measure lets the tools do the row's work in turn. Whatever fails is part of
// the result; an error is only the end of ctx.
func (s *stand) measure(ctx context.Context, r row) ([]result, error) {
	results := make([]result, len(r.tools))
	for i, t := range r.tools {
		results[i].tool = t
	}
	for run := range r.warmUps + r.runs {
		for _, i := range order(len(r.tools), run) {
			result := &results[i]
			if result.gaveUp() {
				continue
			}
			round, agentKB, err := s.run(ctx, r, result.tool, run)
			result.agentKB = max(result.agentKB, agentKB)
			if ctx.Err() != nil {
				return results, ctx.Err()
			}
			result.add(round, err, run-r.warmUps)
		}
	}
	return results, nil
}

// add takes note of a round, or of why there is none. A run below 0 was for
// warming up.
func (r *result) add(round sample.Round, err error, run int) {
	title := fmt.Sprintf("run %d", run+1)
	if run < 0 {
		title = "warm-up"
	}
	if err != nil {
		r.failed(title + ": not measured: " + err.Error())
		return
	}
	if run >= 0 {
		r.rounds = append(r.rounds, round)
	}
	ok := true
	for n, p := range round.Processes {
		if p.Failure == "" {
			continue
		}
		ok = false
		who := ""
		if len(round.Processes) > 1 {
			who = fmt.Sprintf(", agent %d", n+1)
		}
		r.failures = append(r.failures, title+who+": "+p.Failure)
	}
	if ok {
		r.inARow = 0
	} else {
		r.inARow++
	}
}

// order is in which order n tools take their turn: another one begins each
// time, so that none always follows the same.
func order(n, run int) []int {
	turns := make([]int, n)
	for i := range turns {
		turns[i] = (run + i) % n
	}
	return turns
}

// run prepares and measures one run.
func (s *stand) run(ctx context.Context, r row, t tool, run int) (round sample.Round, agentKB int64, err error) {
	w := r.work(run)
	if w.cold {
		if err := s.removeBuilders(ctx, t); err != nil {
			return round, 0, err
		}
	}
	if w.prune && !t.daemonless {
		if err := s.prune(ctx, t); err != nil {
			return round, 0, err
		}
	}
	round, agentKB, err = s.inAgent(ctx, r, t, w)
	if err == nil && run == 0 && !t.daemonless { // it may have started builders
		err = s.settle(ctx, t)
	}
	return round, agentKB, err
}

// inAgent measures in the tool's standing agent, or in one that is born for it.
func (s *stand) inAgent(ctx context.Context, r row, t tool, w work) (round sample.Round, agentKB int64, err error) {
	pod := s.standing[t.name]
	if r.fresh {
		if pod, err = s.newAgent(ctx, t); err != nil {
			return round, 0, err
		}
		defer func() { err = errors.Join(err, s.endAgent(ctx, pod)) }()
		if r.registry {
			if err := s.giveRegistry(ctx, t, pod); err != nil {
				return round, 0, err
			}
		}
	}
	text, err := s.agents.Run(ctx, "", timed(pod, r, w, w.command(t, s.place))...)
	if err != nil {
		return round, 0, err
	}
	if t.agent {
		agentKB = s.agentMemory(ctx, pod)
	}
	if err := json.Unmarshal([]byte(text), &round); err != nil {
		return round, agentKB, fmt.Errorf("read what the timer says, %q: %w", text, err)
	}
	return round, agentKB, nil
}

// timed is the kubectl command that measures command in the pod.
func timed(pod string, r row, w work, command []string) []string {
	args := []string{"exec", pod, "--", "timer", "-timeout=" + runTimeout.String()}
	if r.atOnce > 0 {
		args = append(args, "-at-once="+strconv.Itoa(r.atOnce))
	}
	if w.before != "" {
		args = append(args, "-before="+w.before)
	}
	if w.check != "" {
		args = append(args, "-check="+strings.TrimSpace(w.check))
	}
	for _, variable := range w.env {
		args = append(args, "-env="+variable)
	}
	return append(append(args, "--"), command...)
}
