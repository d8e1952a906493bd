package configmap

import (
	"fmt"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// group is a definition as it stands in the file: the types are right, the
// values are not looked at yet.
type group struct {
	name, driver string
	nodes        []rawNode
	slipway      extension
}

type rawNode struct {
	name, endpoint string
	platforms      []ocispecs.Platform
	options        map[string]any
	flags          []string
	files          map[string][]byte
	slipway        extension
	report         report
}

func schemaOf(kind string) map[string]any { return map[string]any{"type": []any{kind, "null"}} }

// groupFields are the keys of a definition.
func groupFields() []field[group] {
	return []field[group]{
		{
			name: "Name", form: "string", schema: map[string]any{"type": "string", "pattern": builderName.String()},
			doc:  "The builder's name: letters, digits, `.`, `_` and `-`, a letter first. Case makes no difference when a builder is chosen.",
			read: func(g *group, v any, r report) { _ = readString(&g.name, v, r) },
		},
		{
			name: "Driver", form: "`kubernetes`, `remote` or `local`", schema: map[string]any{"enum": []any{DriverKubernetes, DriverRemote, DriverLocal}},
			doc:  "How buildkitd is reached. `local` starts one on this machine for each command, and buildx does not know it. buildx's other drivers need a Docker engine on the agent or Docker's cloud, and Slipway assumes neither.",
			read: func(g *group, v any, r report) { _ = readString(&g.driver, v, r) },
		},
		{
			name: "Nodes", form: "list", schema: map[string]any{"type": "array", "minItems": 1, "items": map[string]any{"$ref": "#/$defs/node"}},
			doc: "The builder's nodes, at least one.",
			read: func(g *group, v any, r report) {
				readList(v, r, func(i int, element any, r report) { g.nodes = append(g.nodes, readNode(i, element, r)) })
			},
		},
		{
			name: "Dynamic", form: "`false`", schema: map[string]any{"enum": []any{false, nil}},
			doc: "buildx writes `false`. A dynamic group (`true`) gets its nodes from a driver that Slipway does not have, and is refused.",
			read: func(_ *group, v any, r report) {
				switch v {
				case false:
				case true:
					r.bad("a dynamic group gets its nodes from a driver that slipway does not have; only false works here")
				default:
					r.bad("must be false, not %s", describe(v))
				}
			},
		},
		{
			name: "Slipway", form: "object", schema: map[string]any{"$ref": "#/$defs/slipway"},
			doc:  "Slipway's own settings for all nodes (see below).",
			read: func(g *group, v any, r report) { readObject(extensionFields(), &g.slipway, v, r) },
		},
	}
}

// nodeFields are the keys of a node.
func nodeFields() []field[rawNode] {
	return []field[rawNode]{
		{
			name: "Name", form: "string", schema: map[string]any{"type": "string", "pattern": nodeName.String()},
			doc:  "The node's name. With `_` replaced by `-` it is the name of the Deployment or StatefulSet, so it must be valid as one.",
			read: func(n *rawNode, v any, r report) { _ = readString(&n.name, v, r) },
		},
		{
			name: "Endpoint", form: "URL", schema: schemaOf("string"),
			doc:  "Driver kubernetes: `kubernetes:///<builder>?deployment=<node>&kubeconfig=<path>`, of which only `kubeconfig` is used; may be absent. Driver remote: `tcp://<host>:<port>` or `unix:///<path>`. Driver local: absent.",
			read: func(n *rawNode, v any, r report) { _ = readString(&n.endpoint, v, r) },
		},
		{
			name: "Platforms", form: "list of objects or strings",
			schema: map[string]any{"type": []any{"array", "null"}, "items": map[string]any{"anyOf": []any{
				map[string]any{"$ref": "#/$defs/platform"}, map[string]any{"type": "string"},
			}}},
			doc:  "The platforms the node claims, as objects (`{\"os\": \"linux\", \"architecture\": \"arm64\"}`). Strings (`linux/arm64`) are read too, but not by buildx. When absent, what buildkitd reports counts.",
			read: readPlatforms,
		},
		{
			name: "DriverOpts", form: "object of strings", schema: schemaOf("object"),
			doc: "The driver's options (see below). In YAML, numbers and booleans may stand without quotes where the option takes them.",
			read: func(n *rawNode, v any, r report) {
				object, ok := v.(map[string]any)
				if !ok {
					r.bad("must be an object, not %s", describe(v))
				}
				n.options = object
			},
		},
		{
			name: "Flags", form: "list of strings", schema: map[string]any{"type": []any{"array", "null"}, "items": map[string]any{"type": "string", "minLength": 1}},
			doc: "Arguments of buildkitd. Drivers kubernetes and local.",
			read: func(n *rawNode, v any, r report) {
				readList(v, r, func(_ int, element any, r report) {
					var flag string
					if readString(&flag, element, r) && flag == "" {
						r.bad("must not be empty")
					}
					n.flags = append(n.flags, flag)
				})
			},
		},
		{
			name: "Files", form: "object of base64 strings", schema: map[string]any{"type": []any{"object", "null"}, "additionalProperties": map[string]any{"type": "string", "contentEncoding": "base64"}},
			doc:  "Files below `/etc/buildkit` by their path there, such as `buildkitd.toml` and `certs/registry.example.com/ca.pem`. Drivers kubernetes and local.",
			read: readFiles,
		},
		{
			name: "Slipway", form: "object", schema: map[string]any{"$ref": "#/$defs/slipway"},
			doc:  "Slipway's own settings for this node; each wins over the group's.",
			read: func(n *rawNode, v any, r report) { readObject(extensionFields(), &n.slipway, v, r) },
		},
	}
}

func readNode(i int, value any, r report) rawNode {
	n := rawNode{report: r}
	n.report.option, n.report.number = "", i+1 // the node says enough
	if object, ok := value.(map[string]any); ok {
		if name, ok := lookup(object, "Name").(string); ok && name != "" {
			n.report.node = name
		}
	}
	if n.report.node == "" {
		n.report.node = fmt.Sprintf("#%d", i+1)
	}
	readObject(nodeFields(), &n, value, n.report)
	return n
}
