package scenarios

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"maps"
	"math/rand"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var contextSeed = flag.Int64("context.seed", 0, "seed of TestContextMutations; 0 for a new one")

// copyAll is a Dockerfile, kept beside a context, whose result is the context.
const copyAll = "FROM scratch\nCOPY . /\n"

// sent returns how many bytes of the context a build's plain progress says
// were transferred.
func sent(t *testing.T, log string) int64 {
	t.Helper()
	lines := regexp.MustCompile(`(?m)^#\d+ transferring context: ([0-9.]+)([kMG]?)B`).FindAllStringSubmatch(log, -1)
	if len(lines) == 0 {
		t.Fatalf("the log does not tell what was transferred:\n%s", log)
	}
	last := lines[len(lines)-1]
	n, err := strconv.ParseFloat(last[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return int64(n * map[string]float64{"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[last[2]])
}

func TestContextOfAFreshCloneIsNotSentAgain(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"))
	const repository = "export GITLAB_CI=true CI_SERVER_URL=https://gitlab.example CI_PROJECT_PATH=team/app CI_PROJECT_DIR=$PWD/%[1]s && mkdir -p %[1]s/app && " +
		"cd %[1]s && printf 'FROM scratch\nCOPY . /\n' > Dockerfile && i=0 && while [ $i -lt 200 ]; do head -c 20000 /dev/zero | tr '\\0' $((i %% 10)) > app/$i; i=$((i+1)); done && "
	build := func(name, place, prepare, flags string) (log string) {
		t.Helper()
		a := s.startAgent(name, s.Bed.Images.Agent)
		r := a.sh(fmt.Sprintf(repository, place) + prepare + " && slipway build --progress plain -o out " + flags + ". && cmp app/7 out/app/7 && ls out/app | wc -l")
		if r.code != 0 || strings.TrimSpace(r.stdout) != "200" {
			t.Fatalf("exit %d, %s\n%s", r.code, r.stdout, r.stderr)
		}
		return r.stderr
	}
	if n := sent(t, build("first", "builds/one", "true", "")); n < 4e6 {
		t.Errorf("the first build sent %d bytes", n)
	}
	if n := sent(t, build("second", "elsewhere/two", "echo changed > app/7", "")); n > 60e3 {
		t.Errorf("a fresh clone on a fresh agent with one file changed sent %d bytes", n)
	}
	// What makes the difference is what is said to: kept times, another key.
	if n := sent(t, build("third", "three", "true", "--context-mtime keep ")); n < 4e6 {
		t.Errorf("with kept times %d bytes were sent", n)
	}
	if n := sent(t, build("fourth", "four", "true", "--context-key mine ")); n < 4e6 {
		t.Errorf("with a key of its own %d bytes were sent", n)
	}
}

// Contents of one size and one time, as a checkout with touch -d @EPOCH has
// them: the image holds what is on disk, and its digest is that of the times on
// disk, whatever was sent.
func TestContextOfEqualTimesIsNotStale(t *testing.T) {
	t.Parallel()
	s := newSharedSpace(t, "amd64")
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.ok(`mkdir ctx && printf 'FROM scratch\nCOPY f /\n' > ctx/Dockerfile`)
	build := func(content, flags string) (digest string) {
		t.Helper()
		a.ok("printf " + content + " > ctx/f && touch -d @1700000000 ctx/f ctx/Dockerfile && rm -rf out && " +
			"SOURCE_DATE_EPOCH=1700000000 slipway build --provenance=false " + flags +
			" -o out -o type=oci,dest=image.tar,rewrite-timestamp=true ctx && test \"$(cat out/f)\" = " + content)
		return a.ok("tar -xOf image.tar index.json | grep -o 'sha256:[0-9a-f]*'")
	}
	first := build("old", "--context-mtime keep")
	if second := build("new", ""); second == first {
		t.Errorf("two contents have the digest %s", first)
	}
	if again := build("old", "--no-cache --context-mtime keep"); again != first {
		t.Errorf("one content has the digests %s, %s", first, again)
	}
}

func TestContextKeyFromGit(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.ok(`git config --global user.email dev@example.com && git config --global user.name dev
git init -q -b main origin && cd origin && mkdir lib && head -c 1000000 /dev/urandom > lib/big && printf 'FROM scratch\nCOPY --from=lib . /\nCOPY . /\n' > Dockerfile && git add . && git commit -q -m first
cd .. && git clone -q file://$PWD/origin one && git clone -q file://$PWD/origin two`)
	build := func(clone string) string {
		return a.sh("cd " + clone + " && slipway build --progress plain --build-context lib=lib -o out . && cmp lib/big out/big && cmp lib/big out/lib/big").stderr
	}
	if n := sent(t, build("one")); n < 1e6 {
		t.Errorf("the first build sent %d bytes", n)
	}
	log := build("two")
	if n := sent(t, log); n > 60e3 {
		t.Errorf("the second clone sent %d bytes", n)
	}
	if named := regexp.MustCompile(`transferring lib: ([0-9.]+)(k?)B`).FindStringSubmatch(log); named == nil {
		t.Errorf("the named context was sent again:\n%s", log)
	}
}

// mutable is a tree in memory that is changed at random: files by content and
// mode, links by target.
type mutable struct {
	rnd   *rand.Rand
	nodes map[string]treeNode
	count int
}

type treeNode struct {
	dir     bool
	link    string // target of a symbolic link
	hard    string // the file that it is another name of
	content string
	mode    int
}

func newMutable(seed int64) *mutable {
	m := &mutable{rnd: rand.New(rand.NewSource(seed)), nodes: map[string]treeNode{}}
	for range 12 {
		m.nodes[m.name("d")] = treeNode{dir: true, mode: 0o755}
	}
	for range 120 {
		m.addFile()
	}
	for range 8 {
		m.addLink()
		m.addHard()
	}
	return m
}

func (m *mutable) name(kind string) string {
	m.count++
	return fmt.Sprintf("%s-%d-ü", kind, m.count)
}

// pick returns one path that fits, in a fixed order so that a seed repeats.
func (m *mutable) pick(fits func(treeNode) bool) string {
	var paths []string
	for _, path := range slices.Sorted(maps.Keys(m.nodes)) {
		if fits(m.nodes[path]) {
			paths = append(paths, path)
		}
	}
	if len(paths) == 0 {
		return ""
	}
	return paths[m.rnd.Intn(len(paths))]
}

func isFile(n treeNode) bool { return !n.dir && n.link == "" && n.hard == "" }

// place returns a new path, in a directory or not.
func (m *mutable) place(kind string) string {
	dir := m.pick(func(n treeNode) bool { return n.dir })
	if dir == "" || m.rnd.Intn(4) == 0 {
		return m.name(kind)
	}
	return dir + "/" + m.name(kind)
}

func (m *mutable) text(size int) string {
	b := make([]byte, size)
	for i := range b {
		b[i] = "abcdefgh"[m.rnd.Intn(8)]
	}
	return string(b)
}

func (m *mutable) addFile() {
	m.nodes[m.place("f")] = treeNode{content: m.text(m.rnd.Intn(3000)), mode: 0o644}
}

func (m *mutable) addLink() {
	m.nodes[m.place("l")] = treeNode{link: m.name("target")}
}

func (m *mutable) addHard() {
	if file := m.pick(isFile); file != "" {
		m.nodes[m.place("h")] = treeNode{hard: file}
	}
}

// remove takes a path away with all below it and all its other names.
func (m *mutable) remove(path string) {
	delete(m.nodes, path)
	for other, n := range m.nodes {
		if strings.HasPrefix(other, path+"/") || n.hard == path {
			m.remove(other)
		}
	}
}

// edit changes a file that is there.
func (m *mutable) edit(change func(*treeNode)) {
	if path := m.pick(isFile); path != "" {
		n := m.nodes[path]
		change(&n)
		m.nodes[path] = n
	}
}

type mutation struct {
	name  string
	apply func(m *mutable)
}

// mutations are all kinds of change, by name.
var mutations = []mutation{
	{"a byte, the size stays", func(m *mutable) {
		m.edit(func(n *treeNode) {
			if b := []byte(n.content); len(b) > 0 {
				b[m.rnd.Intn(len(b))] ^= 1
				n.content = string(b)
			}
		})
	}},
	{"content", func(m *mutable) { m.edit(func(n *treeNode) { n.content = m.text(m.rnd.Intn(5000)) }) }},
	{"emptied", func(m *mutable) { m.edit(func(n *treeNode) { n.content = "" }) }},
	{"swapped", func(m *mutable) {
		a, b := m.pick(isFile), m.pick(isFile)
		m.nodes[a], m.nodes[b] = m.nodes[b], m.nodes[a]
	}},
	{"mode", func(m *mutable) {
		m.edit(func(n *treeNode) { n.mode = []int{0o644, 0o755, 0o600, 0o444, 0o4755}[m.rnd.Intn(5)] })
	}},
	{"new file", (*mutable).addFile},
	{"new directory", func(m *mutable) { m.nodes[m.place("d")] = treeNode{dir: true, mode: 0o755} }},
	{"new link", (*mutable).addLink},
	{"new hard link", (*mutable).addHard},
	{"link target", func(m *mutable) {
		if path := m.pick(func(n treeNode) bool { return n.link != "" }); path != "" {
			m.nodes[path] = treeNode{link: m.name("target")}
		}
	}},
	{"hard link becomes a file", func(m *mutable) {
		if path := m.pick(func(n treeNode) bool { return n.hard != "" }); path != "" {
			m.nodes[path] = m.nodes[m.nodes[path].hard]
		}
	}},
	{"rename", func(m *mutable) {
		if path := m.pick(isFile); path != "" {
			n := m.nodes[path]
			m.remove(path)
			m.nodes[m.place("r")] = n
		}
	}},
	{"deletion", func(m *mutable) {
		if path := m.pick(isFile); path != "" {
			m.remove(path)
			m.addFile() // the tree keeps its size
		}
	}},
	{"file becomes a directory", func(m *mutable) {
		if path := m.pick(isFile); path != "" {
			m.remove(path)
			m.nodes[path] = treeNode{dir: true, mode: 0o755}
			m.nodes[path+"/in"] = treeNode{content: m.text(10), mode: 0o644}
		}
	}},
	{"directory becomes a file", func(m *mutable) {
		if path := m.pick(func(n treeNode) bool { return n.dir }); path != "" {
			m.remove(path)
			m.nodes[path] = treeNode{content: m.text(10), mode: 0o644}
		}
	}},
	{"file becomes a link", func(m *mutable) {
		if path := m.pick(isFile); path != "" {
			m.remove(path)
			m.nodes[path] = treeNode{link: "elsewhere"}
		}
	}},
}

// manifest is what an agent sees of the tree: a line per entry.
func (m *mutable) manifest() []string {
	var lines []string
	for path, n := range m.nodes {
		if n.hard != "" {
			n = m.nodes[n.hard]
		}
		switch {
		case n.dir:
			lines = append(lines, fmt.Sprintf("directory %o %s", n.mode, path))
		case n.link != "":
			lines = append(lines, fmt.Sprintf("link %s %s", path, n.link))
		default:
			lines = append(lines, fmt.Sprintf("file %o %x %s", n.mode, sha256sum(n.content), path))
		}
	}
	slices.Sort(lines)
	return lines
}

// manifestScript prints a directory of the agent in the same form, unsorted.
const manifestScript = `manifest() { (cd "$1" && find . -mindepth 1 -type d -exec stat -c 'directory %a %n' {} + | sed 's, \./, ,'
find . -type l | while read l; do echo "link ${l#./} $(readlink "$l")"; done
find . -type f -exec stat -c '%a %n' {} + | sort -k2 > /tmp/modes.$$ && find . -type f -exec sha256sum {} + | sort -k2 > /tmp/sums.$$
paste -d' ' /tmp/modes.$$ /tmp/sums.$$ 2>/dev/null | sed 's,^\([0-7]*\) \./.* \([0-9a-f]*\)  \./,file \1 \2 ,'); }
`

func TestContextMutations(t *testing.T) {
	t.Parallel()
	seed := *contextSeed
	if seed == 0 {
		seed = time.Now().UnixNano()
	}
	t.Logf("seed: -context.seed=%d", seed)
	s := newSharedSpace(t, "amd64")
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", copyAll)
	a.write("manifest.sh", manifestScript)
	m := newMutable(seed)
	steps := []mutationStep{{what: "nothing", manifest: m.manifest()}}
	clones := newClones(t)
	clones.add(m)
	next := func(count int, kinds []mutation) {
		var names []string
		for range count {
			kind := kinds[m.rnd.Intn(len(kinds))]
			kind.apply(m)
			names = append(names, kind.name)
		}
		steps = append(steps, mutationStep{what: strings.Join(names, ", "), manifest: m.manifest()})
		clones.add(m)
	}
	for _, kind := range mutations { // each alone
		next(1, []mutation{kind})
	}
	const total, perBuild = 1000, 100
	for left := total - len(mutations); left > 0; left -= perBuild {
		next(min(left, perBuild), mutations)
	}
	a.write("clones.tar", clones.bytes())
	a.ok("tar xf clones.tar")
	// Some steps at a time, for a kubectl costs as much as a small build.
	const atOnce = 6
	for first := 0; first < len(steps); first += atOnce {
		last := min(first+atOnce, len(steps)) - 1
		// Derived times in every turn; kept ones beside them in some, with a
		// key of their own.
		r := a.sh(fmt.Sprintf(`. ./manifest.sh
built() { slipway build -q -f Dockerfile "$@" -o result clone-$at && echo "== $at" && manifest result && rm -rf result || exit 1; }
for at in $(seq %d %d); do
  built --context-key one
  if [ $((at %% 4)) = 0 ]; then built --context-key two --context-mtime keep; fi
done`, first, last))
		if r.code != 0 {
			t.Fatalf("steps %d to %d: exit %d\n%s%s", first, last, r.code, r.stdout, r.stderr)
		}
		compared := 0
		for _, text := range strings.Split(r.stdout, "== ")[1:] {
			number, manifest, _ := strings.Cut(text, "\n")
			at, err := strconv.Atoi(number)
			if err != nil || at < first || at > last {
				t.Fatalf("a manifest of step %q", number)
			}
			got := strings.Split(strings.TrimSpace(manifest), "\n")
			slices.Sort(got)
			if diff := cmp.Diff(steps[at].manifest, got); diff != "" {
				t.Fatalf("after %s (-context +result):\n%s", steps[at].what, diff)
			}
			compared++
		}
		expected := 0
		for at := first; at <= last; at++ {
			expected++
			if at%4 == 0 {
				expected++
			}
		}
		if compared != expected {
			t.Fatalf("steps %d to %d: %d results, want %d", first, last, compared, expected)
		}
	}
}

// mutationStep is a tree after some mutations.
type mutationStep struct {
	what     string
	manifest []string
}

// Whoever shares a key, at the same time or in turns, gets what is his.
func TestContextsThatShareAKey(t *testing.T) {
	t.Parallel()
	s := newSharedSpace(t, "amd64")
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", copyAll)
	a.ok(`slipway up >&2
for repo in a b; do mkdir -p $repo/sub && echo "of $repo" > $repo/same && echo $repo > $repo/sub/only-$repo; done; ln -s same a/link; mkdir b/link
for turn in 1 2 3; do for repo in a b; do
  slipway build -q -f Dockerfile --context-key shared -o out-$repo-$turn $repo && diff -r $repo out-$repo-$turn || exit 1
done; done`)
	a.ok(`for i in 1 2 3 4 5 6 7 8; do mkdir -p many/$i && for f in $(seq 50); do echo "$i of $f" > many/$i/$f; done; done
for i in 1 2 3 4 5 6 7 8; do (slipway build -q -f Dockerfile --context-key shared -o at-once/$i many/$i && diff -r many/$i at-once/$i && touch good-$i) & done; wait
for i in 1 2 3 4 5 6 7 8; do slipway build -q -f Dockerfile --context-key shared -o after/$i many/$i && diff -r many/$i after/$i && [ -e good-$i ] || exit 1; done`)
}

// A file that is written while it is read never poisons the builder: a build
// fails with a reason or has what it read, and the next one is right.
func TestContextThatChangesWhileItIsRead(t *testing.T) {
	t.Parallel()
	s := newSharedSpace(t, "amd64")
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", copyAll)
	a.write("writer.sh", `i=0; while [ ! -e stop ]; do i=$((i+1)); head -c 1000000 /dev/zero | tr '\0' $((i % 10)) | dd of=ctx/busy conv=notrunc bs=64k 2>/dev/null; done; touch stopped
`)
	r := a.sh(`trap 'touch stop' EXIT; slipway up >&2; mkdir ctx; head -c 1000000 /dev/zero > ctx/busy; echo steady > ctx/steady; sh writer.sh & ended=""
for i in 1 2 3 4; do
  slipway build -q -f Dockerfile --context-key busy -o out-$i ctx 2> log-$i; code=$?; ended="$ended $code"
  case $code in
  0) [ $(wc -c < out-$i/busy) = 1000000 ] && cmp out-$i/steady ctx/steady || exit 9;;
  1) grep -q 'ctx/busy" of the build context: it changed while it was sent' log-$i || { cat log-$i; exit 8; };;
  *) cat log-$i; exit 7;;
  esac
done
touch stop; while [ ! -e stopped ]; do sleep 0.1; done; echo $ended
for last in 0 1 2 3; do
  head -c 1000000 /dev/zero | tr '\0' $last > ctx/busy && slipway build -q -f Dockerfile --context-key busy -o last ctx && cmp ctx/busy last/busy || exit 6
done`)
	if r.code != 0 {
		t.Fatalf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	t.Logf("builds beside the writer ended with%s", r.stdout)
	// A log of the build itself grows, and what was there when it was listed
	// is sent.
	a.ok(`(for i in $(seq 200); do echo line $i; sleep 0.02; done) > ctx/build.log & slipway build --progress plain -f Dockerfile --context-key busy -o log ctx 2>&1 | tee -a ctx/tee.log >&2
[ -e log/build.log ] && [ -e log/tee.log ] && head -c $(wc -c < log/build.log) ctx/build.log | cmp - log/build.log && wait`)
}

// Tools that compare times see what has changed, since times are kept when
// they might, and derived times lie in the past.
func TestContextTimesInBuilds(t *testing.T) {
	t.Parallel()
	s := newSharedSpace(t, "amd64")
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("made/Dockerfile", `FROM base AS build
COPY src /src
RUN --mount=type=cache,target=/results if [ ! -e /results/out ] || [ /src -nt /results/out ]; then cp /src /results/out; fi; cp /results/out /out
FROM scratch
COPY --from=build /out /
`)
	made := "slipway build " + a.base() + "--context-key made --output "
	a.ok("echo one > made/src && " + made + "1 made && cmp made/src 1/out && echo two > made/src && touch -d @$(($(date +%s) + 10)) made/src && " + made + "2 made 2> log && cmp made/src 2/out && grep 'line 3 of the Dockerfile has a cache mount at /results' log")

	a.write("Dockerfile", copyAll)
	a.ok("mkdir ctx && echo text > ctx/file && mkdir ctx/dir && cp -r ctx other")
	build := "slipway build -q -f Dockerfile --context-key times "
	for _, dir := range []string{"ctx", "other"} {
		year, err := strconv.Atoi(strings.TrimSpace(a.ok(build + "-o out-" + dir + " " + dir + " && date -r out-" + dir + "/file +%Y")))
		if err != nil || year < 1985 || year > 2021 {
			t.Errorf("the year in the result is %d, %v", year, err)
		}
	}
	want(t, "times of the file in two clones", a.ok("for d in ctx other; do stat -c '%Y %n' out-$d/file | cut -d' ' -f1; done | uniq | wc -l"), "1\n")
	// An image with rewritten times is the same for any clone, and the same as
	// with kept times; what is cached has the times of the build that made it.
	a.ok(build + "--build-arg SOURCE_DATE_EPOCH=1000000000 -o type=oci,dest=a.tar,rewrite-timestamp=true --provenance=false --no-cache ctx && " +
		build + "--build-arg SOURCE_DATE_EPOCH=1000000000 -o type=oci,dest=b.tar,rewrite-timestamp=true --provenance=false --no-cache --context-mtime keep other && " +
		"mkdir a b && tar xf a.tar -C a && tar xf b.tar -C b && cmp a/index.json b/index.json")
}

func TestContextNamesThatAreNoText(t *testing.T) {
	t.Parallel()
	s := newSharedSpace(t, "amd64")
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("ctx/Dockerfile", copyAll)
	a.ok(`touch "ctx/$(printf 'a\377b')"`)
	a.fails(2, "slipway build -o out ctx", `a\xffb`, "not valid UTF-8", "hint: rename the file, or exclude it in .dockerignore")
	a.ok(`printf 'a?b\n' > ctx/.dockerignore && slipway build -o out ctx`)
}

// Rereading a workspace that stays is saved by what is known of its files.
func TestContextDigestsAreKept(t *testing.T) {
	t.Parallel()
	s := newSharedSpace(t, "amd64")
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", copyAll)
	build := "slipway build -q -f Dockerfile --context-cache sums -o out"
	// Digests are kept when many files were read that did not change just then.
	a.ok("mkdir ctx && for i in $(seq 2100); do echo $i > ctx/$i; done; slipway up >&2; sleep 3; " + build + "1 ctx && diff -r ctx out1")
	want(t, "stores", a.ok("ls sums | wc -l"), "1\n")
	a.ok("ls -l sums/*.sums > before && " + build + "2 ctx && diff -r ctx out2 && ls -l sums/*.sums > after && cmp before after")
	// Same size, same time: the store must not be believed.
	a.ok("touch -r ctx/2 stamp && echo 9 > ctx/2 && touch -r stamp ctx/2 && " + build + "3 ctx && diff -r ctx out3")
	a.ok("for f in sums/*.sums; do echo broken > $f; done; " + build + "4 ctx && diff -r ctx out4")
	a.fails(2, "touch file && slipway build --context-cache file -o out5 ctx", "--context-cache", "not a directory")
}

func sha256sum(content string) [sha256.Size]byte { return sha256.Sum256([]byte(content)) }

// clones is an archive of trees, each in a directory of its own and with a
// time of its own, as clones have it.
type clones struct {
	t     *testing.T
	buf   bytes.Buffer
	w     *tar.Writer
	count int
}

func newClones(t *testing.T) *clones {
	c := &clones{t: t}
	c.w = tar.NewWriter(&c.buf)
	return c
}

// add puts in one more tree. Directories come first, hard links last.
func (c *clones) add(m *mutable) {
	c.t.Helper()
	root := fmt.Sprintf("clone-%d/", c.count)
	at := time.Now().Add(time.Duration(c.count-1000) * time.Minute)
	c.count++
	add := func(h tar.Header, content string) {
		h.Name, h.Size, h.ModTime = root+h.Name, int64(len(content)), at
		if err := c.w.WriteHeader(&h); err != nil {
			c.t.Fatal(err)
		}
		if _, err := c.w.Write([]byte(content)); err != nil {
			c.t.Fatal(err)
		}
	}
	paths := slices.Sorted(maps.Keys(m.nodes))
	for _, path := range paths {
		switch n := m.nodes[path]; {
		case n.dir:
			add(tar.Header{Typeflag: tar.TypeDir, Name: path + "/", Mode: int64(n.mode)}, "")
		case n.link != "":
			add(tar.Header{Typeflag: tar.TypeSymlink, Name: path, Linkname: n.link, Mode: 0o777}, "")
		case n.hard == "":
			add(tar.Header{Typeflag: tar.TypeReg, Name: path, Mode: int64(n.mode)}, n.content)
		}
	}
	for _, path := range paths {
		if n := m.nodes[path]; n.hard != "" {
			add(tar.Header{Typeflag: tar.TypeLink, Name: path, Linkname: root + n.hard}, "")
		}
	}
}

func (c *clones) bytes() string {
	c.t.Helper()
	if err := c.w.Close(); err != nil {
		c.t.Fatal(err)
	}
	return c.buf.String()
}
