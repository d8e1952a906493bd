package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent"
	"github.com/slipway-build/slipway/agent/ci"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/agent/report"
	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/cmd/slipway/dockercli"
	"github.com/slipway-build/slipway/cmd/slipway/dockerimages"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
	"github.com/slipway-build/slipway/internal/target"
)

// imageFlags say where docker's commands keep what docker build has built.
type imageFlags struct {
	ImagesDir string `name:"images-dir" hidden:"" env:"SLIPWAY_DOCKER_IMAGES" means:"the directory in which docker build keeps what docker push needs" help:"Directory in which docker build keeps what docker push, tag, save and inspect need of its images."`
}

// openImages opens the store of the job.
func (f imageFlags) openImages(in *invocation) (*dockerimages.Store, error) {
	const name = "slipway-images"
	if f.ImagesDir != "" {
		dir, err := target.Absolute(in.workdir, f.ImagesDir)
		if err != nil {
			return nil, &usageError{err: fmt.Errorf("SLIPWAY_DOCKER_IMAGES: %w", err)}
		}
		return dockerimages.Open([]string{dir}, in.env.CI.JobKey())
	}
	var dirs []string
	if filepath.IsAbs(in.env.dockerDir()) {
		dirs = append(dirs, filepath.Join(in.env.dockerDir(), name))
	}
	dirs = append(dirs, filepath.Join(target.TempPath(), name+"-"+strconv.Itoa(os.Geteuid())))
	store, err := dockerimages.Open(dirs, in.env.CI.JobKey())
	if err != nil {
		return nil, &usageError{err: err, hints: []string{"set SLIPWAY_DOCKER_IMAGES to a directory that all steps of the job can write to"}}
	}
	return store, nil
}

// keeper keeps the image of a docker build. The zero keeper keeps none.
type keeper struct {
	to     *dockerimages.Store
	names  []string
	pushed bool

	mu   sync.Mutex
	held []agent.Held
}

// keep makes a docker build keep its image: there is no engine that would. A build
// without output exports it on its builders, and so does one that loads it into an engine
// which is not there.
func (c *buildCmd) keep(in *invocation) error {
	build := in.called == "docker" && in.docker.Is("build")
	load := c.Load && !output.HasEngine(in.env.lookup)
	if in.called != "docker" || !build && !load || c.Check || c.Print != "" || c.Call != "build" {
		return nil
	}
	alone := len(c.Output) == 0 && !c.Push && (!c.Load || load)
	for _, tag := range c.Tag {
		name, err := dockerimages.ParseTag(tag)
		if err != nil {
			return &usageError{err: fmt.Errorf("--tag: %w", err)}
		}
		c.keeper.names = append(c.keeper.names, name)
	}
	if !c.DryRun {
		var err error
		if c.keeper.to, err = c.openImages(in); err != nil && alone {
			return err
		} else if err != nil { // the build has what it is for without it
			in.log.Debug().Err(err).Msg("the image is not kept")
		}
	}
	if !alone {
		c.keeper.pushed = true
		return nil
	}
	if c.Provenance == "" && len(c.Attest) == 0 && c.SBOM == "" {
		c.Provenance = "false" // as with an engine: the image has the ID of its configuration
	} else if on, err := strconv.ParseBool(c.Provenance); err != nil || on || len(c.Attest) > 0 || c.SBOM != "" {
		return &usageError{
			err:   errors.New("attestations are not kept from docker build to docker push"),
			hints: []string{"add --push to docker build, or leave --attest, --provenance and --sbom out"},
		}
	}
	// The names are for the job alone until they are pushed.
	c.Output, c.Tag, c.Load = []string{"type=image,push=false"}, nil, false
	return nil
}

// keep is agent.Build.Keep.
func (k *keeper) keep() func(agent.Held) {
	if k.to == nil {
		return nil
	}
	return func(h agent.Held) {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.held = append(k.held, h)
	}
}

// store keeps what was built, and completes the report by the ID of an image of several
// platforms.
func (k *keeper) store(ctx context.Context, made *report.Report) error {
	if k.to == nil || len(k.held) == 0 {
		return nil
	}
	image := dockerimages.Image{Kept: time.Now(), Builder: made.Builder, Affinity: k.held[0].Affinity, Tags: k.names}
	var blobs [][]byte
	for _, h := range k.held {
		part := dockerimages.Part{
			Platform: h.Part.Platform, Node: h.Part.Node, Pod: h.Part.Pod,
			Manifest: h.Part.Manifest, Config: h.Part.ConfigDigest, Sources: h.Part.Sources,
		}
		if h.Part.AtBuilder {
			part.Shown = digest.FromBytes(h.Config)
		}
		image.Parts = append(image.Parts, part)
		blobs = append(blobs, h.Manifest, h.Config)
	}
	index, err := image.Identify()
	if err != nil {
		return err
	}
	if k.pushed && made.Outcome.Image != nil {
		image.AddPushed(*made.Outcome.Image, pushedTo(made))
	} else if index != nil {
		made.Outcome.Image = index
	}
	return k.to.Keep(ctx, image, blobs)
}

