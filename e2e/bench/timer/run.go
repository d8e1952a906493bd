package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/slipway-build/slipway/e2e/bench/sample"
)

// spec is one measurement.
type spec struct {
	before, check string
	env, command  []string
	atOnce        int
	timeout       time.Duration
}

// process is one command, ready to start.
type process struct {
	cmd     *exec.Cmd
	out     bytes.Buffer
	cancel  context.CancelFunc
	measure sample.Process
}

// run starts everything at once, waits for all, and checks what they made.
func (s spec) run() sample.Round {
	processes := make([]*process, s.atOnce)
	for i := range processes {
		processes[i] = s.process(i + 1)
	}
	var all sync.WaitGroup
	began := time.Now()
	for _, p := range processes {
		all.Go(p.run)
	}
	all.Wait()
	round := sample.Round{WallMS: milliseconds(time.Since(began))}
	for i, p := range processes {
		p.cancel()
		if p.measure.Failure == "" && s.check != "" {
			if out, err := exec.Command("sh", "-c", numbered(s.check, i+1)).CombinedOutput(); err != nil {
				p.measure.Failure = fmt.Sprintf("wrong result: %s: %v %s", numbered(s.check, i+1), err, lastWords(out))
			}
		}
		round.Processes = append(round.Processes, p.measure)
	}
	return round
}

// process prepares process n. Its time runs from here, which is some
// microseconds early.
func (s spec) process(n int) *process {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	p := &process{cancel: cancel}
	var args []string
	for _, arg := range s.command {
		args = append(args, numbered(arg, n))
	}
	p.cmd = exec.CommandContext(ctx, args[0], args[1:]...)
	p.cmd.Env = os.Environ()
	for _, variable := range s.env {
		p.cmd.Env = append(p.cmd.Env, numbered(variable, n))
	}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	p.cmd.WaitDelay = time.Second // a child of it may hold its output open
	return p
}

func (p *process) run() {
	began := time.Now()
	err := p.cmd.Run()
	p.measure.WallMS = milliseconds(time.Since(began))
	if state := p.cmd.ProcessState; state != nil {
		p.measure.CPUMS = milliseconds(state.UserTime() + state.SystemTime())
		if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
			p.measure.MaxRSSKB = usage.Maxrss
		}
	}
	if err != nil {
		p.measure.Failure = fmt.Sprintf("%v after %.1f s: %s", err, p.measure.WallMS/1000, lastWords(p.out.Bytes()))
	}
}

func numbered(text string, n int) string { return strings.ReplaceAll(text, "{n}", strconv.Itoa(n)) }

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// lastWords is the end of what a command said, on one line.
func lastWords(out []byte) string {
	const enough = 400
	words := strings.Join(strings.Fields(string(out)), " ")
	if len(words) > enough {
		words = "…" + strings.ToValidUTF8(words[len(words)-enough:], "")
	}
	return words
}
