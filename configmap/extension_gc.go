package configmap

import (
	"path"
	"strconv"
	"strings"

	"github.com/docker/go-units"
)

// gcPolicy is how much cache a node's pods keep, in the words of buildkitd.toml.
// What is nil is not given.
type gcPolicy struct {
	reservedSpace, maxUsedSpace, minFreeSpace *diskSpace
}

// diskSpace is an amount of disk as buildkitd reads it.
type diskSpace struct {
	// text is what stands in the definition: bytes with or without a unit of
	// 1024, or a percentage of the disk.
	text string
	// amount is in bytes, or in percent.
	amount  int64
	percent bool
}

// moreThan says whether both are known to differ so without a look at the disk.
func (d *diskSpace) moreThan(other *diskSpace) bool {
	return d != nil && other != nil && d.percent == other.percent && other.amount > 0 && d.amount > other.amount
}

// gcFields are the keys below "Slipway.gc".
func gcFields() []field[gcPolicy] {
	const form = "a size such as `20GB`, or a percentage of the disk such as `30%`"
	schema := map[string]any{"type": []any{"string", "integer", "null"}}
	space := func(target func(*gcPolicy) **diskSpace) func(*gcPolicy, any, report) {
		return func(p *gcPolicy, v any, r report) { *target(p) = readDiskSpace(v, r) }
	}
	return []field[gcPolicy]{
		{
			name: "reservedSpace", form: form, schema: schema,
			doc:  "The cache that is never removed.",
			read: space(func(p *gcPolicy) **diskSpace { return &p.reservedSpace }),
		},
		{
			name: "maxUsedSpace", form: form, schema: schema,
			doc:  "The most that the cache may take; what is above it is removed, the least recently used first.",
			read: space(func(p *gcPolicy) **diskSpace { return &p.maxUsedSpace }),
		},
		{
			name: "minFreeSpace", form: form, schema: schema,
			doc:  "How much of the disk is to stay free; cache is removed for it, but never below `reservedSpace`.",
			read: space(func(p *gcPolicy) **diskSpace { return &p.minFreeSpace }),
		},
	}
}

// readDiskSpace returns nil when it is none. buildkitd takes negative amounts
// and more than the whole disk too, and does nothing sensible with them.
func readDiskSpace(value any, r report) *diskSpace {
	r = r.hinting("write it like 20GB, 512MB or 30%%")
	d := diskSpace{}
	switch v := value.(type) {
	case int64:
		d.text = strconv.FormatInt(v, 10)
	case string:
		d.text = v
	default:
		r.bad("must be a size or a percentage, not %s", describe(value))
		return nil
	}
	var err error
	text, percent := strings.CutSuffix(d.text, "%")
	if d.percent = percent; percent {
		d.amount, err = strconv.ParseInt(text, 10, 64)
	} else {
		d.amount, err = units.RAMInBytes(d.text)
	}
	if err != nil || d.amount < 0 || percent && d.amount > 100 {
		r.bad("%q is not a size or a percentage of a disk", d.text)
		return nil
	}
	return &d
}

func readGC(value any, r report) (gcPolicy, bool) {
	var p gcPolicy
	readObject(gcFields(), &p, value, r)
	if p.reservedSpace.moreThan(p.maxUsedSpace) {
		// buildkitd keeps the reserved space and forgets the other.
		r.bad("reservedSpace is more than maxUsedSpace, which would have no effect")
	}
	return p, true
}

// withGC returns the node's files with the policy in buildkitd's configuration.
func (n rawNode) withGC(p gcPolicy) map[string][]byte {
	r := n.report.key("Slipway.gc")
	if p == (gcPolicy{}) {
		return n.files
	}
	for _, flag := range n.flags {
		name, value, _ := strings.Cut(strings.TrimLeft(flag, "-"), "=")
		if name == "oci-worker-gc-keepstorage" || value == "false" && (name == "oci-worker-gc" || name == "oci-worker") {
			r.hinting("leave out one of the two").bad("has no effect beside the flag %s", flag)
			return n.files
		}
	}
	name, known := Node{Flags: n.flags, Files: n.files}.ConfigFile()
	if !known {
		r.hinting("put that file into Files, or leave out the flag").bad("has no place: the flag --config names a file that is not the definition's")
		return n.files
	}
	text, problem := mergeGC(n.files[name], p)
	if problem != "" {
		r.hinting("set it in one place only").bad("%s: %s", name, problem)
		return n.files
	}
	files := make(map[string][]byte, len(n.files)+1)
	for other, content := range n.files {
		files[other] = content
	}
	files[name] = text
	return files
}

// ConfigFile is the name in Files of buildkitd's configuration; there may be no
// such file, which buildkitd takes for an empty one. It is not known when a
// flag names a file that is not the definition's.
func (n Node) ConfigFile() (name string, known bool) {
	name = daemonConfigFile
	for i, flag := range n.Flags {
		file, ok := strings.CutPrefix(flag, "--config=")
		if flag == "--config" && i+1 < len(n.Flags) {
			file, ok = n.Flags[i+1], true
		}
		if !ok {
			continue
		}
		if name, ok = strings.CutPrefix(path.Clean(file), daemonConfigDir+"/"); !ok {
			return "", false
		}
		if _, ok := n.Files[name]; !ok {
			return "", false
		}
	}
	return name, true
}
