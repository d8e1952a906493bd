package kaniko

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry/remote"
)

// Plan is a command line of the executor as slipway build has it, with what comes before
// the build and after it.
type Plan struct {
	// Args is the command line: build and its flags, without Dockerfile and context.
	Args []string
	// Dockerfile is the path below the working directory or the context, or the URL.
	Dockerfile string
	Context    Context
	// Check are the repositories to which the right to push is checked before the build.
	Check []string
	// Retries is how often a build is tried again that failed at a registry.
	Retries int
	// Files are written when the build has succeeded.
	Files []File
	// Notes and Warnings are lines to print before the build.
	Notes, Warnings []string
	// Dir is where kaniko's files are; empty for DefaultDir.
	Dir string
	// Variables are set for the build; they may be secrets.
	Variables map[string]string
	// Policy is a source policy for BuildKit, in JSON; nil for none.
	Policy []byte
	// Certificates are the files of --registry-certificate and --registry-client-cert, by
	// host.
	Certificates map[string]CertificateFiles

	// insecure are the hosts that are spoken to without verifying who they are.
	insecure     []string
	insecurePull []string            // the flags of that name
	mirrors      map[string][]string // by registry
}

// CertificateFiles are those of a registry; empty for none.
type CertificateFiles struct{ CA, Cert, Key string }

// Surroundings are what a command line is read with.
type Surroundings struct {
	// Lookup reads the environment.
	Lookup func(name string) (string, bool)
	// Platform is that of the agent, which kaniko builds for by default.
	Platform string
}

// The names of what a plan sets for the build.
const (
	gitSecretVariable = "SLIPWAY_KANIKO_GIT"
	// PolicyVariable names the file with a source policy.
	PolicyVariable = "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY"
)

// dockerHub is the registry that --registry-mirror is about, as kaniko calls it.
const dockerHub = "index.docker.io"

// Translate makes a plan of a command line, without the program's name. All mistakes that
// can be found without looking at the machine are reported at once, as a fault.List of
// *fault.Usage.
func Translate(args []string, from Surroundings) (Plan, error) {
	v, err := parse(args)
	if err != nil {
		return Plan{}, err
	}
	t := translation{values: v, from: from}
	t.translate()
	return t.plan, t.all.Err()
}

// translation is a plan in the making.
type translation struct {
	values
	from Surroundings
	plan Plan
	all  fault.List

	destinations []reference.NamedTagged
	noPush       bool
}

func (t *translation) fail(flag, value, problem, hint string) {
	t.all = append(t.all, &fault.Usage{Flag: flag, Value: value, Problem: problem, Hint: hint})
}

// flag adds a flag to the command line.
func (t *translation) flag(name, value string) {
	t.plan.Args = append(t.plan.Args, "--"+name+"="+value)
}

func (t *translation) variable(name string) string {
	value, _ := t.from.Lookup(name)
	return value
}

func (t *translation) translate() {
	t.plan.Args = []string{"build"}
	t.plan.Variables = map[string]string{}
	t.refuse()
	t.context()
	destinations := fault.Each(&t.all, t.values.all("destination"), parseDestination)
	t.destinations = slices.DeleteFunc(destinations, func(d reference.NamedTagged) bool { return d == nil }) // mistakes
	t.noPush = t.on("no-push", false)
	if value, err := strconv.ParseBool(t.variable("KANIKO_NO_PUSH")); err == nil {
		t.noPush = value
	}
	if !t.noPush && len(t.values.all("destination")) == 0 {
		t.fail("--destination", "", "is missing", "name the image, or give --no-push")
	}
	t.logs()
	t.plain()
	t.registries()
	t.outputs()
	t.cache()
	t.check()
	t.plan.Files = files(t.values, t.destinations, !t.noPush, t.from.Lookup)
	t.plan.Retries = max(t.number("push-retry", 0), t.number("image-download-retry", 0), 0)
	t.plan.Dir = t.text("kaniko-dir", t.variable("KANIKO_DIR"))
	if t.plan.Dir == DefaultDir {
		t.plan.Dir = ""
	}
}

