package configmap

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"k8s.io/apimachinery/pkg/util/rand"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// Create is what `slipway create` was asked for, with the meaning that docker
// buildx create gives to it.
type Create struct {
	// Name is the builder's.
	Name string
	// Driver is empty for that of the builder, or of a new one kubernetes.
	Driver string
	// Node is the node to add or change; empty for a new one with a name made
	// of the builder's.
	Node string
	// Endpoint is the address of a node of the driver remote.
	Endpoint string
	// Host is the address of a new node of the driver remote that is given
	// none: the value of BUILDKIT_HOST. A builder that is given neither driver
	// nor endpoint has the driver remote then.
	Host string
	// Kubeconfig is written into the endpoint of a new node of the driver
	// kubernetes. It may be empty.
	Kubeconfig string
	// Append adds a node to a builder that exists; Leave takes one away.
	Append, Leave bool

	// What is not given is nil, and stays as it is when a node is changed.
	Platforms []ocispecs.Platform
	Options   DriverOpts
	// Flags are arguments of buildkitd.
	Flags []string
	// Config is the configuration of buildkitd.
	Config *DaemonConfig
	// Profile is the node's, empty when it is not given.
	Profile string
}

// Created is what becomes of a Source by a Create.
type Created struct {
	// Key is the name of the file to write, and Content what goes into it.
	Key     string
	Content []byte
	// Definition is what the loader makes of the content.
	Definition Definition
	// Warnings are what the user should know about it.
	Warnings []string
}

// GenerateName returns a name for a builder that was given none.
func GenerateName() string { return "builder-" + rand.String(6) }

// Validate finds what is wrong with the request, whatever builder there is.
// The error is a fault.List.
func (c Create) Validate() error {
	var all fault.List
	bad := func(flag, value, problem, hint string) {
		all = append(all, &fault.Usage{Flag: flag, Value: value, Problem: problem, Hint: hint})
	}
	if c.Name == "default" {
		bad("--name", c.Name, "is the name that docker buildx keeps for itself", "choose another name")
	}
	if c.Append && c.Leave {
		bad("--append", "", "excludes --leave", "")
	}
	if c.Name == "" && c.Append {
		bad("--append", "", "needs --name, the builder to add a node to", "")
	}
	if c.Leave {
		return append(all, c.validateLeave()...).Err()
	}
	if c.Endpoint != "" && c.driver() != DriverRemote && c.decided() {
		bad("ENDPOINT", sanitize.RedactURLs(c.Endpoint), "is not taken by the driver "+c.driver(),
			"leave it out, or give --driver=remote to use a buildkitd that runs there")
	}
	alone, ok := c.standalone()
	if !ok {
		return all.Err()
	}
	_, err := alone.Apply(Source{})
	if known := (fault.List)(nil); errors.As(err, &known) {
		all = append(all, known...)
	} else if err != nil {
		all = append(all, err)
	}
	return all.Err()
}

// standalone is the request for the node by itself, so that what can be said about
// it is said before anything is touched. It is not ok where that depends on the
// builder.
func (c Create) standalone() (alone Create, ok bool) {
	alone = c
	alone.Append = false
	alone.Name = cmp.Or(c.Name, GenerateName())
	if !c.decided() {
		if c.Endpoint != "" || c.Options.Values != nil && c.fitsOther() {
			return alone, false // it may be a node of the driver remote
		}
		alone.Driver = DriverKubernetes
	}
	switch {
	case alone.driver() != DriverRemote:
		alone.Endpoint = "" // Validate has refused it
	case c.Endpoint == "" && c.mayExist():
		return alone, false // a node that exists may have one
	}
	return alone, true
}

// fitsOther says whether all options are those of a driver other than kubernetes, too.
func (c Create) fitsOther() bool {
	remote, local := true, true
	for key := range c.Options.Values {
		remote = remote && findOption(remoteOptions(), key) != nil
		local = local && findOption(localOptions(), key) != nil
	}
	return remote || local
}

