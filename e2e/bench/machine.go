package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// fact is a line about the machine.
type fact struct{ name, value string }

// facts asks the cluster node, the tools and the cluster. A fact that cannot be
// had says why; none of them stops a measure.
func (s *stand) facts(ctx context.Context) []fact {
	source, _ := moduleDir(ctx)
	facts := []fact{
		{"date", time.Now().UTC().Format("2006-01-02 15:04 MST")},
		{"checkout", output(exec.CommandContext(ctx, "git", "-C", source, "describe", "--always", "--dirty"))},
		{"cores", s.ask(ctx, "nproc") + " (" + s.ask(ctx, `sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1`) + ")"},
		{"memory", kibibytes(s.ask(ctx, `awk '/^MemTotal/ {print $2}' /proc/meminfo`))},
		{"kernel", s.ask(ctx, "uname -sr")},
		{"load average at the start", s.load(ctx)},
		{"Go of this program", runtime.Version()},
	}
	for _, t := range s.tools {
		facts = append(facts,
			fact{t.name, s.ask(ctx, strings.Join(t.version, " "))},
			fact{t.name + " binary", megabytes(s.ask(ctx, "stat -c %s $(which "+t.version[0]+")"))})
	}
	sizes := s.imageSizes(ctx)
	for _, image := range []struct{ name, reference string }{
		{"BuildKit image", s.bed.Images.BuildKit}, {"agent image with all tools", s.bed.Images.Peer},
	} {
		facts = append(facts, fact{image.name, "`" + image.reference + "`, " + sizes[image.reference]})
	}
	return append(facts, fact{"Kubernetes", s.kubernetes(ctx)})
}

// load is the machine's, so that a reader sees whether it had other work.
func (s *stand) load(ctx context.Context) string { return s.ask(ctx, "cut -d' ' -f1-3 /proc/loadavg") }

// ask runs a script in an agent and returns what it prints, on one line.
func (s *stand) ask(ctx context.Context, script string) string {
	result, err := s.agents.Shell(ctx, s.standing[slipway.name], script)
	if err == nil && result.Code != 0 {
		err = fmt.Errorf("exit %d: %s", result.Code, result.Stderr)
	}
	if err != nil {
		return fmt.Sprintf("unknown (%v)", err)
	}
	return strings.Join(strings.Fields(result.Stdout), " ")
}

// imageSizes are what cluster nodes say of the images they have, by reference.
func (s *stand) imageSizes(ctx context.Context) map[string]string {
	var nodes struct {
		Items []struct {
			Status struct {
				Images []struct {
					Names     []string `json:"names"`
					SizeBytes int64    `json:"sizeBytes"`
				} `json:"images"`
			} `json:"status"`
		} `json:"items"`
	}
	sizes := map[string]string{}
	text, err := s.agents.Run(ctx, "", "get", "nodes", "-o", "json")
	if err != nil || json.Unmarshal([]byte(text), &nodes) != nil {
		return sizes
	}
	for _, node := range nodes.Items {
		for _, image := range node.Status.Images {
			for _, name := range image.Names {
				sizes[name] = megabytes(strconv.FormatInt(image.SizeBytes, 10))
			}
		}
	}
	return sizes
}

func (s *stand) kubernetes(ctx context.Context) string {
	var version struct {
		Server struct {
			GitVersion string `json:"gitVersion"`
		} `json:"serverVersion"`
	}
	text, err := s.agents.Run(ctx, "", "version", "-o", "json")
	if err != nil || json.Unmarshal([]byte(text), &version) != nil {
		return "unknown"
	}
	return version.Server.GitVersion
}

func output(cmd *exec.Cmd) string {
	out, err := cmd.Output()
	if err != nil {
		return fmt.Sprintf("unknown (%v)", err)
	}
	return strings.TrimSpace(string(out))
}

// megabytes writes a number of bytes that was printed somewhere; what is not a
// number stays as it is.
func megabytes(printed string) string {
	n, err := strconv.ParseInt(printed, 10, 64)
	if err != nil {
		return printed
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

func kibibytes(printed string) string {
	n, err := strconv.ParseInt(printed, 10, 64)
	if err != nil {
		return printed
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<20))
}