// refuse refuses what is not carried over, and collects what has no effect.
func (t *translation) refuse() {
	var ignored []string
	for _, f := range Flags() {
		if len(t.given[f.Name]) == 0 {
			continue
		}
		switch {
		case f.effect == none:
			ignored = append(ignored, "--"+f.Name)
		case f.effect == refused && f.kind == boolean && t.on(f.Name, false):
			t.fail("--"+f.Name, "", "is not supported", plain(f.Means))
		}
	}
	if len(ignored) > 0 {
		t.plan.Notes = append(t.plan.Notes, "no effect here: "+strings.Join(ignored, ", "))
	}
	for _, f := range t.old {
		t.plan.Warnings = append(t.plan.Warnings, fmt.Sprintf("--%s is deprecated: write --%s", f.Name, f.alias))
	}
	if !t.on("skip-unused-stages", true) {
		t.plan.Warnings = append(t.plan.Warnings, "--skip-unused-stages=false has no effect: BuildKit builds the stages that the target needs; make one that is to run the --target, or copy a file from it")
	}
	if t.text("cache-copy-layers", "") != "" && !t.on("cache-copy-layers", true) {
		t.plan.Notes = append(t.plan.Notes, "--cache-copy-layers=false has no effect: the content decides whether COPY is done again")
	}
}

// context translates the context and the Dockerfile.
func (t *translation) context() {
	source := contextSource{
		value: t.text("context", "/workspace/"), sub: t.text("context-sub-path", ""), bucket: t.text("bucket", ""),
		git: t.values.all("git"), lookup: t.from.Lookup,
	}
	c, warning, err := source.parse()
	if err != nil {
		t.all = append(t.all, err)
		return
	}
	if warning != "" {
		t.plan.Warnings = append(t.plan.Warnings, warning)
	}
	t.plan.Context = c
	if t.plan.Dockerfile = t.text("dockerfile", ""); t.plan.Dockerfile == "" {
		t.plan.Dockerfile = "Dockerfile"
	}
	if c.Form != FormGit {
		if len(t.values.all("git")) > 0 {
			t.plan.Warnings = append(t.plan.Warnings, "--git has no effect: the context is no repository")
		}
		return
	}
	if id, value := source.gitSecret(c.URL); id != "" {
		t.plan.Variables[gitSecretVariable] = value
		t.flag("secret", "id="+id+",env="+gitSecretVariable)
	}
}

// logs translates what is said of diagnostics. Without a flag the variables of Slipway
// decide.
func (t *translation) logs() {
	switch level := t.text("verbosity", ""); level {
	case "":
	case "fatal", "panic":
		t.flag("log-level", "error")
	default:
		t.flag("log-level", level)
	}
	switch t.text("log-format", "") {
	case "":
	case "json":
		t.flag("log-format", "json")
	default:
		t.flag("log-format", "human")
	}
}

// plain translates the flags that have one of the same meaning.
func (t *translation) plain() {
	t.flag("platform", t.text("custom-platform", t.from.Platform))
	if target := t.text("target", ""); target != "" {
		t.flag("target", target)
	}
	epoch := false
	for _, arg := range t.values.all("build-arg") {
		name, _, assigned := strings.Cut(arg, "=")
		if !assigned {
			arg += "=" + t.variable(name) // as kaniko has it, empty where it is not set
		}
		epoch = epoch || name == "SOURCE_DATE_EPOCH"
		t.flag("build-arg", arg)
	}
	if t.on("reproducible", false) && !epoch {
		t.flag("build-arg", "SOURCE_DATE_EPOCH=0")
	}
	for _, label := range t.values.all("label") {
		if name, _, ok := strings.Cut(label, "="); !ok || name == "" {
			t.fail("--label", label, "is not NAME=VALUE", "")
		}
		t.flag("label", label)
	}
	// kaniko makes no attestations: an image of one platform stays a single manifest.
	t.flag("provenance", "false")
	if t.on("cache", true) && t.on("cache-run-layers", true) {
		return
	}
	t.plan.Args = append(t.plan.Args, "--no-cache")
}

// isInsecure tells whether a repository is pushed to without verifying its registry.
func (t *translation) isInsecure(named reference.Named) bool {
	if t.on("insecure", false) || t.on("skip-tls-verify", false) {
		return true
	}
	hosts := slices.Concat(t.values.all("insecure-registry"), t.values.all("skip-tls-verify-registry"))
	return slices.Contains(hosts, reference.Domain(named)) || reference.Domain(named) == "docker.io" && slices.Contains(hosts, dockerHub)
}

