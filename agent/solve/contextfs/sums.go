package contextfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/semaphore"
)

// Sums are the digests of the files of a build's contexts. All solves of a
// build share them, so that a file is read once however many nodes ask for it.
type Sums struct {
	reading *semaphore.Weighted // one unit per file that is read
	store   *sumStore           // nil when nothing is kept between builds
	loading sync.Once

	mu sync.Mutex
	// known holds values, for a context may have 100,000 files and most of the
	// process's memory is here.
	known    map[fileID]sum
	underWay map[fileID]*pendingSum
	read     int64 // bytes that had to be read
}

// sum is the digest of one file.
type sum struct {
	digest contentSum
	// settled says that a later change of the file will show in its identity;
	// used, that this build asked for it.
	settled, used bool
}

// pendingSum is a digest that is being computed.
type pendingSum struct {
	done   chan struct{} // closed when the rest is valid
	digest contentSum
	err    error
}

// readers is how many files are read at a time: one per CPU that the process
// may use, which Go takes from the cgroup, but some even with one CPU, for
// small files on a network disk are waited for, not computed.
func readers() int { return max(4, runtime.GOMAXPROCS(0)) }

// NewSums keeps the digests of a context between builds in a directory, under the
// context's key. An empty directory keeps nothing.
func NewSums(dir, key string) *Sums { return newSums(newSumStore(dir, key)) }

// newSums knows what the store holds, once it has been loaded.
func newSums(store *sumStore) *Sums {
	return &Sums{
		reading: semaphore.NewWeighted(int64(readers())), store: store,
		known: map[fileID]sum{}, underWay: map[fileID]*pendingSum{},
	}
}

// Load reads the store, the first time it is called.
func (s *Sums) Load() {
	s.loading.Do(func() {
		known := s.store.load()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.known = known
	})
}

// of returns the digest of the first bytes of a regular file, and how many
// these are: as many as it was listed with. What comes after them was written
// since, to a log for example, and is not sent. A hard link is listed with no
// size; it has all the bytes of its file.
func (s *Sums) of(ctx context.Context, path string, listed int64) (contentSum, int64, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return contentSum{}, 0, err
	}
	if info.Mode()&fs.ModeSocket != 0 {
		return sumOf(newHash()), 0, nil // BuildKit makes an empty file of it
	}
	size := listed
	if size == 0 {
		size = info.Size()
	}
	if !info.Mode().IsRegular() || info.Size() < size {
		return contentSum{}, 0, ErrChanged
	}
	d, err := s.prefix(ctx, path, info, size)
	return d, size, err
}

func (s *Sums) prefix(ctx context.Context, path string, info fs.FileInfo, size int64) (contentSum, error) {
	id, ok := idOf(info)
	if !ok || id.Size != size {
		d, _, err := s.sum(ctx, path, size)
		return d, err
	}
	s.Load()
	s.mu.Lock()
	if one, found := s.known[id]; found {
		if !one.used {
			one.used = true
			s.known[id] = one
		}
		s.mu.Unlock()
		return one.digest, nil
	}
	pending, found := s.underWay[id]
	if !found {
		pending = &pendingSum{done: make(chan struct{})}
		s.underWay[id] = pending
	}
	s.mu.Unlock()
	if found {
		select {
		case <-pending.done:
		case <-ctx.Done():
			return contentSum{}, context.Cause(ctx)
		}
		if pending.err == nil || ctx.Err() != nil {
			return pending.digest, pending.err
		}
		// The other solve failed to read it, perhaps because it was cancelled.
		d, _, err := s.sum(ctx, path, size)
		return d, err
	}
	s.compute(ctx, pending, id, path)
	return pending.digest, pending.err
}

