package format

import (
	"errors"
	"strings"
	"testing"
	"time"
)

type inner struct {
	List []string `json:"list"`
	Some []string `json:"some,omitempty"`
	Zero []string `json:"zero,omitzero"`
}

type outer struct {
	Nodes  []inner           `json:"nodes"`
	Labels map[string]string `json:"labels"`
	At     time.Time         `json:"at,omitzero"`
	Pod    *inner            `json:"pod,omitempty"`
	Any    any               `json:"any,omitempty"`
	hidden []string
}

func TestJSON(t *testing.T) {
	for _, tt := range []struct {
		name  string
		value any
		want  string
	}{
		{"nothing", outer{}, `{"nodes":[],"labels":{}}`},
		{"no list at all", []inner(nil), `[]`},
		{"within lists and pointers", outer{Nodes: []inner{{}}, Pod: &inner{}, Any: []inner{{}}},
			`{"nodes":[{"list":[]}],"labels":{},"pod":{"list":[]},"any":[{"list":[]}]}`},
		{"a list that is known to be empty", outer{Nodes: []inner{{Zero: []string{}}}}, `{"nodes":[{"list":[],"zero":[]}],"labels":{}}`},
		{"what writes its own JSON", outer{At: time.Date(2026, 1, 31, 1, 2, 3, 0, time.UTC)}, `{"nodes":[],"labels":{},"at":"2026-01-31T01:02:03Z"}`},
		{"maps", map[string]any{"a": []string(nil), "b": 1}, `{"a":[],"b":1}`},
		{"bytes", []byte("ab"), `"YWI="`},
	} {
		var out strings.Builder
		if err := JSONLine(&out, tt.value); err != nil || out.String() != tt.want+"\n" {
			t.Errorf("%s: %s, %v, want %s", tt.name, out.String(), err, tt.want)
		}
	}
	given := outer{hidden: nil}
	var out strings.Builder
	if err := JSON(&out, given); err != nil || given.Nodes != nil || out.String() != "{\n  \"nodes\": [],\n  \"labels\": {}\n}\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

type row struct {
	Name  string
	Tags  []string
	Size  int
	Nodes []row
}

func TestTemplate(t *testing.T) {
	rows := []any{row{"kube", []string{"a", "b"}, 7, nil}, row{"a-long-name", nil, 1, []row{{Name: "n"}}}}
	headers := map[string]string{"Name": "NAME", "Size": "SIZE", "Tags": "TAGS"}
	for _, tt := range []struct{ text, want string }{
		{"{{.Name}}", "kube\na-long-name\n"},
		{`{{.Name}}\t{{.Size}}`, "kube\t7\na-long-name\t1\n"},
		{`table {{.Name}}\t{{.Size}}`, "NAME          SIZE\nkube          7\na-long-name   1\n"},
		{`table {{upper .Name}}\t{{join .Tags ","}}`, "NAME          TAGS\nKUBE          a,b\nA-LONG-NAME   \n"},
		{"{{json .Tags}}", "[\"a\",\"b\"]\n[]\n"},
		{"{{truncate .Name 2}}{{pad .Name 1 1}}|", "ku kube |\na- a-long-name |\n"},
		{"{{range .Nodes}}{{.Name}}{{end}}", "\nn\n"},
	} {
		parsed, err := Parse(tt.text, row{})
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		var out strings.Builder
		if err := parsed.Write(&out, headers, rows); err != nil || out.String() != tt.want {
			t.Errorf("%s: %q, %v, want %q", tt.text, out.String(), err, tt.want)
		}
	}
	if _, err := Parse("xml", row{}); !errors.Is(err, ErrNoTemplate) {
		t.Errorf("xml: %v", err)
	}
	for text, want := range map[string]string{
		"{{.Nam}}":             "can't evaluate field Nam",
		"{{.Name":              "unclosed action",
		"{{nope .Name}}":       `function "nope" not defined`,
		"{{(index .Nodes 0)}}": "", // of an empty row only
	} {
		_, err := Parse(text, row{})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// TestTemplateThatDoesNotFit fails in the second row, or in the headers.
func TestTemplateThatDoesNotFit(t *testing.T) {
	rows := []any{row{Name: "a", Nodes: []row{{}}}, row{Name: "b"}}
	for _, text := range []string{"{{.Name}} {{index .Nodes 0}}", "table {{.Name}} {{(index .Nodes 0).Name}}", "table {{json .}}"} {
		parsed, err := Parse(text, row{})
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		err = parsed.Write(&out, map[string]string{"Name": "NAME"}, rows)
		if failed := (*ExecError)(nil); !errors.As(err, &failed) || failed.Template != text || out.Len() > 0 {
			t.Errorf("%s: %q, %v", text, out.String(), err)
		}
	}
}
