package onfailure

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/internal/fault"
)

func TestParse(t *testing.T) {
	tests := []struct {
		value string
		want  Spec
		fails string
	}{
		{value: "dest=reports,path=target/*.xml", want: Spec{Dest: "reports", Paths: []string{"target/*.xml"}, Max: DefaultMax}},
		{value: "dest=r,path=a,path=/b/**,max=64m", want: Spec{Dest: "r", Paths: []string{"a", "/b/**"}, Max: 64 << 20}},
		{value: `dest=r,"path=a,b"`, want: Spec{Dest: "r", Paths: []string{"a,b"}, Max: DefaultMax}},
		{value: "dest=r", want: Spec{Dest: "r", Max: DefaultMax}},
		{value: "path=a", fails: "dest is missing"},
		{value: "max=1g", fails: "neither dest nor path"},
		{value: "reports", fails: `"reports" is not key=value`},
		{value: "dest=,path=a", fails: "dest is empty"},
		{value: "dest=a,dest=b,path=c", fails: "dest is given twice"},
		{value: "dest=-,path=c", fails: "standard output"},
		{value: "dest=a,paths=b", fails: `unknown key "paths"`},
		{value: "dest=a,path=[", fails: "not a valid pattern"},
		{value: "dest=a,path=../b", fails: `has the directory ".."`},
		{value: "dest=a,path=b\x00", fails: "zero byte"},
		{value: "dest=a,path=b,max=much", fails: "max=much is not a size"},
		{value: "dest=a,path=b,max=0", fails: "max=0 is not a size"},
		{value: `dest=a,"path`, fails: "not valid CSV"},
		{value: "", fails: "is empty"},
	}
	for _, tt := range tests {
		t.Run(tt.value, func(t *testing.T) {
			got, err := Parse(tt.value)
			if tt.fails != "" {
				if usage := (*fault.Usage)(nil); !errors.As(err, &usage) || usage.Flag != Flag || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("error %v, want %q", err, tt.fails)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
				t.Errorf("error %v, spec (-want +got):\n%s", err, diff)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("dest=reports,path=a/**/*.xml,max=1m")
	f.Fuzz(func(t *testing.T, value string) {
		s, err := Parse(value)
		if err == nil && (s.Dest == "" || s.Max <= 0) {
			t.Errorf("%q is %+v", value, s)
		}
	})
}
