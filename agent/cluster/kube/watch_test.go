package kube

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestMirror(t *testing.T) {
	a, b := onePod("a"), onePod("b")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	changes := 0
	m := NewMirror[*corev1.Pod](func() { changes++ })
	if m.IsSynced() {
		t.Error("synced before the first full answer")
	}
	must(m.Add(a))
	if m.IsSynced() || m.HasLost() {
		t.Error("one item is no full answer and no loss")
	}
	// The full answer holds what was there already, as a streamed list does.
	must(m.Replace([]any{a, b}, "1"))
	if !m.IsSynced() || m.HasLost() || len(m.Snapshot()) != 2 {
		t.Errorf("synced %v, lost %v, items %d", m.IsSynced(), m.HasLost(), len(m.Snapshot()))
	}
	updated := onePod("a")
	updated.Status.Phase = corev1.PodRunning
	must(m.Update(updated))
	if len(m.Snapshot()) != 2 || m.HasLost() {
		t.Error("an update is another item or a loss")
	}
	must(m.Delete(b))
	if !m.HasLost() || len(m.Snapshot()) != 1 {
		t.Error("a deletion is no loss")
	}
	if changes != 4 {
		t.Errorf("%d changes told, want 4", changes)
	}
	if err := m.Add(&corev1.Event{}); err == nil {
		t.Error("took an event for a pod")
	}

	// A deletion that a closed watch hid shows in the next list.
	m = NewMirror[*corev1.Pod](func() {})
	must(m.Replace([]any{a, b}, "1"))
	must(m.Replace([]any{b}, "2"))
	if !m.HasLost() {
		t.Error("a pod vanished between two lists and nothing was lost")
	}
}

func onePod(name string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ci", Name: name, UID: types.UID("uid-" + name)}}
}
