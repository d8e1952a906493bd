package cache

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/tonistiigi/go-csvvalue"

	"github.com/slipway-build/slipway/internal/sanitize"
)

// masked stands in messages where a credential is.
const masked = "***"

// credentials are the attributes whose values are never shown.
var credentials = []string{"token", "ghtoken", "access_key_id", "secret_access_key", "session_token"}

// maskAttr returns what may be shown of an attribute. Only the values of
// attributes that are known and harmless are shown: a misspelled
// secret_access_key is a credential all the same.
func maskAttr(key, value string) string {
	if slices.Contains(credentials, key) {
		return masked
	}
	switch key {
	case "url", "url_v2", "endpoint_url", "account_url":
		u, err := url.Parse(value)
		if err != nil {
			return masked
		}
		// An account URL of Azure may carry its signature in the query.
		if u.RawQuery != "" {
			u.RawQuery = masked
		}
		return sanitize.RedactURLs(u.String())
	case "type", attrPlatformSplit:
		return value
	}
	for _, t := range backends() {
		if t.has(key) {
			return sanitize.RedactURLs(value)
		}
	}
	return masked
}

// maskValue is the value of a flag as it may be shown.
func maskValue(value string) string {
	if !strings.Contains(value, "=") {
		return sanitize.RedactURLs(value)
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
		fields[i] = key + "=" + maskAttr(strings.ToLower(strings.TrimSpace(key)), v)
	}
	return strings.Join(fields, ",")
}

// Redacted returns the cache with its credentials masked, for messages.
func (c Entry) Redacted() Entry {
	return Entry{Type: c.Type, Attrs: MaskAttrs(c.Attrs)}
}

// MaskAttrs returns the attributes of a cache with its credentials masked.
func MaskAttrs(attrs map[string]string) map[string]string {
	out := make(map[string]string, len(attrs))
	for key, value := range attrs {
		out[key] = maskAttr(key, value)
	}
	return out
}

// String is the cache as a flag's value, credentials masked.
func (c Entry) String() string {
	fields := []string{"type=" + c.Type}
	for _, key := range slices.Sorted(maps.Keys(c.Attrs)) {
		fields = append(fields, key+"="+maskAttr(key, c.Attrs[key]))
	}
	return strings.Join(fields, ",")
}

// GoString implements fmt.GoStringer, which %#v uses.
func (c Entry) GoString() string { return fmt.Sprintf("cache.Entry{%s}", c) }
