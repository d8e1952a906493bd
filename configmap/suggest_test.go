package configmap

import (
	"testing"

	"github.com/slipway-build/slipway/internal/suggest"
)

func TestNearest(t *testing.T) {
	words := []string{"replicas", "rootless", "image", "limits.cpu", "limits.memory", "key"}
	for word, want := range map[string]string{
		"replica": "replicas", "Replicas": "replicas", "rotless": "rootless", "limit.memory": "limits.memory", "limits.cup": "limits.cpu",
		"imgae": "image", "storageclass": "", "x": "", "kye": "key", "": "",
	} {
		if got := suggest.Nearest(word, words); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}
