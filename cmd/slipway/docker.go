package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent"
	"github.com/slipway-build/slipway/agent/builders"
	"github.com/slipway-build/slipway/cmd/slipway/dockercli"
	"github.com/slipway-build/slipway/cmd/slipway/dockerinfo"
	"github.com/slipway-build/slipway/cmd/slipway/jobbuilders"
	"github.com/slipway-build/slipway/cmd/slipway/process"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// called is the name under which the program runs. Under those of docker and
// buildx its errors, warnings and exit codes are theirs: scripts test for them.
type called string

// asDocker are the names of docker and of its plugin.
var asDocker = []string{"docker", "docker-buildx", "buildx"}

// calledAs is the name of a path in os.Args[0].
func calledAs(path string) called { return called(strings.TrimSuffix(filepath.Base(path), ".exe")) }

func (c called) docker() bool { return slices.Contains(asDocker, string(c)) }

// parse reads the command line. One of docker becomes one of Slipway, or a command of
// docker that is answered by dockerAnswers.
func (c called) parse(args []string) (dockercli.Call, error) {
	switch {
	case c == "docker":
		return dockercli.Docker(args)
	case c.docker():
		return dockercli.Plugin(args)
	}
	return dockercli.Call{Slipway: args}, nil
}

// dockerAnswers are docker's commands that are none of Slipway's, by their names in
// package dockercli. Those that ask nobody are in package dockerinfo.
var dockerAnswers = imageAnswers

// dockerCmd runs a command of docker that is none of Slipway's.
type dockerCmd struct {
	imageFlags
	registryFlags
}

// Run runs the command of the call.
func (c *dockerCmd) Run(in *invocation) error {
	call := in.docker
	if call.Command == nil {
		return &usageError{err: errors.New("docker: is for calls by the name of docker"), hints: []string{"slipway install --as docker DIR makes a link with that name"}}
	}
	in.images = c
	if answer, found := dockerAnswers[call.Command.Name]; found {
		return answer(in, call)
	}
	v := currentVersion()
	note, err := dockerinfo.Answer(in.output(call.String("format")), dockerinfo.Asked{
		Command: call.Command.Name, Flags: call, Args: call.Args, Host: in.env.variable("DOCKER_HOST"), Machine: dockerinfo.ThisMachine,
		Program: dockerinfo.Program{
			Version: v.Version, Commit: v.Commit, Go: v.GoVersion, OS: runtime.GOOS, Arch: runtime.GOARCH, Buildx: v.buildxVersion(), Path: os.Args[0],
		},
	})
	if note != "" {
		in.log.Info().Msg(note)
	}
	wrongFormat, noContext := (*dockerinfo.FormatError)(nil), dockerinfo.ContextError("")
	if errors.As(err, &wrongFormat) || errors.As(err, &noContext) {
		return &usageError{err: err}
	}
	return err
}

// tellOfEngine says which flags of docker have no effect.
func (in *invocation) tellOfEngine() {
	if given := in.docker.Engine; len(given) > 0 {
		in.log.Info().Msgf("docker %s: without effect, there is no engine; builds run on the builder", strings.Join(given, ", "))
	}
}

// forgetDefaultBuilder takes BUILDX_BUILDER for not set where docker has set it: for
// docker build it passes the name of its context to the plugin
// (https://github.com/docker/cli/blob/v29.5.3/cmd/docker/builder.go), which is a
// builder of its engine and none of Slipway's.
func (in *invocation) forgetDefaultBuilder() {
	if !in.called.docker() || in.given["builder"] || in.env.variable("SLIPWAY_BUILDER") != "" || in.global.Builder != dockerinfo.DefaultContext {
		return
	}
	if set, err := in.load(); err != nil || !set.Has(dockerinfo.DefaultContext) { // the command reports the error
		in.global.Builder = ""
	}
}

// errorPrefix begins the line of an error.
func (c called) errorPrefix() string {
	if c.docker() {
		return "ERROR:"
	}
	return "error:"
}

// message is what the line of an error says. docker's has BuildKit's own words for a
// failed build, which scripts and annotators look for.
func (c called) message(err error) string {
	if c.docker() {
		return agent.BuildxMessage(err)
	}
	return err.Error()
}

