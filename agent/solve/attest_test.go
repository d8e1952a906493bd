package solve

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/frontend/attestations"

	"github.com/slipway-build/slipway/internal/fault"
)

func TestParseAttest(t *testing.T) {
	on := func(kind string, pairs ...string) Attest { return Attest{Type: kind, Attrs: attrs(pairs...)} }
	off := func(kind string) Attest { return Attest{Type: kind, Disabled: true, Attrs: attrs()} }
	tests := []struct {
		flag, value string
		want        Attest
		fails       string
	}{
		{flag: "--attest", value: "type=provenance", want: on("provenance")},
		{flag: "--attest", value: "type=sbom,generator=me/scanner:1,LEVEL=3", want: on("sbom", "generator", "me/scanner:1", "LEVEL", "3")},
		{flag: "--attest", value: "mode=max, TYPE=provenance", want: on("provenance", "mode", "max")},
		{flag: "--attest", value: "type=provenance,disabled=true", want: off("provenance")},
		{flag: "--attest", value: `type=provenance,"builder-id=https://ci/?a,b"`, want: on("provenance", "builder-id", "https://ci/?a,b")},
		{flag: "--attest", value: "type=provenance,mode=min,version=v1,inline-only=true,reproducible=false,filename=p.json,capture-usage=1,complete-materials=0",
			want: on("provenance", "mode", "min", "version", "v1", "inline-only", "true", "reproducible", "false", "filename", "p.json", "capture-usage", "1", "complete-materials", "0")},
		{flag: "--provenance", value: "true", want: on("provenance")},
		{flag: "--provenance", value: "0", want: off("provenance")},
		{flag: "--provenance", value: "mode=max,version=v0.2", want: on("provenance", "mode", "max", "version", "v0.2")},
		{flag: "--provenance", value: "type=provenance,mode=full", want: on("provenance", "mode", "full")},
		{flag: "--sbom", value: "true", want: on("sbom")},
		{flag: "--sbom", value: "false", want: off("sbom")},
		{flag: "--sbom", value: "generator=x", want: on("sbom", "generator", "x")},

		{flag: "--attest", value: "", fails: "is empty"},
		{flag: "--provenance", value: "", fails: "is empty"},
		{flag: "--attest", value: "mode=max", fails: "type is missing"},
		{flag: "--attest", value: "type=vex", fails: `unknown type "vex"`},
		{flag: "--attest", value: "type=provenance,max", fails: `"max" is not key=value`},
		{flag: "--provenance", value: "max", fails: `"max" is not key=value`},
		{flag: "--attest", value: "type=sbom,=x", fails: "not key=value"},
		{flag: "--attest", value: `type="sbom`, fails: "not valid CSV"},
		{flag: "--attest", value: "type=sbom,disabled=x", fails: `disabled="x" is neither`},
		{flag: "--provenance", value: "mode=mid", fails: `mode="mid" is none of min, max`},
		{flag: "--provenance", value: "version=2", fails: `version="2" is none of v0.2, v1`},
		{flag: "--provenance", value: "inline-only=x", fails: "neither true nor false"},
		{flag: "--provenance", value: "reproducible=", fails: "neither true nor false"},
		{flag: "--provenance", value: "filename=", fails: "is empty"},
		{flag: "--provenance", value: "depth=3", fails: `no parameter "depth"`},
		{flag: "--provenance", value: "type=sbom", fails: "the type is provenance"},
		{flag: "--sbom", value: "generator=", fails: "is not an image"},
		{flag: "--sbom", value: "generator=UP:x", fails: "is not an image"},
	}
	parsers := map[string]func(string) (Attest, error){"--attest": ParseAttest, "--provenance": ParseProvenance, "--sbom": ParseSBOM}
	for _, tt := range tests {
		t.Run(tt.flag+" "+tt.value, func(t *testing.T) {
			got, err := parsers[tt.flag](tt.value)
			if tt.fails != "" {
				wantUsage(t, err, tt.flag, tt.fails)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("attestation (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzParseAttest holds what is accepted against BuildKit's own parser.
func FuzzParseAttest(f *testing.F) {
	for _, seed := range []string{"type=sbom", "type=provenance,mode=max", `type=sbom,"a=b,c"`, "type=sbom,a=\"x\"", "type=sbom,a= b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		a, err := ParseAttest(value)
		if err != nil {
			var usage *fault.Usage
			if !errors.As(err, &usage) {
				t.Errorf("error %v is no *fault.Usage", err)
			}
			return
		}
		if strings.ContainsAny(value, "\r\n") {
			return // a line break in a value is not worth a promise
		}
		got, err := attestations.Parse(map[string]string{"attest:" + a.Type: a.value()})
		if err != nil {
			t.Fatalf("BuildKit refuses %q: %v", a.value(), err)
		}
		for key, want := range a.Attrs {
			if got[a.Type][key] != want {
				t.Errorf("BuildKit reads %q as %q in %q, want %q", key, got[a.Type][key], a.value(), want)
			}
		}
	})
}

func TestWarnAttests(t *testing.T) {
	workdir(t)
	a := func(pairs ...string) Attest { return Attest{Type: "provenance", Attrs: attrs(pairs...)} }
	for _, tt := range []struct {
		name string
		list []Attest
		want bool
	}{
		{"one", []Attest{a()}, false},
		{"two types", []Attest{a(), {Type: "sbom"}}, false},
		{"the same", []Attest{a("mode", "max"), a("mode", "max")}, false},
		{"different", []Attest{a("mode", "max"), a("mode", "min")}, true},
		{"on and off", []Attest{a(), {Type: "provenance", Disabled: true}}, true},
	} {
		p, err := Prepare(t.Context(), here(t, Request{Context: "ctx", Attests: tt.list}))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(strings.Join(p.Warnings(), "\n"), "the first counts"); got != tt.want {
			t.Errorf("%s: warned %v, want %v: %q", tt.name, got, tt.want, p.Warnings())
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}
