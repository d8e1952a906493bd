package contextfs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"unicode/utf8"

	"github.com/moby/buildkit/session/filesync"
	fstypes "github.com/tonistiigi/fsutil/types"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/heap"
)

// statWindow is how many entries may be listed ahead of the first whose digest
// is not known: a large file does not hold up the reading of those behind it,
// and a context of any size takes little memory.
const statWindow = 4096

// transfer is one transfer of a directory: a stream that gives the entries
// their times on their way to the daemon. It stands above the filters of
// .dockerignore and of what the Dockerfile needs, so nothing is read that is
// not asked for. Entries leave in the order in which they are listed; their
// files are read in parallel, while what the daemon asks for is sent already.
type transfer struct {
	filesync.FileSync_DiffCopyServer
	ctx    context.Context
	cancel context.CancelCauseFunc
	report func(*FileError)
	mount  Mount

	requests *requests
	queue    chan *entry // listed, in order; nil when nothing is read
	work     chan *entry // those of them that must be read
	queued   bool        // the last entry was put into the queue
	running  sync.WaitGroup

	// sending guards the stream, which takes one message at a time.
	sending sync.Mutex
	failure *FileError

	tally  tally
	listed int // files that are read, counted by SendMsg

	mu       sync.Mutex
	promised map[string]promise
}

// entry is a listed file on its way to the daemon.
type entry struct {
	packet *fstypes.Packet
	done   chan struct{} // closed when the rest is valid; nil for what is not read
	digest contentSum
	size   int64
	err    error
}

// promise is what the daemon has been told of a file. There is one for each
// file of a context that the daemon has not asked for, so it is small: half of
// the digest is more than the derived time, which is all that the daemon has.
type promise struct {
	size   int64
	digest [16]byte
}

func newPromise(size int64, digest contentSum) promise {
	return promise{size, [16]byte(digest[:16])}
}

// kept reports whether that content was promised.
func (p promise) kept(sent contentSum) bool { return newPromise(p.size, sent) == p }

func newTransfer(stream filesync.FileSync_DiffCopyServer, report func(*FileError)) *transfer {
	ctx, cancel := context.WithCancelCause(stream.Context())
	return &transfer{FileSync_DiffCopyServer: stream, ctx: ctx, cancel: cancel, report: report, requests: newRequests()}
}

// Context implements grpc.ServerStream.
func (t *transfer) Context() context.Context { return t.ctx }

// start is called once, before anything is listed.
func (t *transfer) start(m Mount) {
	t.mount = m
	if m.Sums == nil {
		return
	}
	t.promised = map[string]promise{}
	t.queue, t.work = make(chan *entry, statWindow), make(chan *entry, statWindow)
	for range readers() {
		t.running.Go(fault.Protect(func() {
			for e := range t.work {
				stat := e.packet.Stat
				e.digest, e.size, e.err = m.Sums.of(t.ctx, place(m.root, stat.Path), stat.Size)
				close(e.done)
			}
		}))
	}
	t.running.Go(fault.Protect(t.deliver))
}

// RecvMsg implements grpc.ServerStream. The sender calls it from one goroutine.
func (t *transfer) RecvMsg(m any) error {
	packet, ok := m.(*fstypes.Packet)
	if !ok {
		return t.FileSync_DiffCopyServer.RecvMsg(m)
	}
	return t.requests.next(t.FileSync_DiffCopyServer, packet)
}

// SendMsg implements grpc.ServerStream. The sender calls it from one goroutine
// at a time.
func (t *transfer) SendMsg(m any) error {
	packet, ok := m.(*fstypes.Packet)
	if !ok || packet.Type != fstypes.PACKET_STAT {
		return t.send(m)
	}
	if s := packet.Stat; s != nil && (!utf8.ValidString(s.Path) || !utf8.ValidString(s.Linkname)) {
		return t.fail(s.Path, errNotText)
	}
	if t.queue == nil {
		return t.send(m)
	}
	e := &entry{packet: packet}
	if packet.Stat != nil && t.mount.reads(packet.Stat) {
		e.done = make(chan struct{})
		if t.listed++; t.listed == heap.ManyFiles {
			heap.Spare()
		}
		select {
		case t.work <- e:
		case <-t.ctx.Done():
			return context.Cause(t.ctx)
		}
	}
	select {
	case t.queue <- e:
	case <-t.ctx.Done():
		return context.Cause(t.ctx)
	}
	if packet.Stat == nil {
		t.finish()
	}
	return nil
}