// pushedTo are the names that a build has pushed.
func pushedTo(made *report.Report) []string {
	var names []string
	for _, o := range made.Outcome.Outputs {
		if o.Pushed {
			names = append(names, o.Names...)
		}
	}
	return names
}

// imageCall is a command of docker about images, with what it needs.
type imageCall struct {
	*invocation
	dockercli.Call
	store *dockerimages.Store
}

// imageAnswers are docker's commands about images, by their names in package dockercli.
var imageAnswers = map[string]func(*invocation, dockercli.Call) error{
	"tag":               ofImages(func(c imageCall) error { return c.store.Tag(c.ctx, c.Args[0], c.Args[1]) }),
	"rmi":               ofImages(func(c imageCall) error { return c.store.Remove(c.ctx, c.out, c.Args, c.note) }),
	"image prune":       ofImages(func(c imageCall) error { return c.store.Prune(c.ctx, c.out, c.Bool("all")) }),
	"images":            ofImages(imageCall.list),
	"inspect":           ofImages(imageCall.inspect),
	"image inspect":     ofImages(imageCall.inspect),
	"history":           ofImages(imageCall.history),
	"pull":              ofImages(imageCall.pull),
	"push":              ofImages(imageCall.push),
	"save":              ofImages(imageCall.save),
	"manifest create":   ofImages(imageCall.createList),
	"manifest annotate": ofImages(imageCall.annotateList),
	"manifest push":     ofImages(imageCall.pushList),
	"manifest inspect":  ofImages(imageCall.inspectList),
	"manifest rm":       ofImages(func(c imageCall) error { return c.store.RemoveLists(c.ctx, c.Args) }),
}

// ofImages answers a command with the store of the job.
func ofImages(answer func(imageCall) error) func(*invocation, dockercli.Call) error {
	return func(in *invocation, call dockercli.Call) error {
		store, err := in.images.openImages(in)
		if err != nil {
			return err
		}
		err = answer(imageCall{in, call, store})
		if dockerimages.IsUsage(err) {
			return &usageError{err: err}
		}
		return err
	}
}

// note tells what is different from docker.
func (c imageCall) note(line string) { c.log.Info().Msg(line) }

func (c imageCall) list() error {
	o := dockerimages.ListOptions{
		Quiet: c.Bool("quiet"), NoTrunc: c.Bool("no-trunc"), Digests: c.Bool("digests"), Filters: c.List("filter"), Format: c.String("format"),
	}
	if len(c.Args) > 0 {
		o.Match = c.Args[0]
	}
	return c.store.List(c.output(o.Format), o, time.Now())
}

