package output

import (
	"archive/tar"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/docker/go-units"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/solve/layout"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry/imageindex"
)

// maxIndex is how large the index.json of an archive may be, in bytes.
const maxIndex = 4 << 20

// imageReceiver receives the image archive of one solve and unpacks it, while it
// comes, into a layout that several solves may share.
type imageReceiver struct {
	output Output
	dir    string // the layout

	mu      sync.Mutex
	started bool
	ended   bool
	pipe    *io.PipeReader
	done    chan struct{} // closed when the archive has been read

	// Set before done is closed, or before the stream starts.
	root    ocispecs.Descriptor
	written int64
	err     error // what is wrong with the stream or the disk
	local   bool  // err is the disk's
}

// open implements BuildKit's FileOutputFunc. The metadata describes this
// exporter's image; the daemon's answer to the solve would not do, for in it
// several exporters overwrite each other.
func (u *imageReceiver) open(md map[string]string) (io.WriteCloser, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended || u.started {
		return nil, errStreamEnded
	}
	u.started = true
	u.done = make(chan struct{})
	if text := md[exptypes.ExporterImageDescriptorKey]; text != "" {
		desc, err := parseDescriptor(text)
		if err != nil {
			u.err = err
			close(u.done)
			return nil, err
		}
		u.root = desc
	}
	in, out := io.Pipe()
	u.pipe = in
	go fault.Protect(func() {
		defer close(u.done)
		u.err = fault.Guard(func() error { return u.unpack(in) })()
		closeQuietly(pipeEnd{in, u.err})
	})()
	return &unpackWriter{out, u}, nil
}

// pipeEnd closes a pipe with the error its writer gets.
type pipeEnd struct {
	in  *io.PipeReader
	err error
}

// Close implements io.Closer.
func (p pipeEnd) Close() error { return p.in.CloseWithError(p.err) }

// unpackWriter is the end of the stream that BuildKit writes to.
type unpackWriter struct {
	*io.PipeWriter
	u *imageReceiver
}

// Close ends the stream and returns when all of it is in place: the daemon
// takes it for the receiver's answer.
func (w *unpackWriter) Close() error {
	closeQuietly(w.PipeWriter)
	<-w.u.done
	return w.u.err
}

// parseDescriptor parses the form in which BuildKit passes descriptors.
func parseDescriptor(text string) (desc ocispecs.Descriptor, err error) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(data, &desc)
	}
	if err == nil {
		err = desc.Digest.Validate()
	}
	if err != nil {
		return desc, &fault.Builder{What: "the builder's description of the image is not valid", Err: err}
	}
	return desc, nil
}

// unpack reads an archive of an image: blobs, and files that only say which
// of them is the root.
func (u *imageReceiver) unpack(in io.Reader) error {
	r := tar.NewReader(in)
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read the archive that the builder has sent: %w", err)
		}
		if err := u.entry(header, r); err != nil {
			return err
		}
	}
	// The padding after the end must be taken, or its writer fails.
	if _, err := io.Copy(io.Discard, in); err != nil {
		return err
	}
	if u.root.Digest == "" {
		return errors.New("the archive that the builder has sent has no image")
	}
	return nil
}

func (u *imageReceiver) entry(header *tar.Header, in io.Reader) error {
	name := strings.TrimPrefix(filepath.ToSlash(header.Name), "./")
	rest, blob := strings.CutPrefix(name, ocispecs.ImageBlobsDir+"/")
	switch {
	case isSparse(header):
		return unrequested("%s as a sparse file, which no image has", header.Name)
	case header.Typeflag == tar.TypeDir:
		return nil
	case header.Typeflag != tar.TypeReg:
	case blob:
		algorithm, encoded, _ := strings.Cut(rest, "/")
		d := digest.NewDigestFromEncoded(digest.Algorithm(algorithm), encoded)
		if err := d.Validate(); err != nil {
			return unrequested("a blob named %q: %w", header.Name, err)
		}
		return u.blob(d, in)
	case name == ocispecs.ImageIndexFile:
		return u.index(in)
	case name == ocispecs.ImageLayoutFile, name == dockerManifestFile:
		return nil // written anew where they are needed
	}
	return unrequested("%q, which has no place in an image", header.Name)
}

// index takes the root from an index.json where the daemon has not named it.
func (u *imageReceiver) index(in io.Reader) error {
	if u.root.Digest != "" {
		return nil
	}
	var index ocispecs.Index
	data, err := imageindex.ReadAtMost(in, maxIndex)
	if err == nil {
		err = unmarshalIndex(data, &index)
	}
	if err != nil {
		return &fault.Builder{What: "the builder has sent an " + ocispecs.ImageIndexFile + " that is not valid", Err: err}
	}
	if len(index.Manifests) == 0 {
		return nil
	}
	if err := index.Manifests[0].Digest.Validate(); err != nil {
		return &fault.Builder{What: "the builder has sent an " + ocispecs.ImageIndexFile + " that is not valid", Err: err}
	}
	u.root = index.Manifests[0]
	delete(u.root.Annotations, layout.ImageNameAnnotation)
	delete(u.root.Annotations, ocispecs.AnnotationRefName)
	return nil
}