// level is what a diagnostic begins with, empty where it is Slipway's own way.
func (c called) level(level string) string {
	switch {
	case !c.docker():
		return ""
	case level == zerolog.LevelWarnValue:
		return "WARNING:"
	}
	return strings.ToUpper(level) + ":"
}

// exitCode is that of an error. docker and kaniko know 1 for all but a signal; what needs an engine
// has a code of its own, by which a pipeline can tell it.
func (c called) exitCode(err error) int {
	code := exitCode(err)
	if engine := (*dockercli.EngineError)(nil); errors.As(err, &engine) {
		return exitUsage
	}
	if byUser := (process.SignalError{}); (c.docker() || c.kaniko()) && !errors.As(err, &byUser) && code != exitCancel {
		return exitBuild
	}
	return code
}

// answer does what takes neither a builder nor the environment. done is true where that
// was asked.
func (c called) answer(call dockercli.Call, std streams) (done bool, err error) {
	switch {
	case call.Help:
		return true, call.WriteHelp(std.out)
	case call.Is("--version"):
		return true, dockerinfo.WriteVersionLine(std.out)
	}
	if done, err = c.answerKaniko(call.Slipway, std.out); done {
		return done, err
	}
	if done, err = c.pluginMetadata(call.Slipway, std.out); done {
		return done, err
	}
	return c.nothingToInstall(call.Slipway, std.err)
}

// nothingToInstall answers docker buildx install and uninstall, which say what docker
// build is: it comes here as it is, from docker 23 on or under the name of docker. done
// is true where that was asked.
func (c called) nothingToInstall(args []string, diagnostics io.Writer) (done bool, err error) {
	if !c.docker() || len(args) != 1 || args[0] != "install" && args[0] != "uninstall" {
		return false, nil
	}
	_, err = sanitize.Fprintf(diagnostics, "%s nothing to %s: docker build uses this program as it is\n", c.level(zerolog.LevelInfoValue), args[0])
	return true, err
}

// pluginMetadata answers the question by which the docker command knows a plugin
// (https://github.com/docker/cli/blob/v29.5.3/cli-plugins/metadata/metadata.go).
// done is true where that was asked.
func (c called) pluginMetadata(args []string, out io.Writer) (done bool, err error) {
	if !c.docker() || len(args) != 1 || args[0] != "docker-cli-plugin-metadata" {
		return false, nil
	}
	return true, json.NewEncoder(out).Encode(map[string]string{
		"SchemaVersion":    "0.1.0",
		"Vendor":           "Slipway",
		"Version":          buildxVersion + "+slipway." + version,
		"ShortDescription": "Build on BuildKit in Kubernetes, with the commands of buildx",
	})
}

// job is what this job has done with builders under the name of docker.
func (in *invocation) job() jobbuilders.State {
	return jobbuilders.State{Dir: filepath.Join(in.env.buildxDir(), "slipway")}
}

// jobName is the builder that a name stands for in this job.
func (in *invocation) jobName(set *configmap.Set, name string) string {
	if !in.called.docker() {
		return name
	}
	return in.job().Resolve(name, set.Has)
}

// selectBuilder selects a builder where buildx does. Under docker's name the job's own
// selection takes the place of that where definitions are mounted.
func (in *invocation) selectBuilder(place, builder string) error {
	err := configmap.SelectPath(in.workdir, place, builder, in.env.variable("DOCKER_HOST"))
	if err != nil && in.called.docker() {
		in.log.Debug().Err(err).Msg("the selection is kept for this job alone")
		err = in.job().Select(in.ctx, builder)
	} else if in.called.docker() {
		err = in.job().Select(in.ctx, "")
	}
	if err != nil {
		return &usageError{err: fault.ExplainAgent(err), hints: []string{"BUILDX_CONFIG names a directory that can be written; --builder " + builder + " and BUILDX_BUILDER select without one"}}
	}
	return nil
}

