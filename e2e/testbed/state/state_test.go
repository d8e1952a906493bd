package state

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TESTBED_STATE", dir)
	t.Setenv("TESTBED_KUBECONFIG", "")
	if _, err := Load(); !errors.Is(err, ErrNotUp) {
		t.Errorf("without a state file: %v, want %v", err, ErrNotUp)
	}
	if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte(`{"kubeconfig":"/k","images":{"agent":"a:1"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Load()
	if err != nil || s.Kubeconfig != "/k" || s.Images.Agent != "a:1" {
		t.Errorf("Load() = %+v, %v", s, err)
	}
	t.Setenv("TESTBED_KUBECONFIG", "/other")
	t.Setenv("TESTBED_AGENT_IMAGE", "")
	t.Setenv("TESTBED_BUILDKIT_IMAGE", "")
	if _, err := Load(); err == nil {
		t.Error("another cluster without images is accepted")
	}
	t.Setenv("TESTBED_AGENT_IMAGE", "r/agent")
	t.Setenv("TESTBED_BUILDKIT_IMAGE", "r/buildkit")
	s, err = Load()
	if err != nil || s.Kubeconfig != "/other" || s.Images.Agent != "r/agent" || s.BinDir != "" {
		t.Errorf("Load() = %+v, %v for another cluster", s, err)
	}
}
