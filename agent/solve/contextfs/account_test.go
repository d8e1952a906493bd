package contextfs

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTally(t *testing.T) {
	var counted tally
	for _, file := range []struct {
		path string
		size int64
	}{
		{"node_modules/a/b.js", 500}, {"node_modules/c.js", 400}, {"src/main.go", 30}, {"README.md", 5},
		{"web/node_modules/node_modules/x.js", 60}, {"api/node_modules/x.js", 50}, {"web/index.ts", 20},
	} {
		counted.add(file.path, file.size)
	}
	want := Sent{
		Bytes: 1065, Files: 7,
		Largest:   []SentEntry{{"node_modules", 900}, {"web/node_modules", 60}, {"api/node_modules", 50}},
		Ignorable: []string{"node_modules", "**/node_modules"},
	}
	if diff := cmp.Diff(want, counted.result()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// A directory of very many files is told with its sum.
	for i := range maxEntries + 5 {
		counted.add(fmt.Sprintf("%d.txt", i), 1)
	}
	if got := counted.result(); got.Bytes != 1065+maxEntries+5 || len(counted.entries) != maxEntries || len(got.Largest) != maxLargest {
		t.Errorf("%d bytes, %d entries, %d largest", got.Bytes, len(counted.entries), len(got.Largest))
	}
}

// TestAccountOfTransfers has two nodes that get the same context, and a build that
// sends nothing of it again.
func TestAccountOfTransfers(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, attrs("node_modules/a.js", "0123456789", "main.go", "01234", ".dockerignore", ""))
	for _, keep := range []bool{false, true} {
		var told []Sent
		account := &Account{Limit: 10, Tell: func(s Sent) { told = append(told, s) }}
		sends := 0
		send := func(dest string) {
			sends++
			t.Run(fmt.Sprintf("keep %t, transfer %d", keep, sends), func(t *testing.T) { // which has ended with its server
				m, err := OpenDir(dir)
				if err != nil {
					t.Fatal(err)
				}
				m.Sums, m.Keep, m.Account = newSums(nil), keep, account
				if _, err := receive(t.Context(), serveFiles(t, &Server{mounts: map[string]Mount{"m": m}}), dest); err != nil {
					t.Fatal(err)
				}
			})
		}
		dest := t.TempDir()
		account.Limit = 15
		send(dest) // as much as the limit
		if len(told) != 0 {
			t.Errorf("keep %t: told of %+v", keep, told)
		}
		account.Limit = 10
		send(dest) // nothing has changed
		if len(told) != 0 {
			t.Errorf("keep %t: told of what was not sent: %+v", keep, told)
		}
		send(t.TempDir())
		send(t.TempDir())
		want := []Sent{{Bytes: 15, Files: 3, Largest: []SentEntry{{"node_modules", 10}, {"main.go", 5}, {".dockerignore", 0}}, Ignorable: []string{"node_modules"}}}
		if diff := cmp.Diff(want, told); diff != "" {
			t.Errorf("keep %t (-want +got):\n%s", keep, diff)
		}
	}
}