// shared does what docker buildx create asks for where that would be a builder of a Docker
// engine, or a change to one that this job has not made: nothing but another name and a
// selection. done is false where a builder of the job's own is to be made.
func (c *createCmd) shared(in *invocation) (d configmap.Definition, done bool, err error) {
	if !in.called.docker() || c.Output != "" || c.ConfigMap != "" {
		return d, false, nil
	}
	set, err := in.load()
	if err != nil { // none is defined: the job makes its own
		return d, false, nil
	}
	request := jobbuilders.Create{Name: cmp.Or(c.Name, configmap.GenerateName()), Driver: c.Driver, Endpoint: c.Endpoint, Change: c.Append || c.Leave}
	action, builder := in.job().Plan(request, set.Has, cmp.Or(in.jobName(set, ""), set.Selected()))
	if action == jobbuilders.Make {
		return d, false, nil
	}
	if d, err = set.Select(builder); err != nil {
		return d, false, &usageError{err: err}
	}
	if action == jobbuilders.Name {
		if err := in.job().SetAlias(in.ctx, request.Name, d.Name, time.Now()); err != nil {
			return d, false, &usageError{err: fault.ExplainAgent(err), hints: []string{"BUILDX_CONFIG names a directory that can be written"}}
		}
	}
	if c.Use {
		if err := in.selectBuilder(set.Path(), d.Name); err != nil {
			return d, false, err
		}
	}
	var without []string
	for _, flag := range []string{"append", "leave", "node", "driver-opt", "buildkitd-flags", "buildkitd-config", "platform", "profile"} {
		if in.given[flag] {
			without = append(without, flag)
		}
	}
	in.log.Info().Msg(action.Says(request, d.Name, without))
	_, err = sanitize.Fprintln(in.out, request.Name)
	return d, true, err
}

// recordMade records under docker's name that this job has made a builder, and what of it
// was not in the cluster before: docker buildx rm removes that.
func (in *invocation) recordMade(d configmap.Definition) error {
	if !in.called.docker() {
		return nil
	}
	own, _ := in.job().Made(d.Name)
	list, err := builders.List{Definitions: []configmap.Definition{d}, Access: in.access(), Timeout: 10 * time.Second, Log: in.log}.Run(in.ctx)
	if err != nil {
		return err
	}
	for _, node := range list[0].Nodes {
		switch {
		case slices.Contains(own, node.Name):
		case node.Status == builders.StatusAbsent:
			own = append(own, node.Name)
		case d.Driver == configmap.DriverKubernetes:
			in.log.Info().Msgf("node %s was in the cluster before (%s): docker buildx rm %s will leave it there", node.Name, node.Status, d.Name)
		}
	}
	if err := in.job().SetMade(in.ctx, d.Name, own); err != nil {
		return &usageError{err: fault.ExplainAgent(err)}
	}
	return nil
}

// ownsWorkloads tells whether all workloads of a builder may be removed: under docker's
// name those of which this job knows that they were not there before.
func (in *invocation) ownsWorkloads(d configmap.Definition) bool {
	if !in.called.docker() {
		return true
	}
	own, _ := in.job().Made(d.Name)
	for _, node := range d.Nodes {
		if !slices.Contains(own, node.Name) {
			in.log.Info().Msgf("node %s stays in the cluster: it was there before this job", node.Name)
			return false
		}
	}
	return true
}

// ofJob are the definitions to remove. Under docker's name these are the ones that this
// job has made: done is true where others only are named, which stay.
func (c *rmCmd) ofJob(in *invocation) (definitions []configmap.Definition, done bool, err error) {
	if !in.called.docker() {
		definitions, err = c.definitions(in)
		return definitions, false, err
	}
	names := c.Names
	c.Names = nil
	for _, name := range names {
		builder := in.job().Alias(name)
		if set, err := in.load(); err != nil || builder == "" || set.Has(name) {
			c.Names = append(c.Names, name)
			continue
		}
		if err := in.job().Forget(name); err != nil {
			return nil, false, &usageError{err: fault.ExplainAgent(err)}
		}
		in.log.Info().Msgf("builder %s stays, for which %s was another name", builder, name)
		if _, err := sanitize.Fprintf(in.err, "%s removed\n", name); err != nil {
			return nil, false, err
		}
	}
	if len(names) > 0 && len(c.Names) == 0 {
		return nil, true, nil
	}
	if definitions, err = c.definitions(in); err != nil {
		return nil, false, err
	}
	found := len(definitions)
	definitions = slices.DeleteFunc(definitions, func(d configmap.Definition) bool {
		_, made := in.job().Made(d.Name)
		if !made {
			in.log.Info().Msgf("builder %[1]s stays: this job has not made it; slipway rm %[1]s removes it", d.Name)
		}
		return !made
	})
	return definitions, found > 0 && len(definitions) == 0, nil
}
