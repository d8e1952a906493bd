package bake

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/interpolation"
	"github.com/compose-spec/compose-go/v2/override"
	"github.com/compose-spec/compose-go/v2/transform"
	"go.yaml.in/yaml/v3"
)

// What compose-go's own loader does beyond this costs milliseconds at the start of the
// program, each time, for the schema of all that a compose file may say; of it a build
// needs the keys of composeKeys.

// project is what compose files say of builds.
type project struct {
	files    string // their names, for messages
	env      map[string]string
	services map[string]map[string]any
	secrets  map[string]map[string]any
}

// isCompose tells whether a file is one of compose, by its extension, else by its
// content. err is why it cannot be read as one.
func (in Input) isCompose(f File) (bool, error) {
	extension := strings.ToLower(filepath.Ext(f.Name))
	if extension == ".json" || extension == ".hcl" {
		return false, nil
	}
	documents, err := parseYAML(f)
	if err == nil && !slices.ContainsFunc(documents, func(d map[string]any) bool { return d["services"] != nil }) {
		err = fmt.Errorf("%s: has no services", f.Name)
	}
	return err == nil || extension == ".yml" || extension == ".yaml", err
}

// parseYAML parses the documents of a file.
func parseYAML(f File) ([]map[string]any, error) {
	var all []map[string]any
	for decoder := yaml.NewDecoder(strings.NewReader(string(f.Data))); ; {
		var document map[string]any
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		if document != nil {
			all = append(all, document)
		}
	}
}

// loadCompose merges files into one project. read reads what they refer to.
func loadCompose(files []File, env map[string]string, read func(string) ([]byte, error)) (*project, error) {
	var names []string
	merged := map[string]any{}
	for _, f := range files {
		names = append(names, f.Name)
		l := &composeFile{name: f.Name, env: env, read: read}
		models, err := l.load(f)
		if err != nil {
			return nil, err
		}
		for _, model := range models {
			if merged, err = override.Merge(merged, model); err == nil {
				merged, err = override.EnforceUnicity(merged)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.Name, err)
			}
		}
	}
	p := &project{files: strings.Join(names, ", "), env: env}
	merged, err := transform.Canonical(merged, false)
	if err == nil {
		p.services, err = mappings(merged["services"])
	}
	if err == nil {
		p.secrets, err = mappings(merged["secrets"])
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.files, err)
	}
	return p, nil
}

// composeFile is a file that is loaded.
type composeFile struct {
	name string
	env  map[string]string
	read func(string) ([]byte, error)
	// within are the files that this one is loaded for.
	within []string
}

// serviceKeys are what of a service has to do with its build. What else it says is for
// running it, and is not looked at.
var serviceKeys = []string{"image", "build", "environment", "env_file", "extends"}

// load returns the documents of a file with their variables, and with what services
// extend.
func (l *composeFile) load(f File) ([]map[string]any, error) {
	documents, err := parseYAML(f)
	if err != nil {
		return nil, err
	}
	for i, document := range documents {
		if document["include"] != nil {
			return nil, fmt.Errorf("%s: include is not followed: name all files with --file", f.Name)
		}
		model, err := buildOnly(document)
		if err == nil {
			model, err = interpolation.Interpolate(model, interpolation.Options{LookupValue: func(name string) (string, bool) { value, ok := l.env[name]; return value, ok }})
		}
		if err == nil {
			err = l.extend(model)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		documents[i] = model
	}
	return documents, nil
}

// buildOnly is a document with what has to do with builds.
func buildOnly(document map[string]any) (map[string]any, error) {
	out := map[string]any{}
	if secrets := document["secrets"]; secrets != nil {
		out["secrets"] = secrets
	}
	if document["services"] == nil {
		return out, nil
	}
	services, err := mappings(document["services"])
	if err != nil {
		return nil, fmt.Errorf("services: %w", err)
	}
	kept := map[string]any{}
	for name, service := range services {
		of := map[string]any{}
		for _, key := range serviceKeys {
			if value, ok := service[key]; ok && value != nil {
				of[key] = value
			}
		}
		kept[name] = of
	}
	out["services"] = kept
	return out, nil
}

// extend merges into services what they extend.
func (l *composeFile) extend(model map[string]any) error {
	services, _ := model["services"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(services)) {
		whole, err := l.whole(services, name, nil)
		if err != nil {
			return err
		}
		services[name] = whole
	}
	return nil
}

// whole is a service with what it extends.
func (l *composeFile) whole(services map[string]any, name string, within []string) (map[string]any, error) {
	if slices.Contains(within, name) {
		return nil, fmt.Errorf("service %q extends itself: %s", name, strings.Join(append(within, name), " -> "))
	}
	service, err := mapping(services[name])
	if err != nil {
		return nil, fmt.Errorf("service %q: %w", name, err)
	}
	extends, ok := service["extends"]
	if !ok {
		return service, nil
	}
	base, file := scalar(extends), ""
	if m, ok := extends.(map[string]any); ok {
		base, file = scalar(m["service"]), scalar(m["file"])
	}
	from, find := services, func() (map[string]any, error) { return l.whole(services, base, append(slices.Clone(within), name)) }
	if file != "" {
		if from, err = l.servicesOf(file); err != nil {
			return nil, fmt.Errorf("service %q extends %s: %w", name, file, err)
		}
		find = func() (map[string]any, error) { return mapping(from[base]) } // it is whole already
	}
	if from[base] == nil {
		return nil, fmt.Errorf("service %q extends %q, which is no service", name, base)
	}
	parent, err := find()
	if err != nil {
		return nil, err
	}
	merged, err := override.ExtendService(mapCopy(parent), service)
	if err != nil {
		return nil, fmt.Errorf("service %q: %w", name, err)
	}
	delete(merged, "extends")
	return merged, nil
}

// maxExtends bounds files that extend each other.
const maxExtends = 20

// servicesOf are the services of another file, whose paths are relative to it.
func (l *composeFile) servicesOf(file string) (map[string]any, error) {
	if l.read == nil || len(l.within) == maxExtends {
		return nil, errors.New("is not read")
	}
	path := file
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(l.name), path)
	}
	data, err := l.read(path)
	if err != nil {
		return nil, err
	}
	other := &composeFile{name: path, env: l.env, read: l.read, within: append(slices.Clone(l.within), l.name)}
	documents, err := other.load(File{Name: path, Data: data})
	if err != nil {
		return nil, err
	}
	services := map[string]any{}
	for _, document := range documents {
		of, _ := document["services"].(map[string]any)
		for name, service := range of {
			rebase(service, filepath.Dir(path), filepath.Dir(l.name))
			services[name] = service
		}
	}
	return services, nil
}

