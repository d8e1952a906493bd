// Package image assembles the testbed's container images from files, the same
// bytes every time, and writes them in the forms that tools read.
package image

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Tree is the content of one layer.
type Tree struct {
	entries map[string]entry
}

type entry struct {
	header  tar.Header
	content []byte
}

// epoch is the time of every file, so that the same content is the same layer.
var epoch = time.Unix(0, 0).UTC()

func (t *Tree) put(name string, header tar.Header, content []byte) {
	if t.entries == nil {
		t.entries = map[string]entry{}
	}
	name = path.Clean(name)
	header.Name, header.ModTime, header.Format = name, epoch, tar.FormatPAX
	header.Size = int64(len(content))
	for parent := path.Dir(name); parent != "." && parent != "/"; parent = path.Dir(parent) {
		if _, ok := t.entries[parent]; !ok {
			t.entries[parent] = entry{header: tar.Header{Typeflag: tar.TypeDir, Name: parent, Mode: 0o755, ModTime: epoch, Format: tar.FormatPAX}}
		}
	}
	t.entries[name] = entry{header, content}
}

// Dir adds a folder.
func (t *Tree) Dir(name string, mode int64) {
	t.put(name, tar.Header{Typeflag: tar.TypeDir, Mode: mode}, nil)
}

// File adds a file.
func (t *Tree) File(name string, mode int64, content []byte) {
	t.put(name, tar.Header{Typeflag: tar.TypeReg, Mode: mode}, content)
}

// Symlink adds a symbolic link.
func (t *Tree) Symlink(name, target string) {
	t.put(name, tar.Header{Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777}, nil)
}

// Own gives an entry that is there to a user and its group.
func (t *Tree) Own(name string, user int) {
	e := t.entries[path.Clean(name)]
	e.header.Uid, e.header.Gid = user, user
	t.entries[path.Clean(name)] = e
}

// Capability gives a program that is there a capability, permitted and
// effective, by its number in linux/capability.h. It is an extended attribute
// in the form of revision 2: the flags, then for each half of the set a
// permitted and an inheritable word, little-endian.
func (t *Tree) Capability(name string, capability int) {
	const revision2, effective = 0x02000000, 0x000001
	var value []byte
	for _, word := range []uint32{revision2 | effective, 1 << capability, 0, 0, 0} {
		value = binary.LittleEndian.AppendUint32(value, word)
	}
	e := t.entries[path.Clean(name)]
	e.header.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": string(value)}
	t.entries[path.Clean(name)] = e
}

// Host adds a file, a link or a folder of this machine with all that is in it.
func (t *Tree) Host(name, source string) error {
	info, err := os.Lstat(source)
	if err != nil {
		return fmt.Errorf("take %s into an image: %w", source, err)
	}
	switch {
	case info.Mode()&os.ModeSymlink != 0:
		target, err := os.Readlink(source)
		if err != nil {
			return fmt.Errorf("take %s into an image: %w", source, err)
		}
		t.Symlink(name, target)
	case info.IsDir():
		t.Dir(name, int64(info.Mode().Perm()))
		entries, err := os.ReadDir(source)
		if err != nil {
			return fmt.Errorf("take %s into an image: %w", source, err)
		}
		for _, e := range entries {
			if err := t.Host(path.Join(name, e.Name()), filepath.Join(source, e.Name())); err != nil {
				return err
			}
		}
	default:
		content, err := os.ReadFile(source)
		if err != nil {
			return fmt.Errorf("take %s into an image: %w", source, err)
		}
		t.File(name, int64(info.Mode().Perm()), content)
	}
	return nil
}

// Layer turns the tree into an uncompressed layer: images only travel to two
// containerds on this machine, and compressing would take longer than that.
func (t *Tree) Layer() (v1.Layer, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(t.entries)) {
		e := t.entries[name]
		if err := w.WriteHeader(&e.header); err != nil {
			return nil, fmt.Errorf("write %s into a layer: %w", name, err)
		}
		if _, err := w.Write(e.content); err != nil {
			return nil, fmt.Errorf("write %s into a layer: %w", name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("finish a layer: %w", err)
	}
	return static.NewLayer(out.Bytes(), types.OCIUncompressedLayer), nil
}
