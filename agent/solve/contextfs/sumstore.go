package contextfs

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/slipway-build/slipway/internal/target"
)

// sumStore keeps digests of a context between builds, for workspaces that
// persist: there a file whose identity is the same need not be read again. It
// is a cache: a file that is missing or damaged holds nothing.
type sumStore struct {
	path   string
	loaded int // entries that load found
}

const (
	storeMagic  = "slipway sums 1\n"
	storeSuffix = ".sums"
	// storeRecord is one entry: the fields of a fileID and the digest.
	storeRecord = 5*8 + sha256.Size
	// storeBuffer is what a store is read and written through, in bytes.
	storeBuffer = 64 << 10
	// maxStoreRecords bounds a store to 72 MB, maxStores a directory.
	maxStoreRecords = 1 << 20
	maxStores       = 32
)

// newSumStore is the store of a context in a directory, which is made when it
// is first needed; nil for no directory.
func newSumStore(dir, key string) *sumStore {
	if dir == "" {
		return nil
	}
	return &sumStore{path: filepath.Join(dir, strings.TrimPrefix(key, keyPrefix)+storeSuffix)}
}

// load returns what the store holds, as digests that no build has used yet;
// nothing of a file that is missing or damaged.
func (s *sumStore) load() map[fileID]sum {
	if s == nil {
		return map[fileID]sum{}
	}
	found := s.read()
	s.loaded = len(found)
	return found
}

func (s *sumStore) read() map[fileID]sum {
	f, err := os.Open(s.path)
	if err != nil {
		return map[fileID]sum{}
	}
	defer closeQuietly(f)
	info, err := f.Stat()
	if err != nil {
		return map[fileID]sum{}
	}
	return parseSums(f, info.Size())
}

// parseSums reads the form that writeSums writes, size bytes; nothing of a
// damaged one. It keeps no copy of it, for it may be large.
func parseSums(from io.Reader, size int64) map[fileID]sum {
	body := size - int64(len(storeMagic)+sha256.Size)
	if body < 0 || body%storeRecord != 0 || body/storeRecord > maxStoreRecords {
		return map[fileID]sum{}
	}
	hashed := sha256.New()
	raw := bufio.NewReaderSize(from, storeBuffer)
	in := io.TeeReader(raw, hashed)
	var magic [len(storeMagic)]byte
	if _, err := io.ReadFull(in, magic[:]); err != nil || string(magic[:]) != storeMagic {
		return map[fileID]sum{}
	}
	found := make(map[fileID]sum, body/storeRecord)
	var record [storeRecord]byte
	for range body / storeRecord {
		if _, err := io.ReadFull(in, record[:]); err != nil {
			return map[fileID]sum{}
		}
		id, digest := parseRecord(record)
		found[id] = sum{digest: digest, settled: true}
	}
	var check contentSum
	if _, err := io.ReadFull(raw, check[:]); err != nil || check != sumOf(hashed) {
		return map[fileID]sum{}
	}
	return found
}

// A record is the fields of a fileID in their order, little endian, and the
// digest.
func parseRecord(record [storeRecord]byte) (fileID, contentSum) {
	field := func(i int) uint64 { return binary.LittleEndian.Uint64(record[8*i:]) }
	id := fileID{Dev: field(0), Ino: field(1), Size: int64(field(2)), Mtime: int64(field(3)), Ctime: int64(field(4))}
	return id, contentSum(record[5*8:])
}

func formatRecord(id fileID, digest contentSum) (record [storeRecord]byte) {
	for i, v := range [...]uint64{id.Dev, id.Ino, uint64(id.Size), uint64(id.Mtime), uint64(id.Ctime)} {
		binary.LittleEndian.PutUint64(record[8*i:], v)
	}
	copy(record[5*8:], digest[:])
	return record
}

// writeSums writes the content of a store: the magic, the entries, and a
// SHA-256 of all that.
func writeSums(to io.Writer, entries iter.Seq2[fileID, contentSum]) error {
	hashed := sha256.New()
	raw := bufio.NewWriterSize(to, storeBuffer)
	out := io.MultiWriter(raw, hashed)
	if _, err := io.WriteString(out, storeMagic); err != nil {
		return err
	}
	var record [storeRecord]byte
	for id, digest := range entries {
		record = formatRecord(id, digest)
		if _, err := out.Write(record[:]); err != nil {
			return err
		}
	}
	if _, err := raw.Write(hashed.Sum(nil)); err != nil {
		return err
	}
	return raw.Flush()
}

// save replaces what the store holds by count entries, whole or not at all, and
// removes the stores of contexts that were not built for longest when there
// are too many.
func (s *sumStore) save(count int, entries iter.Seq2[fileID, contentSum]) error {
	if count == 0 || count > maxStoreRecords {
		return nil
	}
	dir := filepath.Dir(s.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	staged, err := target.Stage(dir)
	if err != nil {
		return err
	}
	if err := errors.Join(s.replace(staged, entries), staged.Remove()); err != nil {
		return err
	}
	return pruneStores(dir)
}

func (s *sumStore) replace(staged *target.Staging, entries iter.Seq2[fileID, contentSum]) error {
	f, err := os.OpenFile(filepath.Join(staged.Path(), "sums"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(writeSums(f, entries), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), s.path)
}

func pruneStores(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	type aged struct {
		path string
		time time.Time
	}
	var stores []aged
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && strings.HasSuffix(e.Name(), storeSuffix) {
			stores = append(stores, aged{filepath.Join(dir, e.Name()), info.ModTime()})
		}
	}
	slices.SortFunc(stores, func(a, b aged) int { return cmp.Or(b.time.Compare(a.time), strings.Compare(a.path, b.path)) })
	var errs []error
	for _, old := range stores[min(len(stores), maxStores):] {
		if err := os.Remove(old.path); !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
