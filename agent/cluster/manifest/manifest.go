package manifest

import (
	"maps"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/configmap"
)

// The kinds of a workload.
const (
	KindDeployment  = "Deployment"
	KindStatefulSet = "StatefulSet"
)

// Objects are what a node needs in the cluster. ConfigMaps and Secrets must
// exist before the workload.
type Objects struct {
	ConfigMaps []*corev1.ConfigMap
	Secrets    []*corev1.Secret
	Workload
}

// WorkloadName is the name of node's workload, as buildx derives it.
func WorkloadName(node configmap.Node) string {
	return strings.ReplaceAll(node.Name, "_", "-")
}

// Kind is the kind of node's workload: claims need a StatefulSet.
func Kind(node configmap.Node) string {
	if node.Kubernetes.ClaimStorage != nil {
		return KindStatefulSet
	}
	return KindDeployment
}

// Of describes the objects of node in namespace. It depends on nothing else, so
// the same definition gives the same bytes and the same spec hash on every
// agent. The error is a *kube.Error with ReasonDefinition: the node's pod
// template patch does not fit.
func Of(node configmap.Node, namespace string) (Objects, error) {
	k := node.Kubernetes
	name := WorkloadName(node)

	annotations := map[string]string{}
	if len(node.Platforms) > 0 {
		annotations[AnnotationPlatform] = formatPlatforms(node)
	}
	maps.Copy(annotations, k.Annotations)
	labels := map[string]string{}
	maps.Copy(labels, k.Labels)
	// What Slipway finds again as its own by, a definition cannot say otherwise.
	labels[LabelManagedBy], labels[LabelApp] = ManagedBy, name

	files := SplitFiles(node.Files)
	template, err := patchedTemplate(node, namespace, labels, annotations, files)
	if err != nil {
		return Objects{}, err
	}
	hash, err := stampHash(&template, node.Files)
	if err != nil {
		return Objects{}, err
	}

	meta := metav1.ObjectMeta{
		Name:        name,
		Namespace:   namespace,
		Labels:      ownedBy(node, labels),
		Annotations: annotations,
	}
	objects := fileObjects(files, meta)
	// buildx selects by all labels. A selector can never be changed, so this
	// one holds no more than the name and labels stay free to change.
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{LabelApp: name}}
	replicas := k.Replicas
	meta.Annotations = maps.Clone(annotations)
	meta.Annotations[AnnotationSpecHash] = hash
	if k.ClaimStorage != nil {
		objects.StatefulSet = &appsv1.StatefulSet{
			TypeMeta:   metav1.TypeMeta{APIVersion: appsv1.SchemeGroupVersion.String(), Kind: KindStatefulSet},
			ObjectMeta: meta,
			Spec: appsv1.StatefulSetSpec{
				// Required by the API; no Service of this name is needed
				// because nobody resolves the pods by DNS.
				ServiceName:         "buildkitd",
				PodManagementPolicy: appsv1.ParallelPodManagement,
				UpdateStrategy:      statefulSetRollout(),
				Replicas:            &replicas,
				Selector:            selector,
				Template:            template,
				VolumeClaimTemplates: []corev1.PersistentVolumeClaim{{
					ObjectMeta: metav1.ObjectMeta{Name: StateVolume},
					Spec: corev1.PersistentVolumeClaimSpec{
						AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
						StorageClassName: k.StorageClass,
						Resources: corev1.VolumeResourceRequirements{
							Requests: corev1.ResourceList{corev1.ResourceStorage: *k.ClaimStorage},
						},
					},
				}},
			},
		}
	} else {
		objects.Deployment = &appsv1.Deployment{
			TypeMeta:   metav1.TypeMeta{APIVersion: appsv1.SchemeGroupVersion.String(), Kind: KindDeployment},
			ObjectMeta: meta,
			Spec: appsv1.DeploymentSpec{
				Replicas: &replicas,
				Selector: selector,
				Template: template,
				Strategy: deploymentRollout(),
			},
		}
	}
	return objects, nil
}

// BuildkitdContainer is the container of a pod that runs it; nil where there is none.
func BuildkitdContainer(pod *corev1.PodSpec) *corev1.Container {
	i := slices.IndexFunc(pod.Containers, func(c corev1.Container) bool { return c.Name == ContainerName })
	if i < 0 {
		return nil
	}
	return &pod.Containers[i]
}

// RunsBuildkitd tells a builder's pods from others that happen to bear the same
// app label.
func RunsBuildkitd(spec corev1.PodSpec) bool { return BuildkitdContainer(&spec) != nil }

// patchedTemplate is node's pod with the definition's patch, and with the
// listener where both have a place for it.
func patchedTemplate(node configmap.Node, namespace string, labels, annotations map[string]string, files []fileGroup) (corev1.PodTemplateSpec, error) {
	patch := node.Kubernetes.PodTemplate
	if wantsListener(node) {
		template := podTemplate(node, labels, annotations, files)
		addListener(&template, node, namespace)
		template, err := patchTemplate(template, patch, node.Name)
		if err != nil || keepsListener(template, node) {
			return template, err
		}
	}
	return patchTemplate(podTemplate(node, labels, annotations, files), patch, node.Name)
}

// formatPlatforms writes the platforms as buildx does.
func formatPlatforms(node configmap.Node) string {
	out := make([]string, len(node.Platforms))
	for i, p := range node.Platforms {
		out[i] = platforms.FormatAll(platforms.Normalize(p))
	}
	return strings.Join(out, ",")
}
