package contextfs

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"

	fstypes "github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc/metadata"

	"github.com/slipway-build/slipway/internal/heap"
)

// The collector's percentages: Go's own, and that of large contexts.
const (
	usualGC   = 100
	sparingGC = 50
)

// setGC sets the percentage for the rest of a test.
func setGC(t *testing.T, percent int) {
	t.Helper()
	before := debug.SetGCPercent(percent)
	t.Cleanup(func() { debug.SetGCPercent(before) })
}

// deafStream takes all that is sent.
type deafStream struct{ ctx context.Context }

func (s deafStream) Context() context.Context       { return s.ctx }
func (s deafStream) SendMsg(any) error              { return nil }
func (s deafStream) RecvMsg(any) error              { return io.EOF }
func (s deafStream) Send(*fstypes.Packet) error     { return nil }
func (s deafStream) Recv() (*fstypes.Packet, error) { return nil, io.EOF }
func (s deafStream) SetHeader(metadata.MD) error    { return nil }
func (s deafStream) SendHeader(metadata.MD) error   { return nil }
func (s deafStream) SetTrailer(metadata.MD)         {}

func TestLargeContextsSpareMemory(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, attrs("a", "1", "b", "2", "c", "3"))
	for _, tt := range []struct {
		name          string
		listed        int // before the three files
		percent, want int
	}{
		{"a small context", 0, usualGC, usualGC},
		{"one file short", heap.ManyFiles - 4, usualGC, usualGC},
		{"large enough", heap.ManyFiles - 3, usualGC, sparingGC},
		{"as before", heap.ManyFiles - 3, sparingGC, sparingGC},
		{"somebody's choice", heap.ManyFiles - 3, 400, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			setGC(t, tt.percent)
			transfer := newTransfer(deafStream{t.Context()}, func(err *FileError) { t.Error(err.err) })
			transfer.listed = tt.listed
			m, err := OpenDir(dir)
			must(t, err)
			m.Sums = newSums(nil)
			transfer.start(m)
			for _, name := range []string{"a", "b", "c"} {
				must(t, transfer.SendMsg(&fstypes.Packet{Type: fstypes.PACKET_STAT, Stat: &fstypes.Stat{Path: name, Mode: 0o644, Size: 1}}))
			}
			must(t, transfer.end(nil))
			if got := heap.Percent(); got != uint64(tt.want) {
				t.Errorf("%d %%, want %d", got, tt.want)
			}
		})
	}
}

// What is kept of each file of a context decides how much memory a large one
// takes.
func TestSumsAreSmall(t *testing.T) {
	const count, most = 6000, 150 // bytes; the map is three quarters full then
	dir := t.TempDir()
	manyFiles(t, dir, count, 1)
	s := newSums(nil)
	inUse := func() uint64 {
		runtime.GC()
		runtime.GC() // what pools held is free after the second
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := inUse()
	for i := range count {
		if _, _, err := s.of(t.Context(), filepath.Join(dir, fmt.Sprint(i/500), fmt.Sprint(i)), 1); err != nil {
			t.Fatal(err)
		}
	}
	each := (int64(inUse()) - int64(before)) / count
	if len(s.known) != count || each > most {
		t.Errorf("%d files take %d bytes each, want at most %d", len(s.known), each, most)
	}
	t.Logf("%d bytes a file", each)
}