// finish ends the queue; nothing is listed after it.
func (t *transfer) finish() {
	if t.queue != nil && !t.queued {
		t.queued = true
		close(t.work)
		close(t.queue)
	}
}

// deliver sends the listed entries, each as soon as its time is known.
func (t *transfer) deliver() {
	for e := range t.queue {
		if err := t.setTime(e); err != nil {
			return
		}
		if err := t.send(e.packet); err != nil {
			t.cancel(err)
			return
		}
	}
}

// setTime waits for the digest of an entry and gives it its time.
func (t *transfer) setTime(e *entry) error {
	stat := e.packet.Stat
	if stat == nil { // the end of the list
		return nil
	}
	if e.done == nil {
		stat.ModTime = t.mount.timeOf(stat, contentSum{})
		return nil
	}
	select {
	case <-e.done:
	case <-t.ctx.Done():
		return context.Cause(t.ctx)
	}
	if e.err != nil {
		return t.fail(stat.Path, e.err)
	}
	stat.ModTime = t.mount.timeOf(stat, e.digest)
	if stat.Linkname == "" {
		stat.Size = e.size // listed as 0 for a link whose file is not sent
		t.mu.Lock()
		t.promised[stat.Path] = newPromise(stat.Size, e.digest)
		t.mu.Unlock()
	}
	return nil
}

// send sends one message, unless the transfer has failed.
func (t *transfer) send(m any) error {
	t.sending.Lock()
	defer t.sending.Unlock()
	if t.failure != nil {
		return t.failure
	}
	return t.FileSync_DiffCopyServer.SendMsg(m)
}

// fail ends the transfer because of a file and returns the reason. The daemon
// is told, for it waits for the rest: it drops what it has received, so that
// nothing wrong is kept under a right time.
func (t *transfer) fail(path string, err error) error {
	if t.ctx.Err() != nil {
		return context.Cause(t.ctx)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.Join(ErrChanged, err)
	}
	failure := &FileError{path: place(t.mount.root, path), err: err}
	t.sending.Lock()
	if t.failure == nil {
		t.failure = failure
		t.report(failure)
		// A stream that is broken fails everywhere else, too.
		_ = t.FileSync_DiffCopyServer.SendMsg(&fstypes.Packet{Type: fstypes.PACKET_ERR, Data: []byte(failure.Error())})
	}
	t.sending.Unlock()
	t.cancel(failure)
	return failure
}

// end waits for what start has started. With an error of the sender nothing
// more is delivered.
func (t *transfer) end(err error) error {
	t.finish()
	if err != nil {
		t.cancel(err)
	}
	t.running.Wait()
	t.cancel(nil)
	t.mount.Account.settle(&t.tally)
	t.sending.Lock()
	defer t.sending.Unlock()
	if t.failure != nil {
		return t.failure
	}
	return nil
}

// watch returns a reader of a file that ends where the daemon was told, and
// fails when the content is not what it was told.
func (t *transfer) watch(path string, file io.ReadCloser) io.ReadCloser {
	w := &watchedFile{ReadCloser: file, path: path, transfer: t}
	if t.queue == nil {
		t.count(path)
		return w
	}
	t.mu.Lock()
	promise, promised := t.promised[path]
	delete(t.promised, path)
	t.mu.Unlock()
	if !promised && t.mount.Keep {
		t.count(path)
		return w
	}
	t.tally.add(path, promise.size)
	w.promise = promise
	w.left, w.hash = w.promise.size, newHash()
	return w
}

// count counts a file that is sent and whose size nobody was told.
func (t *transfer) count(path string) {
	if t.mount.Account == nil || t.mount.root == "" {
		return
	}
	if info, err := os.Lstat(place(t.mount.root, path)); err == nil {
		t.tally.add(path, info.Size())
	}
}
