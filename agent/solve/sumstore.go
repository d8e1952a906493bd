package solve

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/moby/sys/atomicwriter"
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

// load returns what the store holds.
func (s *sumStore) load() map[fileID]contentSum {
	if s == nil {
		return nil
	}
	info, err := os.Stat(s.path)
	if err != nil || info.Size() > int64(len(storeMagic)+maxStoreRecords*storeRecord+sha256.Size) {
		return nil
	}
	raw, err := os.ReadFile(s.path)
	if err != nil {
		return nil
	}
	found := parseSums(raw)
	s.loaded = len(found)
	return found
}

// parseSums reads the form that formatSums writes; nothing of a damaged file.
func parseSums(raw []byte) map[fileID]contentSum {
	body, ok := bytes.CutPrefix(raw, []byte(storeMagic))
	if !ok || len(body) < sha256.Size || (len(body)-sha256.Size)%storeRecord != 0 {
		return nil
	}
	end := len(raw) - sha256.Size
	if sum := sha256.Sum256(raw[:end]); !bytes.Equal(sum[:], raw[end:]) {
		return nil
	}
	body = body[:len(body)-sha256.Size]
	found := make(map[fileID]contentSum, len(body)/storeRecord)
	for ; len(body) > 0; body = body[storeRecord:] {
		var id fileID
		n, err := binary.Decode(body, binary.LittleEndian, &id)
		if err != nil {
			return nil
		}
		found[id] = contentSum(body[n:storeRecord])
	}
	return found
}

// formatSums is the content of a store: the magic, the entries, and a SHA-256
// of all that.
func formatSums(entries map[fileID]contentSum) ([]byte, error) {
	raw := make([]byte, 0, len(storeMagic)+len(entries)*storeRecord+sha256.Size)
	raw = append(raw, storeMagic...)
	for id, d := range entries {
		var err error
		if raw, err = binary.Append(raw, binary.LittleEndian, id); err != nil {
			return nil, err
		}
		raw = append(raw, d[:]...)
	}
	sum := sha256.Sum256(raw)
	return append(raw, sum[:]...), nil
}

// save replaces what the store holds, whole or not at all, and removes the
// stores of contexts that were not built for longest when there are too many.
func (s *sumStore) save(entries map[fileID]contentSum) error {
	if len(entries) == 0 || len(entries) > maxStoreRecords {
		return nil
	}
	raw, err := formatSums(entries)
	if err != nil {
		return err
	}
	dir := filepath.Dir(s.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := atomicwriter.WriteFile(s.path, raw, 0o600); err != nil {
		return err
	}
	return pruneStores(dir)
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
