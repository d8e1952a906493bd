package solve

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/tonistiigi/go-csvvalue"
)

// masked stands in messages where a credential is.
const masked = "***"

// maskCacheAttr returns what may be shown of an attribute. Only the values of
// attributes that are known and harmless are shown: a misspelled
// secret_access_key is a credential all the same.
func maskCacheAttr(key, value string) string {
	switch key {
	case "token", "ghtoken", "access_key_id", "secret_access_key", "session_token":
		return masked
	case "url", "url_v2", "endpoint_url", "account_url":
		u, err := url.Parse(value)
		if err != nil {
			return masked
		}
		// An account URL of Azure may carry its signature in the query.
		if u.RawQuery != "" {
			u.RawQuery = masked
		}
		return redact(u.String())
	case "type", attrPlatformSplit:
		return value
	}
	for _, t := range cacheTypes() {
		if t.has(key) {
			return redact(value)
		}
	}
	return masked
}

// maskCacheValue is the value of a flag as it may be shown.
func maskCacheValue(value string) string {
	if !strings.Contains(value, "=") {
		return redact(value)
	}
	fields, err := csvvalue.Fields(value, nil)
	if err != nil {
		return masked
	}
	for i, field := range fields {
		key, v, ok := strings.Cut(field, "=")
		if !ok {
			fields[i] = masked // perhaps the rest of a credential with a comma
			continue
		}
		fields[i] = key + "=" + maskCacheAttr(strings.ToLower(strings.TrimSpace(key)), v)
	}
	return strings.Join(fields, ",")
}

// Redacted returns the cache with its credentials masked, for messages.
func (c Cache) Redacted() Cache {
	return Cache{Type: c.Type, Attrs: maskCacheAttrs(c.Attrs)}
}

func maskCacheAttrs(attrs map[string]string) map[string]string {
	out := make(map[string]string, len(attrs))
	for key, value := range attrs {
		out[key] = maskCacheAttr(key, value)
	}
	return out
}

// String is the cache as a flag's value, credentials masked.
func (c Cache) String() string {
	fields := []string{"type=" + c.Type}
	for _, key := range slices.Sorted(maps.Keys(c.Attrs)) {
		fields = append(fields, key+"="+maskCacheAttr(key, c.Attrs[key]))
	}
	return strings.Join(fields, ",")
}

// GoString implements fmt.GoStringer, which %#v uses.
func (c Cache) GoString() string { return fmt.Sprintf("solve.Cache{%s}", c) }
