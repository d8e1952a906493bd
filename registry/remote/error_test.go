package remote

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestBareError(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{errors.New("broke"), "broke"},
		{&url.Error{Op: "Put", URL: "https://r.example/v2/app/blobs/uploads/1?_state=s3cret", Err: errors.New("broke")}, "broke"},
		{fmt.Errorf(`GET "https://ci:s3cret@store.example/a/b?signature=s3cret": mismatch`), `GET "https://store.example/a/b": mismatch`},
		{fmt.Errorf("from http://store.example?x=s3cret to https://b.example/c"), "from http://store.example to https://b.example/c"},
		{http.ErrSchemeMismatch, "it speaks plain HTTP, not TLS"},
	} {
		if got := bareError(tt.err); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestErrorText(t *testing.T) {
	for _, tt := range []struct {
		e    Error
		want string
	}{
		{Error{Op: "push", Reference: "docker.io/acme/app:1", Host: "registry-1.docker.io", Status: 403, Code: "DENIED", Message: "no"}, "push docker.io/acme/app:1: registry-1.docker.io answered 403 Forbidden: denied: no"},
		{Error{Op: "push", Reference: "a", Host: "b", Status: 404, Code: "NAME_UNKNOWN", Message: "name unknown"}, "push a: b answered 404 Not Found: name unknown"},
		{Error{Op: "push", Reference: "a", Host: "b", Status: 599}, "push a: b answered 599"},
		{Error{Op: "tag", Reference: "a", Host: "b", Err: errors.New("broke")}, "tag a: b: broke"},
	} {
		if got := tt.e.Error(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestReadAnswer(t *testing.T) {
	for body, want := range map[string][2]string{
		`{"errors":[{"code":"DENIED","message":"a\n\u001b[31mb"}]}`: {"DENIED", "a [31mb"},
		`{"details":"incorrect username"}`:                          {"", "incorrect username"},
		`{"details":{"x":1},"message":"m"}`:                         {"", "m"},
		`<html>`:                                                    {"", ""},
		`{"message":"` + strings.Repeat("x", 1000) + `"}`:           {"", strings.Repeat("x", 300) + "…"},
	} {
		if code, message := readAnswer([]byte(body)); code != want[0] || message != want[1] {
			t.Errorf("%.40s: %q, %q, want %q", body, code, message, want)
		}
	}
}

func FuzzReadAnswer(f *testing.F) {
	f.Add([]byte(`{"errors":[{"code":"DENIED","message":"a","detail":{}}],"details":"x"}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, message := readAnswer(body); strings.ContainsAny(message, "\n\r\x1b\x00") {
			t.Errorf("%q becomes %q: not one clean line", body, message)
		}
	})
}
