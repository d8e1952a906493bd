package onfailure

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"
	"github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/slipway-build/slipway/agent/solve/output"
)

// container is a gateway's container, by mount.
type container struct {
	gateway.Container
	mounts []fstest.MapFS
	// lists are answers in place of a directory's own; short makes files end early.
	lists map[string][]*types.Stat
	fails map[string]error
	short bool
	dirs  int // that were listed
	freed bool
}

func inside(name string) string {
	if name = strings.TrimPrefix(name, "/"); name == "" {
		return "."
	}
	return name
}

func (c *container) ReadDir(_ context.Context, req gateway.ReadDirContainerRequest) ([]*types.Stat, error) {
	c.dirs++
	if err := c.fails[req.Path]; err != nil {
		return nil, err
	}
	if list, ok := c.lists[req.Path]; ok {
		return list, nil
	}
	entries, err := c.mounts[req.MountIndex].ReadDir(inside(req.Path))
	if err != nil {
		return nil, err
	}
	var all []*types.Stat
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		all = append(all, &types.Stat{Path: e.Name(), Mode: uint32(info.Mode()), Size: info.Size(), ModTime: info.ModTime().UnixNano()})
	}
	return all, nil
}

func (c *container) ReadFile(_ context.Context, req gateway.ReadContainerRequest) ([]byte, error) {
	data, err := c.mounts[req.MountIndex].ReadFile(inside(req.Filename))
	if err != nil || c.short {
		return nil, err
	}
	return data[req.Range.Offset:min(req.Range.Offset+req.Range.Length, len(data))], nil
}

func (c *container) Release(context.Context) error {
	c.freed = true
	return nil
}

// client is a gateway's client that has one container.
type client struct {
	gateway.Client
	container *container
	asked     gateway.NewContainerRequest
	old       bool
}

func (c *client) NewContainer(_ context.Context, req gateway.NewContainerRequest) (gateway.Container, error) {
	c.asked = req
	return c.container, nil
}

func (c *client) BuildOpts() gateway.BuildOpts {
	var caps apicaps.CapList
	caps.Init(apicaps.Cap{ID: gatewaypb.CapGatewayExecFilesystem, Enabled: true, Status: apicaps.CapStatusExperimental})
	if c.old {
		return gateway.BuildOpts{Caps: caps.CapSet(nil)}
	}
	return gateway.BuildOpts{Caps: caps.CapSet(caps.All())}
}

// failure is what the gateway says of a RUN that has failed in /src.
func failure(ids []string, mounts ...*pb.Mount) error {
	op := &pb.Op{Op: &pb.Op_Exec{Exec: &pb.ExecOp{Meta: &pb.Meta{Cwd: "/src"}, Mounts: mounts}}}
	return fmt.Errorf("failed to solve: %w", &errdefs.SolveError{Solve: &errdefs.Solve{Op: op, MountIDs: ids, Description: map[string]string{"llb.customname": "RUN x"}}, Err: errors.New("exit code: 1")})
}

func TestOpen(t *testing.T) {
	root := &pb.Mount{Dest: "/"}
	tests := []struct {
		name  string
		err   error
		fails string
		dests []string // of the container's mounts
	}{
		{name: "only the root", err: failure([]string{"r"}, root), dests: []string{"/=r"}},
		{
			name:  "caches and secrets are left out",
			err:   failure([]string{"r", "c", "", "b"}, root, &pb.Mount{Dest: "/cache", MountType: pb.MountType_CACHE}, &pb.Mount{Dest: "/s", MountType: pb.MountType_SECRET}, &pb.Mount{Dest: "rel"}),
			dests: []string{"/=r", "/src/rel=b"},
		},
		{name: "no step", err: errors.New("x"), fails: "no step of the build has failed"},
		{name: "no RUN", err: &errdefs.SolveError{Solve: &errdefs.Solve{Op: &pb.Op{Op: &pb.Op_File{File: &pb.FileOp{}}}}, Err: errors.New("x")}, fails: "is no RUN"},
		{name: "no operation", err: &errdefs.SolveError{Solve: &errdefs.Solve{}, Err: errors.New("x")}, fails: "is no RUN"},
		{name: "not begun", err: failure(nil, root), fails: "before it could begin"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &client{container: &container{}}
			step, err := Open(t.Context(), c, tt.err)
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Fatalf("error %v, want %q", err, tt.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var dests []string
			for _, m := range c.asked.Mounts {
				dests = append(dests, m.Dest+"="+m.ResultID)
			}
			if !slices.Equal(dests, tt.dests) || step.Dir != "/src" {
				t.Errorf("mounts %q of %s, want %q", dests, step.Dir, tt.dests)
			}
			if err := step.Close(); err != nil || !c.container.freed {
				t.Errorf("the container is not released: %v", err)
			}
		})
	}
}

