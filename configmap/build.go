package configmap

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// builderName and nodeName are the same rule, buildx's (store.ValidateName).
// A node's name becomes one in Kubernetes, which allows no capital letter;
// buildx writes its own in lower case.
var (
	builderName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9._-]*$`)
	nodeName    = builderName
)

// maxStatefulSetName leaves room for the up to eleven characters that the
// controller adds in the label controller-revision-hash of each pod. The API
// server takes a longer name, and the pods are then never created.
const maxStatefulSetName = validation.LabelValueMaxLength - 11

// readDefinition turns one document into an entry. All problems of the
// document are found in one go. The label stands for the file in messages.
func readDefinition(file, label string, document any, found *findings) entry {
	e := entry{file: label, name: nameOfFile(label), guessed: true}
	r := report{file: label, found: found}
	tree, ok := document.(map[string]any)
	switch {
	case document == nil:
		r.bad("is empty")
	case !ok:
		r.hinting("a definition is an object with the keys Name, Driver and Nodes").bad("is not a builder definition: it holds %s", describe(document))
	default:
		if message, hint := foreign(tree); message != "" {
			r.hinting("%s", hint).bad("%s", message)
			break
		}
		if name, ok := lookup(tree, "Name").(string); ok && name != "" {
			e.name, e.guessed = name, false
		}
		var g group
		readObject(groupFields(), &g, tree, r)
		e.definition = g.build(r)
		e.definition.File = file
	}
	e.problems = found.problems
	e.definition.Warnings = found.warnings
	return e
}

// build checks the values of a definition and of its nodes.
func (g group) build(r report) Definition {
	d := Definition{Name: g.name, Driver: g.driver}
	switch {
	case g.name == "":
		r.key("Name").hinting("give it the name by which pipelines choose it, such as kube").bad("the builder has no name")
	case !builderName.MatchString(g.name):
		r.key("Name").bad("%q is not a builder name: it starts with a letter and has letters, digits and ._- only", g.name)
	}
	g.checkDriver(r.key("Driver"))
	if len(g.nodes) == 0 {
		r.key("Nodes").hinting("a builder has one node for each architecture, usually, each with a Name").bad("the builder has no node")
	}
	if g.driver == DriverRemote || g.driver == DriverLocal {
		g.slipway.refuseWithoutWorkload(g.driver, r.key("Slipway"))
	}
	if g.driver == DriverLocal && len(g.nodes) > 1 {
		r.key("Nodes").hinting("define a builder for each").bad("the driver local has one node, and the builder has %d", len(g.nodes))
	}
	owners := make(map[string]string) // workload name -> node name
	for _, n := range g.nodes {
		d.Nodes = append(d.Nodes, n.build(g))
		if n.name == "" {
			continue
		}
		workload := strings.ReplaceAll(n.name, "_", "-")
		if owner, taken := owners[workload]; !taken {
			owners[workload] = n.name
		} else if owner == n.name {
			n.report.key("Name").hinting("give each node a name of its own").bad("another node of the builder has the same name")
		} else {
			n.report.key("Name").hinting("give one of them another name").bad("the workload's name would be %s, which is that of node %s too", workload, owner)
		}
	}
	g.checkStorageClass(d.Nodes, r)
	return d
}

func (g group) checkDriver(r report) {
	known := []string{DriverKubernetes, DriverRemote, DriverLocal}
	switch {
	case slices.Contains(known, g.driver):
	case g.driver == "":
		r.bad("the builder has no driver; kubernetes, remote and local work here")
	case slices.Contains([]string{"docker", "docker-container"}, g.driver):
		r.hinting("create the builder again with --driver kubernetes or --driver local, or point the driver remote at a running buildkitd").
			bad("%s needs a Docker engine on the agent, and slipway does without; kubernetes, remote and local work here", g.driver)
	case g.driver == "cloud":
		r.bad("cloud needs Docker's own service; kubernetes, remote and local work here")
	default:
		r.hinting("%s", didYouMean(g.driver, known)).bad("%q is not a driver that works here; kubernetes, remote and local do", g.driver)
	}
}

// build checks a node. Where the driver is unknown, so are its options, and
// the rest is checked nevertheless.
func (n rawNode) build(g group) Node {
	r := n.report
	node := Node{Name: n.name, Endpoint: n.endpoint, Platforms: n.platforms, Flags: n.flags, Files: n.files}
	switch {
	case n.name == "":
		r.key("Name").bad("the node has no name")
	case !nodeName.MatchString(n.name):
		r.key("Name").bad("%q is not a node name: it starts with a letter and has letters, digits and ._- only", n.name)
	}
	n.slipway.over(g.slipway).applyNode(&node)
	switch g.driver {
	case DriverKubernetes:
		node.Kubernetes = n.kubernetes(g)
		gc, _ := n.slipway.over(g.slipway)[keyGC].(gcPolicy)
		node.Files = n.withGC(gc)
	case DriverRemote:
		node.Remote = n.remote()
	case DriverLocal:
		node.Local, node.Remote = n.local()
	}
	return node
}

// kubernetes reads what belongs to the driver kubernetes.
func (n rawNode) kubernetes(g group) *Kubernetes {
	r := n.report
	k := kubernetesDefaults()
	k.Kubeconfig = readKubernetesEndpoint(n.endpoint, r.key("Endpoint"))
	readOptions(kubernetesOptions(), &k, n.options, r)
	_, rootless := n.options["rootless"]
	n.slipway.over(g.slipway).apply(&k)
	applyProfile(&k, rootless, r)
	checkTogether(&k, r)
	if n.name != "" && nodeName.MatchString(n.name) {
		checkWorkloadName(n.name, k.ClaimStorage != nil, r.key("Name"))
	}
	return &k
}

// checkWorkloadName applies Kubernetes' rules to the names that are made of
// the node's: the object's, the label app=<name> and, in a StatefulSet, the
// pods' host names.
func checkWorkloadName(node string, stateful bool, r report) {
	workload := strings.ReplaceAll(node, "_", "-")
	if node != strings.ToLower(node) {
		r.hinting("write it as %s", strings.ToLower(node)).bad("%q has capital letters, which a name in Kubernetes must not have", node)
		return
	}
	messages := validation.IsDNS1123Subdomain(workload)
	if len(messages) == 0 {
		messages = validation.IsValidLabelValue(workload)
	}
	if len(messages) == 0 && stateful {
		messages = validation.IsDNS1123Label(workload)
		if len(workload) > maxStatefulSetName {
			messages = append(messages, fmt.Sprintf("must be no more than %d bytes as the name of a StatefulSet", maxStatefulSetName))
		}
	}
	r.badAll(fmt.Sprintf("the workload cannot be named %q", workload), messages)
}

// checkTogether looks at options that are valid alone but not side by side.
func checkTogether(k *Kubernetes, r report) {
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
		request, hasRequest := k.Requests[name]
		limit, hasLimit := k.Limits[name]
		if hasRequest && hasLimit && request.Cmp(limit) > 0 {
			r.key("driver-opt requests."+string(name)).bad("%s is more than limits.%s, which is %s", request.String(), name, limit.String())
		}
	}
	if k.ClaimStorage != nil && k.RootVolumeMemory != nil {
		// buildx does the same, without a word.
		r.key("driver-opt buildkit-root-volume-memory").warn("has no effect beside persistent-volume-claim.requests.storage: the state is on the claim")
		k.RootVolumeMemory = nil
	}
	if k.Image == "" {
		k.Image = defaultImage
		if k.Rootless {
			k.Image = defaultRootlessImage
		}
	}
}
