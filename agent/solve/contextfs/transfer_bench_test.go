package contextfs

import (
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
)

// cpuTime is the CPU time that the process has used, in seconds.
func cpuTime(t testing.TB) float64 {
	t.Helper()
	var used syscall.Rusage
	must(t, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}

// BenchmarkTransfer receives a context as buildkitd does, for the first time
// and once more when nothing has changed. Both ends count into the CPU time.
func BenchmarkTransfer(b *testing.B) {
	for _, shape := range []struct{ count, size int }{{10_000, 4 << 10}, {8, 32 << 20}} {
		dir := b.TempDir()
		manyFiles(b, dir, shape.count, shape.size)
		for _, mode := range []MtimeMode{MtimeKeep, MtimeContent} {
			m, err := OpenDir(dir)
			must(b, err)
			run := func(b *testing.B, dest string) {
				if mode == MtimeContent {
					m.Sums = newSums(nil)
				}
				conn := serveFiles(b, &Server{mounts: map[string]Mount{"m": m}})
				_, err := receive(b.Context(), conn, dest)
				must(b, err)
			}
			name := fmt.Sprintf("%dx%dKiB/%s", shape.count, shape.size>>10, mode)
			bytes := int64(shape.count * shape.size)
			b.Run(name+"/first", func(b *testing.B) {
				b.SetBytes(bytes)
				before := cpuTime(b)
				for b.Loop() {
					run(b, b.TempDir())
				}
				b.ReportMetric((cpuTime(b)-before)/float64(b.N), "cpu-s/op")
			})
			b.Run(name+"/again", func(b *testing.B) {
				dest := b.TempDir()
				run(b, dest)
				b.SetBytes(bytes)
				before := cpuTime(b)
				for b.Loop() {
					run(b, dest)
				}
				b.ReportMetric((cpuTime(b)-before)/float64(b.N), "cpu-s/op")
			})
		}
	}
}

// BenchmarkSums hashes files of a page cache, all CPUs at work.
func BenchmarkSums(b *testing.B) {
	dir := b.TempDir()
	manyFiles(b, dir, 1, 64<<20)
	b.SetBytes(64 << 20)
	for b.Loop() {
		if _, _, err := newSums(nil).of(b.Context(), filepath.Join(dir, "0", "0"), 64<<20); err != nil {
			b.Fatal(err)
		}
	}
}
