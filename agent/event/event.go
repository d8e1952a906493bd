package event

import (
	"encoding/json"
	"time"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Event is one thing that has happened: when, where, and exactly one of the
// pointers, which says what. A consumer ignores those that it does not know. An
// event is shared by all consumers, none of which may change it.
type Event struct {
	// Time is when it happened, by the agent's clock.
	Time time.Time `json:"time"`
	// Node is the name of the builder's node; empty for the build as a whole.
	Node string `json:"node,omitempty"`
	// Platforms are those that the node builds for in this build, as
	// "linux/amd64"; empty for the default of the builder, and as long as they
	// are not known.
	Platforms []string `json:"platforms,omitempty"`
	// Pod is the name of the pod; empty with the driver remote.
	Pod string `json:"pod,omitempty"`

	Assigned     *Assigned     `json:"assigned,omitempty"`
	Waiting      *Waiting      `json:"waiting,omitempty"`
	Connected    *Connected    `json:"connected,omitempty"`
	Ready        *Ready        `json:"ready,omitempty"`
	NodeFailed   *NodeFailed   `json:"nodeFailed,omitempty"`
	SolveBegun   *SolveBegun   `json:"solveBegun,omitempty"`
	Submitted    *Submitted    `json:"submitted,omitempty"`
	Progress     *Progress     `json:"progress,omitempty"`
	Solved       *Solved       `json:"solved,omitempty"`
	BuilderLost  *BuilderLost  `json:"builderLost,omitempty"`
	Recorded     *Recorded     `json:"recorded,omitempty"`
	Publishing   *Publishing   `json:"publishing,omitempty"`
	Published    *Published    `json:"published,omitempty"`
	NotPublished *NotPublished `json:"notPublished,omitempty"`
	Tests        *Tests        `json:"tests,omitempty"`
	Failed       *Failed       `json:"failed,omitempty"`
	Span         *Span         `json:"span,omitempty"`
}

// Assigned says which nodes build. It comes once in a build, before the first
// solve.
type Assigned struct {
	// Builder is the name of the builder.
	Builder string `json:"builder"`
	// Dockerfile is the absolute path of the Dockerfile on the agent; empty when it
	// is not a file there.
	Dockerfile string `json:"dockerfile,omitempty"`
	// Git is the Dockerfile that the builder reads from a git repository; nil when it
	// comes from elsewhere.
	Git *GitFile `json:"git,omitempty"`
	// Nodes are in the order of the builder's definition.
	Nodes []Assignment `json:"nodes"`
}

// GitFile is a file of a git repository.
type GitFile struct {
	// Repository is host and path of the repository, without scheme and credentials:
	// "github.com/team/app".
	Repository string `json:"repository"`
	// Path is the file's path in the repository, with slashes.
	Path string `json:"path"`
	// Name is what the builder calls the file.
	Name string `json:"name"`
}

// Assignment is what one node builds.
type Assignment struct {
	Node string `json:"node"`
	// Platforms are as those of an Event.
	Platforms []string `json:"platforms,omitempty"`
}

// Stage is what a node is waited for.
type Stage string

// The stages, in their order.
const (
	// StageStart is the way to a connection: workload, pod, transport.
	StageStart Stage = "start"
	// StageReady is what slipway up does once it is connected: certificates, more
	// pods.
	StageReady Stage = "ready"
)

// Waiting says what a node is waited for, in a line for people.
type Waiting struct {
	Stage  Stage  `json:"stage"`
	Reason string `json:"reason"`
}

// Connected ends StageStart: a buildkitd has answered. The pod is the event's.
type Connected struct {
	// BuildKit is the version of buildkitd.
	BuildKit string `json:"buildkit"`
	// BuildsFor are the platforms that it builds for, its default first.
	BuildsFor []string `json:"buildsFor,omitempty"`
	// Transport is how the pod is reached, such as "direct"; empty with the
	// driver remote.
	Transport string `json:"transport,omitempty"`
	// Address is that of the driver remote.
	Address string `json:"address,omitempty"`
}

// Ready ends StageReady. The platforms are those that the node builds for.
type Ready struct {
	// BuildKit is the version of buildkitd.
	BuildKit string `json:"buildkit"`
	// Pods of Wanted are ready; both are 0 with the driver remote.
	Pods   int `json:"pods,omitempty"`
	Wanted int `json:"wanted,omitempty"`
}

// NodeFailed ends a stage: there will be no connection, or the node does not
// become ready.
type NodeFailed struct {
	Stage Stage  `json:"stage"`
	Error string `json:"error"`
}

// SolveBegun says that a node's part of the build begins, anew when its builder
// was lost before.
type SolveBegun struct {
	// Platform is the node's own, which it builds for when it is asked for none;
	// empty where the builder does not say.
	Platform string `json:"platform,omitempty"`
}

// Submitted says that a solve was sent to the builder. It comes again when the solve is
// sent again.
type Submitted struct {
	// Ref is the name of the solve in the history of its buildkitd.
	Ref string `json:"ref"`
}

// Progress is one report of a solve's steps. A step, a part or a warning comes
// again whenever something about it has changed; output comes in pieces that end
// anywhere.
type Progress struct {
	Vertexes []*Vertex  `json:"vertexes,omitempty"`
	Statuses []*Status  `json:"statuses,omitempty"`
	Logs     []*Log     `json:"logs,omitempty"`
	Warnings []*Warning `json:"warnings,omitempty"`
}

// Vertex is a step of a solve. Two nodes have the same digest for the same step.
type Vertex struct {
	// Digest identifies the step in its solve, Inputs the steps that it needs.
	Digest string   `json:"digest,omitempty"`
	Inputs []string `json:"inputs,omitempty"`
	Name   string   `json:"name,omitempty"`
	// Started and Completed are by the clock of the builder; nil as long as it has
	// not.
	Started   *time.Time `json:"started,omitempty"`
	Completed *time.Time `json:"completed,omitempty"`
	Cached    bool       `json:"cached,omitempty"`
	// Error is why it failed.
	Error string `json:"error,omitempty"`
	// Group shows several steps as one; may be nil.
	Group *Group `json:"progressGroup,omitempty"`
}

// Group is a group of steps. A weak one is dropped when its steps have several.
type Group struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
	Weak bool   `json:"weak,omitempty"`
}

