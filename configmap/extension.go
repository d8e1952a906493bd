package configmap

import (
	"encoding/json"
	"maps"
	"strconv"
	"time"
)

// extensionKey is a key below "Slipway". Its row in extensionKeys and the field
// of Kubernetes that it sets are all that there is of it.
type extensionKey struct {
	name string
	// form says in a few words what the key holds.
	form string
	doc  string
	// schema is the JSON Schema of the value.
	schema map[string]any
	value  extensionValue
}

// extensionValue is how the value of a key is read, and what it does to a node.
type extensionValue struct {
	// read takes a value that is not null; it is not ok when it is wrong.
	read func(value any, r report) (parsed any, ok bool)
	// set takes what read returned; nil for a key that sets no field.
	set func(k *Kubernetes, parsed any)
	// setNode is set for a key that is about the node and not about its workload:
	// it has a meaning with every driver.
	setNode func(n *Node, parsed any)
}

// valueOf is the extensionValue of a type; set may be nil.
func valueOf[T any](read func(value any, r report) (T, bool), set func(k *Kubernetes, parsed T)) extensionValue {
	v := extensionValue{read: func(value any, r report) (any, bool) { return read(value, r) }}
	if set != nil {
		v.set = func(k *Kubernetes, parsed any) {
			if typed, ok := parsed.(T); ok {
				set(k, typed)
			}
		}
	}
	return v
}

// ofNode is the extensionValue of a key that has a meaning with every driver.
func ofNode[T any](read func(value any, r report) (T, bool), set func(n *Node, parsed T)) extensionValue {
	v := valueOf(read, nil)
	v.setNode = func(n *Node, parsed any) {
		if typed, ok := parsed.(T); ok {
			set(n, typed)
		}
	}
	return v
}

// extension is what the key "Slipway" holds, parsed, by the names of its keys.
type extension map[string]any

// The keys that are looked at by name.
const (
	keyStorageClass = "storageClass"
	keyGC           = "gc"
)

