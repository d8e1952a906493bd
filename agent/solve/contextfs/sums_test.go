package contextfs

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/slipway-build/slipway/internal/target"
)

func TestContentTime(t *testing.T) {
	a, b := contentSum(sha256.Sum256([]byte("a"))), contentSum(sha256.Sum256([]byte("b")))
	capability := map[string][]byte{"security.capability": {1}}
	times := map[string]int64{
		"a":                   contentTime(a, nil),
		"b":                   contentTime(b, nil),
		"a with a capability": contentTime(a, capability),
		"a with another":      contentTime(a, map[string][]byte{"security.capability": {2}}),
		"a with an attribute": contentTime(a, map[string][]byte{"user.x": {1}}),
		"a with two":          contentTime(a, map[string][]byte{"user.x": {1}, "user.y": nil}),
		"a with one longer":   contentTime(a, map[string][]byte{"user.x": {1, 'u', 's'}}),
		"b with a capability": contentTime(b, capability),
	}
	seen := map[int64]string{}
	for _, name := range slices.Sorted(maps.Keys(times)) {
		if other, ok := seen[times[name]]; ok {
			t.Errorf("%s and %s have one time", name, other)
		}
		seen[times[name]] = name
	}
	if contentTime(a, nil) != contentTime(a, map[string][]byte{"security.selinux": []byte("c1,c2"), "system.posix_acl_access": {1}}) {
		t.Error("a label of the machine changes the time")
	}
	var least, most contentSum
	for i := range most {
		most[i] = 0xff
	}
	for _, d := range []contentSum{least, most} {
		if at := time.Unix(0, contentTime(d, nil)).UTC(); at.Year() < 1985 || at.Year() > 2021 {
			t.Errorf("a time is %s", at)
		}
	}
	// A version that maps contents to other times sends every context anew.
	if got := contentTime(a, nil); got != 1385778014677810140 {
		t.Errorf("the time of a is %d", got)
	}
}

func TestSettled(t *testing.T) {
	at := time.Unix(1000, 0)
	ago := func(d time.Duration) int64 { return at.Add(-d).UnixNano() }
	tests := []struct {
		name string
		id   fileID
		want bool
	}{
		{"old", fileID{Mtime: ago(time.Hour), Ctime: ago(time.Hour)}, true},
		{"just written", fileID{Mtime: ago(time.Second), Ctime: ago(time.Second)}, false},
		{"written and set back", fileID{Mtime: ago(time.Hour), Ctime: ago(time.Millisecond)}, false},
		{"of the future", fileID{Mtime: ago(-time.Hour), Ctime: ago(time.Hour)}, false},
		{"at the margin", fileID{Mtime: ago(settleTime), Ctime: ago(settleTime)}, false},
	}
	for _, tt := range tests {
		if got := settled(tt.id, at); got != tt.want {
			t.Errorf("%s: settled = %v", tt.name, got)
		}
	}
}

// A store answers for files that are as they were, and only for those.
func TestSumStore(t *testing.T) {
	dir := t.TempDir()
	count := worthKeepingFiles + 10
	manyFiles(t, dir, count, 8)
	file := func(i int) string { return filepath.Join(dir, fmt.Sprint(i/500), fmt.Sprint(i)) }
	store := newSumStore(filepath.Join(t.TempDir(), "made", "when needed"), SharedKey("x"))
	readAll := func() int64 {
		t.Helper()
		s := newSums(store)
		for i := range count {
			want := sha256.Sum256(fmt.Append(nil, mustRead(t, file(i))))
			if d, _, err := s.of(t.Context(), file(i), 8); err != nil || d != want {
				t.Fatalf("file %d: %v, right: %v", i, err, d == want)
			}
		}
		for id, one := range s.known { // as if all had been written long ago
			if id.Size == 8 {
				one.settled = true
				s.known[id] = one
			}
		}
		must(t, s.Keep())
		return s.read
	}
	if n := readAll(); n != int64(8*count) {
		t.Errorf("%d bytes were read without a store", n)
	}
	if n := readAll(); n != 0 {
		t.Errorf("%d bytes were read with a store", n)
	}
	info, err := os.Stat(file(3))
	must(t, err)
	must(t, os.WriteFile(file(3), []byte("changed!"), 0o644), os.Chtimes(file(3), info.ModTime(), info.ModTime()))
	must(t, os.Rename(file(4), file(5)))
	must(t, os.WriteFile(file(4), []byte("new file"), 0o644))
	if n := readAll(); n != 16 && n != 24 { // a rename may change the ctime
		t.Errorf("%d bytes were read after changes", n)
	}
}

// What changes while it is read, or just before, is not written down.
func TestSumsKeepOnlyWhatIsSettled(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, attrs("old", "12345678", "new", "12345678"))
	stamp := unix.NsecToTimespec(time.Now().Add(-time.Hour).UnixNano())
	must(t, unix.UtimesNanoAt(unix.AT_FDCWD, filepath.Join(dir, "old"), []unix.Timespec{stamp, stamp}, 0))
	s := newSums(&sumStore{path: filepath.Join(dir, "store")})
	for _, name := range []string{"old", "new"} {
		if _, _, err := s.of(t.Context(), filepath.Join(dir, name), 8); err != nil {
			t.Fatal(err)
		}
	}
	for id, one := range s.known {
		if one.settled { // the ctime of both is now
			t.Errorf("%+v is settled", id)
		}
	}
}