// Status is a part of a step that has a progress of its own, such as a layer that
// is pulled. Current and Total are bytes or a count; Total is 0 when unknown.
type Status struct {
	ID        string     `json:"id"`
	Vertex    string     `json:"vertex,omitempty"`
	Name      string     `json:"name,omitempty"`
	Total     int64      `json:"total,omitempty"`
	Current   int64      `json:"current"`
	Timestamp time.Time  `json:"timestamp"`
	Started   *time.Time `json:"started,omitempty"`
	Completed *time.Time `json:"completed,omitempty"`
}

// Log is a piece of what a step puts out. Stream is 1 for standard output, 2 for
// standard error.
type Log struct {
	Vertex    string    `json:"vertex,omitempty"`
	Stream    int       `json:"stream,omitempty"`
	Data      []byte    `json:"data"`
	Timestamp time.Time `json:"timestamp"`
}

// Warning is a finding of the Dockerfile linter. In JSON it has the shape that
// docker buildx writes into a metadata file under buildx.build.warnings.
type Warning struct {
	// Vertex is the digest of the step that it is about.
	Vertex string `json:"vertex,omitempty"`
	// Level is that of BuildKit: 1 for what the linter finds.
	Level int `json:"level,omitempty"`
	// Short is the finding in a line, Detail explains it, and URL is a page about it.
	Short  []byte   `json:"short,omitempty"`
	Detail [][]byte `json:"detail,omitempty"`
	URL    string   `json:"url,omitempty"`
	// Source is the file and Ranges are the places in it; both may be missing.
	Source *Source  `json:"sourceInfo,omitempty"`
	Ranges []*Range `json:"range,omitempty"`
}

// Source is a file that a warning is about.
type Source struct {
	// Filename and Data are the name and the content of the file.
	Filename string `json:"filename,omitempty"`
	Data     []byte `json:"data,omitempty"`
	// Definition is where BuildKit has the file from, in the JSON of its LLB.
	Definition json.RawMessage `json:"definition,omitempty"`
	// Language is what the file is written in, as in "Dockerfile".
	Language string `json:"language,omitempty"`
}

// Range is a range of lines. Either end may be missing.
type Range struct {
	// Start and End are the first and the last place.
	Start *Position `json:"start,omitempty"`
	End   *Position `json:"end,omitempty"`
}

// Position is a place in a file; Line counts from 1.
type Position struct {
	// Line counts from 1, Character from 0.
	Line      int32 `json:"line,omitempty"`
	Character int32 `json:"character,omitempty"`
}

// Solved says that a node's part of the build has succeeded.
type Solved struct {
	// Ref is the name of the solve in the history of its buildkitd.
	Ref string `json:"ref"`
	// Started and Completed are when it ran, by the agent's clock.
	Started   time.Time `json:"started"`
	Completed time.Time `json:"completed"`
	// Response are the exporters' answers, by BuildKit's keys.
	Response map[string]string `json:"response,omitempty"`
	// Image is the image that Response describes; nil when no output is one.
	Image *ocispecs.Descriptor `json:"image,omitempty"`
}

// BuilderLost says that a builder went away in mid-build and that the node's part
// is solved again: the Try-th time of at most Tries.
type BuilderLost struct {
	Error string `json:"error"`
	Try   int    `json:"try"`
	Tries int    `json:"tries"`
}

// Recorded is what a builder has recorded of a solve, by platform ("" when there
// is only one).
type Recorded struct {
	Provenance map[string]json.RawMessage `json:"provenance,omitempty"`
}

// Publishing says that all nodes have succeeded and that their results are put in
// place.
type Publishing struct {
	// Names are the references that get the merged image; empty where there is
	// nothing to merge.
	Names []string `json:"names,omitempty"`
}

