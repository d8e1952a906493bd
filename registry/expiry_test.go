package registry

import (
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"
)

// jwt is a JSON Web Token with the claims, signed by nobody.
func jwt(claims string) string {
	return "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

func TestExpiry(t *testing.T) {
	at := time.Unix(1800000000, 0).UTC()
	tests := []struct {
		name, token string
		want        time.Time
	}{
		{"JSON Web Token", jwt(`{"sub":"x","exp":1800000000}`), at},
		{"password of AWS", base64.StdEncoding.EncodeToString([]byte(`{"payload":"x","version":"2","expiration":1800000000}`)), at},
		{"password", "pa.ss.word", time.Time{}},
		{"base64", "c2VjcmV0", time.Time{}},
		{"no claim", jwt(`{}`), time.Time{}},
		{"no date", jwt(`{"exp":1e30}`), time.Time{}},
		{"far future", jwt(`{"exp":99999999999999}`), time.Time{}},
		{"empty", "", time.Time{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := expiry(tt.token); !got.Equal(tt.want) {
				t.Errorf("expiry %s, want %s", got, tt.want)
			}
		})
	}
}

func FuzzExpiry(f *testing.F) {
	f.Add(jwt(`{"exp":1}`))
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := json.Marshal(expiry(token)); err != nil {
			t.Error(err)
		}
	})
}