func TestSupported(t *testing.T) {
	if !Supported(&client{}) || Supported(&client{old: true}) {
		t.Errorf("supported %t, of an old builder %t", Supported(&client{}), Supported(&client{old: true}))
	}
}

// step is one in /src with a mount at /src/vendor.
func step(c *container) *Step {
	return &Step{Dir: "/src", files: c, mounts: []mount{{dest: "/src/vendor", selector: "/of/it", index: 1}, {dest: "/", selector: "/", index: 0}}}
}

func source() *container {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text), Mode: 0o640} }
	return &container{mounts: []fstest.MapFS{
		{
			"src/a.xml": file("a"), "src/b.txt": file("b"), "src/t/x/r.xml": file("r"), "src/t/y/r.xml": file("rr"), "src/t/y/deep/s.xml": file("s"),
			"src/link": {Mode: fs.ModeSymlink | 0o777}, "src/dir-link": {Mode: fs.ModeSymlink | 0o777}, "src/dev": {Mode: fs.ModeDevice | fs.ModeCharDevice | 0o666},
			"src/pipe": {Mode: fs.ModeNamedPipe | 0o600}, "var/log/l.log": file("log"), "src/big": file(strings.Repeat("x", readRange*2+17)),
		},
		{"of/it/v.xml": file("v"), "other": file("not there")},
	}}
}

func TestFind(t *testing.T) {
	tests := []struct {
		patterns []string
		files    string
		skipped  string
	}{
		{patterns: []string{"*.xml"}, files: "/src/a.xml"},
		{patterns: []string{"a.xml", "/src/*.xml", "a.xml"}, files: "/src/a.xml"},
		{patterns: []string{"t"}, files: "/src/t/x/r.xml /src/t/y/deep/s.xml /src/t/y/r.xml"},
		{patterns: []string{"./t/"}, files: "/src/t/x/r.xml /src/t/y/deep/s.xml /src/t/y/r.xml"},
		{patterns: []string{"t/*/r.xml"}, files: "/src/t/x/r.xml /src/t/y/r.xml"},
		{patterns: []string{"**/*.xml"}, files: "/src/a.xml /src/t/x/r.xml /src/t/y/deep/s.xml /src/t/y/r.xml /src/vendor/v.xml"},
		{patterns: []string{"**/deep/**"}, files: "/src/t/y/deep/s.xml"},
		{patterns: []string{"vendor/*"}, files: "/src/vendor/v.xml"},
		{patterns: []string{"/var/**"}, files: "/var/log/l.log"},
		{patterns: []string{"link", "dir-link/r.xml", "dev", "pipe"}, skipped: "/src/dev /src/dir-link /src/link /src/pipe"},
		{patterns: []string{"nothing", "a.xml/b"}},
		{patterns: []string{"/"}, files: "/src/a.xml /src/b.txt /src/big /src/t/x/r.xml /src/t/y/deep/s.xml /src/t/y/r.xml /src/vendor/v.xml /var/log/l.log", skipped: "/src/dev /src/dir-link /src/link /src/pipe"},
	}
	names := func(entries []entry) string {
		var all []string
		for _, e := range entries {
			all = append(all, e.path)
		}
		return strings.Join(all, " ")
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.patterns, ","), func(t *testing.T) {
			got := find(t.Context(), step(source()), tt.patterns)
			if names(got.files) != tt.files || names(got.skipped) != tt.skipped || got.failed != nil {
				t.Errorf("%s, skipped %s, %v; want %s and %s", names(got.files), names(got.skipped), got.failed, tt.files, tt.skipped)
			}
		})
	}
}

