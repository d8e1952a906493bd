package contextfs

import (
	"crypto/sha256"
	"math"
	"math/rand"
	"testing"
	"testing/quick"
	"time"

	fstypes "github.com/tonistiigi/fsutil/types"
)

// second is the one that a time lies in, also before 1970.
func second(modTime int64) int64 { return time.Unix(0, modTime).Unix() }

// What holds of a kept time, for any two files of any times.
func TestKeptTimeProperties(t *testing.T) {
	const (
		first = -1 << 33 // 1697, a time that a broken clock may have made
		last  = 1 << 33  // 2242
	)
	type file struct {
		modTime int64
		content contentSum
	}
	random := rand.New(rand.NewSource(1))
	draw := func() file {
		f := file{modTime: (first + random.Int63n(last-first)) * int64(time.Second)}
		if random.Intn(2) == 0 {
			f.modTime += 1 + random.Int63n(int64(time.Second)-1)
		}
		var text [8]byte
		random.Read(text[:])
		f.content = sha256.Sum256(text[:])
		return f
	}
	sent := func(f file) int64 { return keptTime(f.modTime, f.content, nil) }
	holds := func(int64) bool {
		a, b := draw(), draw()
		if second(sent(a)) != second(a.modTime) {
			t.Errorf("%d became %d, another second", a.modTime, sent(a))
		}
		if !fractionless(a.modTime) && sent(a) != a.modTime {
			t.Errorf("%d became %d although it has a fraction", a.modTime, sent(a))
		}
		if time.Unix(0, sent(a)).Round(time.Second).Unix() != second(a.modTime) && fractionless(a.modTime) {
			t.Errorf("%d became %d, which a tar rounds up", a.modTime, sent(a))
		}
		if second(a.modTime) < second(b.modTime) && sent(a) >= sent(b) {
			t.Errorf("%d is older than %d, but %d is not older than %d", a.modTime, b.modTime, sent(a), sent(b))
		}
		// The same time, and another content or the same.
		b.modTime = a.modTime
		if fractionless(a.modTime) && a.content != b.content && sent(a) == sent(b) {
			t.Errorf("two contents have the time %d", sent(a))
		}
		b.content = a.content
		if sent(a) != sent(b) {
			t.Errorf("one content has the times %d and %d", sent(a), sent(b))
		}
		// Two fractions of one second.
		if !fractionless(a.modTime) {
			b = a
			b.modTime = second(a.modTime)*int64(time.Second) + 1 + random.Int63n(int64(time.Second)-1)
			if (a.modTime < b.modTime) != (sent(a) < sent(b)) {
				t.Errorf("the order of %d and %d is another: %d, %d", a.modTime, b.modTime, sent(a), sent(b))
			}
		}
		return !t.Failed()
	}
	if err := quick.Check(holds, &quick.Config{MaxCount: 20_000}); err != nil {
		t.Error(err)
	}
}

// Fractions spread evenly over all that there are: two contents share one no
// more often than chance has it.
func TestKeptTimeSpreads(t *testing.T) {
	const files, classes = 100_000, 50
	var counts [classes]int
	for i := range files {
		var text [8]byte
		text[0], text[1], text[2] = byte(i), byte(i>>8), byte(i>>16)
		counts[keptTime(0, sha256.Sum256(text[:]), nil)*classes/keptFractions]++
	}
	for class, n := range counts {
		if mean := float64(files) / classes; math.Abs(float64(n)-mean) > 6*math.Sqrt(mean) {
			t.Errorf("class %d of fractions has %d of %d files", class, n, files)
		}
	}
	var least, most contentSum
	for i := range most {
		most[i] = 0xff
	}
	if keptTime(0, least, nil) != 0 || keptTime(0, most, nil) != keptFractions-1 {
		t.Errorf("fractions go from %d to %d", keptTime(0, least, nil), keptTime(0, most, nil))
	}
	// A version that maps contents to other times sends such files anew.
	if got := keptTime(1700000000*int64(time.Second), sha256.Sum256([]byte("a")), nil); got != 1700000000_395687135 {
		t.Errorf("the time of a is %d", got)
	}
	if keptTime(0, least, map[string][]byte{"user.x": {1}}) == keptTime(0, least, nil) {
		t.Error("an attribute does not change the time")
	}
}

func TestTimeOf(t *testing.T) {
	const whole, broken = 1700000000 * int64(time.Second), 1700000000*int64(time.Second) + 5
	digest := contentSum(sha256.Sum256([]byte("a")))
	file := func(modTime int64) *fstypes.Stat { return &fstypes.Stat{Mode: 0o644, ModTime: modTime} }
	const modeDir, modeLink = 1 << 31, 1 << 27
	keep, derive := Mount{Sums: newSums(nil), Keep: true}, Mount{Sums: newSums(nil)}
	for _, tt := range []struct {
		name  string
		mount Mount
		stat  *fstypes.Stat
		reads bool
		want  int64
	}{
		{"a whole second", keep, file(whole), true, keptTime(whole, digest, nil)},
		{"1970", keep, file(0), true, keptTime(0, digest, nil)},
		{"a fraction", keep, file(broken), false, broken},
		{"a directory", keep, &fstypes.Stat{Mode: modeDir | 0o755, ModTime: whole}, false, whole},
		{"a symbolic link", keep, &fstypes.Stat{Mode: modeLink | 0o777, ModTime: whole}, false, whole},
		{"a hard link", keep, &fstypes.Stat{Mode: 0o644, ModTime: whole, Linkname: "other"}, true, keptTime(whole, digest, nil)},
		{"derived", derive, file(broken), true, contentTime(digest, nil)},
		{"a directory, derived", derive, &fstypes.Stat{Mode: modeDir | 0o755, ModTime: whole}, false, plainTime},
	} {
		if got := tt.mount.reads(tt.stat); got != tt.reads {
			t.Errorf("%s: read: %v", tt.name, got)
		}
		if got := tt.mount.timeOf(tt.stat, digest); got != tt.want {
			t.Errorf("%s: time %d, want %d", tt.name, got, tt.want)
		}
	}
}
