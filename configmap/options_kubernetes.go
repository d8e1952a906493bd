package configmap

import (
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
)

// What buildx takes when the option is absent (driver/bkimage and
// driver/kubernetes/factory.go).
const (
	defaultImage         = "moby/buildkit:buildx-stable-1"
	defaultRootlessImage = defaultImage + "-rootless"
	defaultQEMUImage     = "tonistiigi/binfmt:latest"
	defaultTimeout       = 120 * time.Second
)

const quantityForm = "a Kubernetes quantity that is not negative"

// kubernetesDefaults are the options and extensions of a node that gives none. The image
// depends on the others and is filled in last.
func kubernetesDefaults() Kubernetes {
	return Kubernetes{
		Replicas:           1,
		LoadBalance:        LoadBalanceSticky,
		QEMU:               QEMU{Image: defaultQEMUImage},
		Timeout:            defaultTimeout,
		Transport:          TransportAuto,
		UnschedulableGrace: defaultUnschedulableGrace,
		Overflow:           defaultOverflow,
		TerminationGrace:   defaultTerminationGrace,
	}
}

// kubernetesOptions are the options of the driver kubernetes, those of buildx
// 0.37 with its semantics. Where it has bugs the comment says so.
func kubernetesOptions() []option[Kubernetes] {
	return []option[Kubernetes]{
		{
			name: "image", form: "an image reference", example: "moby/buildkit:v0.34.2", unset: true,
			// buildx takes the rootless image even with rootless=false.
			standard: defaultImage + ", with rootless " + defaultRootlessImage,
			doc:      "The BuildKit image.",
			read:     func(k *Kubernetes, _, v string, r report) { k.Image = readImage(v, r) },
		},
		{
			name: "namespace", form: "a namespace", example: "buildkit", unset: true,
			standard: "that of the service account or the kube context",
			doc:      "The namespace of the workload.",
			read: func(k *Kubernetes, _, v string, r report) {
				k.Namespace = readName(v, validation.IsDNS1123Label, r)
			},
		},
		{
			name: "replicas", form: "a whole number of at least 1", example: "2", standard: "1", bare: bareInteger,
			doc: "The number of pods. One ready pod is enough to start a build.",
			read: func(k *Kubernetes, _, v string, r report) {
				n, err := strconv.ParseInt(v, 10, 32)
				if err != nil || n < 1 { // with 0 there would never be a pod to wait for
					r.bad("%q is not a whole number of at least 1", v)
					return
				}
				k.Replicas = int32(n)
			},
		},
		resourceOption("requests.cpu", "500m", "The CPU that a pod asks for."),
		resourceOption("requests.memory", "2Gi", "The memory that a pod asks for."),
		// buildx puts this one into the limits.
		resourceOption("requests.ephemeral-storage", "10Gi", "The scratch disk that a pod asks for."),
		resourceOption("limits.cpu", "4", "The CPU that a pod may use."),
		resourceOption("limits.memory", "8Gi", "The memory that a pod may use."),
		resourceOption("limits.ephemeral-storage", "50Gi", "The scratch disk that a pod may use."),
		{
			name: "persistent-volume-claim.requests.storage", form: "a Kubernetes quantity of more than zero", example: "100Gi",
			bare: bareInteger | bareFraction, unset: true,
			// buildx drops the config files of such a node.
			doc: "Makes the workload a StatefulSet whose pods keep BuildKit's state on a persistent volume of this size.",
			read: func(k *Kubernetes, _, v string, r report) {
				if q := readQuantity(v, true, r); q != nil {
					if q.IsZero() {
						r.bad("must be more than zero")
					}
					k.ClaimStorage = q
				}
			},
		},
		{
			name: "buildkit-root-volume-memory", misspelt: "buildkit-root-folder-memory",
			form: quantityForm, example: "8Gi", bare: bareInteger | bareFraction, unset: true,
			doc:  "Puts BuildKit's state on a memory volume of this size.",
			read: func(k *Kubernetes, _, v string, r report) { k.RootVolumeMemory = readQuantity(v, true, r) },
		},
		boolOption("rootless", "Runs BuildKit without privileges.", func(k *Kubernetes) *bool { return &k.Rootless }),
		{
			name: "schedulername", form: "a name", example: "default-scheduler", standard: "the cluster's default", unset: true,
			doc: "The scheduler of the pods.",
			read: func(k *Kubernetes, _, v string, r report) {
				if strings.ContainsAny(v, " \t\r\n") { // Kubernetes takes any string
					r.bad("%q has white space in it", v)
				}
				k.SchedulerName = v
			},
		},
		{
			name: "serviceaccount", form: "a name", example: "buildkit", standard: "default", unset: true,
			doc: "The service account of the pods.",
			read: func(k *Kubernetes, _, v string, r report) {
				k.ServiceAccount = readName(v, validation.IsDNS1123Subdomain, r)
			},
		},
		{
			name: "nodeselector", form: "label=value pairs with commas between", example: "kubernetes.io/arch=arm64",
			doc: "The labels a cluster node must have to take the pods.",
			read: func(k *Kubernetes, _, v string, r report) {
				k.NodeSelector = readPairs(v, r)
				checkLabels(k.NodeSelector, r)
			},
		},
		{
			name: "annotations", misspelt: "annotation", form: "key=value pairs with commas between", example: "example.com/team=build,example.com/cost=42",
			// buildx refuses a value that holds "=".
			doc: "Annotations of the workload and its pods. A value may hold `=`, but no comma.",
			read: func(k *Kubernetes, _, v string, r report) {
				k.Annotations = readPairs(v, r)
				checkAnnotations(k.Annotations, r)
			},
		},
		{
			name: "labels", form: "label=value pairs with commas between", example: "team=build",
			doc: "Labels of the workload and its pods, besides `app`.",
			read: func(k *Kubernetes, _, v string, r report) {
				k.Labels = readPairs(v, r)
				checkLabels(k.Labels, r)
				if _, taken := k.Labels[labelApp]; taken {
					r.bad("the label %q is taken: the workload is found by it", labelApp)
				}
			},
		},
		{
			name: "tolerations", form: "tolerations with semicolons between, each made of key, operator, value, effect and tolerationSeconds", example: "key=dedicated,value=build,effect=NoSchedule;key=spot,operator=Exists",
			doc:  "The taints the pods tolerate. The operator is `Exists` or `Equal` in any case; a part without `=` is an error (buildx drops it in silence).",
			read: func(k *Kubernetes, _, v string, r report) { k.Tolerations = readTolerations(v, r) },
		},
		{
			name: "loadbalance", form: "sticky or random", example: string(LoadBalanceRandom), standard: string(LoadBalanceSticky),
			doc: "How a pod is chosen among several: always the same for the same source, or by chance.",
			read: func(k *Kubernetes, _, v string, r report) {
				switch policy := LoadBalance(v); policy {
				case LoadBalanceSticky, LoadBalanceRandom:
					k.LoadBalance = policy
				default:
					r.bad("%q is neither sticky nor random", v)
				}
			},
		},
		boolOption("qemu.install", "Registers emulators for other architectures on the cluster node before buildkitd starts. Needs a privileged init container.",
			func(k *Kubernetes) *bool { return &k.QEMU.Install }),
		{
			name: "qemu.image", form: "an image reference", example: defaultQEMUImage, standard: defaultQEMUImage, unset: true,
			doc:  "The image that registers the emulators.",
			read: func(k *Kubernetes, _, v string, r report) { k.QEMU.Image = readImage(v, r) },
		},
		boolOption("default-load", "Asks for an output of `type=docker` when a build names none.", func(k *Kubernetes) *bool { return &k.DefaultLoad }),
		{
			name: "timeout", form: "a duration of more than zero", example: "5m", standard: seconds(defaultTimeout),
			doc:  "How long to wait for a ready pod.",
			read: func(k *Kubernetes, _, v string, r report) { readTimeout(&k.Timeout, v, r) },
		},
		{
			name: "env." + variablePart, form: "any string", example: "http://proxy.example.com:3128",
			doc: "The variable NAME of the buildkitd container.",
			read: func(k *Kubernetes, key, v string, r report) {
				name := strings.TrimPrefix(key, "env.")
				if name == "" {
					r.hinting("write it like env.HTTPS_PROXY").bad("the name of the variable is missing")
					return
				}
				// Keys come sorted, and so do the variables.
				r.badAll("not the name of a variable", validation.IsEnvVarName(name))
				if withoutQuotes(v) != v {
					r.warn("the quotes are part of the variable's value; leave them out")
				}
				k.Env = append(k.Env, corev1.EnvVar{Name: name, Value: v})
			},
		},
	}
}

