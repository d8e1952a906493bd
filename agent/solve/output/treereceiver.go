package output

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/buildkit/session/filesync"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"
	"golang.org/x/sys/unix"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/heap"
)

// askedFor is how many files the daemon is asked for at a time: as many requests
// as it keeps. With more of them it would not notice the end of a transfer that
// fails, and wait for ever.
const askedFor = 128

// treeReceiver receives a directory as BuildKit sends it: a list of all entries
// in order, meanwhile the contents of the files that are asked for, by their
// place in the list. The directory is one of the agent's own in which nobody
// else writes; several streams may fill it at a time.
//
// Directories stay accessible for the agent. The modes of those that will not
// be are handed to deny, by relative path.
type treeReceiver struct {
	stream filesync.FileSend_DiffCopyServer
	dir    string
	deny   func(path string, mode fs.FileMode)

	order fsutil.Validator
	links fsutil.Hardlinks
	next  uint32                   // the place of the next entry
	ended bool                     // the list has ended
	total amount                   // of the files of the list
	queue []waitingFile            // to be asked for
	files map[uint32]*incomingFile // that were asked for
	dirs  []incomingDir
}

// waitingFile is a file of the list. The daemon lists all of a directory long
// before it has sent the files, so this is only what is needed later.
type waitingFile struct {
	id     uint32
	mode   uint32
	time   int64
	path   string // in the directory
	xattrs map[string][]byte
}

type incomingFile struct {
	waitingFile
	dir  string
	file *os.File // nil before the first byte
}

func (f *incomingFile) place() string { return filepath.Join(f.dir, f.path) }

type incomingDir struct {
	path string
	time int64
}

// diskError is a failure of the agent's disk, or of the agent at it.
type diskError struct{ error }

// Unwrap returns the cause.
func (e *diskError) Unwrap() error { return e.error }

// onDisk marks what is the disk's fault.
func onDisk(err error) error {
	if err == nil {
		return nil
	}
	return &diskError{err}
}

// receiveTree receives a directory into an existing one and returns how much it
// was. The error is a *diskError if it is not the stream's.
func receiveTree(stream filesync.FileSend_DiffCopyServer, dir string, deny func(string, fs.FileMode)) (amount, error) {
	r := &treeReceiver{stream: stream, dir: dir, deny: deny, files: map[uint32]*incomingFile{}}
	defer r.close()
	if err := r.receive(); err != nil {
		// If the stream is broken, there is nobody to tell.
		_ = stream.SendMsg(&fstypes.Packet{Type: fstypes.PACKET_ERR, Data: []byte(err.Error())})
		return amount{}, err
	}
	if err := stream.SendMsg(&fstypes.Packet{Type: fstypes.PACKET_FIN}); err != nil {
		return amount{}, err
	}
	// The daemon answers, but all is done.
	_ = stream.RecvMsg(&fstypes.Packet{})
	return r.total, nil
}

func (r *treeReceiver) receive() error {
	packet := &fstypes.Packet{}
	for !r.ended || len(r.files) > 0 {
		packet.ResetVT()
		err := r.stream.RecvMsg(packet)
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		switch packet.Type {
		case fstypes.PACKET_ERR:
			return fmt.Errorf("the builder could not send the files: %s", packet.Data)
		case fstypes.PACKET_STAT:
			err = r.listed(packet.Stat)
		case fstypes.PACKET_DATA:
			err = r.data(packet.ID, packet.Data)
		default:
			err = unrequested("a packet of type %s", packet.Type)
		}
		if err == nil {
			err = r.ask()
		}
		if err != nil {
			return err
		}
	}
	// A directory's time changes with what is put into it.
	for _, d := range slices.Backward(r.dirs) {
		if err := setTime(d.path, d.time); err != nil {
			return onDisk(err)
		}
	}
	return nil
}

// unrequested is the error of a builder that sends what nobody has asked for.
func unrequested(format string, args ...any) error {
	return &fault.Builder{What: "the builder has sent what it was not asked for", Err: fmt.Errorf(format, args...)}
}

// ask asks for files, as long as the daemon has few to send.
func (r *treeReceiver) ask() error {
	for len(r.queue) > 0 && len(r.files) < askedFor {
		next := r.queue[0]
		if err := r.stream.SendMsg(&fstypes.Packet{Type: fstypes.PACKET_REQ, ID: next.id}); err != nil {
			return err
		}
		r.queue = r.queue[1:]
		r.files[next.id] = &incomingFile{waitingFile: next, dir: r.dir}
	}
	return nil
}