// Entries that a build did not use stay while they are not the larger part.
func TestSumsKeepWhatMayBeOfUse(t *testing.T) {
	used, unused, unsettled := sum{settled: true, used: true}, sum{settled: true}, sum{used: true}
	for _, tt := range []struct {
		name string
		in   []sum
		want int
	}{
		{"half is unused", []sum{used, used, unused, unused, unsettled}, 4},
		{"most is unused", []sum{used, unused, unused, unsettled}, 1},
		{"none is settled", []sum{unsettled}, 0},
	} {
		s := newSums(newSumStore(t.TempDir(), SharedKey("x")))
		s.read = worthKeepingBytes
		for i, one := range tt.in {
			s.known[fileID{Ino: uint64(i)}] = one
		}
		must(t, s.Keep())
		again := newSums(s.store)
		again.Load()
		if len(again.known) != tt.want {
			t.Errorf("%s: %d entries are kept, want %d", tt.name, len(again.known), tt.want)
		}
	}
}

// A digest that is forgotten while it is computed does not come back.
func TestForgottenWhileItIsRead(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, attrs("a", "1"))
	path := filepath.Join(dir, "a")
	info, err := os.Lstat(path)
	must(t, err)
	id, _ := idOf(info)
	s := newSums(nil)
	pending := &pendingSum{done: make(chan struct{})}
	s.underWay[id] = pending
	s.forget(path)
	s.compute(t.Context(), pending, id, path)
	if _, known := s.known[id]; known || pending.err != nil || pending.digest != sha256.Sum256([]byte("1")) {
		t.Errorf("known: %v, %v", known, pending.err)
	}
}

// stored is the content of a store with these entries.
func stored(t testing.TB, entries map[fileID]sum) []byte {
	t.Helper()
	var raw bytes.Buffer
	must(t, writeSums(&raw, func(yield func(fileID, contentSum) bool) {
		for id, one := range entries {
			if !yield(id, one.digest) {
				return
			}
		}
	}))
	return raw.Bytes()
}

func readBack(raw []byte) map[fileID]sum { return parseSums(bytes.NewReader(raw), int64(len(raw))) }

func TestParseSums(t *testing.T) {
	want := map[fileID]sum{
		{1, 2, 3, 4, 5}:              {digest: sha256.Sum256([]byte("a")), settled: true},
		{1 << 63, 7, 1 << 40, 0, -1}: {digest: sha256.Sum256([]byte("b")), settled: true},
	}
	raw := stored(t, want)
	if diff := cmp.Diff(want, readBack(raw), cmp.AllowUnexported(sum{})); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	for i := range raw {
		broken := slices.Clone(raw)
		broken[i] ^= 1
		if got := readBack(broken); len(got) > 0 {
			t.Fatalf("with byte %d changed: %v", i, got)
		}
		if got := readBack(raw[:i]); len(got) > 0 {
			t.Fatalf("cut at %d: %v", i, got)
		}
	}
}

// The form of a store is told by its first line: whoever changes it must change
// that, too, or an earlier version's store would be misread.
func TestStoreForm(t *testing.T) {
	want, err := os.ReadFile("testdata/one.sums")
	must(t, err)
	got := stored(t, map[fileID]sum{{1, 2, 3, -4, 5}: {digest: sha256.Sum256([]byte("a"))}})
	if !bytes.Equal(want, got) {
		t.Errorf("a store with one entry is\n%x, want\n%x", got, want)
	}
}

func FuzzParseSums(f *testing.F) {
	f.Add(stored(f, map[fileID]sum{{1, 2, 3, 4, 5}: {digest: contentSum{6}}}))
	f.Add([]byte(storeMagic))
	f.Fuzz(func(t *testing.T, raw []byte) {
		found := readBack(raw)
		if len(found)*storeRecord > len(raw) {
			t.Errorf("%d entries in %d bytes", len(found), len(raw))
		}
	})
}

func TestStoresArePruned(t *testing.T) {
	dir := t.TempDir()
	for i := range maxStores + 5 {
		path := filepath.Join(dir, fmt.Sprint(i)+storeSuffix)
		must(t, os.WriteFile(path, nil, 0o600), os.Chtimes(path, time.Unix(int64(i), 0), time.Unix(int64(i), 0)))
	}
	write(t, dir, attrs("other", "x"))
	write(t, dir, attrs(target.StagingPrefix+"killed/lock", "")) // by a build that was killed while it wrote
	must(t, newSumStore(dir, keyPrefix+"mine").save(1, func(yield func(fileID, contentSum) bool) { yield(fileID{}, contentSum{}) }))
	entries, err := os.ReadDir(dir)
	must(t, err)
	left := map[string]bool{}
	for _, e := range entries {
		left[e.Name()] = true
	}
	if len(left) != maxStores+1 || !left["other"] || !left["mine"+storeSuffix] || left["5"+storeSuffix] || !left["6"+storeSuffix] {
		t.Errorf("left: %v", left)
	}
}
