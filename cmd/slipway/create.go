package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/slipway-build/slipway/agent/builders"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
	"github.com/slipway-build/slipway/internal/target"
)

// createCmd are the flags of docker buildx create, name for name, and where
// the definition goes.
type createCmd struct {
	Endpoint string `arg:"" optional:"" help:"Address of the buildkitd, with --driver=remote: tcp://HOST:PORT or unix:///PATH."`

	Name            string        `placeholder:"NAME" help:"Name of the builder (default: a new one)."`
	Driver          string        `placeholder:"DRIVER" help:"kubernetes (default), remote, or local, which starts buildkitd on this machine."`
	Node            string        `placeholder:"NAME" help:"Name of the node to add or change (default: the builder's with a number)."`
	Platform        []string      `sep:"none" placeholder:"OS/ARCH" help:"Platforms of the node, comma-separated (default: what its buildkitd reports)."`
	DriverOpt       []string      `sep:"none" placeholder:"KEY=VALUE" help:"Options of the driver, comma-separated as CSV; see docs/definitions.md."`
	BuildkitdFlags  flagsValue    `placeholder:"FLAGS" help:"Flags for buildkitd."`
	BuildkitdConfig string        `aliases:"config" placeholder:"FILE" help:"Configuration file for buildkitd; the certificates it names go with it."`
	Profile         string        `placeholder:"NAME" help:"What stands between builds and the cluster node: privileged, rootless or user-namespace; see docs/profiles.md."`
	Append          bool          `help:"Add a node to a builder."`
	Leave           bool          `help:"Take a node away from a builder."`
	Bootstrap       bool          `help:"Start the builder, as slipway up does."`
	Use             bool          `help:"Select the builder, as slipway use does."`
	Timeout         time.Duration `default:"20s" help:"How long the cluster may take to change a ConfigMap."`

	Output    string `short:"o" xor:"place" placeholder:"FILE" help:"File to write, or - for standard output."`
	ConfigMap string `name:"configmap" xor:"place" placeholder:"[NAMESPACE/]NAME" help:"ConfigMap in the cluster to write to, under the builder's name as its key."`
	Progress  string `default:"auto" env:"SLIPWAY_PROGRESS,BUILDKIT_PROGRESS" placeholder:"MODE" help:"Type of progress output of --bootstrap: auto, plain, tty, rawjson, quiet, none."`
}

// flagsValue are flags of another program. Unlike other values they start with
// a hyphen, and buildx's documentation gives them as a word of their own.
type flagsValue string

// Decode implements kong.MapperValue.
func (v *flagsValue) Decode(ctx *kong.DecodeContext) error {
	token := ctx.Scan.Pop()
	if token.IsEOL() {
		return errors.New("a value is missing")
	}
	*v = flagsValue(token.String())
	return nil
}

// Help is shown by --help.
func (c *createCmd) Help() string {
	return "The flags are those of docker buildx create, and what is written is its instance file, which both tools read. Without --output and --configmap it goes where definitions are read from: --definitions, else the first place that exists, else buildx's own. All mistakes are found before anything is written."
}

// Run writes the definition and starts the builder if that is asked for.
func (c *createCmd) Run(in *invocation) error {
	request, mode, err := c.request(in)
	if shared, done, sharedErr := c.shared(in); done || sharedErr != nil {
		if sharedErr != nil || !c.Bootstrap {
			return sharedErr
		}
		return in.bootstrap(shared.WithDrift("", configmap.DriftWarn), mode)
	}
	if err != nil {
		return &usageError{err: err}
	}
	created, place, err := c.write(in, request)
	if err != nil {
		return err
	}
	if err := in.recordMade(created.Definition); err != nil {
		return err
	}
	c.warn(in, request, created, place)
	if c.Use {
		c.use(in, created.Definition.Name, place)
	}
	if c.Output != "-" {
		if _, err := sanitize.Fprintln(in.out, created.Definition.Name); err != nil {
			return err
		}
	}
	if !c.Bootstrap {
		return nil
	}
	return in.bootstrap(created.Definition.WithCacheDir(in.env.cacheDir()).WithDrift("", configmap.DriftApply), mode)
}

