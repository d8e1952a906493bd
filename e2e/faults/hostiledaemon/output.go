package hostiledaemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/moby/buildkit/session/filesync"
	fstypes "github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc/metadata"
)

// chunk is how much of a file one message holds.
const chunk = 1 << 20

// Entry is one entry of a directory as BuildKit sends it.
type Entry struct {
	*fstypes.Stat
	Content string
}

// File is the entry of a regular file.
func File(path, content string) Entry {
	return Entry{Stat: &fstypes.Stat{Path: path, Mode: 0o644, Size: int64(len(content))}, Content: content}
}

// Dir is the entry of a directory.
func Dir(path string) Entry {
	return Entry{Stat: &fstypes.Stat{Path: path, Mode: uint32(os.ModeDir | 0o755)}}
}

// Symlink is the entry of a symbolic link.
func Symlink(path, to string) Entry {
	return Entry{Stat: &fstypes.Stat{Path: path, Mode: uint32(os.ModeSymlink | 0o777), Linkname: to}}
}

// Stream is the stream of an output, a message at a time.
type Stream struct {
	filesync.FileSend_DiffCopyClient
}

// Output opens the stream of an output. The metadata are those of exporters
// that send a file.
func (b *Build) Output(ctx context.Context, output int, md map[string]string) (Stream, error) {
	header := metadata.Pairs("buildkit-attachable-exporter-id", strconv.Itoa(output))
	for key, value := range md {
		header.Set("exporter-md-"+key, value)
	}
	stream, err := filesync.NewFileSendClient(b.Agent).DiffCopy(metadata.NewOutgoingContext(ctx, header))
	return Stream{stream}, err
}

// List lists entries; nil ends the list.
func (s Stream) List(entries ...*fstypes.Stat) error {
	for _, e := range entries {
		if err := s.SendMsg(&fstypes.Packet{Type: fstypes.PACKET_STAT, Stat: e}); err != nil {
			return s.reason(err)
		}
	}
	return nil
}

// Data sends a part of a file; an empty one ends it.
func (s Stream) Data(id uint32, data []byte) error {
	return s.reason(s.SendMsg(&fstypes.Packet{Type: fstypes.PACKET_DATA, ID: id, Data: data}))
}

// Asked waits for the next request for a file. It is io.EOF when the agent has
// all that it wants.
func (s Stream) Asked() (uint32, error) {
	packet := &fstypes.Packet{}
	if err := s.RecvMsg(packet); err != nil {
		return 0, err
	}
	switch packet.Type {
	case fstypes.PACKET_REQ:
		return packet.ID, nil
	case fstypes.PACKET_FIN:
		return 0, io.EOF
	}
	return 0, fmt.Errorf("the agent says: %s", packet.Data)
}

// reason is why a message could not be sent: io.EOF says only that it could not.
func (s Stream) reason(err error) error {
	if !errors.Is(err, io.EOF) {
		return err
	}
	_, err = s.Asked()
	return err
}

// SendTree sends a directory as an honest daemon does, in the order given.
func (b *Build) SendTree(ctx context.Context, output int, entries ...Entry) error {
	stream, err := b.Output(ctx, output, nil)
	if err != nil {
		return err
	}
	listed := make(chan error, 1)
	go func() {
		for i := range entries {
			if err := stream.List(entries[i].Stat); err != nil {
				listed <- err
				return
			}
		}
		listed <- stream.SendMsg(&fstypes.Packet{Type: fstypes.PACKET_STAT})
	}()
	for {
		id, err := stream.Asked()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errors.Join(err, <-listed)
		}
		if int(id) >= len(entries) {
			return fmt.Errorf("the agent asks for entry %d of %d", id, len(entries))
		}
		// One message at a time: the list may still be on its way.
		if err := <-listed; err != nil {
			return err
		}
		listed <- nil
		if content := entries[id].Content; content != "" {
			if err := stream.Data(id, []byte(content)); err != nil {
				return err
			}
		}
		if err := stream.Data(id, nil); err != nil {
			return err
		}
	}
	if err := <-listed; err != nil {
		return err
	}
	return stream.SendMsg(&fstypes.Packet{Type: fstypes.PACKET_FIN})
}

// SendFile sends a file as an honest daemon does.
func (b *Build) SendFile(ctx context.Context, output int, md map[string]string, in io.Reader) error {
	stream, err := b.Output(ctx, output, md)
	if err != nil {
		return err
	}
	buffer := make([]byte, chunk)
	for {
		n, err := in.Read(buffer)
		if n > 0 {
			if err := stream.SendMsg(&filesync.BytesMessage{Data: buffer[:n]}); err != nil {
				return stream.refusal(err)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	return stream.refusal(io.EOF)
}

// refusal is what the agent answers at the end of a file; nil when it took it.
func (s Stream) refusal(err error) error {
	if !errors.Is(err, io.EOF) {
		return err
	}
	if err := s.RecvMsg(&filesync.BytesMessage{}); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
