package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
)

// Namespace is the start of names that belong to the tenant in a daemon: cache mounts
// and contexts. It is a hash, because the path of one tenant may be the start of
// another's; it is empty without a tenant.
func (c *Client) Namespace() string {
	if c.Tenant == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("slipway tenant " + c.Tenant))
	return "tenant-" + hex.EncodeToString(sum[:16])
}

// SharedKey is the key under which a daemon keeps the contexts of a session, bound to
// the tenant. The key is as the session's metadata has it, escaped or not.
func (c *Client) SharedKey(key string) string {
	if c.Tenant == "" {
		return key
	}
	return c.Namespace() + "-" + key
}

// Affinity is the key by which a pod is chosen, bound to the tenant; empty stays empty.
func (c *Client) Affinity(key string) string {
	if c.Tenant == "" || key == "" {
		return key
	}
	return url.QueryEscape(c.Tenant) + " " + key
}
