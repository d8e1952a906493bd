package solve

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
	"github.com/tonistiigi/go-csvvalue"

	"github.com/slipway-build/slipway/registry"
)

// namedHosts are the registries that a build names. Credentials for others are
// none of its builders' business: a builder runs other people's code.
type namedHosts struct {
	hosts map[string]bool // canonical
	// open says why the build may need others that cannot be known; empty when
	// all are known.
	open string
	// pushes are the repositories that the build pushes to, HOST/NAME; pushesAny
	// says that the frontend names one.
	pushes    map[string]bool
	pushesAny bool
	// warn is told, once for a host or repository, of questions for others.
	warn func(message string)

	mu     sync.Mutex
	warned map[string]bool
}

// allows reports whether a builder may have the credential for a host. Where
// it cannot be known what a build needs, it may. A nil *namedHosts allows all.
func (n *namedHosts) allows(host string) bool {
	return n == nil || n.hosts[registry.CanonicalHost(host)] || n.open != ""
}

// asked tells of a credential that there is for a host that is not named.
func (n *namedHosts) asked(host string) {
	switch {
	case n == nil || n.hosts[registry.CanonicalHost(host)] || !n.first(host):
	case n.open != "":
		n.warn(fmt.Sprintf("the builder has asked for a credential for %s, which nothing that this agent has read names, and has got it: %s", host, n.open))
	default:
		n.warn(fmt.Sprintf("the builder asks for a credential for %s, which this build does not name, and does not get it: if it is a mirror or the like, allow it with --registry-allow %s", host, host))
	}
}

// first reports whether something is to be told that has not been told yet.
func (n *namedHosts) first(what string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.warn == nil || n.warned[what] {
		return false
	}
	if n.warned == nil {
		n.warned = map[string]bool{}
	}
	n.warned[what] = true
	return true
}

// actionPull is the one thing that a token lets a builder do everywhere.
const actionPull = "pull"

// narrow returns what a builder may have of the scopes that it asks for, and
// the others. It may do what it likes where the build pushes. Elsewhere it may
// pull: what a frontend or the bases of an image need, and from where a push
// mounts layers, nobody knows beforehand. Nothing else is for a builder, such as
// the list of all repositories.
func (n *namedHosts) narrow(host string, scopes []string) (left, refused []string) {
	if n == nil || n.pushesAny {
		return scopes, nil
	}
	for _, list := range scopes {
		for scope := range strings.FieldsSeq(list) {
			// Who reads it may look for either colon, so there are no others.
			part := strings.Split(scope, ":")
			switch {
			case len(part) != 3 || part[0] != "repository":
				refused = append(refused, scope)
				continue
			case n.pushes[registry.CanonicalHost(host)+"/"+part[1]]:
				left = append(left, scope)
				continue
			}
			actions := strings.Split(part[2], ",")
			if slices.Contains(actions, actionPull) {
				left = append(left, "repository:"+part[1]+":"+actionPull)
			}
			if slices.ContainsFunc(actions, func(a string) bool { return a != actionPull }) {
				refused = append(refused, scope)
			}
		}
	}
	return left, refused
}

// kept tells of rights that a builder has asked for and not got.
func (n *namedHosts) kept(host string, scopes []string) {
	for _, scope := range scopes {
		if n.first(host + " " + scope) {
			n.warn(fmt.Sprintf("the builder asks for the right %s at %s and does not get it: a build pushes to the repositories of its outputs and caches, and may pull from others", scope, host))
		}
	}
}

