package scenarios

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	control "github.com/moby/buildkit/api/services/control"
	apitypes "github.com/moby/buildkit/api/types"
	"github.com/moby/buildkit/session/filesync"
	"github.com/moby/buildkit/solver/pb"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/slipway-build/slipway/e2e/faults/hostiledaemon"
)

// TestFaultBuilderAnswers has a builder answer what is not asked, not right or
// far too much.
func TestFaultBuilderAnswers(t *testing.T) {
	t.Parallel()
	files := []string{"--metadata-file", "meta.json", "--iidfile", "iid"}
	invalid := []string{"the builder's answer is not valid", "hint: "}
	workers := func(r *control.ListWorkersResponse, err error) hostiledaemon.Behaviour {
		return hostiledaemon.Behaviour{Workers: func(ctx context.Context) (*control.ListWorkersResponse, error) {
			return r, errors.Join(err, grpc.SetHeader(ctx, metadata.Pairs("x", "y")))
		}}
	}
	header := func(set func(context.Context, metadata.MD) error) hostiledaemon.Behaviour {
		return hostiledaemon.Behaviour{Solve: func(ctx context.Context, _ *hostiledaemon.Build) (map[string]string, error) {
			return nil, set(ctx, metadata.Pairs("x", strings.Repeat("y", 20<<20)))
		}}
	}
	many := &control.ListWorkersResponse{}
	for range 100_000 {
		many.Record = append(many.Record, &apitypes.WorkerRecord{Platforms: []*pb.Platform{{OS: nasty, Architecture: nasty}}})
	}
	tell(t, []lie{
		{"an image ID that is none", answering("containerimage.config.digest", "$(touch x)"), files, 3, invalid, nil},
		{"a digest that is none", answering("containerimage.digest", "sha256:../../x"), files, 3, invalid, nil},
		{"a name that was not asked for", answering("image.name", "evil.example/x:1"), files, 3, invalid, nil},
		{"a reference of another build", answering("buildx.build.ref", "other/other/other"), files, 0, nil, []string{"meta.json", "iid"}},
		{"no worker", workers(&control.ListWorkersResponse{}, nil), nil, 3, []string{"no worker"}, nil},
		{"100000 workers with nasty names", workers(many, nil), nil, 0, nil, nil},
		{"an error with nasty words to the first request", workers(nil, status.Error(codes.Unknown, nasty)), nil, 3, []string{"connect to"}, nil},
		{"a header of 20 MiB", header(grpc.SetHeader), nil, 4, []string{"lost"}, nil},
		{"a trailer of 20 MiB", header(grpc.SetTrailer), nil, 4, []string{"lost"}, nil},
		{"an error of 20 MiB", hostiledaemon.Behaviour{Solve: func(context.Context, *hostiledaemon.Build) (map[string]string, error) {
			return nil, status.Error(codes.Unknown, strings.Repeat("x", 20<<20))
		}}, nil, 4, []string{"lost"}, nil},
		{"200 transfers of the context at a time, none of which goes on", sending(func(ctx context.Context, b *hostiledaemon.Build) error {
			ctx = metadata.AppendToOutgoingContext(ctx, "dir-name", "context")
			for range 200 { // a session takes 250
				if _, err := filesync.NewFileSyncClient(b.Agent).DiffCopy(ctx); err != nil {
					return err
				}
			}
			return nil
		}), nil, 0, nil, nil},
	})
}

