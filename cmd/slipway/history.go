package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/slipway-build/slipway/agent/builders"
	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/cmd/slipway/buildref"
	"github.com/slipway-build/slipway/cmd/slipway/historyview"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/target"
)

// historyCmd has the commands of docker buildx history, name for name.
type historyCmd struct {
	Ls         historyLsCmd      `cmd:"" help:"List builds."`
	Logs       historyLogsCmd    `cmd:"" help:"Print the log of a build."`
	Inspect    historyInspectCmd `cmd:"" help:"Show a build, or what the builder keeps of its result."`
	Rm         historyRmCmd      `cmd:"" help:"Remove builds from the history."`
	Export     historyExportCmd  `cmd:"" help:"Write builds into a .dockerbuild file."`
	ImportNone historyOtherCmd   `cmd:"" name:"import" hidden:"" passthrough:""`
	OpenNone   historyOtherCmd   `cmd:"" name:"open" hidden:"" passthrough:""`
	TraceNone  historyOtherCmd   `cmd:"" name:"trace" hidden:"" passthrough:""`
}

// Help is shown by --help.
func (c *historyCmd) Help() string {
	return "Each pod of each node keeps a history of its own; all of them are asked. A build is named by its ID, by ^N for the one N builds before the latest, or by the buildx.build.ref of --metadata-file, which is BUILDER/NODE/ID."
}

// historyOtherCmd are those commands of docker buildx history that need Docker Desktop
// or a browser.
type historyOtherCmd struct {
	Args []string `arg:"" optional:"" passthrough:""`
}

// Run refuses.
func (c *historyOtherCmd) Run() error {
	return &usageError{
		err:   errors.New("history import, open and trace: need Docker Desktop or a browser on this machine, so slipway does not have them"),
		hints: []string{"slipway history export -o FILE.dockerbuild writes what Docker Desktop imports; slipway history inspect and logs show a build here"},
	}
}

// historyFlags are those of all commands of the history.
type historyFlags struct {
	Timeout time.Duration `default:"20s" help:"How long the pods may take to tell what is in their histories."`
}

// open parses references of builds, and returns the history of the builder, which the
// references may name.
func (f historyFlags) open(in *invocation, texts ...string) (builders.History, []builders.BuildRef, error) {
	if err := checkTimeout(f.Timeout); err != nil {
		return builders.History{}, nil, err
	}
	refs := make([]builders.BuildRef, 0, len(texts))
	named := ""
	for _, text := range texts {
		ref, err := builders.ParseBuildRef(text)
		if err != nil {
			return builders.History{}, nil, &usageError{err: err}
		}
		refs = append(refs, ref)
		named = cmp.Or(named, ref.Builder)
	}
	if in.given["builder"] || named == "" {
		named = in.global.Builder
	}
	definition, err := in.definition(named)
	return builders.History{Definition: definition, Access: in.access(), Timeout: f.Timeout, Log: in.log}, refs, err
}

// local is what docker buildx keeps of a build on this machine.
func (in *invocation) local(b builders.PodBuild) historyview.Local {
	var s buildref.State
	_ = json.Unmarshal(in.localState(b), &s) // it is another program's, and only names a build
	return historyview.Local{Context: s.LocalPath, Dockerfile: s.DockerfilePath}
}

func (in *invocation) localState(b builders.PodBuild) json.RawMessage {
	return buildref.Load(in.env.buildxDir(), b.FullRef())
}

type historyLsCmd struct {
	Filter  []string `sep:"none" placeholder:"CONDITION" help:"Only builds for which this holds: ref=, repository= or status= (completed, running, error, canceled), also with !=; startedAt, completedAt or duration with <, <=, > or >=, for example startedAt>=24h."`
	Format  string   `default:"table" values:"table,json" placeholder:"FORMAT" help:"Output format: table, json (an object on each line), or a Go template with docker buildx's fields."`
	NoTrunc bool     `help:"Print names in full."`
	Local   bool     `hidden:""`
	historyFlags
}

