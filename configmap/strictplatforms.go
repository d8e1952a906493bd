package configmap

import "slices"

// WithStrictPlatforms returns the definition with StrictPlatforms set for every
// node.
func (d Definition) WithStrictPlatforms() Definition {
	d.Nodes = slices.Clone(d.Nodes)
	for i := range d.Nodes {
		d.Nodes[i].StrictPlatforms = true
	}
	return d
}