// maxIndexValues bounds the values in an index or manifest: each takes many times
// the memory that it has in JSON. containerd takes 10000 manifests.
const maxIndexValues = 200_000

// unmarshalIndex parses an index or a manifest that a builder has sent.
func unmarshalIndex(data []byte, into any) error {
	if n := buildkit.CountValues(data); n > maxIndexValues {
		return fmt.Errorf("it has %d values, and at most %d are read", n, maxIndexValues)
	}
	return json.Unmarshal(data, into)
}

// buffers are what blobs are copied through.
var buffers = sync.Pool{New: func() any { b := make([]byte, 1<<20); return &b }}

// blob stores one blob under its digest. Solves that have it too may do so at
// the same time: it appears by rename.
func (u *imageReceiver) blob(d digest.Digest, in io.Reader) error {
	final, err := layout.Store{Dir: u.dir}.Path(d)
	if err != nil {
		return err
	}
	if _, err := os.Stat(final); err == nil {
		return nil
	}
	disk := func(err error) error {
		u.local = true
		return err
	}
	if err := os.MkdirAll(filepath.Dir(final), 0o755); err != nil {
		return disk(err)
	}
	f, err := os.CreateTemp(u.dir, "blob-")
	if err != nil {
		return disk(err)
	}
	defer func() {
		closeQuietly(f)
		// Only what did not become a blob is still there.
		removeQuietly(f.Name())
	}()
	digester := d.Algorithm().Digester()
	out := &diskWriter{file: f}
	buf, ok := buffers.Get().(*[]byte)
	if !ok {
		buf = new([]byte)
	}
	defer buffers.Put(buf)
	_, err = io.CopyBuffer(io.MultiWriter(out, digester.Hash()), in, *buf)
	u.written += out.written
	if out.err != nil {
		return disk(out.err)
	}
	if err != nil {
		return fmt.Errorf("read the archive that the builder has sent: %w", err)
	}
	if got := digester.Digest(); got != d {
		return &fault.Builder{What: "the builder has sent what is not an image", Err: fmt.Errorf("blob %s has the content of %s", d, got)}
	}
	// The mode of blobs in any layout; they never change.
	if err := errors.Join(f.Chmod(0o444), f.Close()); err != nil {
		return disk(err)
	}
	if err := os.Rename(f.Name(), final); err != nil {
		return disk(err)
	}
	return nil
}

// diskWriter remembers the error of its file, to tell it from one of the
// stream.
type diskWriter struct {
	file    *os.File
	written int64
	err     error
}

// Write implements io.Writer.
func (w *diskWriter) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	w.written += int64(n)
	w.err = err
	return n, err
}

// removeQuietly removes a file that may be gone.
func removeQuietly(path string) { _ = os.Remove(path) }

// failed is receiver.failed.
func (u *imageReceiver) failed() error {
	if !u.wait() {
		return nil
	}
	if invalid := (*fault.Builder)(nil); errors.As(u.err, &invalid) {
		return invalid
	}
	if u.err != nil && u.local {
		return u.output.unwritable(fmt.Errorf("%w, after %s", u.err, units.BytesSize(float64(u.written))), u.dir)
	}
	return nil
}

// wait ends a stream that still runs, and returns when nothing is written any
// more; false when there was none.
func (u *imageReceiver) wait() bool {
	u.mu.Lock()
	u.ended = true
	started, pipe := u.started, u.pipe
	u.mu.Unlock()
	if !started {
		return false
	}
	if pipe != nil {
		closeQuietly(pipeEnd{pipe, errStreamEnded})
	}
	<-u.done
	return true
}

// finish returns the root of the image that was received.
func (u *imageReceiver) finish() (ocispecs.Descriptor, error) {
	if !u.wait() {
		return u.root, u.output.notSent()
	}
	if u.err != nil && u.local {
		return u.root, u.output.unwritable(u.err, u.dir)
	}
	if u.err != nil {
		if invalid := (*fault.Builder)(nil); errors.As(u.err, &invalid) {
			return u.root, invalid
		}
		return u.root, &fault.Builder{What: "the builder has sent what is not an image", Err: u.err}
	}
	return u.root, u.checkRoot()
}

// checkRoot checks that the root is what its descriptor says, and can be read.
func (u *imageReceiver) checkRoot() error {
	data, err := buildkit.ReadBlob(context.Background(), layout.Store{Dir: u.dir}, u.root, imageindex.MaxManifest)
	if err == nil {
		err = unmarshalIndex(data, &struct{}{})
	}
	if err != nil {
		return &fault.Builder{What: "the builder has sent what is not an image", Err: err}
	}
	return nil
}
