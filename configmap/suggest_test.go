package configmap

import "testing"

func TestNearest(t *testing.T) {
	words := []string{"replicas", "rootless", "image", "limits.cpu", "limits.memory", "key"}
	for word, want := range map[string]string{
		"replica": "replicas", "Replicas": "replicas", "rotless": "rootless", "limit.memory": "limits.memory", "limits.cup": "limits.cpu",
		"imgae": "image", "storageclass": "", "x": "", "kye": "key", "": "",
	} {
		if got := nearest(word, words); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"same", "same", 0}} {
		if got := distance(test.a, test.b); got != test.want {
			t.Errorf("%q to %q: got %d, want %d", test.a, test.b, got, test.want)
		}
	}
}
