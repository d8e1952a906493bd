package scenarios

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/e2e/faults/hostiledaemon"
)

// nested is JSON of a million arrays in each other.
var nested = strings.Repeat("[", 1_000_000)

// provenance is a daemon that has recorded a provenance of a size, and sends
// blobs for it.
func provenance(size int64, blobs hostiledaemon.Blobs) hostiledaemon.Behaviour {
	return hostiledaemon.Behaviour{History: hostiledaemon.Recorded(digest.FromBytes(blobs.Content).String(), size), Content: blobs}
}

// answering is a daemon whose builds only answer.
func answering(key, value string) hostiledaemon.Behaviour {
	return hostiledaemon.Behaviour{Solve: func(context.Context, *hostiledaemon.Build) (map[string]string, error) {
		return map[string]string{key: value}, nil
	}}
}

// blobFile is the name of a blob in an image layout.
func blobFile(content string) string {
	return fmt.Sprintf("blobs/sha256/%x", sha256.Sum256([]byte(content)))
}

// part is a file of an archive; its size may be a lie.
type part struct {
	header  tar.Header
	content io.Reader
}

// parts are files as they are, by name and content.
func parts(all ...string) []part {
	var list []part
	for i := 0; i < len(all); i += 2 {
		list = append(list, part{tar.Header{Name: all[i], Size: int64(len(all[i+1]))}, strings.NewReader(all[i+1])})
	}
	return list
}

// archive is a daemon that sends an archive. The metadata name the image's
// descriptor.
func archive(root string, parts []part) hostiledaemon.Behaviour {
	return sending(func(ctx context.Context, b *hostiledaemon.Build) error {
		in, out := io.Pipe()
		go func() {
			w := tar.NewWriter(out)
			for _, p := range parts {
				p.header.Mode, p.header.Typeflag = 0o644, tar.TypeReg
				if err := w.WriteHeader(&p.header); err != nil {
					out.CloseWithError(err)
					return
				}
				if _, err := io.Copy(w, p.content); err != nil {
					out.CloseWithError(err)
					return
				}
			}
			_ = w.Close() // fails where a size is a lie
			_ = out.Close()
		}()
		md := map[string]string{}
		if root != "" {
			md["containerimage.descriptor"] = base64.StdEncoding.EncodeToString([]byte(root))
		}
		return b.SendFile(ctx, 0, md, in)
	})
}

