package configmap

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

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

// extension is what the key "Slipway" holds; nil where it says nothing.
type extension struct {
	podTemplate        json.RawMessage
	transport          *Transport
	drift              *Drift
	tls                *TLS
	unschedulableGrace *time.Duration
	overflow           *int
	terminationGrace   *time.Duration
	owner              *string
	idleTimeout        *time.Duration
	profile            *Profile
	storageClass       *string
	gc                 *gcPolicy
}

// over returns e with base filled in where e says nothing.
func (e extension) over(base extension) extension {
	if e.podTemplate == nil {
		e.podTemplate = base.podTemplate
	}
	if e.transport == nil {
		e.transport = base.transport
	}
	if e.drift == nil {
		e.drift = base.drift
	}
	if e.tls == nil {
		e.tls = base.tls
	}
	if e.unschedulableGrace == nil {
		e.unschedulableGrace = base.unschedulableGrace
	}
	if e.overflow == nil {
		e.overflow = base.overflow
	}
	if e.terminationGrace == nil {
		e.terminationGrace = base.terminationGrace
	}
	if e.owner == nil {
		e.owner = base.owner
	}
	if e.idleTimeout == nil {
		e.idleTimeout = base.idleTimeout
	}
	if e.profile == nil {
		e.profile = base.profile
	}
	if e.storageClass == nil {
		e.storageClass = base.storageClass
	}
	if e.gc == nil {
		e.gc = base.gc
	}
	return e
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
			name: "Driver", form: "`kubernetes` or `remote`", schema: map[string]any{"enum": []any{DriverKubernetes, DriverRemote}},
			doc:  "How buildkitd is reached. buildx's other drivers need a Docker engine on the agent or Docker's cloud, and Slipway assumes neither.",
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
			doc:  "Driver kubernetes: `kubernetes:///<builder>?deployment=<node>&kubeconfig=<path>`, of which only `kubeconfig` is used; may be absent. Driver remote: `tcp://<host>:<port>` or `unix:///<path>`.",
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
			doc: "Arguments of buildkitd. Driver kubernetes only.",
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
			doc:  "Files below `/etc/buildkit` by their path there, such as `buildkitd.toml` and `certs/registry.example.com/ca.pem`. Driver kubernetes only.",
			read: readFiles,
		},
		{
			name: "Slipway", form: "object", schema: map[string]any{"$ref": "#/$defs/slipway"},
			doc:  "Slipway's own settings for this node; each wins over the group's.",
			read: func(n *rawNode, v any, r report) { readObject(extensionFields(), &n.slipway, v, r) },
		},
	}
}

// extensionFields are the keys below "Slipway". buildx ignores that key, so a
// definition that has it stays valid there.
func extensionFields() []field[extension] {
	return []field[extension]{
		{
			name: "podTemplate", form: "object", schema: schemaOf("object"),
			doc:  "A [strategic-merge patch](https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/) on the workload's pod template, for everything that has no driver-opt: affinity, topology spread, pull secrets, priority class, `hostUsers`, volumes, runtime class. The container to patch is `buildkitd`. A node's patch replaces the group's.",
			read: func(e *extension, v any, r report) { e.podTemplate = readPodTemplate(v, r) },
		},
		{
			name: "transport", form: "`auto`, `direct`, `portforward` or `exec`", schema: map[string]any{"enum": []any{string(TransportAuto), string(TransportDirect), string(TransportPortForward), string(TransportExec), nil}},
			doc:  "How buildkitd is reached (see [transports](transports.md)). `auto`, the default, takes the first of the others that works. With `exec` a workload is made that listens on no port and needs no certificates.",
			read: readTransport,
		},
		{
			name: "drift", form: "`warn`, `apply`, `fail` or `ignore`", schema: map[string]any{"enum": []any{string(DriftWarn), string(DriftApply), string(DriftFail), string(DriftIgnore), nil}},
			doc:  "What is done about a workload that is not as the definition says (see [drift](drift.md)): say so and go on, bring it up to date, end with exit code 3, or not look. Default `warn` in `slipway build`, `apply` in `slipway up`; `--drift` wins over it.",
			read: readDrift,
		},
		{
			name: "tls", form: "object", schema: map[string]any{"$ref": "#/$defs/tls"},
			doc:  "Certificates that are brought along (see below). When absent, Slipway makes them and replaces them in time.",
			read: readTLS,
		},
		{
			name: "unschedulableGrace", form: "duration", schema: schemaOf("string"),
			doc: "How long an unschedulable pod waits for an answer of a cluster autoscaler before the wait ends with the scheduler's words. Default `" + defaultUnschedulableGrace.String() + "`.",
			read: func(e *extension, v any, r report) {
				var text string
				if !readString(&text, v, r) {
					return
				}
				grace, err := time.ParseDuration(text)
				if err != nil || grace < 0 {
					r.hinting("write it like 15s or 2m").bad("must be a duration, not %q", text)
					return
				}
				e.unschedulableGrace = &grace
			},
		},
		{
			name: "overflow", form: "number", schema: schemaOf("integer"),
			doc:  "How many builds a pod may be busy with before a further one, whose cache is on it, goes to the next pod that has fewer. `0` leaves every build with its pod. Default `" + strconv.Itoa(defaultOverflow) + "`. It matters where a node has several replicas and `loadbalance=sticky`.",
			read: readOverflow,
		},
		{
			name: "terminationGrace", form: "duration", schema: schemaOf("string"),
			doc:  "How long a pod that is asked to stop may go on with the builds it has (see [rollouts](rollouts.md)); it ends as soon as they have. Whole seconds, at least `1s`. Default `1h`.",
			read: readTerminationGrace,
		},
		{
			name: "owner", form: "label value", schema: schemaOf("string"),
			doc:  "Whom the workload belongs to: the label `slipway.build/owner` of what Slipway makes. `slipway gc` removes what bears the owner's name and stands in no definition any more (see [scale](scale.md)), so give each set of definitions a name of its own. When absent, nothing is ever removed as left over.",
			read: readOwner,
		},
		{
			name: "idleTimeout", form: "duration", schema: schemaOf("string"),
			doc:  "After how long without a build `slipway gc` scales the workload to zero (see [scale](scale.md)). The next build wakes it. When absent or `0s`: never.",
			read: readIdleTimeout,
		},
		{
			name: "profile", form: "`privileged`, `rootless` or `user-namespace`", schema: map[string]any{"enum": []any{string(ProfilePrivileged), string(ProfileRootless), string(ProfileUserNamespace), nil}},
			doc:  "What stands between a build and the cluster node (see [profiles](profiles.md)). `rootless` is the driver-opt of that name, `user-namespace` is a privileged container in a pod with `hostUsers: false`. When absent, `rootless` and `podTemplate` decide.",
			read: readProfile,
		},
		{
			name: "storageClass", form: "name of a StorageClass", schema: schemaOf("string"),
			doc:  "The class of the claims that `persistent-volume-claim.requests.storage` asks for. When absent, the cluster's default; the empty string takes volumes that were made by hand.",
			read: readStorageClass,
		},
		{
			name: "gc", form: "object", schema: map[string]any{"$ref": "#/$defs/gc"},
			doc:  "How much cache each pod keeps (see below). It is written into `[worker.oci]` of the node's `buildkitd.toml`; one that says something about it already is refused.",
			read: readGC,
		},
	}
}

func readNode(i int, value any, r report) rawNode {
	n := rawNode{report: r}
	n.report.option = "" // the node says enough
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
