package buildkit

import (
	"sync"

	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/mem"
)

// sizeBuffers gives gRPC buffers that fit. BuildKit moves files in pieces of
// 32 KiB, which with their envelope need a little more; gRPC's own next size is
// 1 MiB, which it clears for every piece. That was an eighth of the agent's
// time in large transfers.
var sizeBuffers = sync.OnceFunc(func() {
	// Exponents of two: gRPC's own sizes, with 64 and 128 KiB.
	pool, err := mem.NewBinaryTieredBufferPool(8, 12, 14, 15, 16, 17, 20)
	if err == nil { // else gRPC keeps its own
		experimental.SetDefaultBufferPool(pool)
	}
})