// findNamedHosts finds the registries that a prepared request names.
func (p *preparation) findNamedHosts() *namedHosts {
	n := &namedHosts{hosts: map[string]bool{}, pushes: map[string]bool{}, warn: p.request.Warn}
	for _, host := range p.request.RegistryAllow {
		n.hosts[registry.CanonicalHost(host)] = true
	}
	for _, o := range p.request.Outputs {
		if o.Type != client.ExporterImage && o.Type != exporterRegistry {
			continue
		}
		names := p.request.dressed(o).Attrs[attrName]
		n.pushesAny = n.pushesAny || names == anyName
		for _, name := range normalizedNames(names) {
			n.image(name)
			if o.Type == exporterRegistry || isTrue(o.Attrs, attrPush) {
				n.push(name)
			}
		}
	}
	for _, tag := range p.request.Tags {
		n.image(tag)
	}
	for _, c := range slices.Concat(p.request.CacheFrom, p.request.CacheTo) {
		if c.Type == cacheRegistry {
			n.image(c.Attrs["ref"])
		}
	}
	for _, c := range p.request.CacheTo {
		if c.Type == cacheRegistry {
			n.push(c.Attrs["ref"])
		}
	}
	for _, c := range p.request.Contexts {
		if ref, ok := strings.CutPrefix(c.Value, imageScheme); ok {
			n.image(ref)
		}
	}
	for _, a := range attests(p.request) {
		if a.Type == attestSBOM && !a.Disabled {
			n.image(cmp.Or(a.Attrs["generator"], defaultScanner))
		}
	}
	n.policy(p.inputs.SourcePolicy)
	p.dockerfileHosts(n)
	return n
}

const imageScheme = "docker-image://"

// defaultScanner is BuildKit's own generator of package lists.
const defaultScanner = "docker/buildkit-syft-scanner:stable-1"

// image adds the registry of an image. What is no reference is the builder's to
// refuse.
func (n *namedHosts) image(ref string) {
	if named, err := reference.ParseNormalizedNamed(ref); err == nil {
		n.hosts[registry.CanonicalHost(reference.Domain(named))] = true
	}
}

// push adds the repository of an image that is pushed.
func (n *namedHosts) push(ref string) {
	if named, err := reference.ParseNormalizedNamed(ref); err == nil {
		n.pushes[registry.CanonicalHost(reference.Domain(named))+"/"+reference.Path(named)] = true
	}
}

// opens notes the first reason why hosts cannot be known.
func (n *namedHosts) opens(reason string) {
	if n.open == "" {
		n.open = reason
	}
}

// policy adds what a source policy replaces images by.
func (n *namedHosts) policy(policy *spb.Policy) {
	for _, rule := range policy.GetRules() {
		ref, ok := strings.CutPrefix(rule.GetUpdates().GetIdentifier(), imageScheme)
		switch {
		case !ok:
		case strings.Contains(ref, "$"):
			n.opens("a source policy replaces images by a pattern")
		default:
			n.image(ref)
		}
	}
}

// dockerfileHosts adds the registries of the images that the Dockerfile names,
// if it is on the agent and its syntax is that of Docker's frontend.
func (p *preparation) dockerfileHosts(n *namedHosts) {
	dir, name := p.inputs.Mounts[mountDockerfile], p.inputs.Attrs[attrFilename]
	if dir == "" {
		n.opens("the Dockerfile is not on this agent, so it cannot be known what the build needs")
		return
	}
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return // found and reported already
	}
	syntax, _, _, _ := parser.DetectSyntax(data)
	if given := p.request.BuildArgs[argSyntax]; given != "" {
		syntax = given
	}
	if syntax != "" {
		ref, _, _ := strings.Cut(strings.TrimSpace(syntax), " ")
		n.image(ref)
		if !isDockerfileFrontend(ref) {
			n.opens(fmt.Sprintf("the frontend %s may need any", ref))
		}
	}
	d := dockerfileImages{args: p.request.BuildArgs, named: map[string]bool{}, stages: map[string]bool{}}
	for _, c := range p.request.Contexts {
		d.named[c.Name] = true
	}
	if err := d.read(data); err != nil {
		n.opens("the Dockerfile cannot be read here as the builder reads it")
	}
	for _, ref := range d.images {
		n.image(ref)
	}
	if d.unknown != "" {
		n.opens(d.unknown)
	}
}

// isDockerfileFrontend reports whether an image is one of Docker's frontends
// for Dockerfiles, which pull what the Dockerfile says. A copy elsewhere is
// whatever is there.
func isDockerfileFrontend(ref string) bool {
	named, err := reference.ParseNormalizedNamed(ref)
	return err == nil && slices.Contains([]string{"docker.io/docker/dockerfile", "docker.io/docker/dockerfile-upstream"}, named.Name())
}

