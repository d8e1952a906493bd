package output

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestWrittenImages has images that go nowhere on the agent, and what is written there
// of others.
func TestWrittenImages(t *testing.T) {
	dir := t.TempDir()
	archive, layout := filepath.Join(dir, "image.tar"), filepath.Join(dir, "layout")
	const name = "registry.example/app:1"
	for _, tt := range []struct {
		output string
		tags   []string
		want   []Written
	}{
		{"type=registry", []string{name}, []Written{{Type: "image", Names: []string{name}, Pushed: true}}},
		{"type=image", []string{name}, []Written{{Type: "image", Names: []string{name}}}},
		{"type=image", nil, []Written{{Type: "image"}}},
		{"type=image,push=true,name=r.example/own", nil, []Written{{Type: "image", Names: []string{"r.example/own:latest"}, Pushed: true}}},
		{"type=image,name=*", nil, []Written{{Type: "image"}}},
		{"type=oci,dest=" + archive, []string{name}, []Written{{Type: "oci", Dest: archive, Names: []string{name}, Bytes: 8}}},
		{"type=oci,tar=false,dest=" + layout, nil, []Written{{Type: "oci", Dest: layout}}},
		{"type=cacheonly", nil, []Written{}},
	} {
		p := mustPlan(t, []string{tt.output}, func(e *Env) { e.Tags = tt.tags })
		if attempt := begun(t, p, alone[0]); len(attempt.receivers) == 1 && attempt.receivers[0].entry.Output != nil && tt.want[0].Bytes > 0 {
			mustSend(t, attempt.receivers[0].entry, nil, []byte("12345678"))
			mustEnd(t, attempt, nil, true)
			mustPublish(t, p)
		}
		if diff := cmp.Diff(tt.want, p.Written()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.output, diff)
		}
	}
}
