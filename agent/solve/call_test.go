package solve

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/solver/errdefs"

	"github.com/slipway-build/slipway/agent/solve/cache"
	"github.com/slipway-build/slipway/agent/solve/job"
	"github.com/slipway-build/slipway/internal/fault"
)

// What a frontend calls JSON goes to a terminal as it is, if it is that.
func TestCallWithoutValidJSON(t *testing.T) {
	r := &CallResult{Call: Call{Name: "outline"}, meta: map[string][]byte{metaJSON: []byte("{\"name\":\"\x1b[2J\"}")}}
	var out bytes.Buffer
	if err := r.Print(&out, FormatJSON); err == nil || out.Len() > 0 {
		t.Errorf("%q, error %v", out.String(), err)
	}
}

func TestParseCall(t *testing.T) {
	tests := []struct {
		value string
		want  Call
		fails string
	}{
		{value: ""},
		{value: "build"},
		{value: "build,format=json"},
		{value: "outline", want: Call{Name: "outline", Format: "text"}},
		{value: "targets,format=json", want: Call{Name: "targets", Format: "json"}},
		{value: "check", want: Call{Name: "lint", Format: "text"}},
		{value: "lint,ignorestatus=true,format=text", want: Call{Name: "lint", Format: "text", IgnoreStatus: true}},
		{value: "format=json,subrequests.describe", want: Call{Name: "subrequests.describe", Format: "json"}},

		{value: "outline,targets", fails: "names two methods"},
		{value: "format=json", fails: "names no method"},
		{value: "outline,format=yaml", fails: `unknown format "yaml"`},
		{value: "outline,colour=1", fails: `unknown key "colour"`},
		{value: "check,ignorestatus=x", fails: "neither true nor false"},
		{value: `"check`, fails: "not valid CSV"},
	}
	for _, tt := range tests {
		t.Run(tt.value, func(t *testing.T) {
			got, err := ParseCall(tt.value)
			if tt.fails != "" {
				wantUsage(t, err, "--call", tt.fails)
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("ParseCall = %+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

func FuzzParseCall(f *testing.F) {
	for _, seed := range []string{"check", "outline,format=json", "build", ",", "ignorestatus=1,x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		c, err := ParseCall(value)
		var usage *fault.Usage
		switch {
		case err != nil && !errors.As(err, &usage):
			t.Errorf("error %v is no *fault.Usage", err)
		case err == nil && c.Name != "" && c.Format != FormatText && c.Format != FormatJSON:
			t.Errorf("ParseCall(%q) = %+v", value, c)
		}
	})
}

func TestCallOptions(t *testing.T) {
	r := Request{
		Attests:   []Attest{{Type: "sbom"}},
		CacheFrom: []cache.Entry{cacheEntry("registry", "ref", "a")}, CacheTo: []cache.Entry{cacheEntry("registry", "ref", "a")},
		BuildArgs: attrs("A", "1"), Target: "t",
	}
	in := inputs{Attrs: attrs("filename", "Dockerfile", "frontend.caps", "x+forward")}
	opt := callOptions(r, in, job.Job{Platforms: plats("linux/amd64"), Single: true})
	if len(opt.Exports) > 0 || len(opt.CacheExports) > 0 || len(opt.CacheImports) > 0 || !opt.Internal {
		t.Errorf("a call leaves something behind: %+v", opt)
	}
	got := callRequest(t.Context(), opt, Call{Name: "outline"})
	want := attrs("filename", "Dockerfile", "frontend.caps", "x+forward,"+capSubrequests, "requestid", "frontend.outline",
		"build-arg:A", "1", "target", "t", "platform", "linux/amd64")
	if diff := cmp.Diff(want, got.FrontendOpt); diff != "" || got.Frontend != "dockerfile.v0" {
		t.Errorf("frontend %s, attributes (-want +got):\n%s", got.Frontend, diff)
	}
	if in.Attrs["frontend.caps"] != "x+forward" {
		t.Error("the inputs were changed")
	}
}

func TestUnknownCall(t *testing.T) {
	call := Call{Name: "nope"}
	for _, err := range []error{
		errdefs.NewUnsupportedSubrequestError("frontend.nope"),
		errdefs.NewUnsupportedFrontendCapError("moby.buildkit.frontend.subrequests"),
		errors.New("unsupported request frontend.nope"),
	} {
		if !unsupported(err, call) {
			t.Errorf("%v is not recognised", err)
		}
	}
	if unsupported(errors.New("dockerfile parse error"), call) {
		t.Error("another error is taken for an unknown method")
	}
	wantUsage(t, unknownCall(call, nil), "--call", "does not know")
	var usage *fault.Usage
	if err := unknownCall(call, []string{"outline", "targets"}); !errors.As(err, &usage) || !strings.Contains(usage.Hint, "outline, targets") {
		t.Errorf("%v does not list what there is", err)
	}
}

const lintJSON = `{"warnings":[{"ruleName":"Two","detail":"second","location":{"ranges":[{"start":{"line":2},"end":{"line":2}}]}},` +
	`{"ruleName":"One","url":"https://x/one","detail":"first","location":{"ranges":[{"start":{"line":1},"end":{"line":1}}]}}],` +
	`"sources":[{"filename":"Dockerfile","data":"RlJPTSBhClJVTiBiCg=="}]}`

func TestCallResult(t *testing.T) {
	tests := []struct {
		name   string
		call   Call
		meta   map[string]string
		text   []string // in this order
		fails  string   // of Print
		status string   // of Err
	}{
		{
			name: "outline", call: Call{Name: "outline"},
			meta: attrs("result.json", `{"name":"app","args":[{"name":"V","value":"1"}]}`, "version", "1.0.0", "result.txt", "theirs"),
			text: []string{"TARGET: app", "BUILD ARG", "V"},
		},
		{name: "targets", call: Call{Name: "targets"}, meta: attrs("result.json", `{"targets":[{"name":"a"},{"name":"b","default":true}]}`), text: []string{"TARGET", "a", "b (default)"}},
		{name: "describe", call: Call{Name: "subrequests.describe"}, meta: attrs("result.json", `[{"Name":"frontend.outline"}]`), text: []string{"NAME", "outline"}},
		{name: "newer than known", call: Call{Name: "outline"}, meta: attrs("result.json", `{}`, "version", "2.0.0", "result.txt", "theirs"), text: []string{"theirs"}},
		{name: "of another frontend", call: Call{Name: "x"}, meta: attrs("result.json", `{}`, "result.txt", "their text"), text: []string{"their text"}},
		{name: "of another frontend, json only", call: Call{Name: "x"}, meta: attrs("result.json", `{"a":1}`), text: []string{`{"a":1}`}},
		{
			name: "lint", call: Call{Name: "lint"}, meta: attrs("result.json", lintJSON, "result.statuscode", "1"),
			text:   []string{"Check complete, 2 warnings have been found!", "WARNING: One - https://x/one", "first", ">>> FROM a", "WARNING: Two", ">>> RUN b"},
			status: "lint: 2 warnings have been found",
		},
		{
			name: "lint of a named file", call: Call{Name: "lint", Dockerfile: "docker/app.Dockerfile"}, meta: attrs("result.json", lintJSON, "result.statuscode", "1"),
			text: []string{"WARNING: One", "docker/app.Dockerfile:1", "WARNING: Two", "docker/app.Dockerfile:2"}, status: "lint: 2 warnings have been found",
		},
		{name: "lint, status ignored", call: Call{Name: "lint", IgnoreStatus: true}, meta: attrs("result.json", lintJSON, "result.statuscode", "1"), text: []string{"2 warnings"}},
		{
			name: "one finding", call: Call{Name: "lint"}, meta: attrs("result.json", `{"warnings":[{"ruleName":"R","location":{"sourceIndex":-1}}]}`, "result.statuscode", "1"),
			text: []string{"Check complete, 1 warning has been found!", "WARNING: R"}, status: "lint: 1 warning has been found",
		},
		{name: "nothing found", call: Call{Name: "lint"}, meta: attrs("result.json", `{"warnings":null}`, "result.statuscode", "0"), text: []string{"Check complete, no warnings found."}},
		{
			name: "not a Dockerfile", call: Call{Name: "lint"},
			meta: attrs("result.json", `{"warnings":[],"sources":[{"filename":"Dockerfile","data":"RlJPTSBhClJVTiBiCg=="}],"buildError":{"message":"unknown instruction","location":{"ranges":[{"start":{"line":2},"end":{"line":2}}]}}}`, "result.statuscode", "1"),
			text: []string{"unknown instruction", ">>> RUN b"}, status: "cannot be built: unknown instruction",
		},
		{name: "another status", call: Call{Name: "x"}, meta: attrs("result.txt", "t", "result.statuscode", "3"), text: []string{"t"}, status: "reports status 3"},

		{name: "no place", call: Call{Name: "lint"}, meta: attrs("result.json", `{"warnings":[{"ruleName":"R"}]}`), fails: "R has no place"},
		{name: "place out of range", call: Call{Name: "lint"}, meta: attrs("result.json", `{"warnings":[{"ruleName":"R","location":{"sourceIndex":7}}]}`), fails: "R has no place"},
		{name: "half a range", call: Call{Name: "lint"}, meta: attrs("result.json", `{"warnings":[{"ruleName":"R","location":{"sourceIndex":-1,"ranges":[{}]}}]}`), fails: "R has no place"},
		{name: "error out of range", call: Call{Name: "lint"}, meta: attrs("result.json", `{"buildError":{"message":"m","location":{"sourceIndex":4}}}`), fails: "m"},
		{name: "no json", call: Call{Name: "lint"}, meta: attrs("result.json", `{`), fails: "the linter's answer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &CallResult{Call: tt.call, meta: map[string][]byte{}}
			for key, value := range tt.meta {
				r.meta[key] = []byte(value)
			}
			var out bytes.Buffer
			err := r.Print(&out, FormatText)
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("error %v, want %q", err, tt.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			rest := out.String()
			for _, want := range tt.text {
				i := strings.Index(rest, want)
				if i < 0 {
					t.Fatalf("%q is missing or out of order in:\n%s", want, out.String())
				}
				rest = rest[i+len(want):]
			}
			metadata := map[string]any{}
			for key, value := range tt.meta {
				metadata[key] = value
				if key == "result.json" {
					metadata[key] = json.RawMessage(value)
				}
			}
			if diff := cmp.Diff(metadata, r.Metadata()); diff != "" {
				t.Errorf("metadata (-want +got):\n%s", diff)
			}

			failure := r.Err()
			if tt.status == "" && failure != nil {
				t.Errorf("it fails: %v", failure)
			}
			if tt.status != "" && (failure == nil || !strings.Contains(failure.Error(), tt.status) || Classify(failure) != KindBuild) {
				t.Errorf("Err = %v of kind %s, want %q", failure, Classify(failure), tt.status)
			}

			var data bytes.Buffer
			err = r.Print(&data, FormatJSON)
			if want, ok := tt.meta["result.json"]; ok && (err != nil || data.String() != want+"\n") {
				t.Errorf("JSON is %q, %v; want %q", data.String(), err, want)
			} else if !ok && err == nil {
				t.Error("no error for an answer without JSON")
			}
		})
	}
}
