package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/gentype"
	"k8s.io/client-go/rest"
)

// Pods are the pods of a namespace.
func (c *Client) Pods(namespace string) *gentype.ClientWithList[*corev1.Pod, *corev1.PodList] {
	return gentype.NewClientWithList("pods", c.core, c.parameters, namespace,
		func() *corev1.Pod { return &corev1.Pod{} },
		func() *corev1.PodList { return &corev1.PodList{} })
}

// Events are the events of a namespace.
func (c *Client) Events(namespace string) *gentype.ClientWithList[*corev1.Event, *corev1.EventList] {
	return gentype.NewClientWithList("events", c.core, c.parameters, namespace,
		func() *corev1.Event { return &corev1.Event{} },
		func() *corev1.EventList { return &corev1.EventList{} })
}

// ConfigMaps are the configmaps of a namespace.
func (c *Client) ConfigMaps(namespace string) *gentype.ClientWithList[*corev1.ConfigMap, *corev1.ConfigMapList] {
	return gentype.NewClientWithList("configmaps", c.core, c.parameters, namespace,
		func() *corev1.ConfigMap { return &corev1.ConfigMap{} },
		func() *corev1.ConfigMapList { return &corev1.ConfigMapList{} })
}

// Secrets are the secrets of a namespace.
func (c *Client) Secrets(namespace string) *gentype.Client[*corev1.Secret] {
	return gentype.NewClient("secrets", c.core, c.parameters, namespace,
		func() *corev1.Secret { return &corev1.Secret{} })
}

// Claims are the persistentvolumeclaims of a namespace.
func (c *Client) Claims(namespace string) *gentype.ClientWithList[*corev1.PersistentVolumeClaim, *corev1.PersistentVolumeClaimList] {
	return gentype.NewClientWithList("persistentvolumeclaims", c.core, c.parameters, namespace,
		func() *corev1.PersistentVolumeClaim { return &corev1.PersistentVolumeClaim{} },
		func() *corev1.PersistentVolumeClaimList { return &corev1.PersistentVolumeClaimList{} })
}

// Quotas are the resourcequotas of a namespace.
func (c *Client) Quotas(namespace string) *gentype.ClientWithList[*corev1.ResourceQuota, *corev1.ResourceQuotaList] {
	return gentype.NewClientWithList("resourcequotas", c.core, c.parameters, namespace,
		func() *corev1.ResourceQuota { return &corev1.ResourceQuota{} },
		func() *corev1.ResourceQuotaList { return &corev1.ResourceQuotaList{} })
}

// serviceAccounts are the serviceaccounts of a namespace.
func (c *Client) serviceAccounts(namespace string) *gentype.Client[*corev1.ServiceAccount] {
	return gentype.NewClient("serviceaccounts", c.core, c.parameters, namespace,
		func() *corev1.ServiceAccount { return &corev1.ServiceAccount{} })
}

// ClusterNodes are the nodes of the cluster.
func (c *Client) ClusterNodes() *gentype.ClientWithList[*corev1.Node, *corev1.NodeList] {
	return gentype.NewClientWithList("nodes", c.core, c.parameters, "",
		func() *corev1.Node { return &corev1.Node{} },
		func() *corev1.NodeList { return &corev1.NodeList{} })
}

// Deployments are the deployments of a namespace.
func (c *Client) Deployments(namespace string) *gentype.ClientWithList[*appsv1.Deployment, *appsv1.DeploymentList] {
	return gentype.NewClientWithList("deployments", c.apps, c.parameters, namespace,
		func() *appsv1.Deployment { return &appsv1.Deployment{} },
		func() *appsv1.DeploymentList { return &appsv1.DeploymentList{} })
}

// StatefulSets are the statefulsets of a namespace.
func (c *Client) StatefulSets(namespace string) *gentype.ClientWithList[*appsv1.StatefulSet, *appsv1.StatefulSetList] {
	return gentype.NewClientWithList("statefulsets", c.apps, c.parameters, namespace,
		func() *appsv1.StatefulSet { return &appsv1.StatefulSet{} },
		func() *appsv1.StatefulSetList { return &appsv1.StatefulSetList{} })
}

// ReplicaSets are the replicasets of a namespace.
func (c *Client) ReplicaSets(namespace string) *gentype.Client[*appsv1.ReplicaSet] {
	return gentype.NewClient("replicasets", c.apps, c.parameters, namespace,
		func() *appsv1.ReplicaSet { return &appsv1.ReplicaSet{} })
}

// PodLog is a request for the log of a pod.
func (c *Client) PodLog(namespace, pod string, options *corev1.PodLogOptions) *rest.Request {
	return c.core.Get().
		Namespace(namespace).
		Resource("pods").
		Name(pod).
		SubResource("log").
		VersionedParams(options, c.parameters)
}

// PodURL is where a subresource of a pod is reached, such as exec; options may be
// nil.
func (c *Client) PodURL(namespace, pod, subresource string, options runtime.Object) *url.URL {
	request := c.core.Get().
		Namespace(namespace).
		Resource("pods").
		Name(pod).
		SubResource(subresource)
	if options != nil {
		request.VersionedParams(options, c.parameters)
	}
	return request.URL()
}

// StreamConfig is a copy of the client's own configuration, for connections that
// are no plain requests.
func (c *Client) StreamConfig() *rest.Config { return rest.CopyConfig(c.config) }

// RawGet asks for an absolute path, whose answer the caller closes. The header is
// what the typed clients keep to themselves. The error is the transport's.
func (c *Client) RawGet(ctx context.Context, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.core.Get().AbsPath(path).URL().String(), nil)
	if err != nil {
		return nil, err
	}
	return c.http.Do(request)
}

// DryRun has the API server check an object of the plural in a namespace as if
// it were to be created, and returns the warnings. The error is the API
// server's.
func (c *Client) DryRun(ctx context.Context, plural, namespace string, object metav1.Object) (warnings []string, err error) {
	group := c.apps
	if plural == "pods" {
		group = c.core
	}
	result := group.Post().
		Namespace(namespace).
		Resource(plural).
		VersionedParams(&metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldManager: FieldManager}, c.parameters).
		Body(object).
		Do(ctx)
	for _, warning := range result.Warnings() {
		warnings = append(warnings, warning.Text)
	}
	return warnings, result.Error()
}

// Scale sets the replicas of a workload that is still of a resource version,
// through the subresource, for which a role needs no right to change anything
// else. kind is Deployment or StatefulSet. The error is the API server's.
func (c *Client) Scale(ctx context.Context, kind, namespace, name string, replicas int32, version string) error {
	return c.apps.Patch(types.MergePatchType).
		Namespace(namespace).
		Resource(strings.ToLower(kind)+"s").
		Name(name).
		SubResource("scale").
		VersionedParams(&metav1.PatchOptions{FieldManager: FieldManager}, c.parameters).
		Body(fmt.Appendf(nil, `{"metadata":{"resourceVersion":%q},"spec":{"replicas":%d}}`, version, replicas)).
		Do(ctx).
		Error()
}

// Review sends an object that exists for its answer alone and puts the answer
// in its place. It is JSON: the clients know the types of two groups only.
func (c *Client) Review(ctx context.Context, path string, object any) error {
	body, err := json.Marshal(object)
	if err != nil {
		return err
	}
	answer, err := c.core.Post().AbsPath(path).
		SetHeader("Content-Type", "application/json").
		SetHeader("Accept", "application/json").
		Body(body).Do(Quiet(ctx)).Raw()
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, object)
}