// listed makes an entry of the list; nil ends it.
func (r *treeReceiver) listed(stat *fstypes.Stat) error {
	if stat == nil {
		r.ended = true
		return nil
	}
	if strings.ContainsRune(stat.Path+stat.Linkname, 0) {
		return &fault.Builder{What: "the builder has sent a list that is not valid", Err: fmt.Errorf("%q has a zero byte", stat.Path)}
	}
	id := r.next
	if r.next++; r.next == heap.ManyFiles {
		heap.Spare()
	}
	info := &fsutil.StatInfo{Stat: stat}
	// They hold that each entry's directory has been listed as one before it,
	// so nothing is written outside.
	if err := errors.Join(r.order.HandleChange(fsutil.ChangeKindAdd, stat.Path, info, nil), r.links.HandleChange(fsutil.ChangeKindAdd, stat.Path, info, nil)); err != nil {
		return &fault.Builder{What: "the builder has sent a list that is not valid", Err: err}
	}
	path := filepath.Join(r.dir, stat.Path)
	if info.IsDir() {
		return onDisk(r.makeDir(path, stat))
	}
	err := r.makeEntry(path, stat)
	if errors.Is(err, fs.ErrExist) {
		// Of a try before. What is a directory stays one: another stream may
		// rely on that.
		if err := unix.Unlink(path); err != nil {
			return onDisk(&fs.PathError{Op: "unlink", Path: path, Err: err})
		}
		err = r.makeEntry(path, stat)
	}
	if err != nil {
		return onDisk(err)
	}
	if info.Mode().IsRegular() && stat.Linkname == "" {
		r.total = r.total.plus(amount{1, max(stat.Size, 0)})
		r.queue = append(r.queue, waitingFile{id, stat.Mode, stat.ModTime, stat.Path, stat.Xattrs})
		return nil
	}
	if stat.Linkname != "" && info.Mode().IsRegular() {
		return nil // it has what its file has
	}
	return onDisk(finishEntry(path, stat))
}

func (r *treeReceiver) makeDir(path string, stat *fstypes.Stat) error {
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, fs.ErrExist) {
		there, statErr := os.Lstat(path)
		if statErr != nil {
			return statErr
		}
		if there.IsDir() {
			err = nil
		}
	}
	if err != nil {
		return err
	}
	setXattrs(path, stat)
	mode := fs.FileMode(stat.Mode)
	if mode.Perm()&0o700 != 0o700 {
		r.deny(stat.Path, mode)
	}
	r.dirs = append(r.dirs, incomingDir{path, stat.ModTime})
	return errors.Join(os.Lchown(path, os.Getuid(), os.Getgid()), os.Chmod(path, mode|0o700))
}

// makeEntry makes what is no directory. A file is empty as yet.
func (r *treeReceiver) makeEntry(path string, stat *fstypes.Stat) error {
	mode := fs.FileMode(stat.Mode)
	switch {
	case mode&fs.ModeSymlink != 0:
		return os.Symlink(stat.Linkname, path)
	case stat.Linkname != "":
		return os.Link(filepath.Join(r.dir, stat.Linkname), path)
	case mode&(fs.ModeDevice|fs.ModeNamedPipe) != 0:
		kind := uint32(unix.S_IFBLK)
		if mode&fs.ModeCharDevice != 0 {
			kind = unix.S_IFCHR
		} else if mode&fs.ModeNamedPipe != 0 {
			kind = unix.S_IFIFO
		}
		device := int(unix.Mkdev(uint32(stat.Devmajor), uint32(stat.Devminor)))
		if err := unix.Mknod(path, kind|uint32(mode.Perm()), device); err != nil {
			return &fs.PathError{Op: "mknod", Path: path, Err: err}
		}
		return nil
	case mode.IsRegular():
		file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		return file.Close()
	}
	return fmt.Errorf("%s is of an unknown kind: %s", path, mode)
}

// finishEntry gives an entry that is complete its metadata.
func finishEntry(path string, stat *fstypes.Stat) error {
	setXattrs(path, stat)
	if err := os.Lchown(path, os.Getuid(), os.Getgid()); err != nil {
		return err
	}
	if mode := fs.FileMode(stat.Mode); mode&fs.ModeSymlink == 0 {
		if err := chmodHere(path, mode); err != nil {
			return err
		}
	}
	return setTime(path, stat.ModTime)
}

// chmodHere changes the mode of an entry. Another stream may have put a link in
// its place since, which os.Chmod would follow out of the directory.
func chmodHere(path string, mode fs.FileMode) error {
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer closeQuietly(dir)
	return dir.Chmod(filepath.Base(path), mode)
}

// setXattrs sets extended attributes as far as the file system and the rights of
// the agent go, as BuildKit does.
func setXattrs(path string, stat *fstypes.Stat) {
	for name, value := range stat.Xattrs {
		_ = unix.Lsetxattr(path, name, value, 0)
	}
}

// data takes a part of a file; an empty one is its end.
func (r *treeReceiver) data(id uint32, data []byte) error {
	f, known := r.files[id]
	if !known {
		return unrequested("a part of file %d", id)
	}
	if len(data) > 0 {
		return onDisk(f.write(data))
	}
	delete(r.files, id)
	if err := f.close(); err != nil {
		return onDisk(err)
	}
	return onDisk(finishEntry(f.place(), &fstypes.Stat{Mode: f.mode, ModTime: f.time, Xattrs: f.xattrs}))
}

func (f *incomingFile) write(data []byte) (err error) {
	if f.file == nil {
		if f.file, err = os.OpenFile(f.place(), os.O_WRONLY|unix.O_NOFOLLOW, 0); err != nil {
			return err
		}
	}
	_, err = f.file.Write(data)
	return err
}

func (f *incomingFile) close() error {
	if f.file == nil {
		return nil
	}
	file := f.file
	f.file = nil
	return file.Close()
}

// close closes the files of a transfer that has failed.
func (r *treeReceiver) close() {
	for _, f := range r.files {
		_ = f.close()
	}
}
