package reference

import "testing"

func TestRoffText(t *testing.T) {
	for text, want := range map[string]string{
		"see --all":         `see \-\-all`,
		`a\b`:               `a\eb`,
		".dockerignore, 'x": `\&.dockerignore, 'x`,
		"one\n'two":         "one\n\\&'two",
	} {
		if got := roffText(text); got != want {
			t.Errorf("roffText(%q) = %q, want %q", text, got, want)
		}
	}
}
