package bake

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/gocty"
)

// What HCL makes of the lists: each element is a text, or an object of its keys.

// eachElement calls f for the elements of a list that are known and not empty.
func eachElement(in cty.Value, want cty.Type, p cty.Path, f func(cty.Value) error) error {
	if got := in.Type(); !got.IsTupleType() && !got.IsListType() {
		return p.NewErrorf("%s", convert.MismatchMessage(got, cty.List(want)))
	}
	for it := in.ElementIterator(); it.Next(); {
		_, value := it.Element()
		if !value.IsKnown() || value.IsNull() || value.Type() == cty.String && value.AsString() == "" {
			continue
		}
		if err := f(value); err != nil {
			return err
		}
	}
	return nil
}

// fromCty reads a list of entries.
func (k kind) fromCty(in cty.Value, p cty.Path) ([]Entry, error) {
	all := []Entry{}
	err := eachElement(in, cty.Map(cty.String), p, func(value cty.Value) error {
		if value.Type() == cty.String {
			entries, err := k.parseAll([]string{value.AsString()})
			if err != nil {
				return p.NewError(err)
			}
			all = append(all, entries...)
			return nil
		}
		object, err := convert.Convert(value, cty.Map(cty.String))
		if err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		e := Entry{}
		for key, v := range object.AsValueMap() {
			if v.IsKnown() && !v.IsNull() {
				e[key] = v.AsString()
			}
		}
		if err := k.check(e); err != nil {
			return p.NewError(err)
		}
		all = append(all, e)
		return nil
	})
	return all, err
}

func toCty(list []Entry) cty.Value {
	if len(list) == 0 {
		return cty.ListValEmpty(cty.Map(cty.String))
	}
	var all []cty.Value
	for _, e := range list {
		m := map[string]cty.Value{}
		for key, value := range e {
			m[key] = cty.StringVal(value)
		}
		all = append(all, cty.MapVal(m))
	}
	return cty.ListVal(all)
}

// FromCtyValue and ToCtyValue are how buildx's parser of HCL reads and shows a type.

// FromCtyValue reads outputs.
func (o *Outputs) FromCtyValue(in cty.Value, p cty.Path) (err error) {
	*o, err = outputKind.fromCty(in, p)
	return err
}

// ToCtyValue returns outputs as other expressions see them.
func (o Outputs) ToCtyValue() cty.Value {
	var all []Entry
	for _, e := range o {
		with := Entry{keyDest: ""}
		for key, value := range e {
			with[key] = value
		}
		all = append(all, with)
	}
	return toCty(all)
}

// FromCtyValue reads caches.
func (c *Caches) FromCtyValue(in cty.Value, p cty.Path) (err error) {
	*c, err = cacheKind.fromCty(in, p)
	return err
}

// ToCtyValue returns caches as other expressions see them.
func (c Caches) ToCtyValue() cty.Value { return toCty(c) }

// FromCtyValue reads attestations.
func (a *Attests) FromCtyValue(in cty.Value, p cty.Path) (err error) {
	*a, err = attestKind.fromCty(in, p)
	return err
}

// ToCtyValue returns attestations as other expressions see them.
func (a Attests) ToCtyValue() cty.Value { return toCty(a) }

// secretType is what expressions see of a secret.
func secretType() cty.Type {
	return cty.Object(map[string]cty.Type{keyID: cty.String, keySource: cty.String, keyEnv: cty.String})
}

// FromCtyValue reads secrets.
func (s *Secrets) FromCtyValue(in cty.Value, p cty.Path) (err error) {
	*s, err = secretKind.fromCty(in, p)
	return err
}

// ToCtyValue returns secrets as other expressions see them.
func (s Secrets) ToCtyValue() cty.Value {
	if len(s) == 0 {
		return cty.ListValEmpty(secretType())
	}
	var all []cty.Value
	for _, e := range s {
		all = append(all, cty.ObjectVal(map[string]cty.Value{
			keyID: cty.StringVal(e[keyID]), keySource: cty.StringVal(e[keySource]), keyEnv: cty.StringVal(e[keyEnv]),
		}))
	}
	return cty.ListVal(all)
}

// sshType is what expressions see of an agent.
func sshType() cty.Type {
	return cty.ObjectWithOptionalAttrs(map[string]cty.Type{keyID: cty.String, "paths": cty.List(cty.String)}, []string{keyID, "paths"})
}

// FromCtyValue reads agents.
func (s *SSHs) FromCtyValue(in cty.Value, p cty.Path) error {
	*s = SSHs{}
	return eachElement(in, sshType(), p, func(value cty.Value) error {
		if value.Type() == cty.String {
			*s = append(*s, parseSSH(value.AsString()))
			return nil
		}
		object, err := convert.Convert(value, sshType())
		if err != nil {
			return err
		}
		var one SSH
		if id := object.GetAttr(keyID); !id.IsNull() && id.IsKnown() {
			one.ID = id.AsString()
		}
		if paths := object.GetAttr("paths"); !paths.IsNull() && paths.IsKnown() {
			if err := gocty.FromCtyValue(paths, &one.Paths); err != nil {
				return err
			}
		}
		*s = append(*s, one)
		return nil
	})
}

// ToCtyValue returns agents as other expressions see them.
func (s SSHs) ToCtyValue() cty.Value {
	if len(s) == 0 {
		return cty.ListValEmpty(sshType())
	}
	var all []cty.Value
	for _, one := range s {
		paths := cty.ListValEmpty(cty.String)
		if len(one.Paths) > 0 {
			var list []cty.Value
			for _, path := range one.Paths {
				list = append(list, cty.StringVal(path))
			}
			paths = cty.ListVal(list)
		}
		all = append(all, cty.ObjectVal(map[string]cty.Value{keyID: cty.StringVal(one.ID), "paths": paths}))
	}
	return cty.ListVal(all)
}
