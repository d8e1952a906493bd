package cluster

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/agent/cluster/diff"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
)

// compareFiles finds the ConfigMaps and Secrets whose content is not the
// definition's. Where they may not be read, the hash on the pods tells whether
// they were written for this definition.
func (w *workload) compareFiles(ctx context.Context, d *drift, objects manifest.Objects) error {
	for _, cm := range objects.ConfigMaps {
		is, err := w.client.api.ConfigMaps(w.namespace).Get(ctx, cm.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			is, err = &corev1.ConfigMap{}, nil
		} else if err == nil && !w.owns(is) {
			return w.foreignError("configmap "+cm.Name, is, "")
		}
		if err == nil {
			cm = cm.DeepCopy()
			cm.ResourceVersion = is.ResourceVersion
		}
		differ, err := w.addFileLines("configmap "+cm.Name, d, diff.ContentOf(is), diff.ContentOf(cm), err)
		if err != nil {
			return err
		}
		if differ {
			d.files.ConfigMaps = append(d.files.ConfigMaps, cm)
		}
	}
	for _, s := range objects.Secrets {
		is, err := w.client.api.Secrets(w.namespace).Get(ctx, s.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			is, err = &corev1.Secret{}, nil
		} else if err == nil && !w.owns(is) {
			return w.foreignError("secret "+s.Name, is, "")
		}
		var before map[string][]byte
		if err == nil {
			s = s.DeepCopy()
			before, s.ResourceVersion = is.Data, is.ResourceVersion
		}
		differ, err := w.addFileLines("secret "+s.Name, d, before, s.Data, err)
		if err != nil {
			return err
		}
		if differ {
			d.files.Secrets = append(d.files.Secrets, s)
		}
	}
	return nil
}

// addFileLines lists the files of an object that differ, by name: their content
// may be secret.
func (w *workload) addFileLines(object string, d *drift, before, after map[string][]byte, err error) (differ bool, _ error) {
	if apierrors.IsForbidden(err) {
		kind, _, _ := strings.Cut(object, " ")
		if right := "get " + kind + "s"; !slices.Contains(d.unread, right) {
			d.unread = append(d.unread, right)
		}
		return d.is.Hash() != d.should.Hash(), nil
	}
	if err != nil {
		return false, w.explain(err, "read "+object)
	}
	names := diff.Files(before, after)
	for _, name := range names {
		words := "other content than in the definition"
		if _, there := before[name]; !there {
			words = diff.OnlyInDefinition
		} else if _, wanted := after[name]; !wanted {
			words = diff.OnlyInCluster
		}
		d.lines = append(d.lines, fmt.Sprintf("%s[%s]: %s", object, name, words))
	}
	return len(names) > 0, nil
}

// compareAdoptedFiles does the same with the ConfigMaps of others, which are
// found by where they are mounted: buildx numbers them in any order, and keeps
// private keys there, too. Volumes are never added.
func (w *workload) compareAdoptedFiles(ctx context.Context, d *drift) error {
	for _, g := range manifest.SplitFiles(w.node.Files) {
		at := path.Join(manifest.ConfigPath, g.Dir)
		name := diff.MountedConfigMap(d.is.Template().Spec, at)
		if name == "" {
			d.unapplied = append(d.unapplied, "the files of "+at+", for which it has no volume")
			continue
		}
		is, err := w.client.api.ConfigMaps(w.namespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			is, err = &corev1.ConfigMap{}, nil
		}
		if err == nil && !w.isNodeConfigMap(name, is) {
			d.unapplied = append(d.unapplied, fmt.Sprintf("the files of %s, which are in configmap %s of somebody else", at, name))
			continue
		}
		wanted := maps.Clone(g.Public)
		maps.Copy(wanted, g.Private)
		differ, failure := w.addFileLines("configmap "+name, d, diff.ContentOf(is), wanted, err)
		if failure != nil {
			return failure
		}
		if !differ {
			continue
		}
		out := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: w.namespace}}
		if err == nil && is.Name != "" {
			out = is.DeepCopy()
		}
		manifest.SetContent(out, wanted)
		d.files.ConfigMaps = append(d.files.ConfigMaps, out)
	}
	return nil
}

// isNodeConfigMap is true for a ConfigMap that buildx makes of a node's files and nobody
// else has marked as its own.
func (w *workload) isNodeConfigMap(name string, is *corev1.ConfigMap) bool {
	by := is.Labels[manifest.LabelManagedBy]
	return (name == w.name+"-config" || strings.HasPrefix(name, w.name+"-config-")) && (by == "" || by == manifest.ManagedBy)
}