// driver is that of a new builder.
func (c Create) driver() string {
	if c.Driver == "" && c.Endpoint == "" && c.Host != "" {
		return DriverRemote
	}
	return cmp.Or(c.Driver, DriverKubernetes)
}

// decided says whether the driver is known without a look at the builder.
func (c Create) decided() bool { return c.Driver != "" || !c.mayExist() }

// mayExist says whether the request may be about a builder that exists.
func (c Create) mayExist() bool { return c.Append || c.Node != "" }

func (c Create) validateLeave() fault.List {
	var all fault.List
	if c.Name == "" {
		all = append(all, &fault.Usage{Flag: "--leave", Problem: "needs --name, the builder to take a node from"})
	}
	if c.Node == "" {
		all = append(all, &fault.Usage{Flag: "--leave", Problem: "needs --node, the node to take away"})
	}
	for _, other := range []struct {
		flag  string
		given bool
	}{
		{"--driver", c.Driver != ""},
		{"ENDPOINT", c.Endpoint != ""},
		{"--platform", c.Platforms != nil},
		{"--driver-opt", c.Options.Values != nil},
		{"--buildkitd-flags", c.Flags != nil},
		{"--buildkitd-config", c.Config != nil},
		{"--profile", c.Profile != ""},
	} {
		if other.given {
			all = append(all, &fault.Usage{Flag: other.flag, Problem: "has no meaning with --leave, which takes a node away"})
		}
	}
	return all
}

// Apply makes the change. Nothing is written: the result says what is to be
// written where. The error is a fault.List, Problems of the definition that is
// there, or an *Error about the place.
func (c Create) Apply(s Source) (Created, error) {
	builder, key, err := s.find(c.Name)
	if err != nil {
		return Created{}, err
	}
	var warnings []string
	switch {
	case builder == nil && (c.Append || c.Leave):
		flag := "--append"
		if c.Leave {
			flag = "--leave"
		}
		return Created{}, fault.List{&fault.Usage{Flag: flag, Problem: fmt.Sprintf("builder %q is not defined in %s", c.Name, s.Place), Hint: c.absentHint(s)}}
	case builder == nil:
		builder = &Instance{Name: c.Name, Driver: c.driver()}
	case c.Driver != "" && c.Driver != builder.Driver:
		return Created{}, fault.List{&fault.Usage{Flag: "--driver", Value: c.Driver, Problem: fmt.Sprintf("builder %q has the driver %s", builder.Name, builder.Driver)}}
	}
	if c.Leave {
		err = c.leave(builder, s.Place)
	} else {
		warnings, err = c.put(builder, s.label(key))
	}
	if err != nil {
		return Created{}, err
	}
	return c.check(*builder, s.label(key), Created{Key: key, Warnings: warnings})
}

func (c Create) absentHint(s Source) string {
	var names []string
	for _, key := range keysOf(s.Files) {
		for _, e := range read(s.label(key), s.Files[key]) {
			if !e.guessed {
				names = append(names, e.name)
			}
		}
	}
	switch {
	case len(names) > 0:
		return didYouMean(c.Name, names)
	case c.Append:
		return "leave --append out for the first node of a builder"
	}
	return "no builder is defined there"
}

func (c Create) leave(b *Instance, place string) error {
	i := nodeIndex(b, c.Node)
	switch {
	case i < 0:
		return fault.List{c.unknownNode(b)}
	case len(b.Nodes) == 1:
		return fault.List{&fault.Usage{Flag: "--node", Value: c.Node, Problem: "is the only node of builder " + b.Name, Hint: "remove the definition from " + place + " instead"}}
	}
	b.Nodes = slices.Delete(b.Nodes, i, i+1)
	return nil
}

func (c Create) unknownNode(b *Instance) *fault.Usage {
	names := make([]string, len(b.Nodes))
	for i, n := range b.Nodes {
		names[i] = n.Name
	}
	return &fault.Usage{Flag: "--node", Value: c.Node, Problem: fmt.Sprintf("builder %q has no such node", b.Name), Hint: didYouMean(c.Node, names)}
}