func (c imageCall) inspect() error {
	o := dockerimages.InspectOptions{Object: "image", Format: c.String("format"), Platform: c.String("platform"), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if c.Is("inspect") {
		o.Object = cmp.Or(c.String("type"), "object")
	}
	w := c.out
	if o.Format == "" || o.Format == formatJSON {
		w = c.json
	}
	return c.store.Inspect(w, c.Args, o)
}

func (c imageCall) history() error {
	o := dockerimages.HistoryOptions{
		Quiet: c.Bool("quiet"), NoTrunc: c.Bool("no-trunc"), Human: !c.Given("human") || c.Bool("human"), Format: c.String("format"),
		Platform: c.String("platform"), OS: runtime.GOOS, Arch: runtime.GOARCH,
	}
	return c.store.History(c.output(o.Format), c.Args[0], o, time.Now())
}

func (c imageCall) pull() error {
	client, err := c.indexClient(c.images.registryFlags, nil)
	if err != nil {
		return err
	}
	o := dockerimages.PullOptions{Quiet: c.Bool("quiet"), Platform: c.String("platform"), OS: runtime.GOOS, Arch: runtime.GOARCH}
	return classifyImages(c.store.Pull(c.ctx, c.out, client, c.Args[0], o, time.Now()))
}

func (c imageCall) push() error {
	names := []string{c.Args[0]}
	client, err := c.indexClient(c.images.registryFlags, names)
	if err != nil {
		return err
	}
	keychain, err := c.keychain(c.images.registryFlags, names)
	if err != nil {
		return err
	}
	system, _, err := c.env.CI.Choose("")
	if err != nil {
		return err
	}
	fork := system.Fork(c.env.CI, readEvent)
	if err := fork.Refused(c.ctx, keychain, names); err != nil {
		return err
	}
	o := dockerimages.PushOptions{AllTags: c.Bool("all-tags"), Quiet: c.Bool("quiet"), Platform: c.String("platform")}
	export := func(ctx context.Context, image dockerimages.Image, names []string) (ocispecs.Descriptor, error) {
		push, err := output.Parse("type=registry")
		if err != nil {
			return ocispecs.Descriptor{}, err
		}
		made, err := c.export(ctx, image, names, push, o.Quiet)
		if err != nil {
			return ocispecs.Descriptor{}, err
		}
		return *made.Outcome.Image, nil
	}
	return fork.Explain(classifyImages(c.store.Push(c.ctx, c.out, client, export, names[0], o)))
}

func (c imageCall) save() error {
	dest := c.String("output")
	if dest == "" {
		dest = "-"
	}
	image, names, err := c.store.ToSave(c.Args, c.String("platform"))
	if err != nil {
		return err
	}
	archive, err := output.Parse("type=docker")
	if err != nil {
		return err
	}
	archive.Dest = dest
	_, err = c.export(c.ctx, image, names, archive, dest == "-")
	return err
}

// export makes the builders export an image that they hold.
func (c imageCall) export(ctx context.Context, image dockerimages.Image, names []string, to output.Output, quiet bool) (*report.Report, error) {
	definition, err := c.definition(image.Builder)
	if err != nil {
		return nil, err
	}
	keychain, err := c.keychain(c.images.registryFlags, names)
	if err != nil {
		return nil, err
	}
	client, err := c.registryClient(keychain, nil, definition)
	if err != nil {
		return nil, err
	}
	mode, err := progress.ParseMode(c.env.variable("BUILDKIT_PROGRESS"))
	if err != nil || mode == progress.RawJSON {
		mode = progress.Auto
	}
	if quiet {
		mode = progress.Quiet
	}
	events, end := timingFlags{}.events(c.invocation)
	defer end()
	clients := &fleet.Clients{Access: c.access(), Events: events.Emitter(), Log: c.log}
	nodes := fleet.New(definition.WithDrift("", configmap.DriftWarn), clients.Connector())
	defer nodes.Close()
	return agent.Build{
		Fleet:  nodes,
		Events: events,
		Request: solve.Request{
			Held: image.Held(c.store.Dir()), Tags: names, Outputs: []output.Output{to},
			Stdout: c.data, StdoutTerminal: isTerminal(c.data), WorkDir: c.workdir, Home: c.env.Home, Lookup: c.env.lookup, Files: c.files,
			Keychain: keychain, Registry: client, Tokens: client,
		},
		Terminal: c.terminal,
		Mode:     ableMode(mode, ci.System{}, c.env.variable("TERM")),
		Log:      c.log,
	}.Run(ctx)
}

func (c imageCall) createList() error {
	client, err := c.indexClient(c.images.registryFlags, c.Args[:1])
	if err != nil {
		return err
	}
	name, err := c.store.CreateList(c.ctx, client, c.Args[0], c.Args[1:], c.Bool("amend"))
	if err != nil {
		return classifyImages(err)
	}
	_, err = sanitize.Fprintln(c.out, "Created manifest list "+name)
	return err
}

func (c imageCall) annotateList() error {
	return c.store.AnnotateList(c.ctx, c.Args[0], c.Args[1], dockerimages.Annotation{
		OS: c.String("os"), Arch: c.String("arch"), Variant: c.String("variant"), OSVersion: c.String("os-version"), OSFeatures: c.List("os-features"),
	})
}

func (c imageCall) pushList() error {
	client, err := c.indexClient(c.images.registryFlags, c.Args)
	if err != nil {
		return err
	}
	pushed, err := c.store.PushList(c.ctx, client, c.Args[0], c.Bool("purge"))
	if err != nil {
		return classifyImages(err)
	}
	_, err = sanitize.Fprintln(c.out, pushed.Digest)
	return err
}

func (c imageCall) inspectList() error {
	client, err := c.indexClient(c.images.registryFlags, nil)
	if err != nil {
		return err
	}
	return classifyImages(c.store.InspectList(c.ctx, c.json, client, c.Args[len(c.Args)-1], c.Bool("verbose")))
}

// classifyImages gives an error of a registry its class; others have theirs.
func classifyImages(err error) error {
	if err == nil || fault.ClassOf(err) != 0 || dockerimages.IsUsage(err) {
		return err
	}
	return classifyRegistry(err)
}