// rebase makes the context of a service that is in another file relative to the
// directory of this one.
func rebase(service any, from, to string) {
	m, _ := service.(map[string]any)
	if text, ok := m["build"].(string); ok {
		m["build"] = map[string]any{"context": text}
	}
	build, _ := m["build"].(map[string]any)
	context, ok := build["context"].(string)
	if !ok || IsRemote(context) || filepath.IsAbs(context) {
		return
	}
	if relative, err := filepath.Rel(to, filepath.Join(from, context)); err == nil {
		build["context"] = relative
	}
}

// environment are the variables of a service, of its files first.
func (p *project) environment(service map[string]any, read func(string) ([]byte, error)) (map[string]string, error) {
	env := map[string]string{}
	files, _ := service["env_file"].([]any)
	for _, one := range files {
		name, required := scalar(one), true
		if m, ok := one.(map[string]any); ok {
			name, required = scalar(m["path"]), scalar(m["required"]) != "false"
		}
		if read == nil {
			continue
		}
		data, err := read(name)
		if err != nil {
			if required {
				return nil, fmt.Errorf("env_file %s: %w", name, err)
			}
			continue
		}
		of, err := dotenv.UnmarshalBytesWithLookup(data, func(name string) (string, bool) { value, ok := p.env[name]; return value, ok })
		if err != nil {
			return nil, fmt.Errorf("env_file %s: %w", name, err)
		}
		maps.Copy(env, of)
	}
	pairs, err := keyed(service["environment"])
	if err != nil {
		return nil, fmt.Errorf("environment: %w", err)
	}
	for name, value := range pairs {
		if value != nil {
			env[name] = *value
		} else if text, ok := p.env[name]; ok {
			env[name] = text
		}
	}
	return env, nil
}

// mapping is a value that is a map.
func mapping(value any) (map[string]any, error) {
	m, ok := value.(map[string]any)
	if !ok && value != nil {
		return nil, errors.New("is no map")
	}
	return m, nil
}

// mappings is a value that is a map of maps; nil is an empty one.
func mappings(value any) (map[string]map[string]any, error) {
	m, err := mapping(value)
	if err != nil {
		return nil, err
	}
	all := map[string]map[string]any{}
	for name, v := range m {
		if all[name], err = mapping(v); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return all, nil
}

// scalar is a value as text; empty for none, and for what has parts.
func scalar(value any) string {
	switch v := value.(type) {
	case nil, map[string]any, []any:
		return ""
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

// texts is a list of texts; one text is a list of one.
func texts(value any) ([]string, error) {
	switch v := value.(type) {
	case nil:
		return nil, nil
	case []any:
		var all []string
		for _, one := range v {
			switch one.(type) {
			case map[string]any, []any:
				return nil, fmt.Errorf("%v is no text", one)
			}
			all = append(all, scalar(one))
		}
		return all, nil
	case map[string]any:
		return nil, errors.New("is no list")
	default:
		return []string{scalar(v)}, nil
	}
}

// keyed is a map of texts, or a list of KEY=VALUE; nil is a key without a value.
func keyed(value any) (map[string]*string, error) {
	all := map[string]*string{}
	if m, ok := value.(map[string]any); ok {
		for key, v := range m {
			switch v.(type) {
			case nil:
				all[key] = nil
			case map[string]any, []any:
				return nil, fmt.Errorf("%s is no text", key)
			default:
				all[key] = notNil(scalar(v))
			}
		}
		return all, nil
	}
	list, err := texts(value)
	for _, line := range list {
		key, text, ok := strings.Cut(line, "=")
		all[key] = nil
		if ok {
			all[key] = &text
		}
	}
	return all, err
}

// mapCopy is a copy of a value of YAML that shares nothing with it.
func mapCopy(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for key, value := range m {
		out[key] = valueCopy(value)
	}
	return out
}

func valueCopy(value any) any {
	switch v := value.(type) {
	case map[string]any:
		return mapCopy(v)
	case []any:
		out := make([]any, len(v))
		for i, one := range v {
			out[i] = valueCopy(one)
		}
		return out
	}
	return value
}