// nodeIndex is -1 when there is no such node. Nodes are named in lower case.
func nodeIndex(b *Instance, name string) int {
	return slices.IndexFunc(b.Nodes, func(n InstanceNode) bool { return name != "" && strings.EqualFold(n.Name, name) })
}

// put adds the node to the builder or changes it.
func (c Create) put(b *Instance, where string) (warnings []string, err error) {
	if b.Driver != DriverRemote && c.Endpoint != "" {
		return nil, fault.List{&fault.Usage{Flag: "ENDPOINT", Value: sanitize.RedactURLs(c.Endpoint), Problem: "is not taken by the driver " + b.Driver}}
	}
	i := nodeIndex(b, c.Node)
	switch {
	case i >= 0:
		c.change(&b.Nodes[i], b.Driver)
	case len(b.Nodes) > 0 && !c.Append && c.Node == "":
		return nil, fault.List{&fault.Usage{
			Flag: "--name", Value: b.Name, Problem: "is defined already in " + where,
			Hint: "add a node with --append, change one with --node NAME, or remove the definition first",
		}}
	case len(b.Nodes) > 0 && !c.Append:
		unknown := c.unknownNode(b)
		unknown.Hint += "; --append adds a node"
		return nil, fault.List{unknown}
	case b.Driver == DriverRemote && c.Endpoint == "" && c.Host == "":
		return nil, fault.List{&fault.Usage{Flag: "ENDPOINT", Problem: "is missing: the driver remote needs the address of a buildkitd", Hint: "write it like tcp://buildkitd.example.com:1234 or unix:///run/buildkit/buildkitd.sock, or set BUILDKIT_HOST"}}
	default:
		i = len(b.Nodes)
		b.Nodes = append(b.Nodes, c.node(b))
	}
	if b.Nodes[i].Slipway, err = withProfile(b.Nodes[i].Slipway, c.Profile); err != nil {
		return nil, err
	}
	for k, n := range b.Nodes {
		if k != i && n.Endpoint != "" && n.Endpoint == b.Nodes[i].Endpoint {
			return nil, fault.List{&fault.Usage{Flag: "ENDPOINT", Value: sanitize.RedactURLs(n.Endpoint), Problem: "is that of node " + n.Name + " already"}}
		}
	}
	return claim(b, i, c.Platforms), nil
}

// node is the new node.
func (c Create) node(b *Instance) InstanceNode {
	n := InstanceNode{Name: strings.ToLower(c.Node), Endpoint: c.Endpoint, Platforms: c.Platforms, DriverOpts: c.Options.normalized(), Flags: c.Flags}
	for k := 0; n.Name == ""; k++ {
		if name := strings.ToLower(fmt.Sprintf("%s%d", b.Name, k)); nodeIndex(b, name) < 0 {
			n.Name = name
		}
	}
	if c.Config != nil {
		n.Files = c.Config.Files
	}
	if b.Driver == DriverRemote && n.Endpoint == "" {
		n.Endpoint = c.Host
	}
	if b.Driver == DriverKubernetes {
		n.Endpoint = kubernetesEndpoint(b.Name, n.Name, c.Kubeconfig)
		n.Flags = withEntitlement(c.Flags, c.Config)
	}
	return n
}

// change gives a node that exists what was given. Unlike in buildx, flags of
// buildkitd stay when none are given. Files that the new configuration does
// not bring stay too, as in buildx.
func (c Create) change(n *InstanceNode, driver string) {
	if c.Endpoint != "" {
		n.Endpoint = c.Endpoint
	}
	if c.Platforms != nil {
		n.Platforms = c.Platforms
	}
	if c.Options.Values != nil {
		n.DriverOpts = c.Options.normalized()
	}
	if c.Flags != nil {
		n.Flags = c.Flags
		if driver == DriverKubernetes {
			n.Flags = withEntitlement(c.Flags, c.Config)
		}
	}
	if c.Config != nil {
		files := maps.Clone(n.Files)
		if files == nil {
			files = make(map[string][]byte)
		}
		maps.Copy(files, c.Config.Files)
		n.Files = files
	}
}

