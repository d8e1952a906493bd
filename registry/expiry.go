package registry

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// expiry reads when a token ends out of the token itself: a JSON Web Token has
// it in its second part, and a password of AWS is base64 of JSON that has it.
// It is the zero time for anything else; nothing is verified, for it is shown
// and decides nothing.
func expiry(token string) time.Time {
	var claims struct {
		JWT int64 `json:"exp"`
		AWS int64 `json:"expiration"`
	}
	var payload []byte
	if parts := strings.Split(token, "."); len(parts) == 3 {
		payload, _ = base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	} else {
		payload, _ = base64.StdEncoding.DecodeString(token)
	}
	if json.Unmarshal(payload, &claims) != nil {
		return time.Time{}
	}
	seconds := max(claims.JWT, claims.AWS)
	if seconds <= 0 || seconds > latestExpiry {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// latestExpiry is the last second of the year 9999, in seconds since 1970:
// later ones cannot be written as JSON.
const latestExpiry = 253402300799
