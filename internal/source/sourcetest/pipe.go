// Package sourcetest has what tests give to a source.Reader.
package sourcetest

import (
	"os"
	"strconv"
	"testing"
)

// Pipe returns what a shell's process substitution gives to a command: the name
// of a descriptor that can be read once. The content must fit into a pipe.
func Pipe(t *testing.T, content []byte) string {
	t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if len(content) > 0 {
		if _, err := in.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = out.Close() })
	return "/proc/self/fd/" + strconv.Itoa(int(out.Fd()))
}
