package output

import (
	"context"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session/filesync"

	"github.com/slipway-build/slipway/agent/solve/job"
	"github.com/slipway-build/slipway/internal/fault"
)

// outputType is one row of the table of exporters.
type outputType struct {
	name string
	// check finds mistakes that show without looking at the file system.
	check func(Output) (problem, hint string)
	// open checks the destination, without leaving a trace, and returns what
	// receives the result; nil when there is nothing to receive. The output's
	// attributes are complete: names and annotations of the build included.
	open func(ctx context.Context, o Output, env Env) (sink, *fault.Usage)
	// attributes are what the exporter knows.
	attributes [][]attribute
	// image says that the result is an image: it has a name and annotations.
	image bool
}

// outputTypes is every exporter that docker buildx build takes.
func outputTypes() []outputType {
	files := [][]attribute{fileAttributes}
	archive := [][]attribute{imageAttributes, archiveAttributes}
	pushed := [][]attribute{imageAttributes, pushAttributes}
	return []outputType{
		{name: client.ExporterLocal, check: checkLocal, open: openLocal, attributes: files},
		{name: client.ExporterTar, check: checkTar, open: openTar, attributes: files},
		{name: client.ExporterOCI, check: checkOCI, open: openOCI, attributes: archive, image: true},
		{name: client.ExporterDocker, check: checkDocker, open: openDocker, attributes: archive, image: true},
		{name: client.ExporterImage, check: checkImage, open: openImage, attributes: pushed, image: true},
		{name: exporterRegistry, check: checkImage, open: openImage, attributes: pushed, image: true},
		{name: exporterCacheOnly, check: checkCacheOnly, open: openCacheOnly},
	}
}

func findOutputType(name string) (outputType, bool) {
	for _, t := range outputTypes() {
		if t.name == name {
			return t, true
		}
	}
	return outputType{}, false
}

// sink receives what the solves of a build produce for one output.
type sink interface {
	// entry is what BuildKit is asked for in one solve, without what receives
	// the result.
	entry(of job.Job) (client.ExportEntry, error)
	// begin prepares for one solve. The receiver must be ended.
	begin(of job.Job) (receiver, error)
	// seal makes everything ready and fails when commit would, so that several
	// outputs appear all or not at all as far as that can be known.
	seal(ctx context.Context) error
	// commit makes the results that were kept appear.
	commit(ctx context.Context) error
	// close removes whatever was not committed.
	close() error
	// traits are what a Set must know of the output.
	traits() traits
	// written says what was written where, once commit has succeeded.
	written() Written
}

// traits are what a Set must know of an output.
type traits struct {
	// place is where the result goes; two outputs cannot share one. Empty
	// when it goes nowhere on the agent.
	place string
	// turn is when the output is committed.
	turn turn
}

// turn is the order in which outputs are committed: what can still fail
// comes first, what the world sees last.
type turn int

const (
	turnEngine turn = iota // loading into an engine, which may refuse
	turnStream             // a pipe, whose reader may go away
	turnDir                // before files: it may remove what it does not know
	turnFile
	turnInPlace // a file that is overwritten and not replaced, such as a mounted one
	turnTag
)

// receiver receives what one solve produces for one output.
type receiver struct {
	// entry is what BuildKit is asked for.
	entry client.ExportEntry
	// receive receives a directory; nil for what is one stream.
	receive func(filesync.FileSend_DiffCopyServer) error
	// failed returns why the agent could not take the result, when that made
	// the solve fail; nil otherwise. It is asked before the receiver ends.
	failed func() error
	// end ends it: keep says whether the result counts, response is
	// the daemon's answer then.
	end func(response map[string]string, keep bool) error
}

func outputTypeNames() string {
	var names []string
	for _, t := range outputTypes() {
		names = append(names, t.name)
	}
	return listed(names)
}
