package builders

import (
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

func TestPrefixedLines(t *testing.T) {
	var out strings.Builder
	lines := &prefixed{out: &out}
	broken := errors.New("gone")
	for _, source := range []struct {
		name, text string
		err        error
	}{{"a", "one\ntwo\n", nil}, {"b", "", nil}, {"c", "\nno end", nil}, {"d", "half", broken}, {"e", "x\r::error::y\x1b[2J##vso[z]", nil}} {
		from := iotest.OneByteReader(strings.NewReader(source.text))
		if source.err != nil {
			from = iotest.TimeoutReader(from) // fails at the second read
		}
		if err := lines.copy(source.name, from); (err != nil) != (source.err != nil) {
			t.Errorf("%s: %v", source.name, err)
		}
	}
	if got, want := out.String(), "[a] one\n[a] two\n[c] \n[c] no end\n[d] h\n[e] x\n[e] ::error::y##vso [z]\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A line that never ends is printed in pieces, and not kept.
func TestPrefixedCutsLines(t *testing.T) {
	var out strings.Builder
	if err := (&prefixed{out: &out}).copy("a", strings.NewReader(strings.Repeat("x", 200<<10))); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	for _, line := range lines {
		if !strings.HasPrefix(line, "[a] x") || len(line) > 65<<10 {
			t.Errorf("a line of %d bytes: %.20s", len(line), line)
		}
	}
	if len(lines) != 4 {
		t.Errorf("%d lines", len(lines))
	}
}

func TestPrefixedStopsWhenNobodyReads(t *testing.T) {
	lines := &prefixed{out: fullDisk{}}
	endless := strings.NewReader(strings.Repeat("x\n", 1000))
	if err := lines.copy("a", iotest.OneByteReader(endless)); err != nil {
		t.Error(err)
	}
	if endless.Len() == 0 || lines.err == nil {
		t.Errorf("read on to the end: %d left, %v", endless.Len(), lines.err)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// TestLogsOfNothing has nodes that have no log to read.
func TestLogsOfNothing(t *testing.T) {
	api := httptest.NewServer(&sleepers{t: t, owners: map[string]string{"n": ""}})
	defer api.Close()
	definition := configmap.Definition{Name: "kube", Nodes: []configmap.Node{kubeNode("n", 1)}}
	far := configmap.Definition{Name: "far", Nodes: []configmap.Node{{Name: "far", Remote: &configmap.Remote{}}}}
	for _, tt := range []struct {
		name  string
		logs  Logs
		err   string
		hint  string
		class fault.Class
	}{
		{"a node that there is not", Logs{Definition: definition, Node: "m"}, `--node "m": builder "kube" has no such node`, "its nodes are n", fault.ClassUsage},
		{"a remote node", Logs{Definition: far}, "node far: its driver is remote", "look where its buildkitd runs", fault.ClassUsage},
		{"no pods", Logs{Definition: definition}, `no pod of builder "kube" runs`, "start it: slipway up kube", fault.ClassCluster},
	} {
		logs := tt.logs
		logs.Access, logs.Log = access(t, api.URL), zerolog.Nop()
		err := logs.Run(t.Context(), io.Discard)
		if err == nil || !strings.HasPrefix(err.Error(), tt.err) || strings.Join(fault.Hints(err), "") != tt.hint || fault.ClassOf(err) != tt.class {
			t.Errorf("%s: error %v with hints %q", tt.name, err, fault.Hints(err))
		}
	}
}
