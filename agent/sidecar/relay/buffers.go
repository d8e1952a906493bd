package relay

import "sync"

// buffers keeps buffers for messages. gRPC's own pool has sizes of 32 KiB and then 1 MiB,
// and a session's messages are a little larger than the first; and it clears buffers, all of
// which is written here before it is read. It implements mem.BufferPool.
type buffers struct{ tiers []tier }

type tier struct {
	size int
	pool *sync.Pool
}

func newBuffers(sizes ...int) buffers {
	var b buffers
	for _, size := range sizes {
		b.tiers = append(b.tiers, tier{size, &sync.Pool{}})
	}
	return b
}

// pooled are the sizes of heads, of DATA frames, and of messages of sessions.
var pooled = newBuffers(4<<10, maxFrame, 64<<10)

// Get implements mem.BufferPool.
func (b buffers) Get(length int) *[]byte {
	for _, t := range b.tiers {
		if length > t.size {
			continue
		}
		if buffer, ok := t.pool.Get().(*[]byte); ok {
			*buffer = (*buffer)[:length]
			return buffer
		}
		buffer := make([]byte, length, t.size)
		return &buffer
	}
	buffer := make([]byte, length)
	return &buffer
}

// Put implements mem.BufferPool. Buffers of other sizes are left to the garbage collector.
func (b buffers) Put(buffer *[]byte) {
	for _, t := range b.tiers {
		if cap(*buffer) == t.size {
			t.pool.Put(buffer)
			return
		}
	}
}