// compute reads a file for everybody who waits for its digest.
func (s *Sums) compute(ctx context.Context, pending *pendingSum, id fileID, path string) {
	defer close(pending.done)
	began := time.Now()
	d, after, err := s.sum(ctx, path, id.Size)
	s.mu.Lock()
	defer s.mu.Unlock()
	pending.digest, pending.err = d, err
	if s.underWay[id] != pending {
		return // forgotten meanwhile
	}
	delete(s.underWay, id)
	if err == nil && after == id {
		s.known[id] = sum{digest: d, settled: settled(id, began), used: true}
	}
}

// settleTime is how old a change must be before a file is read, so that the
// next change is sure to get another time. Kernels keep time in steps of up to
// 10 ms, network file systems by another clock.
const settleTime = 2 * time.Second

// settled reports whether a file's identity at a time is final: a change that
// follows cannot leave it as it is.
func settled(id fileID, at time.Time) bool {
	return at.UnixNano()-max(id.Ctime, id.Mtime) > int64(settleTime)
}

// hashBuffers are what files are read with. Larger ones read no faster.
var hashBuffers = sync.Pool{New: func() any { return new([128 << 10]byte) }}

// sum reads a file and returns the digest of its first size bytes, with the
// identity it had at the end.
func (s *Sums) sum(ctx context.Context, path string, size int64) (d contentSum, after fileID, err error) {
	if err := s.reading.Acquire(ctx, 1); err != nil {
		return d, after, err
	}
	defer s.reading.Release(1)
	f, err := openFile(path)
	if err != nil {
		return d, after, err
	}
	defer closeQuietly(f)
	buf, _ := hashBuffers.Get().(*[128 << 10]byte)
	defer hashBuffers.Put(buf)
	h := newHash()
	for left := size; left > 0; {
		if ctx.Err() != nil {
			return d, after, context.Cause(ctx)
		}
		n, err := f.Read(buf[:min(left, int64(len(buf)))])
		h.Write(buf[:n])
		left -= int64(n)
		if errors.Is(err, io.EOF) && left > 0 {
			return d, after, ErrChanged
		}
		if err != nil && left > 0 {
			return d, after, err
		}
	}
	info, err := f.Stat()
	if err != nil {
		return d, after, err
	}
	after, _ = idOf(info)
	s.mu.Lock()
	s.read += size
	s.mu.Unlock()
	return sumOf(h), after, nil
}

// openFile opens a regular file. A symbolic link or a pipe that has taken its
// place is neither followed nor waited for.
func openFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) || errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", ErrChanged, err)
	}
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		closeQuietly(f)
		return nil, errors.Join(ErrChanged, err)
	}
	return f, nil
}

// forget drops what is known of a file whose content turned out to be another.
func (s *Sums) forget(path string) {
	info, err := os.Lstat(path)
	if err != nil {
		return
	}
	if id, ok := idOf(info); ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.known, id)
		delete(s.underWay, id)
	}
}

// worthKeeping is how many bytes or files have to be read before a build
// writes down their digests. Less is read again as fast as a store is loaded.
const (
	worthKeepingBytes = 64 << 20
	worthKeepingFiles = 2000
)

// Keep writes the digests that this build used for the next one, when enough
// had to be read. It is called when no solve runs any more.
func (s *Sums) Keep() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store == nil || s.read < worthKeepingBytes && len(s.known)-s.store.loaded < worthKeepingFiles {
		return nil
	}
	var used, unused int
	for _, one := range s.known {
		switch {
		case one.used && one.settled:
			used++
		case one.settled:
			unused++
		}
	}
	// What this build did not use may be of use to another Dockerfile of the
	// same context, or belong to files that are gone.
	all := unused <= used
	count := used
	if all {
		count += unused
	}
	return s.store.save(count, func(yield func(fileID, contentSum) bool) {
		for id, one := range s.known {
			if one.settled && (one.used || all) && !yield(id, one.digest) {
				return
			}
		}
	})
}

// place is the path on disk of a file of a context.
func place(root, path string) string { return filepath.Join(root, filepath.FromSlash(path)) }