// bootstrap starts a builder, as slipway up does.
func (in *invocation) bootstrap(d configmap.Definition, mode progress.Mode) error {
	return builders.Up{Definition: d, Access: in.access(), Terminal: in.terminal, Mode: mode, Log: in.log}.Run(in.ctx)
}

// request parses the flags; all mistakes are reported at once.
func (c *createCmd) request(in *invocation) (configmap.Create, progress.Mode, error) {
	var all fault.List
	mode, err := progress.ParseMode(c.Progress)
	if err != nil {
		all = append(all, fmt.Errorf("--progress: %w", err))
	}
	r := configmap.Create{
		Name:     c.Name,
		Driver:   c.Driver,
		Node:     c.Node,
		Endpoint: c.Endpoint,
		Host:     in.env.BuildKitHost,
		Append:   c.Append,
		Leave:    c.Leave,
		Profile:  c.Profile,
	}
	if r.Name == "" && !c.Append && !c.Leave {
		r.Name = configmap.GenerateName()
	}
	if c.portable() { // a path of this machine means nothing where it is read
		r.Kubeconfig = ""
	} else if r.Kubeconfig = in.env.variable("KUBECONFIG"); in.global.Kubeconfig != "" {
		r.Kubeconfig = fault.Take(&all, func() (string, error) { return filepath.Abs(in.global.Kubeconfig) })
	}
	if r.Platforms, err = solve.ParsePlatforms(c.Platform); err != nil {
		all = append(all, err)
	}
	r.Options = fault.Take(&all, func() (configmap.DriverOpts, error) { return configmap.ParseDriverOpts(c.DriverOpt) })
	if c.BuildkitdFlags != "" {
		r.Flags = fault.Take(&all, func() ([]string, error) { return configmap.ParseDaemonFlags(string(c.BuildkitdFlags)) })
	}
	if file := c.daemonConfig(in, r); file != "" {
		r.Config = fault.Take(&all, func() (*configmap.DaemonConfig, error) { return configmap.ReadDaemonConfig(in.files, file) })
	}
	if c.Leave && c.Bootstrap {
		all = append(all, errors.New("--bootstrap has no meaning with --leave, which takes a node away"))
	}
	if c.Timeout < 0 {
		all = append(all, fmt.Errorf("--timeout %s: must not be negative; 0 is no limit", c.Timeout))
	}
	if c.ConfigMap != "" {
		if err := checkConfigMap(c.ConfigMap); err != nil {
			all = append(all, err)
		}
	}
	if c.Output != "" && c.Output != "-" {
		file := fault.Take(&all, func() (*target.File, error) { return in.openResult("--output", c.Output) })
		if file != nil && file.Streams() {
			all = append(all, fmt.Errorf("--output: %s is no file that a definition could be kept in; - is standard output", c.Output))
		}
	}
	if err := r.Validate(); err != nil {
		all = append(all, err)
	}
	if len(all) > 0 {
		return r, mode, all
	}
	return r, mode, nil
}

// portable says whether the definition is read elsewhere than here.
func (c *createCmd) portable() bool { return c.ConfigMap != "" || c.Output == "-" }

// daemonConfig is the configuration file of buildkitd. buildx takes a default
// one for all nodes that it makes.
func (c *createCmd) daemonConfig(in *invocation, r configmap.Create) string {
	if c.BuildkitdConfig != "" || c.Leave || r.Driver == configmap.DriverRemote || r.Driver == configmap.DriverLocal {
		return c.BuildkitdConfig
	}
	standard := filepath.Join(in.env.buildxDir(), "buildkitd.default.toml")
	if _, err := os.Stat(standard); err != nil {
		return ""
	}
	in.log.Info().Str("file", standard).Msg("no --buildkitd-config is given: taking buildx's default")
	return standard
}

