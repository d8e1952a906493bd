package historyview

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/docker/go-units"

	"github.com/slipway-build/slipway/internal/sanitize"
	"github.com/slipway-build/slipway/internal/table"
)

// Text prints a build as docker buildx history inspect does, with its ref, node and
// pod. stack prints the builder's stack of an error; logs is the command that prints
// the log.
func (i Inspection) Text(out io.Writer, stack bool, logs string) error {
	var b bytes.Buffer
	section(&b, []KeyValue{
		{"Name", i.Name}, {"Ref", i.Ref}, {"Node", i.Node}, {"Pod", i.Pod},
		{"Context", i.Context}, {"Dockerfile", i.Dockerfile},
		{"VCS Repository", i.VCSRepository}, {"VCS Revision", i.VCSRevision},
		{"Target", i.Target}, {"Platforms", strings.Join(i.Platform, ", ")}, {"Keep Git Dir", ifTrue(i.KeepGitDir)},
	})
	named(&b, "NAMED CONTEXT", i.NamedContexts)
	section(&b, i.course())
	section(&b, i.Config.lines())
	named(&b, "BUILD ARG", i.BuildArgs)
	named(&b, "LABEL", i.Labels)
	if len(i.Materials) > 0 {
		rows := [][]string{{"URI", "DIGEST"}}
		for _, m := range i.Materials {
			rows = append(rows, []string{m.URI, strings.Join(m.Digests, ", ")})
		}
		b.WriteString("Materials:\n")
		tabular(&b, rows)
	}
	if len(i.Attachments) > 0 {
		rows := [][]string{{"DIGEST", "PLATFORM", "TYPE"}}
		for _, a := range i.Attachments {
			rows = append(rows, []string{a.Digest, a.Platform, a.Type})
		}
		b.WriteString("Attachments:\n")
		tabular(&b, rows)
	}
	for _, text := range i.Errors {
		sanitize.Fprintf(&b, "Not understood: %s\n", text)
	}
	i.failure(&b, stack)
	sanitize.Fprintf(&b, "Print build logs: %s %s\n", logs, i.fullRef)
	_, err := out.Write(b.Bytes())
	return err
}

// course are when and how the build went.
func (i Inspection) course() []KeyValue {
	var lines []KeyValue
	if i.StartedAt != nil {
		took := duration(i.Duration)
		if i.Status == "running" {
			took += " (running)"
		}
		lines = append(lines, KeyValue{"Started", i.StartedAt.Format("2006-01-02 15:04:05")}, KeyValue{"Duration", took})
	}
	switch {
	case i.Status == "canceled":
		lines = append(lines, KeyValue{"Status", "Canceled"})
	case i.Status == "failed" && i.Error != nil:
		lines = append(lines, KeyValue{"Error", i.codeName + " " + i.Error.Message})
	}
	cached := 0.0
	if i.NumTotalSteps > 0 {
		cached = float64(i.NumCachedSteps) / float64(i.NumTotalSteps) * 100
	}
	return append(lines, KeyValue{"Build Steps", fmt.Sprintf("%d/%d (%.0f%% cached)", i.NumCompletedSteps, i.NumTotalSteps, cached)})
}

// lines are those that have a value.
func (c Config) lines() []KeyValue {
	return append([]KeyValue{
		{"Network", c.Network}, {"Hostname", c.Hostname}, {"Extra Hosts", strings.Join(c.ExtraHosts, ", ")},
		{"Cgroup Parent", c.CgroupParent}, {"Image Resolve Mode", c.ImageResolveMode},
		{"Multi-Platform", ifTrue(c.MultiPlatform)}, {"No Cache", ifTrue(c.NoCache)}, {"No Cache Filter", strings.Join(c.NoCacheFilter, ", ")},
		{"Shm Size", c.ShmSize}, {"Resource Limits", c.Ulimit}, {"Memory", size(c.Memory)}, {"Memory Swap", size(c.MemorySwap)},
		{"CPU Shares", c.CPUShares}, {"CPU Period", c.CPUPeriod}, {"CPU Quota", c.CPUQuota},
		{"CPUSet CPUs", c.CPUSetCPUs}, {"CPUSet Mems", c.CPUSetMems},
		{"Cache Mount Namespace", c.CacheMountNS}, {"Dockerfile Check Config", c.DockerfileCheckConfig},
		{"Source Date Epoch", c.SourceDateEpoch}, {"Sandbox Hostname", c.SandboxHostname},
	}, c.RestRaw...)
}

// size is a number of bytes for people; what is none, as -1 for no limit, stays.
func size(bytes string) string {
	n, err := strconv.ParseInt(bytes, 10, 64)
	if err != nil || n < 0 {
		return bytes
	}
	return units.BytesSize(float64(n))
}

func ifTrue(on bool) string {
	if on {
		return "true"
	}
	return ""
}

// failure prints where the build has failed.
func (i Inspection) failure(b *bytes.Buffer, stack bool) {
	if i.Error == nil {
		return
	}
	b.Write(i.Error.Sources)
	if len(i.Error.Logs) > 0 {
		sanitize.Fprintf(b, "Logs:\n> => %s:\n", i.Error.Name)
		for _, line := range i.Error.Logs {
			sanitize.Fprintf(b, "> %s\n", line)
		}
		b.WriteByte('\n')
	}
	switch {
	case len(i.Error.Stack) == 0:
	case stack:
		fmt.Fprintf(b, "\n%s\n", i.Error.Stack)
	default:
		b.WriteString("Enable --debug to see stack traces for error\n")
	}
}

// section prints the lines that have a value, and an empty one.
func section(b *bytes.Buffer, lines []KeyValue) {
	w := table.New(b, 2, 0)
	some := false
	for _, line := range lines {
		if line.Value != "" {
			some = true
			sanitize.Fprintf(w, "%s:\t%s\n", line.Name, line.Value)
		}
	}
	_ = w.Flush() // a buffer takes everything
	if some {
		b.WriteByte('\n')
	}
}

// named prints a table of names and values.
func named(b *bytes.Buffer, title string, list []KeyValue) {
	if len(list) == 0 {
		return
	}
	rows := [][]string{{title, "VALUE"}}
	for _, kv := range list {
		rows = append(rows, []string{kv.Name, kv.Value})
	}
	tabular(b, rows)
}

func tabular(b *bytes.Buffer, rows [][]string) {
	w := table.New(b, 2, 0)
	for _, row := range rows {
		for i := range row {
			row[i] = sanitize.Line(row[i])
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush() // a buffer takes everything
	b.WriteByte('\n')
}