// claim takes the given platforms from all nodes but the i-th: a platform has
// one node, the one that claimed it last.
func claim(b *Instance, i int, claimed []ocispecs.Platform) (warnings []string) {
	for k := range b.Nodes {
		if k == i {
			continue
		}
		n := &b.Nodes[k]
		var kept, lost []ocispecs.Platform
		for _, p := range n.Platforms {
			if slices.ContainsFunc(claimed, func(c ocispecs.Platform) bool { return platforms.FormatAll(c) == platforms.FormatAll(p) }) {
				lost = append(lost, p)
			} else {
				kept = append(kept, p)
			}
		}
		if len(lost) == 0 {
			continue
		}
		n.Platforms = kept
		for _, p := range lost {
			warnings = append(warnings, fmt.Sprintf("node %s claims %s from now on, which node %s did before", b.Nodes[i].Name, platforms.FormatAll(p), n.Name))
		}
		if len(kept) == 0 {
			warnings = append(warnings, fmt.Sprintf("node %s claims no platform any more: what its buildkitd reports counts", n.Name))
		}
	}
	return warnings
}

// check has the loader read what would be written.
func (c Create) check(b Instance, label string, made Created) (Created, error) {
	var err error
	if made.Content, err = b.JSON(); err != nil {
		return Created{}, err
	}
	entries := read(label, made.Content)
	var all fault.List
	named := false // whether the builder's name is at fault, of which the node's may be made
	for _, p := range entries[0].problems {
		if p.absent { // builds may run on a machine that has it
			made.Warnings = append(made.Warnings, fmt.Sprintf("node %s: %s: %s: builds with this builder need it", p.Node, p.Option, p.Message))
			continue
		}
		named = named || p.Node == "" && p.Option == "Name"
		if named && p.Node != "" && p.Option == "Name" && c.Node == "" {
			continue
		}
		all = append(all, c.usageError(p, b))
	}
	if len(all) > 0 {
		return Created{}, all
	}
	made.Definition = entries[0].definition
	made.Warnings = append(made.Warnings, made.Definition.Warnings...)
	return made, nil
}

// usageError says which flag a problem comes from. What comes from the definition
// that was there before stays a problem of it.
func (c Create) usageError(p *Problem, b Instance) error {
	u := &fault.Usage{Problem: p.Message, Hint: p.Hint}
	name, _, _ := strings.Cut(p.Option, "[")
	name, _, _ = strings.Cut(name, ".")
	i := nodeIndex(&b, p.Node)
	changed := c.Node == "" && i == len(b.Nodes)-1 || c.Node != "" && strings.EqualFold(c.Node, p.Node)
	option, isOption := strings.CutPrefix(p.Option, "driver-opt ")
	switch {
	case p.Node == "" && name == "Name":
		u.Flag = "--name"
	case p.Node == "" && name == "Driver":
		u.Flag = "--driver"
	case p.Node != "" && !changed:
		return p
	case isOption:
		u.Flag = "--driver-opt " + option
		if list := c.Options.fragments[option]; list != "" && u.Problem == unknownOption {
			u.Hint = fmt.Sprintf("if %s belongs to %s, %s", option, list, quoteHint)
		}
	case name == "Name" && c.Node == "":
		u.Flag = "--name"
	case name == "Name":
		u.Flag = "--node"
	case name == "Endpoint":
		u.Flag = "ENDPOINT"
	case name == "Platforms":
		u.Flag = "--platform"
	case name == "Flags":
		u.Flag = "--buildkitd-flags"
	case p.Option == "Slipway.profile":
		u.Flag = "--profile"
	case name == "Files":
		u.Flag = "--buildkitd-config"
	default:
		return p
	}
	return u
}
