package configmap

import (
	"errors"

	"github.com/pelletier/go-toml/v2"
)

// gcSettings is the part of buildkitd.toml that decides how cache is removed.
// See BuildKit's cmd/buildkitd/config. The keys match without regard to case,
// as they do there.
type gcSettings struct {
	Worker struct {
		OCI struct {
			Enabled       *bool `toml:"enabled"`
			GC            *bool `toml:"gc"`
			KeepStorage   any   `toml:"gckeepstorage"`
			ReservedSpace any   `toml:"reservedSpace"`
			MaxUsedSpace  any   `toml:"maxUsedSpace"`
			MinFreeSpace  any   `toml:"minFreeSpace"`
			Policy        any   `toml:"gcpolicy"`
		} `toml:"oci"`
	} `toml:"worker"`
}

// mergeGC returns a configuration of buildkitd with the policy in it. The
// problem says why the policy has no place there, else it is empty. Comments
// are lost, as they are whenever a configuration is written again.
func mergeGC(text []byte, p gcPolicy) (merged []byte, problem string) {
	var settings gcSettings
	tree := map[string]any{}
	if err := errors.Join(toml.Unmarshal(text, &settings), toml.Unmarshal(text, &tree)); err != nil {
		return nil, "is not a configuration of buildkitd: " + tomlReason(err)
	}
	oci := settings.Worker.OCI
	for _, other := range []struct {
		name  string
		given bool
	}{
		{"enabled = false", oci.Enabled != nil && !*oci.Enabled},
		{"gc = false", oci.GC != nil && !*oci.GC},
		{"gckeepstorage", oci.KeepStorage != nil},
		{"reservedSpace", oci.ReservedSpace != nil},
		{"maxUsedSpace", oci.MaxUsedSpace != nil},
		{"minFreeSpace", oci.MinFreeSpace != nil},
		{"gcpolicy", oci.Policy != nil},
	} {
		if other.given {
			return nil, "[worker.oci] has " + other.name + " already"
		}
	}
	worker := tomlTable(tomlTable(tree, "worker"), "oci")
	for name, space := range map[string]*diskSpace{"reservedSpace": p.reservedSpace, "maxUsedSpace": p.maxUsedSpace, "minFreeSpace": p.minFreeSpace} {
		if space != nil {
			worker[name] = space.text
		}
	}
	merged, err := toml.Marshal(tree)
	if err != nil {
		return nil, err.Error()
	}
	return merged, ""
}

// tomlTable is the table of that name, made where there is none. The settings
// have been read by then, so what bears the name is a table.
func tomlTable(tree map[string]any, name string) map[string]any {
	if table, ok := lookup(tree, name).(map[string]any); ok {
		return table
	}
	table := map[string]any{}
	tree[name] = table
	return table
}
