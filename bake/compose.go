package bake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/consts"
	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/schema"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-units"

	"github.com/slipway-build/slipway/internal/suggest"
)

// isCompose tells whether a file is one of compose, by its extension, else by its
// content. err is why it cannot be read as one.
func (in Input) isCompose(f File) (bool, error) {
	extension := strings.ToLower(filepath.Ext(f.Name))
	if extension == ".json" || extension == ".hcl" {
		return false, nil
	}
	env, err := in.composeEnvironment()
	if err == nil {
		// Whether services fit together is looked at when all files are merged.
		_, err = loadCompose([]File{f}, env, func(o *loader.Options) { o.SkipConsistencyCheck = true })
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", f.Name, err)
	}
	return err == nil || extension == ".yml" || extension == ".yaml", err
}

// composeEnvironment are the variables of compose files: those of .env, the
// environment, and those that were given.
func (in Input) composeEnvironment() (types.Mapping, error) {
	env := types.Mapping{}
	for _, pair := range in.Environment {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	if in.DotEnv != nil {
		file, err := dotenv.UnmarshalBytesWithLookup(in.DotEnv, env.Resolve)
		if err != nil {
			return nil, fmt.Errorf(".env: %w", err)
		}
		for name, value := range file {
			if _, ok := env[name]; !ok {
				env[name] = value
			}
		}
	}
	maps.Copy(env, in.Vars)
	return env, nil
}

// serviceKeys are what of a service has to do with its build. What else it says is for
// running it, and is not looked at.
var serviceKeys = []string{"image", "build", "environment", "env_file"}

// loadCompose loads files as one project.
func loadCompose(files []File, env types.Mapping, options ...func(*loader.Options)) (*types.Project, error) {
	details := types.ConfigDetails{Environment: env}
	for _, f := range files {
		details.ConfigFiles = append(details.ConfigFiles, types.ConfigFile{Filename: f.Name, Content: f.Data})
	}
	model, err := loader.LoadModelWithContext(context.Background(), details, append([]func(*loader.Options){func(o *loader.Options) {
		o.SetProjectName(cmp.Or(env[consts.ComposeProjectName], "bake"), false)
		o.SkipNormalization, o.SkipValidation = true, true
	}}, options...)...)
	if err != nil {
		return nil, err
	}
	model = buildOnly(model)
	if len(model) == 0 {
		return nil, errors.New("no services")
	}
	if err := schema.Validate(model); err != nil {
		return nil, err
	}
	return loader.ModelToProject(model, loader.ToOptions(&details, append([]func(*loader.Options){func(o *loader.Options) {
		o.SkipNormalization = true
		o.Profiles = []string{"*"}
	}}, options...)), details)
}

// buildOnly is a model with what has to do with builds.
func buildOnly(model map[string]any) map[string]any {
	out := map[string]any{}
	if secrets, ok := model["secrets"]; ok {
		out["secrets"] = secrets
	}
	all, ok := model["services"].(map[string]any)
	if !ok {
		return out
	}
	services := map[string]any{}
	for name, value := range all {
		kept := map[string]any{}
		service, _ := value.(map[string]any)
		for _, key := range serviceKeys {
			if v, ok := service[key]; ok {
				kept[key] = v
			}
		}
		services[name] = kept
	}
	out["services"] = services
	return out
}

// addCompose adds the services that are built as targets, and their group.
func (c *Config) addCompose(files []File, in Input) error {
	env, err := in.composeEnvironment()
	if err != nil {
		return err
	}
	project, err := loadCompose(files, env)
	if err != nil {
		return fmt.Errorf("%s: %w", fileNames(files), err)
	}
	if len(project.Services) == 0 {
		return nil
	}
	all := &Group{Name: "default"}
	for _, name := range slices.Sorted(maps.Keys(project.Services)) {
		service := project.Services[name]
		if service.Build == nil {
			continue
		}
		t, err := composeTarget(project, service)
		if err != nil {
			return fmt.Errorf("%s: service %q: %w", fileNames(files), service.Name, err)
		}
		all.Targets = append(all.Targets, t.Name)
		c.Targets = append(c.Targets, t)
	}
	c.Groups = append(c.Groups, all)
	return nil
}

func fileNames(files []File) string {
	var all []string
	for _, f := range files {
		all = append(all, f.Name)
	}
	return strings.Join(all, ", ")
}

// composeTarget is the target that a service's build is.
func composeTarget(project *types.Project, service types.ServiceConfig) (*Target, error) {
	b := service.Build
	t := &Target{
		Name:             serviceName(service.Name),
		Context:          notEmpty(b.Context),
		Dockerfile:       notEmpty(b.Dockerfile),
		DockerfileInline: notEmpty(b.DockerfileInline),
		Target:           notEmpty(b.Target),
		NetworkMode:      notEmpty(b.Network),
		Tags:             b.Tags,
		Platforms:        b.Platforms,
		Labels:           map[string]*string{},
		ExtraHosts:       map[string]*string{},
	}
	if err := checkName(t.Name); err != nil {
		return nil, err
	}
	if b.AdditionalContexts != nil {
		t.Contexts = composeContexts(b.AdditionalContexts)
	}
	if b.ShmSize > 0 {
		t.ShmSize = notEmpty(units.BytesSize(float64(b.ShmSize)))
	}
	for _, name := range slices.Sorted(maps.Keys(b.Ulimits)) {
		limit := b.Ulimits[name]
		if limit.Single != 0 {
			limit.Soft, limit.Hard = limit.Single, limit.Single
		}
		t.Ulimits = append(t.Ulimits, fmt.Sprintf("%s=%d:%d", name, limit.Soft, limit.Hard))
	}
	for host, addresses := range b.ExtraHosts {
		t.ExtraHosts[host] = notNil(strings.Join(addresses, ","))
	}
	for name, value := range b.Labels {
		t.Labels[name] = notNil(value)
	}
	for name, value := range b.Args.Resolve(func(name string) (string, bool) {
		if value := service.Environment[name]; value != nil {
			return *value, true
		}
		value, ok := project.Environment[name]
		return value, ok
	}) {
		if value != nil {
			t.Args = withValues(t.Args, map[string]*string{name: value})
		}
	}
	if b.NoCache {
		t.NoCache = &b.NoCache
	}
	if b.Pull {
		t.Pull = &b.Pull
	}
	if err := t.addComposeLists(project, b); err != nil {
		return nil, err
	}
	if err := t.extend(b.Extensions["x-bake"]); err != nil {
		return nil, fmt.Errorf("x-bake: %w", err)
	}
	if len(t.Tags) == 0 && service.Image != "" {
		t.Tags = []string{service.Image}
	}
	return t, nil
}

func (t *Target) addComposeLists(project *types.Project, b *types.BuildConfig) (err error) {
	if len(b.CacheFrom) > 0 {
		if t.CacheFrom, err = cacheKind.parseAll(b.CacheFrom); err != nil {
			return err
		}
	}
	if len(b.CacheTo) > 0 {
		if t.CacheTo, err = cacheKind.parseAll(b.CacheTo); err != nil {
			return err
		}
	}
	for _, key := range b.SSH {
		one := SSH{ID: key.ID}
		if key.Path != "" {
			one.Paths = []string{key.Path}
		}
		t.SSH = append(t.SSH, one)
	}
	slices.SortFunc(t.SSH, compareSSH)
	for _, used := range b.Secrets {
		secret := project.Secrets[used.Source]
		if secret.External {
			return fmt.Errorf("secret %q: is external, and there is nothing to read it from", used.Source)
		}
		e := Entry{}
		for key, value := range map[string]string{keyID: used.Source, keySource: secret.File, keyEnv: secret.Environment} {
			if value != "" {
				e[key] = value
			}
		}
		t.Secrets = append(t.Secrets, e)
	}
	for kind, value := range map[string]string{"sbom": string(b.SBOM), "provenance": string(b.Provenance)} {
		if value == "" {
			continue
		}
		list, err := attestKind.parseAll([]string{AttestFlag(kind, value)})
		if err != nil {
			return err
		}
		t.Attest = attestKind.merge(t.Attest, list)
	}
	slices.SortFunc(t.Attest, func(a, b Entry) int { return cmp.Compare(b[keyType], a[keyType]) }) // sbom first, as buildx has it
	return nil
}

func compareSSH(a, b SSH) int { return cmp.Or(cmp.Compare(a.ID, b.ID), slices.Compare(a.Paths, b.Paths)) }

// AttestFlag is an attestation as the flag --attest takes it, of a value of --sbom or
// --provenance: a boolean, or attributes.
func AttestFlag(kind, value string) string {
	switch value {
	case "1", "t", "T", "true", "TRUE", "True":
		return "type=" + kind + ",disabled=false"
	case "0", "f", "F", "false", "FALSE", "False":
		return "type=" + kind + ",disabled=true"
	}
	return "type=" + kind + "," + value
}

func notEmpty(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func notNil(text string) *string { return &text }

// composeContexts are contexts, of which some are other services.
func composeContexts(m map[string]string) map[string]string {
	out := map[string]string{}
	for name, value := range m {
		for _, prefix := range []string{"service:", linkPrefix} {
			if service, ok := strings.CutPrefix(value, prefix); ok {
				value = linkPrefix + serviceName(service)
				break
			}
		}
		out[name] = value
	}
	return out
}

// extend adds what compose has no word for, from the extension x-bake of a build
// (https://docs.docker.com/build/bake/compose-file/#extension-field-with-x-bake).
func (t *Target) extend(extension any) error {
	keys, ok := extension.(map[string]any)
	if !ok {
		if extension != nil {
			return errors.New("is no map")
		}
		return nil
	}
	known := []string{"tags", "cache-from", "cache-to", "secret", "ssh", "platforms", "output", "pull", "no-cache", "no-cache-filter", "contexts"}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		value := keys[key]
		if !slices.Contains(known, key) {
			if near := suggest.Nearest(key, known); near != "" {
				return fmt.Errorf("unknown key %q; did you mean %q?", key, near)
			}
			return fmt.Errorf("unknown key %q; known are %s", key, strings.Join(known, ", "))
		}
		if err := t.extendBy(key, value); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

func (t *Target) extendBy(key string, value any) error {
	switch key {
	case "pull", "no-cache":
		on, ok := value.(bool)
		if !ok {
			return fmt.Errorf("%v is neither true nor false", value)
		}
		if key == "pull" {
			t.Pull = &on
		} else {
			t.NoCache = &on
		}
		return nil
	case "contexts":
		m, ok := value.(map[string]any)
		if !ok {
			return errors.New("is no map")
		}
		contexts := map[string]string{}
		for name, v := range m {
			contexts[name] = fmt.Sprint(v)
		}
		t.Contexts = with(composeContexts(contexts), t.Contexts)
		return nil
	}
	list, err := stringList(value)
	if err != nil {
		return err
	}
	add := func(k kind, to []Entry) []Entry {
		var parsed []Entry
		if parsed, err = k.parseAll(list); err != nil {
			return to
		}
		return k.merge(to, parsed)
	}
	switch key {
	case "tags":
		t.Tags = uniqueStrings(append(slices.Clone(t.Tags), list...))
	case "platforms":
		t.Platforms = uniqueStrings(append(slices.Clone(t.Platforms), list...))
	case "no-cache-filter":
		t.NoCacheFilter = uniqueStrings(append(slices.Clone(t.NoCacheFilter), list...))
	case "ssh":
		t.SSH = append(slices.Clone(t.SSH), parseSSHs(list)...).unique()
		slices.SortFunc(t.SSH, compareSSH)
	case "secret":
		t.Secrets = add(secretKind, t.Secrets)
	case "output":
		t.Outputs = add(outputKind, t.Outputs)
	case "cache-from":
		t.CacheFrom = add(cacheKind, t.CacheFrom)
	case "cache-to":
		t.CacheTo = add(cacheKind, t.CacheTo)
	}
	return err
}

// stringList is a list of texts, or a text with spaces between them.
func stringList(value any) ([]string, error) {
	switch v := value.(type) {
	case string:
		return strings.Fields(v), nil
	case []any:
		var all []string
		for _, one := range v {
			text, ok := one.(string)
			if !ok {
				return nil, fmt.Errorf("%v is no text", one)
			}
			all = append(all, text)
		}
		return all, nil
	}
	return nil, fmt.Errorf("%v is no list", value)
}