// write makes the change where the definition is kept, and returns that place
// for messages.
func (c *createCmd) write(in *invocation, r configmap.Create) (created configmap.Created, place string, err error) {
	apply := func(s configmap.Source) (configmap.Created, error) {
		created, err = r.Apply(s)
		return created, err
	}
	switch {
	case c.ConfigMap != "":
		place = "configmap " + c.ConfigMap
		err = c.writeConfigMap(in, place, apply)
	case c.Output == "-":
		place, err = "standard output", c.print(in, apply)
	case c.Output != "":
		place, err = c.Output, configmap.EditPath(in.files, in.workdir, c.Output, true, apply)
	default:
		if place, err = configmap.WritePlace(in.places()); err == nil {
			err = configmap.EditPath(in.files, in.workdir, place, false, apply)
		}
	}
	if err != nil && fault.ClassOf(err) == 0 {
		err = &usageError{err: err}
	}
	return created, place, err
}

// print writes the definition to standard output. A builder to change is one
// of those that the other commands see.
func (c *createCmd) print(in *invocation, apply func(configmap.Source) (configmap.Created, error)) error {
	var from configmap.Source
	if c.Append || c.Leave {
		path, err := configmap.Locate(in.places())
		if err != nil {
			return err
		}
		if from, err = configmap.ReadSource(in.files, path, false); err != nil {
			return err
		}
	}
	created, err := apply(from)
	if err != nil {
		return err
	}
	_, err = in.data.Write(created.Content)
	return err
}

func (c *createCmd) writeConfigMap(in *invocation, place string, apply func(configmap.Source) (configmap.Created, error)) error {
	namespace, name, ok := strings.Cut(c.ConfigMap, "/")
	if !ok {
		namespace, name = "", c.ConfigMap
	}
	return builders.ConfigMapEditor{
		Access:    in.access(),
		Namespace: namespace,
		Name:      name,
		Timeout:   c.Timeout,
		Log:       in.log,
	}.Run(in.ctx, func(data map[string]string) (string, string, error) {
		from := configmap.Source{Place: place, Files: make(map[string][]byte, len(data))}
		for key, text := range data {
			from.Files[key] = []byte(text)
		}
		created, err := apply(from)
		return created.Key, string(created.Content), err
	})
}

func checkConfigMap(reference string) error {
	namespace, name, ok := strings.Cut(reference, "/")
	if !ok {
		namespace, name = "default", reference
	}
	if messages := append(validation.IsDNS1123Label(namespace), validation.IsDNS1123Subdomain(name)...); len(messages) > 0 {
		return fmt.Errorf("--configmap %q: is not of the form [NAMESPACE/]NAME: %s", reference, messages[0])
	}
	return nil
}

// warn says what was written and might surprise.
func (c *createCmd) warn(in *invocation, r configmap.Create, created configmap.Created, place string) {
	for _, warning := range created.Warnings {
		in.log.Warn().Msg(warning)
	}
	if r.Config != nil {
		for _, file := range r.Config.PrivateKeys {
			in.log.Warn().Msgf("the private key in %s is now in %s, for everybody to use who may read that", file, place)
		}
	}
	for _, option := range r.Options.Secrets() {
		in.log.Warn().Msgf("driver-opt %s looks like a secret and is now in %s, for everybody to read who may read that", option, place)
	}
}

// use selects the builder. Where that cannot be, the definition is written all
// the same, and scripts that say --use by habit have one builder only.
func (c *createCmd) use(in *invocation, builder, place string) {
	err := error(nil)
	if c.ConfigMap != "" || c.Output != "" {
		err = errors.New("the definition is not where commands of this machine look for it")
	} else {
		err = in.selectBuilder(place, builder)
	}
	if err != nil {
		in.log.Warn().Msgf("--use has no effect: %[2]v; where several are defined, say --builder %[1]s or SLIPWAY_BUILDER=%[1]s", builder, err)
	}
}
