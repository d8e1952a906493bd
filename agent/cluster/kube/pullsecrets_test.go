package kube

import (
	"encoding/base64"
	"strings"
	"testing"
)

func TestServiceAccountOf(t *testing.T) {
	token := func(claims string) string {
		return "head." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".signature"
	}
	tests := []struct{ name, token, want string }{
		{"bound token", token(`{"aud":["x"],"sub":"system:serviceaccount:ci:agent"}`) + "\n", "ci/agent"},
		{"user", token(`{"sub":"jane"}`), "not that of a service account"},
		{"no name", token(`{"sub":"system:serviceaccount:ci"}`), "not that of a service account"},
		{"no claims", token(`{}`), "not that of a service account"},
		{"no JSON", token(`{`), "read the token's claims"},
		{"no base64", "a.%.c", "decode the token's claims"},
		{"bare secret", "secret", "not a JSON Web Token"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			namespace, name, err := serviceAccountOf(tt.token)
			got := namespace + "/" + name
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, tt.want) {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), tt.token) {
				t.Error("the error holds the token")
			}
		})
	}
}
