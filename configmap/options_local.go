package configmap

import (
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Local holds the driver options of a node of the driver local, for which Slipway
// starts a buildkitd of its own on this machine.
type Local struct {
	// Buildkitd and Rootlesskit are the programs: absolute paths, or names that are
	// looked up in PATH.
	Buildkitd, Rootlesskit string
	// Root is the absolute path of the directory with the state, the socket and the
	// log. It is empty where the definition does not say and WithCacheDir has not
	// been called.
	Root string
}

// defaultLocalTimeout leaves room for a slow disk and a large cache.
const defaultLocalTimeout = time.Minute

// LocalSocket is the name of buildkitd's socket in the root of a node of the driver
// local.
const LocalSocket = "buildkitd.sock"

// localNode is what the options of the driver local set.
type localNode struct {
	local  Local
	remote Remote
}

// localOptions are the options of the driver local, which is Slipway's own.
func localOptions() []option[localNode] {
	program := func(name, doc string, target func(*localNode) *string) option[localNode] {
		return option[localNode]{
			name: name, form: "a name in PATH or an absolute path", example: "/opt/buildkit/bin/" + name, standard: name, doc: doc,
			read: func(into *localNode, _, v string, r report) {
				if v == "" || strings.Contains(v, "/") && !filepath.IsAbs(v) {
					r.bad("%q is neither a name nor an absolute path", v)
				}
				*target(into) = v
			},
		}
	}
	return []option[localNode]{
		program("buildkitd", "The buildkitd to start. It needs `runc` in PATH.", func(n *localNode) *string { return &n.local.Buildkitd }),
		program("rootlesskit", "The program that starts buildkitd where the user is not root.", func(n *localNode) *string { return &n.local.Rootlesskit }),
		{
			name: "root", form: "an absolute path", example: "/var/cache/slipway", standard: "`local/<builder>` in Slipway's cache directory",
			doc: "The directory of the cache, the socket and the log of buildkitd. Builders that share one share the cache.",
			read: func(into *localNode, _, v string, r report) {
				if !filepath.IsAbs(v) || filepath.Clean(v) == "/" {
					r.bad("%q is not the absolute path of a directory", v)
				}
				into.local.Root = filepath.Clean(v)
			},
		},
		{
			name: "default-load", form: "true or false", example: "true", standard: "false", bare: bareBool,
			doc:  "Asks for an output of `type=docker` when a build names none.",
			read: func(into *localNode, _, v string, r report) { readBool(&into.remote.DefaultLoad, v, r) },
		},
		{
			name: "timeout", form: "a duration of more than zero", example: "2m", standard: seconds(defaultLocalTimeout),
			doc:  "How long to wait for buildkitd to start and to answer.",
			read: func(into *localNode, _, v string, r report) { readTimeout(&into.remote.Timeout, v, r) },
		},
	}
}

// localReserved are the flags of buildkitd that Slipway sets itself.
var localReserved = []string{"addr", "root", "config", "otel-socket-path"}

// local reads what belongs to the driver local.
func (n rawNode) local() (*Local, *Remote) {
	r := n.report
	into := localNode{
		local:  Local{Buildkitd: "buildkitd", Rootlesskit: "rootlesskit"},
		remote: Remote{Timeout: defaultLocalTimeout},
	}
	if n.endpoint != "" {
		r.key("Endpoint").hinting("leave it out, or use the driver remote for a buildkitd that runs already").bad("has no meaning with the driver local, which starts buildkitd itself")
	}
	readOptions(localOptions(), &into, n.options, r)
	for _, flag := range n.flags {
		name, _, _ := strings.Cut(strings.TrimLeft(flag, "-"), "=")
		if strings.HasPrefix(flag, "-") && slices.Contains(localReserved, name) {
			r.key("Flags").hinting("the driver-opt root says where the state is").bad("%s is set by the driver local itself", flag)
		}
	}
	n.slipway.refuseWithoutWorkload(DriverLocal, r.key("Slipway"))
	into.setAddress()
	return &into.local, &into.remote
}

func (n *localNode) setAddress() {
	if n.local.Root != "" {
		n.remote.Address = "unix://" + filepath.Join(n.local.Root, LocalSocket)
	}
}

// WithCacheDir returns the definition with the directories of local nodes that name
// none below dir, Slipway's directory for what it may lose. An empty dir, which
// is that of a user without a home, sets nothing.
func (d Definition) WithCacheDir(dir string) Definition {
	if d.Driver != DriverLocal || dir == "" {
		return d
	}
	d.Nodes = slices.Clone(d.Nodes)
	for i := range d.Nodes {
		n := &d.Nodes[i]
		if n.Local == nil || n.Local.Root != "" {
			continue
		}
		node := localNode{local: *n.Local, remote: *n.Remote}
		node.local.Root = filepath.Join(dir, "local", strings.ToLower(d.Name))
		node.setAddress()
		n.Local, n.Remote = &node.local, &node.remote
	}
	return d
}

// UseCacheDir applies Definition.WithCacheDir to all definitions.
func (s *Set) UseCacheDir(dir string) {
	for i := range s.entries {
		s.entries[i].definition = s.entries[i].definition.WithCacheDir(dir)
	}
}
