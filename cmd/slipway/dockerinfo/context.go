package dockerinfo

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
)

// DefaultContext is the name of the docker context that stands for the local engine. It
// is the only one.
const DefaultContext = "default"

// engineHost is where the engine of the context would be.
func engineHost(variable string) string { return cmp.Or(variable, "unix:///var/run/docker.sock") }

// dockerContext has the fields of docker context inspect
// (https://github.com/docker/cli/blob/v29.5.3/cli/command/context/inspect.go).
type dockerContext struct {
	Name        string
	Metadata    struct{}
	Endpoints   map[string]endpoint
	TLSMaterial map[string]string
	Storage     storage
}

type endpoint struct {
	Host          string
	SkipTLSVerify bool
}

type storage struct{ MetadataPath, TLSPath string }

// ContextError says that there is no context of a name. Its words are docker's.
type ContextError string

// Error implements error.
func (e ContextError) Error() string {
	return fmt.Sprintf("context %q: context not found: there is no engine to reach, and no context but %q", string(e), DefaultContext)
}

// WriteContext writes docker context inspect for the named contexts, the default one
// without a name, as a list in JSON or by a template for each. host is the value of
// DOCKER_HOST.
func WriteContext(w io.Writer, host, template string, names []string) error {
	if len(names) == 0 {
		names = []string{DefaultContext}
	}
	one := dockerContext{
		Name:        DefaultContext,
		Endpoints:   map[string]endpoint{"docker": {Host: engineHost(host)}},
		TLSMaterial: map[string]string{},
		Storage:     storage{MetadataPath: "<IN MEMORY>", TLSPath: "<IN MEMORY>"},
	}
	all := make([]dockerContext, 0, len(names))
	for _, name := range names {
		if name != DefaultContext {
			return ContextError(name)
		}
		all = append(all, one)
	}
	switch template {
	case "json":
		return write(w, "json", all)
	case "":
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "    ")
		return enc.Encode(all)
	}
	for _, c := range all {
		if err := write(w, template, c); err != nil {
			return err
		}
	}
	return nil
}