// csv is a value with commas as a field of a list.
func csv(field string) string {
	if strings.ContainsAny(field, "\",\n") || strings.HasPrefix(field, " ") {
		return `"` + strings.ReplaceAll(field, `"`, `""`) + `"`
	}
	return field
}

// list are fields as one value.
func fields(all ...string) string {
	quoted := make([]string, len(all))
	for i, field := range all {
		quoted[i] = csv(field)
	}
	return strings.Join(quoted, ",")
}

// outputs translates where the image goes.
func (t *translation) outputs() {
	var attrs []string
	if compression := t.text("compression", ""); compression != "" {
		attrs = append(attrs, "compression="+compression)
	}
	if level := t.number("compression-level", -1); level > 0 {
		attrs = append(attrs, "compression-level="+strconv.Itoa(level))
	}
	if t.on("reproducible", false) {
		attrs = append(attrs, "rewrite-timestamp=true")
	}
	var all, secure, insecure []string
	for _, d := range t.destinations {
		all = append(all, d.String())
		if t.isInsecure(d) {
			insecure = append(insecure, d.String())
		} else {
			secure = append(secure, d.String())
		}
	}
	output := func(names []string, own ...string) {
		if len(names) > 0 {
			own = append(own, "name="+strings.Join(names, ","))
		}
		t.flag("output", fields(append(own, attrs...)...))
	}
	if !t.noPush && len(secure) > 0 {
		output(secure, "type=registry")
	}
	if !t.noPush && len(insecure) > 0 {
		output(insecure, "type=registry", "registry.insecure=true")
	}
	layout, archive := t.text("oci-layout-path", ""), t.text("tar-path", "")
	if layout != "" {
		output(all, "type=oci", "tar=false", "dest="+layout)
	}
	if archive != "" {
		if len(all) == 0 {
			all = []string{"docker.io/unset-repo/unset-image-name:latest"} // as kaniko calls it
		}
		output(all, "type=docker", "dest="+archive)
	}
	if !t.noPush || layout != "" || archive != "" {
		return
	}
	named := len(t.values.all("digest-file")) > 0
	for _, flag := range []string{"image-name-with-digest-file", "image-name-tag-with-digest-file"} {
		if file := t.text(flag, ""); file != "" {
			named = true
		}
	}
	switch {
	case !named:
		t.flag("output", "type=cacheonly")
	case strings.Contains(t.text("custom-platform", ""), ","):
		t.fail("--no-push", "", "makes no image of several platforms that has a digest", "add --oci-layout-path DIRECTORY, or leave out the files with the digest")
	default:
		output(nil, "type=image", "unpack=false", "store=false")
	}
	for _, flag := range []string{"image-name-with-digest-file", "image-name-tag-with-digest-file"} {
		if t.text(flag, "") != "" && len(t.destinations) == 0 {
			t.fail("--"+flag, t.text(flag, ""), "there is no name to write", "give --destination")
		}
	}
}

// cache translates the cache repository.
func (t *translation) cache() {
	if !t.on("cache", false) || !t.on("cache-run-layers", true) {
		return
	}
	repository := t.text("cache-repo", "")
	if dir, ok := strings.CutPrefix(repository, "oci:"); ok {
		if dir == "" {
			t.fail("--cache-repo", repository, "has no path after oci:", "")
		}
		t.flag("cache-from", fields("type=local", "src="+dir))
		if !t.on("no-push-cache", false) {
			t.flag("cache-to", fields("type=local", "dest="+dir, "mode=max"))
		}
		return
	}
	if repository == "" {
		switch {
		case t.noPush:
			t.fail("--cache", "", "has no repository with --no-push", "name one: --cache-repo HOST/REPOSITORY")
			return
		case len(t.destinations) == 0:
			return // that is a mistake of its own
		}
		repository = t.destinations[0].Name() + "/cache"
	}
	named, err := reference.ParseNormalizedNamed(repository)
	if err != nil {
		t.fail("--cache-repo", repository, err.Error(), "the form is HOST/REPOSITORY, or oci:PATH")
		return
	}
	own := []string{"type=registry", "ref=" + reference.TagNameOnly(named).String()}
	if t.isInsecure(named) {
		own = append(own, "registry.insecure=true")
	}
	t.flag("cache-from", fields(own...))
	if !t.on("no-push-cache", false) {
		// A cache that cannot be written is a warning, as with kaniko.
		t.flag("cache-to", fields(append(own, "mode=max", "ignore-error=true")...))
	}
	if t.noPush && !t.on("no-push-cache", false) {
		t.plan.Check = []string{named.Name()}
	}
}

