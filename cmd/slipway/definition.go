package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/slipway-build/slipway/agent/sidecar/gateway"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
	"github.com/slipway-build/slipway/internal/source"
)

// definitionCmd holds the commands about definitions as files.
type definitionCmd struct {
	Lint    definitionLintCmd    `cmd:"" help:"Check definitions and show all problems."`
	Convert definitionConvertCmd `cmd:"" help:"Print a definition in another form, normalized."`
	Gateway definitionGatewayCmd `cmd:"" help:"Print the definition of a builder for clients of slipway agent serve --listen."`
	Schema  definitionSchemaCmd  `cmd:"" help:"Print the JSON Schema of a definition."`
}

type definitionLintCmd struct {
	Path []string `arg:"" optional:"" help:"Files or directories, - for standard input (default: where definitions are read from)."`
}

// Help is shown by --help.
func (c *definitionLintCmd) Help() string {
	return "Each mistake has a line, FILE:LINE: …, with what to do about it below. No cluster is asked."
}

// Run checks the definitions.
func (c *definitionLintCmd) Run(in *invocation) error {
	paths := c.Path
	if len(paths) == 0 {
		path, err := configmap.Locate(in.places())
		if err != nil {
			return &usageError{err: err}
		}
		paths = []string{path}
	}
	var all fault.List
	count := 0
	for _, path := range paths {
		set, err := in.readSet(path)
		if err != nil {
			all = append(all, findings(err)...)
			continue
		}
		if err := set.Broken(); err != nil {
			all = append(all, findings(err)...)
		}
		for _, d := range set.Definitions() {
			count++
			for _, warning := range d.Warnings {
				in.log.Warn().Msg(warning)
			}
		}
	}
	if len(all) > 0 {
		return &usageError{err: all}
	}
	definitions := "definitions"
	if count == 1 {
		definitions = "definition"
	}
	_, err := sanitize.Fprintf(in.out, "ok %d %s\n", count, definitions)
	return err
}

// finding is a mistake with its line in the file and what to do about it: the
// hints of many mistakes, all at the end, would not tell to which they belong.
type finding struct{ error }

// Error has the hints below the message.
func (f finding) Error() string {
	text := f.error.Error()
	if problem := (*configmap.Problem)(nil); errors.As(f.error, &problem) {
		text = problem.Located()
	}
	for _, hint := range fault.Hints(f.error) {
		text += "\nhint: " + hint
	}
	return text
}

// Unwrap returns the mistake.
func (f finding) Unwrap() error { return f.error }

// Hints has none: they are in the message.
func (f finding) Hints() []string { return nil }

// findings are the mistakes that an error holds, one by one.
func findings(err error) []error {
	var all several
	if !errors.As(err, &all) {
		return []error{finding{err}}
	}
	mistakes := slices.Clone(all.Unwrap())
	slices.SortStableFunc(mistakes, func(a, b error) int {
		x, y := placeOf(a), placeOf(b)
		return cmp.Or(cmp.Compare(x.File, y.File), cmp.Compare(x.Line, y.Line))
	})
	var out []error
	for _, one := range mistakes {
		out = append(out, findings(one)...)
	}
	return out
}

// placeOf is a mistake in a definition, for its file and line; empty for others.
func placeOf(err error) configmap.Problem {
	if problem := (*configmap.Problem)(nil); errors.As(err, &problem) {
		return *problem
	}
	return configmap.Problem{}
}

// standardInput is how messages call a definition that was piped in.
const standardInput = "standard input"

func (in *invocation) readSet(path string) (*configmap.Set, error) {
	if path != "-" {
		return configmap.Load(in.files, path)
	}
	data, err := in.files.ReadStdin(source.MaxConfig)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", standardInput, err)
	}
	return configmap.Parse(standardInput, data), nil
}

type definitionConvertCmd struct {
	File string `arg:"" help:"The definition, - for standard input."`
	To   string `enum:"json,yaml" default:"json" help:"Form of the output (${enum})."`
}

// Help is shown by --help.
func (c *definitionConvertCmd) Help() string {
	return "The definition goes to standard output with names and values that docker buildx takes: misspelt options are mended, platforms are objects, endpoints are there. buildx reads JSON only."
}

// Run prints the definition.
func (c *definitionConvertCmd) Run(in *invocation) error {
	name, data, err := c.read(in)
	if err != nil {
		return &usageError{err: err}
	}
	instances, _, err := configmap.ReadInstances(name, data) // its warnings are what is mended
	if err != nil {
		return &usageError{err: err}
	}
	var out bytes.Buffer
	for i, instance := range instances {
		write := instance.JSON
		if c.To == "yaml" {
			write = instance.YAML
			if i > 0 {
				out.WriteString("---\n")
			}
		}
		text, err := write()
		if err != nil {
			return err
		}
		out.Write(text)
	}
	left := configmap.Parse(name, out.Bytes())
	if err := left.Broken(); err != nil {
		return fmt.Errorf("the converted definition is not valid: %w", err)
	}
	for _, d := range left.Definitions() {
		for _, warning := range d.Warnings {
			in.log.Warn().Msg(warning)
		}
	}
	_, err = in.data.Write(out.Bytes())
	return err
}

func (c *definitionConvertCmd) read(in *invocation) (name string, data []byte, err error) {
	if c.File == "-" {
		data, err = in.files.ReadStdin(source.MaxConfig)
		return standardInput, data, err
	}
	data, err = in.files.Read(c.File, source.MaxConfig)
	return c.File, data, err
}

type definitionGatewayCmd struct {
	Address string `arg:"" help:"HOST:PORT of the gateway, as its clients reach it."`
	Domain  string `placeholder:"DOMAIN" help:"Domain at the end of the server names: NODE.BUILDER.DOMAIN, for a certificate for *.BUILDER.DOMAIN (default: none)."`
	TLSDir  string `name:"tls-dir" default:"/etc/slipway/gateway" placeholder:"DIR" help:"Where a client has its certificates: ca.crt, tls.crt and tls.key (default: ${default})."`
}

// Help is shown by --help.
func (c *definitionGatewayCmd) Help() string {
	return "The definition is that of the builder with the driver remote: slipway and docker buildx reach its nodes through the gateway, each by its TLS server name."
}

// Run prints the definition.
func (c *definitionGatewayCmd) Run(in *invocation) error {
	d, err := in.definition(in.global.Builder)
	if err != nil {
		return err
	}
	instance, err := gateway.Definition(d, c.Address, c.Domain, c.TLSDir)
	if err != nil {
		return &usageError{err: err}
	}
	text, err := instance.JSON()
	if err != nil {
		return err
	}
	_, err = in.data.Write(text)
	return err
}

type definitionSchemaCmd struct{}

// Run prints the schema.
func (c *definitionSchemaCmd) Run(in *invocation) error {
	schema, err := configmap.JSONSchema()
	if err != nil {
		return err
	}
	_, err = in.data.Write(schema)
	return err
}