// descriptorOf is the descriptor of an image index; a size of 0 is the right one.
func descriptorOf(content string, size int64) string {
	if size == 0 {
		size = int64(len(content))
	}
	text, err := json.Marshal(ocispecs.Descriptor{MediaType: ocispecs.MediaTypeImageIndex, Digest: digest.FromString(content), Size: size})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// sparse are the bytes of an archive with a sparse file of 3 TiB, in the form
// that GNU tar writes.
func sparse() []byte {
	const size = 3 << 40
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	records := map[string]string{"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": blobFile(""), "GNU.sparse.realsize": fmt.Sprint(int64(size))}
	content := fmt.Sprintf("1\n%d\n0\n", int64(size))
	content += strings.Repeat("\x00", 512-len(content))
	// The writer takes no records of sparse files: their names are of the same
	// length as these.
	for key, value := range records {
		delete(records, key)
		records[strings.Replace(key, "GNU.", "XNU.", 1)] = value
	}
	if err := w.WriteHeader(&tar.Header{Name: "sparse", Mode: 0o644, Typeflag: tar.TypeReg, Size: int64(len(content)), PAXRecords: records, Format: tar.FormatPAX}); err != nil {
		panic(err)
	}
	_, _ = io.WriteString(w, content) // a buffer takes it
	_ = w.Close()
	return bytes.ReplaceAll(b.Bytes(), []byte("XNU."), []byte("GNU."))
}

// TestFaultBuilderSizes has a builder lie about sizes, and send what is larger
// than anything that is right.
func TestFaultBuilderSizes(t *testing.T) {
	t.Parallel()
	metadata := []string{"--metadata-file", "meta.json"}
	layout, file, tarball := []string{"--output", "type=oci,tar=false,dest=out"}, []string{"--output", "type=oci,dest=out"}, []string{"--output", "type=tar,dest=out"}
	const gigabyte = 1 << 30
	big := strings.Repeat("x", 8<<20)
	index := `{"schemaVersion":2,"mediaType":"` + ocispecs.MediaTypeImageIndex + `","manifests":[]}`
	materials := []byte(`{"buildDefinition":{"resolvedDependencies":[{}` + strings.Repeat(`,{}`, 5<<20) + `]}}`)
	most := []byte(`{"buildDefinition":{"resolvedDependencies":[{}` + strings.Repeat(`,{}`, 124_000) + `]}}`)
	sendSparse := sending(func(ctx context.Context, b *hostiledaemon.Build) error {
		return b.SendFile(ctx, 0, map[string]string{"containerimage.descriptor": base64.StdEncoding.EncodeToString([]byte(descriptorOf(index, 0)))}, bytes.NewReader(sparse()))
	})
	large := hostiledaemon.File("f", "few bytes")
	large.Size = 3 << 40
	negative := hostiledaemon.File("f", "few bytes")
	negative.Size = -1
	many := `{"schemaVersion":2,"mediaType":"` + ocispecs.MediaTypeImageIndex + `","manifests":[{}` + strings.Repeat(`,{}`, 1_300_000) + `]}`
	provenanceFails, invalid := []string{"read the provenance of the build", "hint: "}, []string{"hint: the builder is broken"}
	tell(t, []lie{
		{"a provenance of 10 bytes that has 1 GiB", provenance(10, hostiledaemon.Blobs{Size: gigabyte, Content: make([]byte, 1<<20), Endless: true}), metadata, 3, provenanceFails, nil},
		{"a provenance of 1 GiB that has 10 bytes", provenance(gigabyte, hostiledaemon.Blobs{Size: 10, Content: make([]byte, 10)}), metadata, 0, nil, []string{"meta.json"}},
		{"a provenance of 10 MiB that has 10 bytes", provenance(10<<20, hostiledaemon.Blobs{Size: 10, Content: make([]byte, 10)}), metadata, 3, provenanceFails, nil},
		{"a provenance of a million arrays in each other", provenance(int64(len(nested)), hostiledaemon.Blobs{Size: int64(len(nested)), Content: []byte(nested)}), metadata, 3, provenanceFails, nil},
		{"a provenance of 5 million materials", provenance(int64(len(materials)), hostiledaemon.Blobs{Size: int64(len(materials)), Content: materials}), metadata, 0, nil, []string{"meta.json"}},
		{"a provenance of as many materials as are read", provenance(int64(len(most)), hostiledaemon.Blobs{Size: int64(len(most)), Content: most}), metadata, 0, nil, []string{"meta.json"}},
		{"an answer of a million arrays in each other", answering("containerimage.descriptor", base64.StdEncoding.EncodeToString([]byte(nested))), nil, 3, invalid, nil},
		{"an answer of more than gRPC takes", answering("x", strings.Repeat("x", 20<<20)), nil, 3, []string{"larger than max"}, nil},
		{"an answer of 15 MiB", answering("x", strings.Repeat("x", 15<<20)), metadata, 0, nil, []string{"meta.json"}},
		{"an index of 8 MiB", archive(descriptorOf(big, 0), parts(blobFile(big), big)), layout, 3, invalid, nil},
		{"an index that says 1 GiB and has few bytes", archive(descriptorOf(index, gigabyte), parts(blobFile(index), index)), layout, 3, invalid, nil},
		{"an index that says 10 bytes and has 8 MiB", archive(descriptorOf(big, 10), parts(blobFile(big), big)), layout, 3, invalid, nil},
		{"an index of a million arrays in each other", archive(descriptorOf(nested, 0), parts(blobFile(nested), nested)), layout, 3, invalid, nil},
		{"an index of a million manifests", archive(descriptorOf(many, 0), parts(blobFile(many), many)), layout, 3, invalid, nil},
		{"an index.json of a million manifests", archive("", parts("index.json", many)), layout, 3, invalid, nil},
		{"an index.json of a million arrays in each other", archive("", parts("index.json", nested)), layout, 3, invalid, nil},
		{"an index.json of 64 MiB", archive("", parts("index.json", `{"x":"`+strings.Repeat(big, 8))), layout, 3, invalid, nil},
		{"a blob with another content", archive(descriptorOf(index, 0), parts(blobFile("x"), index)), layout, 3, invalid, nil},
		{"a blob named ../../x", archive(descriptorOf(index, 0), parts("blobs/sha256/../../../x", index)), layout, 3, invalid, nil},
		{"a file of 3 TiB in an archive, with few bytes", archive(descriptorOf(index, 0), []part{{tar.Header{Name: blobFile(index), Size: 3 << 40}, strings.NewReader(index)}}), layout, 1, []string{"read the archive that the builder has sent: unexpected EOF"}, nil},
		{"a sparse file of 3 TiB in an archive that is unpacked", sendSparse, layout, 3, []string{"sparse"}, nil},
		{"a sparse file of 3 TiB in an archive", sendSparse, file, 0, nil, []string{"out"}},
		{"a sparse file of 3 TiB in a tar", sendSparse, tarball, 0, nil, []string{"out"}},
		{"a file of 3 TiB in a directory, with few bytes", tree(large), []string{"--output", "out"}, 0, nil, []string{"out"}},
		{"a file of -1 bytes in a directory", tree(negative), []string{"--output", "out"}, 0, nil, []string{"out"}},
	})
}