// extensionKeys are the keys below "Slipway". buildx ignores that key, so a
// definition that has it stays valid there.
func extensionKeys() []extensionKey {
	return []extensionKey{
		{
			name: "podTemplate", form: "object", schema: schemaOf("object"),
			doc:   "A [strategic-merge patch](https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/) on the workload's pod template, for everything that has no driver-opt: affinity, topology spread, pull secrets, priority class, `hostUsers`, volumes, runtime class. The container to patch is `buildkitd`. A node's patch replaces the group's.",
			value: valueOf(readPodTemplate, func(k *Kubernetes, patch json.RawMessage) { k.PodTemplate = patch }),
		},
		{
			name: "transport", form: "`auto`, `direct`, `portforward` or `exec`", schema: map[string]any{"enum": []any{string(TransportAuto), string(TransportDirect), string(TransportPortForward), string(TransportExec), nil}},
			doc:   "How buildkitd is reached (see [transports](transports.md)). `auto`, the default, takes the first of the others that works. With `exec` a workload is made that listens on no port and needs no certificates.",
			value: valueOf(readChoice[Transport](transports(), "a transport"), func(k *Kubernetes, t Transport) { k.Transport = t }),
		},
		{
			name: "drift", form: "`warn`, `apply`, `fail` or `ignore`", schema: map[string]any{"enum": []any{string(DriftWarn), string(DriftApply), string(DriftFail), string(DriftIgnore), nil}},
			doc:   "What is done about a workload that is not as the definition says (see [drift](drift.md)): say so and go on, bring it up to date, end with exit code 3, or not look. Default `warn` in `slipway build`, `apply` in `slipway up`; `--drift` wins over it.",
			value: valueOf(readChoice[Drift](drifts(), "a policy for drift"), func(k *Kubernetes, d Drift) { k.Drift = d }),
		},
		{
			name: "tls", form: "object", schema: map[string]any{"$ref": "#/$defs/tls"},
			doc:   "Certificates that are brought along (see below). When absent, Slipway makes them and replaces them in time.",
			value: valueOf(readTLS, func(k *Kubernetes, t TLS) { k.TLS = t }),
		},
		{
			name: "unschedulableGrace", form: "duration", schema: schemaOf("string"),
			doc:   "How long an unschedulable pod waits for an answer of a cluster autoscaler before the wait ends with the scheduler's words. Default `" + defaultUnschedulableGrace.String() + "`.",
			value: valueOf(readWait("15s or 2m"), func(k *Kubernetes, grace time.Duration) { k.UnschedulableGrace = grace }),
		},
		{
			name: "overflow", form: "number", schema: schemaOf("integer"),
			doc:   "How many builds a pod may be busy with before a further one, whose cache is on it, goes to the next pod that has fewer. `0` leaves every build with its pod. Default `" + strconv.Itoa(defaultOverflow) + "`. It matters where a node has several replicas and `loadbalance=sticky`.",
			value: valueOf(readOverflow, func(k *Kubernetes, builds int) { k.Overflow = builds }),
		},
		{
			name: "terminationGrace", form: "duration", schema: schemaOf("string"),
			doc:   "How long a pod that is asked to stop may go on with the builds it has (see [rollouts](rollouts.md)); it ends as soon as they have. Whole seconds, at least `1s`. Default `1h`.",
			value: valueOf(readTerminationGrace, func(k *Kubernetes, grace time.Duration) { k.TerminationGrace = grace }),
		},
		{
			name: "owner", form: "label value", schema: schemaOf("string"),
			doc:   "Whom the workload belongs to: the label `slipway.build/owner` of what Slipway makes. `slipway gc` removes what bears the owner's name and stands in no definition any more (see [scale](scale.md)), so give each set of definitions a name of its own. When absent, nothing is ever removed as left over.",
			value: valueOf(readOwner, func(k *Kubernetes, owner string) { k.Owner = owner }),
		},
		{
			name: "idleTimeout", form: "duration", schema: schemaOf("string"),
			doc:   "After how long without a build `slipway gc` scales the workload to zero (see [scale](scale.md)). The next build wakes it. When absent or `0s`: never.",
			value: valueOf(readWait("30m or 2h, 0s for never"), func(k *Kubernetes, idle time.Duration) { k.IdleTimeout = idle }),
		},
		{
			name: "profile", form: "`privileged`, `rootless` or `user-namespace`", schema: map[string]any{"enum": []any{string(ProfilePrivileged), string(ProfileRootless), string(ProfileUserNamespace), nil}},
			doc:   "What stands between a build and the cluster node (see [profiles](profiles.md)). `rootless` is the driver-opt of that name, `user-namespace` is a privileged container in a pod with `hostUsers: false`. When absent, `rootless` and `podTemplate` decide.",
			value: valueOf(readChoice[Profile](profiles(), "a profile"), func(k *Kubernetes, p Profile) { k.Profile = p }),
		},
		{
			name: keyStorageClass, form: "name of a StorageClass", schema: schemaOf("string"),
			doc:   "The class of the claims that `persistent-volume-claim.requests.storage` asks for. When absent, the cluster's default; the empty string takes volumes that were made by hand.",
			value: valueOf(readStorageClass, func(k *Kubernetes, class string) { k.StorageClass = &class }),
		},
		{
			name: keyGC, form: "object", schema: map[string]any{"$ref": "#/$defs/gc"},
			doc:   "How much cache each pod keeps (see below). It is written into `[worker.oci]` of the node's `buildkitd.toml`; one that says something about it already is refused.",
			value: valueOf(readGC, nil), // it goes into Files: see withGC
		},
		{
			name: "strictPlatforms", form: "`true` or `false`", schema: schemaOf("boolean"),
			doc:   "`true` for a node that builds for no platform that it does not claim (see [cross-compiling](cross-compiling.md)). For the group: a platform that no node claims is an error, as with `--strict-platforms`. Default `false`. It has a meaning with the driver remote, too.",
			value: ofNode(readTruth, func(n *Node, strict bool) { n.StrictPlatforms = strict }),
		},
	}
}

// extensionFields are the keys as the reader, the reference and the JSON Schema
// take them.
func extensionFields() []field[extension] {
	keys := extensionKeys()
	fields := make([]field[extension], len(keys))
	for i, key := range keys {
		fields[i] = field[extension]{
			name: key.name, form: key.form, doc: key.doc, schema: key.schema,
			read: func(e *extension, value any, r report) {
				parsed, ok := key.value.read(value, r)
				if !ok {
					return
				}
				if *e == nil {
					*e = extension{}
				}
				(*e)[key.name] = parsed
			},
		}
	}
	return fields
}

// over returns e with base filled in where e says nothing.
func (e extension) over(base extension) extension {
	all := extension{}
	maps.Copy(all, base)
	maps.Copy(all, e)
	return all
}

// apply gives a node what the keys hold.
func (e extension) apply(k *Kubernetes) {
	for _, key := range extensionKeys() {
		if parsed, given := e[key.name]; given && key.value.set != nil {
			key.value.set(k, parsed)
		}
	}
}

// applyNode gives a node what the keys hold that have a meaning with every driver.
func (e extension) applyNode(n *Node) {
	for _, key := range extensionKeys() {
		if parsed, given := e[key.name]; given && key.value.setNode != nil {
			key.value.setNode(n, parsed)
		}
	}
}

// refuseWithoutWorkload says that all the settings are about a workload, which the
// driver does not have.
func (e extension) refuseWithoutWorkload(driver string, r report) {
	for _, key := range extensionKeys() {
		if _, given := e[key.name]; given && key.value.setNode == nil {
			r.key(key.name).bad("has no meaning with the driver %s, which has no workload", driver)
		}
	}
}