// TestFindEnds has builders whose directories have no end, or names that lead elsewhere.
func TestFindEnds(t *testing.T) {
	endless := &endless{}
	got := find(t.Context(), &Step{Dir: "/", files: endless, mounts: []mount{{dest: "/", selector: "/"}}}, []string{"**/x"})
	if !errors.Is(got.failed, errTooMany) || endless.dirs > maxDirs {
		t.Errorf("%v after %d directories", got.failed, endless.dirs)
	}
	for _, name := range []string{"..", ".", "", "a/b", "a\x00"} {
		c := source()
		c.lists = map[string][]*types.Stat{"/src": {{Path: name, Mode: 0o644}}}
		if got := find(t.Context(), step(c), []string{"*"}); got.failed == nil || len(got.files) > 0 {
			t.Errorf("an entry %q is taken: %+v", name, got)
		}
	}
	c := source()
	c.fails = map[string]error{"/src/t/x": status.Error(codes.ResourceExhausted, "grpc: received message larger than max")}
	if got := find(t.Context(), step(c), []string{"t"}); len(got.files) != 2 || got.failed == nil || got.failed.Error() != "list /src/t/x: "+errTooLong.Error() {
		t.Errorf("a directory that is too long: %v, %d files", got.failed, len(got.files))
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("over")
	cancel(reason)
	if got := find(ctx, step(source()), []string{"**"}); !errors.Is(got.failed, reason) {
		t.Errorf("a search that was cancelled says %v", got.failed)
	}
}

// endless has a directory in every directory.
type endless struct {
	files
	dirs int
}

func (e *endless) ReadDir(context.Context, gateway.ReadDirContainerRequest) ([]*types.Stat, error) {
	e.dirs++
	return []*types.Stat{{Path: "a", Mode: uint32(fs.ModeDir | 0o755)}}, nil
}

// copied runs Copy and returns the files in the destination.
func copied(t *testing.T, s *Step, spec Spec, prefix string) (Copied, map[string]string) {
	t.Helper()
	dest := filepath.Join(t.TempDir(), "new", "dest")
	tree, problem := output.OpenTree(t.Context(), Flag, dest, output.Env{})
	if problem != nil {
		t.Fatal(problem)
	}
	part, err := tree.Begin()
	if err != nil {
		t.Fatal(err)
	}
	done := Copy(t.Context(), s, spec, part, prefix)
	if files, size := part.Keep(); files != done.Files || size != done.Bytes {
		t.Errorf("%d files of %d bytes are kept, want %d of %d", files, size, done.Files, done.Bytes)
	}
	if _, err := os.Lstat(dest); err == nil {
		t.Error("the destination is there before Place")
	}
	if err := errors.Join(tree.Place(t.Context()), tree.Close()); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	if _, err := os.Lstat(dest); err != nil {
		return done, got
	}
	root := os.DirFS(dest)
	err = fs.WalkDir(root, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if !e.Type().IsRegular() {
			t.Errorf("%s is %s", name, e.Type())
		}
		data, err := fs.ReadFile(root, name)
		got[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return done, got
}

func TestCopy(t *testing.T) {
	big := strings.Repeat("x", readRange*2+17)
	tests := []struct {
		name    string
		spec    Spec
		prefix  string
		tune    func(*container)
		want    map[string]string
		leftOut []string
	}{
		{name: "below the working directory", spec: Spec{Paths: []string{"t/x"}, Max: 10}, want: map[string]string{"t/x/r.xml": "r"}},
		{name: "elsewhere", spec: Spec{Paths: []string{"/var"}, Max: 10}, prefix: "linux_arm64/", want: map[string]string{"linux_arm64/var/log/l.log": "log"}},
		{name: "in ranges", spec: Spec{Paths: []string{"big"}, Max: DefaultMax}, want: map[string]string{"big": big}},
		{name: "nothing matches", spec: Spec{Paths: []string{"no*"}, Max: 10}, want: map[string]string{}, leftOut: []string{"nothing matches path=no* in /src"}},
		{
			name: "what does not fit, and what is no file", spec: Spec{Paths: []string{"*"}, Max: 1 << 20},
			want: map[string]string{"a.xml": "a", "b.txt": "b", "t/x/r.xml": "r", "t/y/r.xml": "rr", "t/y/deep/s.xml": "s", "vendor/v.xml": "v"},
			leftOut: []string{
				"/src/dev is left out: it is a device", "2 files are left out, first /src/dir-link: symbolic links are not followed",
				"/src/pipe is left out: it is not a regular file", "/src/big is left out: more than max=1M in all",
			},
		},
		{
			name: "a file of another size", spec: Spec{Paths: []string{"a.xml"}, Max: 10}, tune: func(c *container) { c.short = true },
			want: map[string]string{}, leftOut: []string{"/src/a.xml is left out: " + errOtherSize.Error()},
		},
		{
			name: "two files of one name", spec: Spec{Paths: []string{"/src/x", "/x"}, Max: 10},
			tune: func(c *container) {
				c.mounts[0]["x"], c.mounts[0]["src/x"] = &fstest.MapFile{Data: []byte("same")}, &fstest.MapFile{Data: []byte("same")}
			},
			want: map[string]string{"x": "same"}, leftOut: []string{"left out: another file has its place already"},
		},
		{
			name: "a size that is none", spec: Spec{Paths: []string{"/src/*"}, Max: 10},
			tune: func(c *container) {
				c.lists = map[string][]*types.Stat{"/src": {{Path: "minus", Mode: 0o644, Size: -1}, {Path: "huge", Mode: 0o644, Size: 1 << 62}}}
			},
			want: map[string]string{"vendor/v.xml": "v"}, leftOut: []string{"2 files are left out, first /src/huge: more than max=10B in all"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := source()
			if tt.tune != nil {
				tt.tune(c)
			}
			done, got := copied(t, step(c), tt.spec, tt.prefix)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if len(done.LeftOut) != len(tt.leftOut) {
				t.Fatalf("left out %q, want %q", done.LeftOut, tt.leftOut)
			}
			for i, line := range tt.leftOut {
				if !strings.HasSuffix(done.LeftOut[i], line) {
					t.Errorf("left out %q, want %q", done.LeftOut[i], line)
				}
			}
		})
	}
}

func TestCopyTooManyFiles(t *testing.T) {
	var list []*types.Stat
	c := &container{mounts: []fstest.MapFS{{}}}
	for i := range maxFiles + 3 {
		name := fmt.Sprintf("f%05d", i)
		list = append(list, &types.Stat{Path: name, Mode: 0o644})
	}
	c.lists = map[string][]*types.Stat{"/src/many": list, "/src": {{Path: "many", Mode: uint32(fs.ModeDir | 0o755)}}, "/": {{Path: "src", Mode: uint32(fs.ModeDir | 0o755)}}}
	s := &Step{Dir: "/src", files: c, mounts: []mount{{dest: "/", selector: "/"}}}
	done, _ := copied(t, s, Spec{Paths: []string{"many"}, Max: 1}, "")
	if want := "3 files are left out, first " + path.Join("/src/many", fmt.Sprintf("f%05d", maxFiles)) + ": at most 10000 files are copied"; done.Files != maxFiles || !slices.Equal(done.LeftOut, []string{want}) {
		t.Errorf("%d files, left out %q, want %q", done.Files, done.LeftOut, want)
	}
}

func TestList(t *testing.T) {
	lines, err := List(t.Context(), step(source()))
	if err != nil || len(lines) != 9 || !strings.HasPrefix(lines[0], "-rw-r-----         1B 0001-01-01 00:00 src/a.xml") && !strings.HasSuffix(lines[0], " src/a.xml") {
		t.Errorf("%v:\n%s", err, strings.Join(lines, "\n"))
	}
}