// dockerfileImages reads the images that a Dockerfile names.
type dockerfileImages struct {
	args   map[string]string // --build-arg
	named  map[string]bool   // --build-context
	stages map[string]bool
	images []string
	// unknown says why there may be others.
	unknown string
}

// platformValue stands for the value of an argument that differs by platform.
const platformValue = "platform.invalid"

func (d *dockerfileImages) read(data []byte) error {
	parsed, err := parser.Parse(bytes.NewReader(data))
	if err != nil {
		return err
	}
	lex := shell.NewLex(parsed.EscapeToken)
	global := map[string]string{}
	for _, scope := range []string{"BUILD", "TARGET"} {
		for _, part := range []string{"PLATFORM", "OS", "ARCH", "VARIANT", "OSVERSION"} {
			global[scope+part] = platformValue
		}
	}
	stages := 0
	for _, node := range parsed.AST.Children {
		switch strings.ToLower(node.Value) {
		case "arg":
			if stages > 0 {
				continue // those of a stage are not for FROM
			}
			for word := node.Next; word != nil; word = word.Next {
				name, value, _ := strings.Cut(word.Value, "=")
				if given, ok := d.args[name]; ok {
					value = given
				} else if value, _, err = lex.ProcessWord(value, shell.EnvsFromSlice(environ(global))); err != nil {
					return err
				}
				if _, platform := global[name]; !platform || value != "" {
					global[name] = value
				}
			}
		case "from":
			if node.Next == nil {
				continue
			}
			ref, _, err := lex.ProcessWord(node.Next.Value, shell.EnvsFromSlice(environ(global)))
			if err != nil {
				return err
			}
			d.image(ref)
			d.stages[strconv.Itoa(stages)] = true
			stages++
			if as := node.Next.Next; as != nil && strings.EqualFold(as.Value, "as") && as.Next != nil {
				d.stages[strings.ToLower(as.Next.Value)] = true
			}
		default:
			for _, from := range sourcesOf(node) {
				if strings.Contains(from, "$") {
					d.unknown = fmt.Sprintf("line %d of the Dockerfile takes files from an image that only the builder can name", node.StartLine)
					continue
				}
				d.image(from)
			}
		}
	}
	return nil
}

func environ(vars map[string]string) []string {
	all := make([]string, 0, len(vars))
	for name, value := range vars {
		all = append(all, name+"="+value)
	}
	return all
}

// image notes an image, unless the name is that of something else.
func (d *dockerfileImages) image(ref string) {
	familiar := ref
	if named, err := reference.ParseNormalizedNamed(ref); err == nil {
		familiar = strings.TrimSuffix(reference.FamiliarString(named), ":latest")
	}
	if ref == "scratch" || d.stages[strings.ToLower(ref)] || d.named[familiar] {
		return
	}
	if host, _, _ := strings.Cut(ref, "/"); strings.Contains(host, platformValue) {
		d.unknown = "the Dockerfile names a registry by the platform"
		return
	}
	d.images = append(d.images, strings.ReplaceAll(ref, platformValue, "platform"))
}

// sourcesOf are the images, stages or contexts that an instruction takes files
// from: --from of COPY, and from of the mounts of RUN.
func sourcesOf(node *parser.Node) []string {
	var all []string
	for _, flag := range node.Flags {
		if from, ok := strings.CutPrefix(flag, "--from="); ok {
			all = append(all, from)
		}
		mount, ok := strings.CutPrefix(flag, "--mount=")
		if !ok {
			continue
		}
		fields, err := csvvalue.Fields(mount, nil)
		if err != nil {
			continue
		}
		for _, field := range fields {
			if from, ok := strings.CutPrefix(field, "from="); ok {
				all = append(all, from)
			}
		}
	}
	if strings.EqualFold(node.Value, "onbuild") && node.Next != nil {
		for _, child := range node.Next.Children {
			all = append(all, sourcesOf(child)...)
		}
	}
	return all
}
