package output

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/agent/solve/job"
)

// tarOf makes a tar; names that end in / are directories. A long name needs
// a header of its own.
func tarOf(t testing.TB, mode int64, kv ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for i := 0; i < len(kv); i += 2 {
		header := &tar.Header{Name: kv[i], Typeflag: tar.TypeReg, Mode: mode, Size: int64(len(kv[i+1]))}
		if strings.HasSuffix(kv[i], "/") {
			header.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, kv[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// untar is the inverse of tarOf.
func untar(t *testing.T, data []byte) map[string]string {
	t.Helper()
	files := map[string]string{}
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = string(content)
	}
}

func readTar(t *testing.T, file string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return untar(t, data)
}

func TestTarOutput(t *testing.T) {
	long := "d/" + strings.Repeat("n", 200)
	block := strings.Repeat("b", 2*tarBlock)
	tests := []struct {
		name string
		jobs []job.Job
		sent [][]byte
		want map[string]string
	}{
		{"one", alone, [][]byte{tarOf(t, 0o644, "a", "1")}, attrs("a", "1")},
		{"two nodes", couple, [][]byte{tarOf(t, 0o644, "linux_amd64/", "", "linux_amd64/a", "1", long, block), tarOf(t, 0o644, "linux_arm64/", "", "linux_arm64/a", "2")},
			attrs("linux_amd64/", "", "linux_amd64/a", "1", long, block, "linux_arm64/", "", "linux_arm64/a", "2")},
		{"like directories", couple, [][]byte{tarOf(t, 0o755, "d/", "", "d/a", "1"), tarOf(t, 0o755, "d/", "", "d/b", "")}, attrs("d/", "", "d/a", "1", "d/b", "")},
		{"an empty one", couple, [][]byte{tarOf(t, 0o644), tarOf(t, 0o644, "a", "1")}, attrs("a", "1")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			dest := filepath.Join(dir, "new", "x.tar")
			p := mustPlan(t, []string{"type=tar,dest=" + dest}, nil)
			// The first try of the first job is lost, and the jobs end in
			// another order than the nodes have.
			lost := begun(t, p, tt.jobs[0])
			mustSend(t, lost.receivers[0].entry, nil, tarOf(t, 0o644, "lost", "x"))
			mustEnd(t, lost, nil, false)
			for i := len(tt.jobs) - 1; i >= 0; i-- {
				outputs := begun(t, p, tt.jobs[i])
				if split := outputs.receivers[0].entry.Attrs["platform-split"]; (split == "true") != tt.jobs[i].Several() {
					t.Errorf("platform-split=%q", split)
				}
				mustSend(t, outputs.receivers[0].entry, nil, tt.sent[i])
				mustEnd(t, outputs, nil, true)
			}
			if _, err := os.Stat(dest); !os.IsNotExist(err) {
				t.Errorf("the output is there before its time: %v", err)
			}
			mustPublish(t, p)
			if diff := cmp.Diff(tt.want, readTar(t, dest)); diff != "" {
				t.Errorf("tar (-want +got):\n%s", diff)
			}
			if len(tt.jobs) > 1 && len(tt.sent[0]) > 2*tarBlock {
				// The entries are in the order of the nodes.
				data, err := os.ReadFile(dest)
				if err != nil || !bytes.HasPrefix(data, tt.sent[0][:len(tt.sent[0])-2*tarBlock]) {
					t.Errorf("the tar does not start with the first node's: %v", err)
				}
			}
			info, err := os.Stat(dest)
			if err != nil || info.Size()%tarBlock != 0 {
				t.Errorf("%v, %v is not a number of blocks", info.Size(), err)
			}
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			wantClean(t, dir)
		})
	}
}

func TestTarClash(t *testing.T) {
	tests := []struct {
		name          string
		first, second []byte
	}{
		{"a file twice", tarOf(t, 0o644, "d/", "", "d/a", "1"), tarOf(t, 0o644, "d/", "", "./d/a", "1")},
		{"directories that differ", tarOf(t, 0o755, "d/", ""), tarOf(t, 0o700, "d/", "")},
		{"a file and a directory", tarOf(t, 0o755, "d", ""), tarOf(t, 0o755, "d/", "")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			p := mustPlan(t, []string{"type=tar,platform-split=false,dest=" + filepath.Join(dir, "x.tar")}, nil)
			for i, sent := range [][]byte{tt.first, tt.second} {
				outputs := begun(t, p, couple[i])
				mustSend(t, outputs.receivers[0].entry, nil, sent)
				mustEnd(t, outputs, nil, true)
			}
			wantUsage(t, p.Seal(t.Context()), "--output", "several platforms produced d")
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			wantTree(t, dir, attrs())
		})
	}
}

// tarHeader is a header as archive/tar does not write it.
func tarHeader(name string, kind byte, size int64) []byte {
	block := make([]byte, tarBlock)
	copy(block, name)
	copy(block[100:], "0000644\x000000000\x000000000\x00")
	block[124] = 0x80 // the size is in binary
	binary.BigEndian.PutUint64(block[128:], uint64(size))
	copy(block[136:], "00000000000\x00        ")
	block[156] = kind
	copy(block[257:], "ustar\x0000")
	sum := 0
	for _, b := range block {
		sum += int(b)
	}
	copy(block[148:], fmt.Sprintf("%06o\x00 ", sum))
	return block
}

// sparseTar is a tar of one file that is nothing but a hole of 3 GiB.
func sparseTar(name string) []byte {
	const size = 3 << 30
	var records []byte
	for _, record := range []string{"GNU.sparse.major=0", "GNU.sparse.minor=1", "GNU.sparse.name=" + name, fmt.Sprintf("GNU.sparse.size=%d", size), "GNU.sparse.numblocks=1", fmt.Sprintf("GNU.sparse.map=%d,0", size)} {
		// The length counts itself, which has two digits here.
		records = fmt.Appendf(records, "%d %s\n", len(record)+4, record)
	}
	out := tarHeader("pax", tar.TypeXHeader, int64(len(records)))
	out = append(out, records...)
	out = append(out, make([]byte, tarBlock-len(records)%tarBlock)...)
	out = append(out, tarHeader(name, tar.TypeReg, 0)...)
	return append(out, make([]byte, 2*tarBlock)...)
}

func TestSparseTar(t *testing.T) {
	header, err := tar.NewReader(bytes.NewReader(sparseTar("f"))).Next()
	if err != nil || header.Size != 3<<30 || header.Name != "f" || !isSparse(header) {
		t.Fatalf("archive/tar reads %+v, %v", header, err)
	}
	if _, err := scanTar(t.Context(), Output{}, bytes.NewReader(sparseTar("f")), map[string]tarEntry{}); err == nil || !strings.Contains(err.Error(), "sparse file") {
		t.Errorf("scanTar = %v", err)
	}
}

func FuzzScanTar(f *testing.F) {
	f.Add([]byte("x"))
	f.Add(make([]byte, 3*tarBlock))
	f.Add(tarOf(f, 0o644, "a", "abc", "d/", ""))
	f.Fuzz(func(t *testing.T, data []byte) {
		end, err := scanTar(t.Context(), Output{}, bytes.NewReader(data), map[string]tarEntry{})
		if err != nil {
			return
		}
		if end < 0 || end > int64(len(data)) && end-int64(len(data)) >= tarBlock {
			t.Errorf("the content ends at %d of %d", end, len(data))
		}
	})
}

func TestFileDestination(t *testing.T) {
	place := func(t *testing.T, dest string, tune func(*Env)) error {
		t.Helper()
		p, err := plan(t, []string{"type=tar,dest=" + dest}, tune)
		if err != nil {
			return err
		}
		defer func() {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}()
		outputs := begun(t, p, alone[0])
		mustSend(t, outputs.receivers[0].entry, nil, tarball(t))
		mustEnd(t, outputs, nil, true)
		return publish(t, p)
	}
	t.Run("new file", func(t *testing.T) {
		defer syscall.Umask(syscall.Umask(0o027))
		dest := filepath.Join(t.TempDir(), "x.tar")
		if err := place(t, dest, nil); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(dest); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("mode %v, %v; want 0640 as from the umask", info.Mode(), err)
		}
	})
	t.Run("existing file keeps its mode", func(t *testing.T) {
		dest := filepath.Join(t.TempDir(), "x.tar")
		write(t, filepath.Dir(dest), attrs("x.tar", "old"))
		if err := os.Chmod(dest, 0o604); err != nil {
			t.Fatal(err)
		}
		if err := place(t, dest, nil); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(dest); err != nil || info.Mode().Perm() != 0o604 || info.Size() != int64(len(tarball(t))) {
			t.Errorf("%v, %v; want the tar with mode 0604", info, err)
		}
	})
	t.Run("a symbolic link stays one", func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, attrs("real/x.tar", "old", "link", "->real/x.tar"))
		if err := place(t, filepath.Join(dir, "link"), nil); err != nil {
			t.Fatal(err)
		}
		wantTree(t, dir, attrs("real/x.tar", string(tarball(t)), "link", "->real/x.tar"))
	})
	t.Run("stdout", func(t *testing.T) {
		t.Setenv("TMPDIR", t.TempDir())
		for _, dest := range []string{"-", "/dev/stdout", ""} {
			var out bytes.Buffer
			if err := place(t, dest, func(r *Env) { r.Stdout = &out }); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(out.Bytes(), tarball(t)) {
				t.Errorf("dest=%s wrote %d bytes", dest, out.Len())
			}
		}
		wantTree(t, os.TempDir(), attrs())
	})
	t.Run("device", func(t *testing.T) {
		if err := place(t, "/dev/null", nil); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("named pipe", func(t *testing.T) {
		pipe := filepath.Join(t.TempDir(), "pipe")
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
		got := make(chan []byte, 1)
		go func() {
			data, _ := os.ReadFile(pipe)
			got <- data
		}()
		if err := place(t, pipe, nil); err != nil {
			t.Fatal(err)
		}
		if data := <-got; !bytes.Equal(data, tarball(t)) {
			t.Errorf("the pipe's reader got %d bytes", len(data))
		}
	})
	t.Run("stdout breaks", func(t *testing.T) {
		err := place(t, "-", func(r *Env) { r.Stdout = brokenWriter{} })
		wantUsage(t, err, "--output", "broken")
	})
}

// brokenWriter is a reader that has gone away.
type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken") }

func TestStreamThatDoesNotFit(t *testing.T) {
	p := mustPlan(t, []string{"type=tar,dest=" + filepath.Join(t.TempDir(), "x.tar")}, nil)

	// A daemon that knows one exporter only succeeds without sending.
	outputs := begun(t, p, alone[0])
	wantUsage(t, outputs.End(nil, true), "--output", "sent nothing")

	// A stream may go on after its solve has failed.
	outputs = begun(t, p, alone[0])
	w, err := outputs.receivers[0].entry.Output(nil)
	if err != nil {
		t.Fatal(err)
	}
	mustEnd(t, outputs, nil, false)
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("a stream was taken after its solve had ended")
	}

	// Or begin after it.
	outputs = begun(t, p, alone[0])
	mustEnd(t, outputs, nil, false)
	if err := send(outputs.receivers[0].entry, nil, nil); err == nil {
		t.Error("a stream was opened after its solve had ended")
	}
}