// check finds the repositories to which the right to push is checked.
func (t *translation) check() {
	if !t.noPush {
		for _, d := range t.destinations {
			t.plan.Check = append(t.plan.Check, d.Name())
		}
	}
	slices.Sort(t.plan.Check)
	t.plan.Check = slices.Compact(t.plan.Check)
	if t.on("skip-push-permission-check", false) {
		t.plan.Check = nil
	}
}

// registries translates how registries are reached.
func (t *translation) registries() {
	t.plan.insecure = slices.Concat(t.values.all("insecure-registry"), t.values.all("skip-tls-verify-registry"))
	for _, flag := range []string{"insecure-pull", "skip-tls-verify-pull"} {
		if t.on(flag, false) {
			t.plan.insecurePull = append(t.plan.insecurePull, "--"+flag)
		}
	}
	t.certificates()
	t.plan.mirrors = map[string][]string{}
	maps := slices.Concat(t.values.all("registry-map"), []string{t.variable("KANIKO_REGISTRY_MAP")})
	for _, mirror := range slices.Concat(t.values.all("registry-mirror"), []string{t.variable("KANIKO_REGISTRY_MIRROR")}) {
		if mirror != "" {
			maps = append(maps, dockerHub+"="+mirror)
		}
	}
	for _, value := range maps {
		for pair := range strings.SplitSeq(value, ";") {
			source, mirror, ok := strings.Cut(pair, "=")
			switch {
			case pair == "":
			case !ok || source == "" || mirror == "":
				t.fail("--registry-map", pair, "is not REGISTRY=MIRROR", "")
			default:
				if source == dockerHub {
					source = "docker.io"
				}
				t.plan.mirrors[source] = append(t.plan.mirrors[source], strings.TrimSuffix(mirror, "/"))
			}
		}
	}
	for _, list := range sortedValues(t.plan.mirrors) {
		for _, mirror := range list {
			t.flag("registry-allow", host(mirror))
		}
	}
	if t.on("skip-default-registry-fallback", false) && len(t.plan.mirrors) > 0 {
		if t.variable(PolicyVariable) != "" {
			t.fail("--skip-default-registry-fallback", "", "and "+PolicyVariable+" exclude each other", "put the mirrors into the source policy")
			return
		}
		t.plan.Policy = policy(t.plan.mirrors)
	}
}

// sortedValues are the values of a map in the order of its keys.
func sortedValues(m map[string][]string) (list [][]string) {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		list = append(list, m[key])
	}
	return list
}

// host is that of a mirror, which may have a path.
func host(mirror string) string {
	name, _, _ := strings.Cut(mirror, "/")
	return name
}

// policy is a source policy that takes each image from the first mirror of its registry.
func policy(mirrors map[string][]string) []byte {
	type source struct {
		Identifier string `json:"identifier"`
	}
	type rule struct {
		Action   string `json:"action"`
		Selector source `json:"selector"`
		Updates  source `json:"updates"`
	}
	var p struct {
		Rules []rule `json:"rules"`
	}
	for _, registry := range slices.Sorted(maps.Keys(mirrors)) {
		p.Rules = append(p.Rules, rule{"CONVERT", source{"docker-image://" + registry + "/*"}, source{"docker-image://" + mirrors[registry][0] + "/${1}"}})
	}
	data, err := json.Marshal(p)
	if err != nil {
		panic(err) // text always has a JSON
	}
	return data
}

