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

	"github.com/distribution/reference"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
	"github.com/tonistiigi/go-csvvalue"

	"github.com/slipway-build/slipway/agent/solve/cache"
	"github.com/slipway-build/slipway/agent/solve/session"
	"github.com/slipway-build/slipway/registry"
)

// findNamedHosts finds the registries that a prepared request names.
func findNamedHosts(r Request, in inputs) *session.Hosts {
	n := &session.Hosts{Named: map[string]bool{}, Pushes: map[string]bool{}, Warn: r.Warn}
	for _, host := range r.RegistryAllow {
		n.Named[registry.CanonicalHost(host)] = true
	}
	for _, o := range r.Outputs {
		images := o.Images(r.Tags)
		n.PushesAny = n.PushesAny || images.AnyName
		for _, name := range images.Names {
			n.AddImage(name)
			if images.Pushed {
				n.AddPush(name)
			}
		}
	}
	for _, tag := range r.Tags {
		n.AddImage(tag)
	}
	for _, c := range slices.Concat(r.CacheFrom, r.CacheTo) {
		if c.Type == cache.TypeRegistry {
			n.AddImage(c.Attrs["ref"])
		}
	}
	for _, c := range r.CacheTo {
		if c.Type == cache.TypeRegistry {
			n.AddPush(c.Attrs["ref"])
		}
	}
	for _, c := range r.Contexts {
		if ref, ok := strings.CutPrefix(c.Value, imageScheme); ok {
			n.AddImage(ref)
		}
	}
	for _, a := range attests(r) {
		if a.Type == attestSBOM && !a.Disabled {
			n.AddImage(cmp.Or(a.Attrs["generator"], defaultScanner))
		}
	}
	addPolicy(n, in.SourcePolicy)
	if r.Held != nil {
		for _, part := range r.Held.Parts {
			for _, ref := range part.Sources {
				n.AddImage(ref)
			}
		}
		return n
	}
	addDockerfile(n, r, in)
	return n
}

const imageScheme = "docker-image://"

// defaultScanner is BuildKit's own generator of package lists.
const defaultScanner = "docker/buildkit-syft-scanner:stable-1"

// addPolicy adds what a source policy replaces images by.
func addPolicy(n *session.Hosts, policy *spb.Policy) {
	for _, rule := range policy.GetRules() {
		ref, ok := strings.CutPrefix(rule.GetUpdates().GetIdentifier(), imageScheme)
		switch {
		case !ok:
		case strings.Contains(ref, "$"):
			n.AddUnknown("a source policy replaces images by a pattern")
		default:
			n.AddImage(ref)
		}
	}
}

// addDockerfile adds the registries of the images that the Dockerfile names,
// if it is on the agent and its syntax is that of Docker's frontend.
func addDockerfile(n *session.Hosts, r Request, in inputs) {
	dir, name := in.dockerfile()
	if dir == "" {
		n.AddUnknown("the Dockerfile is not on this agent, so it cannot be known what the build needs")
		return
	}
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return // found and reported already
	}
	syntax, _, _, _ := parser.DetectSyntax(data)
	if given := r.BuildArgs[argSyntax]; given != "" {
		syntax = given
	}
	if syntax != "" {
		ref, _, _ := strings.Cut(strings.TrimSpace(syntax), " ")
		n.AddImage(ref)
		if !isDockerfileFrontend(ref) {
			n.AddUnknown(fmt.Sprintf("the frontend %s may need any", ref))
		}
	}
	d := dockerfileImages{args: r.BuildArgs, named: map[string]bool{}, stages: map[string]bool{}}
	for _, c := range r.Contexts {
		d.named[c.Name] = true
	}
	if err := d.read(data); err != nil {
		n.AddUnknown("the Dockerfile cannot be read here as the builder reads it")
	}
	for _, ref := range d.images {
		n.AddImage(ref)
	}
	if d.unknown != "" {
		n.AddUnknown(d.unknown)
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