// TestFaultBuilderRights has a builder send files with rights, and files that
// are devices, to an agent that is root and to one that is not.
func TestFaultBuilderRights(t *testing.T) {
	t.Parallel()
	program := buildProduct(t)
	special := func(mode fs.FileMode) hostiledaemon.Entry {
		e := hostiledaemon.File("f", "")
		e.Mode = uint32(mode | 0o666)
		return e
	}
	disk := special(fs.ModeDevice)
	disk.Devmajor, disk.Devminor = 8, 0
	capable := hostiledaemon.File("f", "#!/bin/sh\n")
	capable.Xattrs = map[string][]byte{"security.capability": []byte("\x01\x00\x00\x02\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00"), "trusted.x": []byte("y"), "user.x": []byte("y")}
	owned := hostiledaemon.File("f", "x")
	owned.Uid, owned.Gid, owned.Mode = 1234, 1234, uint32(fs.ModeSetuid|fs.ModeSetgid|0o777)
	linked := hostiledaemon.File("g", "")
	linked.Linkname = "f"
	for _, user := range []uint32{0, 65534} {
		for _, tt := range []struct {
			name    string
			entries []hostiledaemon.Entry
			mode    fs.FileMode // of what is made
			root    bool        // only root may
		}{
			{"a setuid file of another user", []hostiledaemon.Entry{owned}, fs.ModeSetuid | fs.ModeSetgid | 0o777, false},
			{"a setuid file with another name", []hostiledaemon.Entry{owned, linked}, fs.ModeSetuid | fs.ModeSetgid | 0o777, false},
			{"a block device", []hostiledaemon.Entry{disk}, fs.ModeDevice | 0o666, true},
			{"a named pipe", []hostiledaemon.Entry{special(fs.ModeNamedPipe)}, fs.ModeNamedPipe | 0o666, false},
			{"a file with capabilities", []hostiledaemon.Entry{capable}, 0o644, false},
		} {
			t.Run(fmt.Sprintf("%s, user %d", tt.name, user), func(t *testing.T) {
				if os.Getuid() != 0 && user != 0 {
					t.Skip("only root can be another user")
				}
				f := plant(t, "builder", fmt.Sprintf("%s, for user %d", tt.name, user))
				v := newVictim(t, f, program, tree(tt.entries...))
				v.lendTo(user)
				r := v.build("--output", "out")
				noCrash(t, r)
				if tt.root && (user != 0 || os.Getuid() != 0) {
					v.untouched()
					f.explained(r, 2, "operation not permitted")
					return
				}
				v.untouched("out")
				f.survived(r)
				info, err := os.Lstat(v.path("out/f"))
				if err != nil {
					t.Fatal(err)
				}
				if info.Mode() != tt.mode {
					t.Errorf("the mode is %s, want %s", info.Mode(), tt.mode)
				}
				if stat, ok := info.Sys().(*syscall.Stat_t); !ok || stat.Uid != user && os.Getuid() == 0 {
					t.Errorf("the owner is %+v, want %d", stat, user)
				}
				if user != 0 {
					n, err := unix.Lgetxattr(v.path("out/f"), "security.capability", nil)
					f.held(foreignTouched, err != nil, "the file has capabilities of %d bytes", n)
				}
			})
		}
	}
}

// lendTo gives all files to a user, who is slipway then.
func (v *victim) lendTo(user uint32) {
	v.t.Helper()
	if user == 0 {
		return
	}
	v.user = user
	// The directories above are those of go test.
	for dir := v.root; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			v.t.Fatal(err)
		}
	}
	if err := filepath.WalkDir(v.root, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, int(user), int(user)))
	}); err != nil {
		v.t.Fatal(err)
	}
}

// TestFaultBuilderManyFiles has a builder list 700000 files, which the agent
// keeps until they come.
func TestFaultBuilderManyFiles(t *testing.T) {
	long(t)
	t.Parallel()
	const many = 700_000
	const askedFor = 128 // files at a time
	f := plant(t, "builder", "700000 files in a directory")
	v := newVictim(t, f, buildProduct(t), sending(func(ctx context.Context, b *hostiledaemon.Build) error {
		stream, err := b.Output(ctx, 0, nil)
		for i := 0; err == nil && i < many; i++ {
			err = stream.List(hostiledaemon.File(fmt.Sprintf("file-%09d", i), "").Stat)
		}
		if err == nil {
			err = stream.Data(0, nil)
		}
		// It asks for one more when it has read all of the list.
		for range askedFor + 1 {
			if err == nil {
				_, err = stream.Asked()
			}
		}
		return cmp.Or(err, errors.New("that is all"))
	}))
	r := v.build("--output", "out")
	v.untouched()
	f.explained(r, 1, "that is all")
	noCrash(t, r)
}
