package contextfs

import (
	"crypto/sha256"
	"encoding/hex"
)

// keyPrefix starts the keys of Slipway; what follows is a hash.
const keyPrefix = "slipway:"

// SharedKey is a key for the daemon's file sync. It is a hash, so that it
// tells nothing about the agent.
func SharedKey(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return keyPrefix + hex.EncodeToString(h.Sum(nil)[:16])
}