// Published says that all outputs are in place. It is the last event of a build
// that has succeeded.
type Published struct {
	// Image is the image, of all platforms; nil when no output is one.
	Image *ocispecs.Descriptor `json:"image,omitempty"`
	// ConfigDigest is that of the image's configuration; empty for an image of
	// several platforms, each of which has its own.
	ConfigDigest string `json:"configDigest,omitempty"`
	// Names are the image's names; Merged are those of Publishing.
	Names  []string `json:"names,omitempty"`
	Merged []string `json:"merged,omitempty"`
	// Images are the images of an index that was put together on the agent, by
	// platform; empty when one node built all.
	Images map[string]ocispecs.Descriptor `json:"images,omitempty"`
	// Outputs are in the order in which they were asked for; without one the result
	// is in the cache of the builder only.
	Outputs []Output `json:"outputs,omitempty"`
}

// Output is what has become of one output.
type Output struct {
	// Type is its type as --output has it, such as "local"; "image" for registry.
	Type string `json:"type"`
	// Dest is where the result is on the agent, as it was given; "-" is standard
	// output. Empty when it is nowhere there.
	Dest string `json:"dest,omitempty"`
	// Names are the names of an image.
	Names []string `json:"names,omitempty"`
	// Pushed says that the image is in its registry, Loaded that it is in a Docker
	// engine.
	Pushed bool `json:"pushed,omitempty"`
	Loaded bool `json:"loaded,omitempty"`
	// Files counts the files of a directory; Bytes is the size of the file, or of
	// all of them. Both are 0 when they are not known.
	Files int   `json:"files,omitempty"`
	Bytes int64 `json:"bytes,omitempty"`
}

// NotPublished says that the results could not be put in place.
type NotPublished struct {
	Error string `json:"error"`
}

// Tests is what the test reports of a step that has failed say.
type Tests struct {
	// Platform is the one that the step was for, as "linux/amd64"; empty in a build of one
	// platform.
	Platform string `json:"platform,omitempty"`
	// Total counts all tests, Failed those that have failed or could not run, Skipped
	// those that were not run.
	Total   int `json:"total"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
	// Failures are the first of those that have failed, at most 100.
	Failures []TestFailure `json:"failures,omitempty"`
}

// TestFailure is a test that has failed.
type TestFailure struct {
	// Name is that of the test, with its class in front.
	Name string `json:"name"`
	// Message is why, in a line; it may be empty.
	Message string `json:"message,omitempty"`
	// File is the absolute path of the test on the agent; empty when it is not known or
	// not there. Line counts from 1; 0 when it is not known.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// Failed says that the build has failed. It is the last event of such a build, and the
// only one where nothing has begun yet.
type Failed struct {
	// Class is whose fault it is: one of the constants.
	Class FailedClass `json:"class"`
	// Error is the message, in a line or several.
	Error string `json:"error"`
	// Step is the name of the step that has failed; empty when none has.
	Step string `json:"step,omitempty"`
	// Place is where in the Dockerfile it has failed; nil when that is not known.
	Place *Place `json:"place,omitempty"`
}

// FailedClass is whose fault a failure is. Each has an exit code of its own.
type FailedClass string

// The classes.
const (
	FailedBuild     FailedClass = "build"     // the Dockerfile or the code
	FailedUsage     FailedClass = "usage"     // a flag, a file, a definition or an output
	FailedCluster   FailedClass = "cluster"   // a builder that could not be had
	FailedLost      FailedClass = "lost"      // a builder that went away
	FailedRegistry  FailedClass = "registry"  // a registry that refused or was not reached
	FailedCancelled FailedClass = "cancelled" // a signal or a deadline
	FailedInternal  FailedClass = "internal"  // Slipway itself
)

// Place is a place in a Dockerfile.
type Place struct {
	// Name is the file's name as the builder has it; File its absolute path on the
	// agent, empty when it is not a file there.
	Name string `json:"name,omitempty"`
	File string `json:"file,omitempty"`
	// Git is the file in a git repository that the builder reads; nil when it comes from
	// elsewhere.
	Git *GitFile `json:"git,omitempty"`
	// Start and End are its first and last line, counted from 1.
	Start int `json:"start"`
	End   int `json:"end"`
}

// Span is something that took time: a step of the command's own, or a request to
// the API server or to buildkitd. It is emitted when it ends.
type Span struct {
	What string    `json:"what"`
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// overhead is what an event, or a part of one, takes in memory beside its texts, in
// bytes: an estimate.
const overhead = 128

// size is how much memory the event takes, in bytes, as far as that can grow with
// what a builder sends: an estimate.
func (e Event) size() int {
	n := overhead
	p := e.Progress
	if p == nil {
		return n
	}
	for _, v := range p.Vertexes {
		n += overhead + len(v.Name) + len(v.Error) + len(v.Digest)*(1+len(v.Inputs))
	}
	for _, v := range p.Statuses {
		n += overhead + len(v.ID) + len(v.Name)
	}
	for _, l := range p.Logs {
		n += overhead + len(l.Data)
	}
	for _, w := range p.Warnings {
		n += overhead + len(w.Short) + len(w.URL)
		for _, line := range w.Detail {
			n += len(line)
		}
		if w.Source != nil {
			n += len(w.Source.Data) + len(w.Source.Definition)
		}
	}
	return n
}