// Help is shown by --help.
func (c *historyLsCmd) Help() string {
	return "Lists the latest 50 builds of each pod, those that run first. The columns are those of docker buildx history ls, and last the node and the pod."
}

// Run lists builds.
func (c *historyLsCmd) Run(in *invocation) error {
	template, err := parseFormat(c.Format, historyview.Row{}, "table", formatJSON)
	if err != nil {
		return err
	}
	if c.Local {
		return &usageError{err: &fault.Usage{
			Flag: "--local", Problem: "is not supported: an agent need not have a clone of the repository",
			Hint: "name the repository: --filter repository=github.com/team/app",
		}}
	}
	filter, err := buildkit.ParseRecordFilter(c.Filter, time.Now())
	if err != nil {
		return &usageError{err: err}
	}
	history, _, err := c.open(in)
	if err != nil {
		return err
	}
	list, failed := history.List(in.ctx, filter)
	switch {
	case c.Format == formatJSON:
		err = historyview.JSON(in.json, list, in.local)
	case template != nil:
		err = writeTemplate(in.out, template, historyview.Headers, historyview.Rows(list, in.local, time.Now(), template.IsTable() && !c.NoTrunc))
	default:
		err = historyview.Table(in.out, list, in.local, c.NoTrunc, time.Now())
	}
	if err != nil {
		return err
	}
	return failed
}

type historyLogsCmd struct {
	Ref      string `arg:"" optional:"" help:"The build (default: the latest)."`
	Progress string `default:"plain" placeholder:"MODE" help:"Type of progress output: plain (as auto), rawjson, tty, quiet, none."`
	historyFlags
}

// Help is shown by --help.
func (c *historyLogsCmd) Help() string {
	return "Prints the log on standard error, as docker buildx history logs does, and goes on while the build runs."
}

// Run prints the log.
func (c *historyLogsCmd) Run(in *invocation) error {
	mode, err := progress.ParseMode(c.Progress)
	if err != nil {
		return &usageError{err: fmt.Errorf("--progress: %w", err)}
	}
	if mode == progress.Auto {
		mode = progress.Plain
	}
	history, refs, err := c.open(in, c.Ref)
	if err != nil {
		return err
	}
	return history.Logs(in.ctx, refs[0], in.terminal, mode)
}

type historyInspectCmd struct {
	Build      historyInspectBuildCmd `cmd:"" default:"withargs" help:"Show a build."`
	Attachment historyAttachmentCmd   `cmd:"" help:"Print what the builder keeps of a build's result, such as its provenance."`
}

type historyInspectBuildCmd struct {
	Ref    string `arg:"" optional:"" help:"The build (default: the latest)."`
	Format string `default:"pretty" values:"pretty,json" placeholder:"FORMAT" help:"Output format: pretty, json, or a Go template with the keys of json."`
	historyFlags
}

// Run prints the build.
func (c *historyInspectBuildCmd) Run(in *invocation) error {
	template, err := parseFormat(c.Format, historyview.Inspection{}, "pretty", formatJSON)
	if err != nil {
		return err
	}
	history, refs, err := c.open(in, c.Ref)
	if err != nil {
		return err
	}
	details, err := history.Inspect(in.ctx, refs[0])
	if err != nil {
		return err
	}
	shown := historyview.Inspect(details, in.local(details.PodBuild), in.workdir)
	switch {
	case c.Format == formatJSON:
		return in.printJSON(shown)
	case template != nil:
		return writeTemplate(in.out, template, nil, []any{shown})
	}
	logs := "slipway history logs"
	if in.called.docker() {
		logs = "docker buildx history logs"
	}
	return shown.Text(in.out, in.global.Debug, logs)
}

