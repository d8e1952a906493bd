package bake

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/buildx/bake/hclparser"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// maxMatrix bounds what a matrix makes of one target.
const maxMatrix = 4096

// parseHCL parses a file in HCL or JSON.
func parseHCL(f File) (*hcl.File, error) {
	json := func(name string) (*hcl.File, hcl.Diagnostics) { return hclparse.NewParser().ParseJSON(f.Data, name) }
	native := func(name string) (*hcl.File, hcl.Diagnostics) { return hclparse.NewParser().ParseHCL(f.Data, name) }
	var file *hcl.File
	var diags hcl.Diagnostics
	switch strings.ToLower(filepath.Ext(f.Name)) {
	case ".json":
		file, diags = json(f.Name)
	case ".hcl":
		file, diags = native(f.Name)
	default: // standard input, and what has another name
		if file, diags = native(f.Name); diags.HasErrors() {
			if asJSON, failed := json(f.Name); !failed.HasErrors() {
				file, diags = asJSON, nil
			}
		}
	}
	if diags.HasErrors() {
		return nil, diagnosed(diags)
	}
	return file, nil
}

// diagnosed is the error of what HCL has found: one line each, with its place.
func diagnosed(diags hcl.Diagnostics) error {
	var all []error
	seen := map[string]bool{}
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		text := strings.TrimSuffix(d.Summary, ".")
		if d.Detail != "" {
			text += ": " + strings.TrimSuffix(strings.Join(strings.Fields(d.Detail), " "), ".")
		}
		if d.Subject != nil {
			text = fmt.Sprintf("%s:%d: %s", d.Subject.Filename, d.Subject.Start.Line, text)
		}
		if !seen[text] {
			seen[text] = true
			all = append(all, errors.New(text))
		}
	}
	return errors.Join(all...)
}

// evaluate evaluates files in HCL over what compose files have given.
func (c *Config) evaluate(files []*hcl.File, in Input) error {
	meta, diags := hclparser.Parse(hclparser.MergeFiles(files), hclparser.Opt{
		LookupVar: func(name string) (string, bool) {
			if value, ok := in.Vars[name]; ok {
				return value, true
			}
			return in.lookup(name)
		},
		Vars:          in.Builtins,
		ValidateLabel: checkName,
	}, &c.blocks)
	if diags.HasErrors() {
		return diagnosed(diags)
	}
	for _, renamed := range meta.Renamed {
		for _, old := range slices.Sorted(maps.Keys(renamed)) {
			names := uniqueStrings(renamed[old])
			if len(names) != 1 || names[0] != old {
				c.Groups = append(c.Groups, &Group{Name: old, Targets: names})
			}
		}
	}
	for _, v := range meta.AllVariables {
		c.Variables = append(c.Variables, Variable{Name: v.Name, Type: v.Type, Description: v.Description, Value: v.Value})
	}
	return nil
}

// GetEvalContexts returns a context for each combination of the target's matrix. It is
// called by buildx's parser.
func (t *Target) GetEvalContexts(base *hcl.EvalContext, block *hcl.Block, load func(hcl.Expression) hcl.Diagnostics) ([]*hcl.EvalContext, error) {
	content, _, diags := block.Body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "matrix"}}})
	if diags.HasErrors() {
		return nil, diags
	}
	attr, ok := content.Attributes["matrix"]
	if !ok {
		return []*hcl.EvalContext{base}, nil
	}
	if diags := load(attr.Expr); diags.HasErrors() {
		return nil, diags
	}
	value, diags := attr.Expr.Value(base)
	switch {
	case diags.HasErrors():
		return nil, diags
	case value.IsNull() || !value.Type().IsMapType() && !value.Type().IsObjectType():
		return nil, errors.New("a matrix is a map of lists")
	}
	all := []map[string]cty.Value{{}}
	axes := value.AsValueMap()
	for _, name := range slices.Sorted(maps.Keys(axes)) {
		list := axes[name]
		if list.IsNull() || !list.CanIterateElements() {
			return nil, fmt.Errorf("matrix: %s is no list", name)
		}
		if n := len(all) * list.LengthInt(); n > maxMatrix {
			return nil, fmt.Errorf("matrix: makes more than %d targets", maxMatrix)
		}
		var next []map[string]cty.Value
		for _, v := range list.AsValueSlice() {
			for _, one := range all {
				one = maps.Clone(one)
				one[name] = v
				next = append(next, one)
			}
		}
		all = next
	}
	var contexts []*hcl.EvalContext
	for _, variables := range all {
		child := base.NewChild()
		child.Variables = variables
		contexts = append(contexts, child)
	}
	return contexts, nil
}

// GetName returns the name of a target, which one with a matrix evaluates. It is called
// by buildx's parser.
func (t *Target) GetName(ctx *hcl.EvalContext, block *hcl.Block, load func(hcl.Expression) hcl.Diagnostics) (string, error) {
	content, _, diags := block.Body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "name"}, {Name: "matrix"}}})
	if diags.HasErrors() {
		return "", diags
	}
	attr, ok := content.Attributes["name"]
	if !ok {
		return block.Labels[0], nil
	}
	if _, ok := content.Attributes["matrix"]; !ok {
		return "", errors.New("name is for targets with a matrix")
	}
	if diags := load(attr.Expr); diags.HasErrors() {
		return "", diags
	}
	value, diags := attr.Expr.Value(ctx)
	if diags.HasErrors() {
		return "", diags
	}
	text, err := convert.Convert(value, cty.String)
	if err != nil {
		return "", err
	}
	if text.IsNull() || !text.IsKnown() {
		return "", errors.New("the name has no value")
	}
	return text.AsString(), nil
}

// GetEvalContexts refuses what only targets have. It is called by buildx's parser.
func (g *Group) GetEvalContexts(base *hcl.EvalContext, block *hcl.Block, _ func(hcl.Expression) hcl.Diagnostics) ([]*hcl.EvalContext, error) {
	return []*hcl.EvalContext{base}, g.check(block)
}

// GetName returns the name of a group. It is called by buildx's parser.
func (g *Group) GetName(_ *hcl.EvalContext, block *hcl.Block, _ func(hcl.Expression) hcl.Diagnostics) (string, error) {
	return block.Labels[0], g.check(block)
}

func (g *Group) check(block *hcl.Block) error {
	content, _, diags := block.Body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "name"}, {Name: "matrix"}}})
	if diags.HasErrors() {
		return diags
	}
	for name := range content.Attributes {
		return fmt.Errorf("a group has no %s", name)
	}
	return nil
}