func resourceOption(name, example, doc string) option[Kubernetes] {
	kind, which, _ := strings.Cut(name, ".")
	return option[Kubernetes]{
		name: name, form: quantityForm, example: example, doc: doc, bare: bareInteger | bareFraction, unset: true,
		read: func(k *Kubernetes, _, v string, r report) {
			q := readQuantity(v, which != string(corev1.ResourceCPU), r)
			if q == nil {
				return
			}
			list := &k.Requests
			if kind == "limits" {
				list = &k.Limits
			}
			if *list == nil {
				*list = make(corev1.ResourceList)
			}
			(*list)[corev1.ResourceName(which)] = *q
		},
	}
}

func boolOption(name, doc string, target func(*Kubernetes) *bool) option[Kubernetes] {
	return option[Kubernetes]{
		name: name, form: "true or false", example: "true", standard: "false", bare: bareBool, doc: doc,
		read: func(k *Kubernetes, _, v string, r report) { readBool(target(k), v, r) },
	}
}

// readQuantity returns nil when it is not one. Whole quantities are counted in
// bytes, of which there are no fractions.
func readQuantity(v string, whole bool, r report) *resource.Quantity {
	q, err := resource.ParseQuantity(v)
	if err != nil {
		r.bad("%q is not a quantity", v)
		return nil
	}
	if q.Sign() < 0 {
		r.bad("%q is negative", v)
		return nil
	}
	if whole && resource.NewQuantity(q.Value(), q.Format).Cmp(q) != 0 { // Value rounds up
		r.warn("%s is a fraction of a byte; m stands for a thousandth, Mi for 1024 x 1024", v)
	}
	return &q
}
