package solve

import (
	"errors"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/internal/fault"
)

func TestParseTag(t *testing.T) {
	long := strings.Repeat("t", 129)
	tests := []struct{ value, want, fails string }{
		{value: "app", want: "docker.io/library/app:latest"},
		{value: "me/app:1.2", want: "docker.io/me/app:1.2"},
		{value: "localhost:5000/a/b", want: "localhost:5000/a/b:latest"},
		{value: "reg.example/a/b:V_1", want: "reg.example/a/b:V_1"},
		{value: "docker.io/library/app:latest", want: "docker.io/library/app:latest"},

		{value: "", fails: "is empty"},
		{value: "App", fails: "must be lowercase"},
		{value: "a:b:c", fails: "invalid reference format"},
		{value: "app:" + long, fails: "invalid"},
		{value: "app@sha256:" + strings.Repeat("a", 64), fails: "has a digest"},
		{value: "app:1@sha256:" + strings.Repeat("a", 64), fails: "has a digest"},
		{value: strings.Repeat("a", 64), fails: "hex"},
	}
	for _, tt := range tests {
		t.Run(tt.value, func(t *testing.T) {
			got, err := ParseTag(tt.value)
			if tt.fails != "" {
				wantUsage(t, err, "--tag", tt.fails)
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("ParseTag = %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func FuzzParseTag(f *testing.F) {
	for _, seed := range []string{"app", "h:5/a:b", "a@sha256:", "A", "a:b@c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		once, err := ParseTag(value)
		if err != nil {
			var usage *fault.Usage
			if !errors.As(err, &usage) {
				t.Errorf("error %v is no *fault.Usage", err)
			}
			return
		}
		if twice, err := ParseTag(once); err != nil || twice != once {
			t.Errorf("ParseTag(%q) = %q, then %q, %v", value, once, twice, err)
		}
	})
}
