package hostiledaemon

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/moby/buildkit/session/filesync"
	fstypes "github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc/metadata"
)

// Fetch fetches a directory from the agent: what the agent lists, and the
// contents of its files, by path. The header has the name and the patterns.
func (b *Build) Fetch(ctx context.Context, header metadata.MD) (map[string]string, error) {
	ctx, cancel := context.WithCancel(metadata.NewOutgoingContext(ctx, header))
	defer cancel()
	stream, err := filesync.NewFileSyncClient(b.Agent).DiffCopy(ctx)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	var paths []string // by their place in the list
	waiting, listed := 0, false
	for !listed || waiting > 0 {
		packet := &fstypes.Packet{}
		if err := stream.RecvMsg(packet); err != nil {
			return found, err
		}
		switch packet.Type {
		case fstypes.PACKET_ERR:
			return found, errors.New(string(packet.Data))
		case fstypes.PACKET_STAT:
			if packet.Stat == nil {
				listed = true
				continue
			}
			paths = append(paths, packet.Stat.Path)
			found[packet.Stat.Path] = packet.Stat.Linkname
			if os.FileMode(packet.Stat.Mode).IsRegular() {
				waiting++
				if err := stream.SendMsg(&fstypes.Packet{Type: fstypes.PACKET_REQ, ID: uint32(len(paths) - 1)}); err != nil {
					return found, err
				}
			}
		case fstypes.PACKET_DATA:
			found[paths[packet.ID]] += string(packet.Data)
			if len(packet.Data) == 0 {
				waiting--
			}
		}
	}
	if err := stream.SendMsg(&fstypes.Packet{Type: fstypes.PACKET_FIN}); err != nil && !errors.Is(err, io.EOF) {
		return found, err
	}
	return found, nil
}
