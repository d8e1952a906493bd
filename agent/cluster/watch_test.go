package cluster

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestMirror(t *testing.T) {
	a, b := testPod("a"), testPod("b")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	changes := 0
	m := newMirror[*corev1.Pod](func() { changes++ })
	if m.isSynced() {
		t.Error("synced before the first full answer")
	}
	must(m.Add(a))
	if m.isSynced() || m.hasLost() {
		t.Error("one item is no full answer and no loss")
	}
	// The full answer holds what was there already, as a streamed list does.
	must(m.Replace([]any{a, b}, "1"))
	if !m.isSynced() || m.hasLost() || len(m.snapshot()) != 2 {
		t.Errorf("synced %v, lost %v, items %d", m.isSynced(), m.hasLost(), len(m.snapshot()))
	}
	must(m.Update(testPod("a", running)))
	if len(m.snapshot()) != 2 || m.hasLost() {
		t.Error("an update is another item or a loss")
	}
	must(m.Delete(b))
	if !m.hasLost() || len(m.snapshot()) != 1 {
		t.Error("a deletion is no loss")
	}
	if changes != 4 {
		t.Errorf("%d changes told, want 4", changes)
	}
	if err := m.Add(&corev1.Event{}); err == nil {
		t.Error("took an event for a pod")
	}

	// A deletion that a closed watch hid shows in the next list.
	m = newMirror[*corev1.Pod](func() {})
	must(m.Replace([]any{a, b}, "1"))
	must(m.Replace([]any{b}, "2"))
	if !m.hasLost() {
		t.Error("a pod vanished between two lists and nothing was lost")
	}
}