// certificates collects the files of registries.
func (t *translation) certificates() {
	t.plan.Certificates = map[string]CertificateFiles{}
	for _, value := range t.values.all("registry-certificate") {
		name, file, ok := strings.Cut(value, "=")
		if !ok || name == "" || file == "" {
			t.fail("--registry-certificate", value, "is not HOST=FILE", "")
			continue
		}
		files := t.plan.Certificates[name]
		files.CA = file
		t.plan.Certificates[name] = files
	}
	for _, value := range t.values.all("registry-client-cert") {
		name, pair, _ := strings.Cut(value, "=")
		cert, key, ok := strings.Cut(pair, ",")
		if !ok || name == "" || cert == "" || key == "" {
			t.fail("--registry-client-cert", value, "is not HOST=CERTIFICATE,KEY", "")
			continue
		}
		files := t.plan.Certificates[name]
		files.Cert, files.Key = cert, key
		t.plan.Certificates[name] = files
	}
}

// definitionHint says where the builder learns of registries.
const definitionHint = `the builder speaks to registries itself, as the file buildkitd.toml of its definition says`

// RegistryWarnings say what was asked for about registries and is not so: builders pull
// and push as their definition says, whose hosts and mirrors these are.
func (p Plan) RegistryWarnings(hosts remote.Hosts, mirrors []string) []string {
	var all []string
	tell := func(flag, problem, setting string) {
		all = append(all, fmt.Sprintf("%s: %s; %s: %s", flag, problem, definitionHint, setting))
	}
	for _, flag := range p.insecurePull {
		all = append(all, fmt.Sprintf("%s has no effect of its own: %s, with http = true or insecure = true for each such registry", flag, definitionHint))
	}
	for _, name := range p.insecure {
		if h := hosts[name]; !h.PlainHTTP && !h.Insecure {
			tell("--insecure-registry "+name, "images are not pulled from there so", fmt.Sprintf("[registry.%q] http = true, insecure = true", name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Certificates)) {
		files, h := p.Certificates[name], hosts[name]
		if files.CA != "" && len(h.CAs) == 0 {
			tell("--registry-certificate "+name, "the builder may not know the certificate", fmt.Sprintf("[registry.%q] ca = [FILE]", name))
		}
		if files.Cert != "" && len(h.KeyPairs) == 0 {
			tell("--registry-client-cert "+name, "the builder may have no certificate to show", fmt.Sprintf("[[registry.%q.keypair]] key = FILE, cert = FILE", name))
		}
	}
	if p.Policy != nil {
		return all // the build has its mirrors
	}
	for _, registry := range slices.Sorted(maps.Keys(p.mirrors)) {
		for _, mirror := range p.mirrors[registry] {
			if !slices.Contains(mirrors, host(mirror)) {
				tell("--registry-mirror "+mirror, "images of "+registry+" are pulled without it", fmt.Sprintf("[registry.%q] mirrors = [%q]", registry, mirror))
			}
		}
	}
	return all
}

// FindDockerfile is the Dockerfile as -f of slipway build has it. As with kaniko a file
// below the working directory goes before one in the context, which is dir; empty for a
// repository, which only the builder reads.
func (p Plan) FindDockerfile(workdir, dir string, exists func(path string) bool) string {
	if strings.HasPrefix(p.Dockerfile, "https://") || strings.HasPrefix(p.Dockerfile, "http://") {
		return p.Dockerfile
	}
	path := p.Dockerfile
	if !filepath.IsAbs(path) {
		path = filepath.Join(workdir, path)
	}
	switch {
	case exists(path):
		return path
	case dir == "":
		return p.Dockerfile
	}
	return filepath.Join(dir, p.Dockerfile)
}

// ownNames are the flags of slipway build under the names that they have in the command
// line that was translated.
var ownNames = map[string]string{
	"--tag": "--destination", "--file": "--dockerfile", "--platform": "--custom-platform", "build context": "--context",
}

// Rename gives mistakes that the build has found the names of the flags that were given.
func Rename(err error) {
	var several interface {
		error
		Unwrap() []error
	}
	if errors.As(err, &several) {
		for _, one := range several.Unwrap() {
			Rename(one)
		}
		return
	}
	mistake := (*fault.Usage)(nil)
	if !errors.As(err, &mistake) {
		return
	}
	if name, ok := ownNames[mistake.Flag]; ok {
		mistake.Flag = name
	}
	for prefix, flag := range map[string]string{"type=docker,dest=": "--tar-path", "type=oci,dest=": "--oci-layout-path"} {
		if dest, ok := strings.CutPrefix(mistake.Value, prefix); ok && mistake.Flag == "--output" {
			mistake.Flag, mistake.Value = flag, dest
		}
	}
}