type historyAttachmentCmd struct {
	Ref      string `arg:"" optional:"" help:"The build (default: the latest)."`
	Digest   string `arg:"" optional:"" help:"The digest of the attachment, as slipway history inspect shows it."`
	Type     string `placeholder:"TYPE" help:"The type of the attachment: index, manifest, image, provenance, sbom, or as slipway history inspect shows it."`
	Platform string `placeholder:"OS/ARCH" help:"The platform of the attachment."`
	historyFlags
}

// Run prints the attachment byte for byte, but for a terminal.
func (c *historyAttachmentCmd) Run(in *invocation) error {
	if c.Digest == "" && c.Type == "" && c.Platform == "" {
		return &usageError{err: errors.New("which attachment is not said"), hints: []string{"add --type, --platform or a digest; slipway history inspect lists them"}}
	}
	history, refs, err := c.open(in, c.Ref)
	if err != nil {
		return err
	}
	want := buildkit.WantedAttachment{Digest: c.Digest, Type: c.Type, Platform: c.Platform}
	out := in.data
	if isTerminal(in.data) {
		out = in.out
	}
	err = history.Attachment(in.ctx, refs[0], want, out)
	if errors.Is(err, buildkit.ErrNoAttachment) {
		return &usageError{err: err, hints: []string{"list them: slipway history inspect " + c.Ref}}
	}
	return err
}

type historyRmCmd struct {
	Ref []string `arg:"" optional:"" help:"The builds."`
	All bool     `help:"Remove all builds that have ended."`
	historyFlags
}

// Help is shown by --help.
func (c *historyRmCmd) Help() string {
	return "Removes what the pods tell of builds: record, log, trace and attestations. Images and caches stay."
}

// Run removes builds.
func (c *historyRmCmd) Run(in *invocation) error {
	switch {
	case c.All && len(c.Ref) > 0:
		return &usageError{err: errors.New("--all removes all builds, and builds are named besides")}
	case !c.All && len(c.Ref) == 0:
		return &usageError{err: errors.New("no build is named"), hints: []string{"name builds, as slipway history ls shows them, or say --all"}}
	}
	history, refs, err := c.open(in, c.Ref...)
	if err != nil {
		return err
	}
	if c.All {
		return history.RemoveAll(in.ctx)
	}
	return history.Remove(in.ctx, refs)
}

type historyExportCmd struct {
	Ref      []string `arg:"" optional:"" help:"The builds (default: the latest that has ended)."`
	Output   string   `short:"o" placeholder:"FILE" help:"The file to write (default: standard output)."`
	All      bool     `help:"Export all builds that have ended."`
	Finalize bool     `help:"Have the builder complete the records first: a trace may otherwise be missing."`
	historyFlags
}

// Help is shown by --help.
func (c *historyExportCmd) Help() string {
	return "Writes records, logs, traces and attestations of builds into the file that docker buildx history export writes and Docker Desktop imports. It holds build arguments and labels as they were given."
}

// Run writes the file, whole or not at all.
func (c *historyExportCmd) Run(in *invocation) error {
	if c.All && len(c.Ref) > 0 {
		return &usageError{err: errors.New("--all exports all builds, and builds are named besides")}
	}
	if c.Output == "" && isTerminal(in.data) {
		return &usageError{err: errors.New("an archive is not written to a terminal"), hints: []string{"name a file: --output FILE.dockerbuild"}}
	}
	history, refs, err := c.open(in, c.Ref...)
	if err != nil {
		return err
	}
	export := builders.HistoryExport{History: history, Refs: refs, All: c.All, Finalize: c.Finalize, LocalState: in.localState}
	if c.Output == "" {
		return export.Run(in.ctx, in.data)
	}
	file, err := target.Open(in.workdir, c.Output)
	if err != nil {
		return &usageError{err: fmt.Errorf("--output: %w", err)}
	}
	return historyview.WriteFile(in.ctx, file, func(w io.Writer) error { return export.Run(in.ctx, w) })
}
