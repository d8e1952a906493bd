package suggest

import (
	"slices"
	"testing"
)

func TestNear(t *testing.T) {
	words := []string{"arm64", "amd64", "armbe", "s390x", "riscv64"}
	for word, want := range map[string][]string{"amd46": {"amd64"}, "arm46": {"arm64", "armbe"}, "AMR64": {"amd64", "arm64"}, "mips": nil, "": nil} {
		if got := Near(word, words, 2); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
	if got := Nearest("rm64", words); got != "arm64" {
		t.Errorf("got %q", got)
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
