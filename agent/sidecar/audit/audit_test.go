package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	control "github.com/moby/buildkit/api/services/control"
	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/rs/zerolog"
	"google.golang.org/protobuf/proto"
)

// line is a build as JSON.
func line(b *Build) string {
	var out bytes.Buffer
	log := zerolog.New(&out)
	log.Log().EmbedObject(b).Send()
	return strings.TrimSpace(out.String())
}

func TestOf(t *testing.T) {
	const secret = "hunter2"
	for name, c := range map[string]struct {
		request *control.SolveRequest
		gateway []*gateway.SolveRequest
		want    string
	}{
		"buildctl": {
			request: &control.SolveRequest{
				Ref: "r1", Frontend: "dockerfile.v0",
				FrontendAttrs: map[string]string{
					"target": "app", "filename": "Containerfile", "build-arg:TOKEN": secret, "label:a": secret, "context": "local",
					"vcs:source": "https://ci:" + secret + "@git.example/team/app", "vcs:revision": "abc",
				},
				Exporters:    []*control.Exporter{{Type: "image", Attrs: map[string]string{"name": "registry.example/a:1,registry.example/b:2", "push": "true", "password": secret}}, {Type: "local"}},
				Cache:        &control.CacheOptions{Exports: []*control.CacheOptionsEntry{{Type: "s3", Attrs: map[string]string{"secret_access_key": secret}}, {Type: "registry", Attrs: map[string]string{"ref": "registry.example/cache"}}}},
				Entitlements: []string{"network.host"},
				Session:      secret,
			},
			want: `{"ref":"r1","frontends":[{"name":"dockerfile.v0","filename":"Containerfile","revision":"abc","source":"https://xxxxx:xxxxx@git.example/team/app","target":"app"}],` +
				`"exporters":[{"type":"image","names":["registry.example/a:1","registry.example/b:2"]},{"type":"local"}],"cacheExports":["s3","registry:registry.example/cache"],"entitlements":["network.host"]}`,
		},
		"a client that leads the build": {
			request: &control.SolveRequest{Ref: "r2", ExporterDeprecated: "image", ExporterAttrsDeprecated: map[string]string{"name": "registry.example/a:1"}, Cache: &control.CacheOptions{ExportRefDeprecated: "registry.example/cache"}},
			gateway: []*gateway.SolveRequest{
				{}, // the empty result
				{Frontend: "dockerfile.v0", FrontendOpt: map[string]string{"context": "https://me:" + secret + "@git.example/app.git#main", "build-arg:A": secret}},
				{Frontend: "dockerfile.v0", FrontendOpt: map[string]string{"context": "https://me:" + secret + "@git.example/app.git#main", "build-arg:A": "other"}},
				{Frontend: "gateway.v0", FrontendOpt: map[string]string{"source": "docker/dockerfile:1"}},
				{Definition: &pb.Definition{Def: [][]byte{[]byte(secret)}}},
			},
			want: `{"ref":"r2","frontends":[{"name":"dockerfile.v0","context":"https://xxxxx:xxxxx@git.example/app.git#main"},{"name":"gateway.v0","image":"docker/dockerfile:1"},{"name":"llb"}],` +
				`"exporters":[{"type":"image","names":["registry.example/a:1"]}],"cacheExports":["registry:registry.example/cache"]}`,
		},
		"both kinds of exporters": {
			request: &control.SolveRequest{Ref: "r3", Definition: &pb.Definition{}, Exporters: []*control.Exporter{{Type: "local"}}, ExporterDeprecated: "image", ExporterAttrsDeprecated: map[string]string{"name": "x"}},
			want:    `{"ref":"r3","frontends":[{"name":"llb"}],"exporters":[{"type":"local"},{"type":"image","names":["x"]}]}`,
		},
		"the name of an image without one": {
			request: &control.SolveRequest{Ref: "r4", Exporters: []*control.Exporter{{Type: "image", Attrs: map[string]string{"dangling-name-prefix": "registry.example/x", "name": "a"}}}},
			want:    `{"ref":"r4","frontends":[],"exporters":[{"type":"image","names":["registry.example/x@","a"]}]}`,
		},
		"what could break a line": {
			request: &control.SolveRequest{Ref: "a\n\x1b[31m::error::b\x00", Frontend: strings.Repeat("x", 1000)},
			want:    `{"ref":"a ::error::b","frontends":[{"name":"` + strings.Repeat("x", maxText) + `…"}],"exporters":[]}`,
		},
		"nothing": {request: nil, want: `{"ref":"","frontends":[],"exporters":[]}`},
	} {
		t.Run(name, func(t *testing.T) {
			b := Of(c.request)
			for _, r := range c.gateway {
				b.Add(r)
			}
			got := line(b)
			if got != c.want {
				t.Errorf("\ngot  %s\nwant %s", got, c.want)
			}
			if strings.Contains(got, secret) {
				t.Error("a secret is in the line")
			}
		})
	}
}

// TestBounds tests that what a client sends does not make a line of any length.
func TestBounds(t *testing.T) {
	r := &control.SolveRequest{}
	var names []string
	for i := range 1000 {
		r.Exporters = append(r.Exporters, &control.Exporter{Type: "image"})
		r.Entitlements = append(r.Entitlements, strings.Repeat("é", 1000))
		names = append(names, fmt.Sprint(i))
	}
	r.Exporters[0].Attrs = map[string]string{"name": strings.Join(names, ",")}
	b := Of(r)
	for i := range 1000 {
		b.Add(&gateway.SolveRequest{Frontend: fmt.Sprint(i)})
	}
	if got := line(b); len(got) > 12<<10 || !strings.Contains(got, `"frontendsOmitted":984`) || !strings.Contains(got, `"exportersOmitted":984`) || strings.Count(got, `"… and 984 more"`) != 2 || !json.Valid([]byte(got)) {
		t.Errorf("%d bytes: %.2000s", len(got), got)
	}
}

func TestDigest(t *testing.T) {
	const made = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for value, want := range map[string]string{made: made, "sha256:x\n": "", "": ""} {
		if got := Digest(&control.SolveResponse{ExporterResponse: map[string]string{"containerimage.digest": value}}); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
	if got := Digest(nil); got != "" {
		t.Errorf("of nothing: %q", got)
	}
}

// FuzzOf tests that the line of any request is one line of valid JSON, of a bounded length,
// without control characters.
func FuzzOf(f *testing.F) {
	for _, r := range []*control.SolveRequest{{}, {Ref: "r", Frontend: "dockerfile.v0", FrontendAttrs: map[string]string{"target": "t\n"}, Exporters: []*control.Exporter{nil, {Type: "image"}}}} {
		seed, err := proto.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		request, more := new(control.SolveRequest), new(gateway.SolveRequest)
		if proto.Unmarshal(data, request) != nil {
			return
		}
		b := Of(request)
		if proto.Unmarshal(data, more) == nil {
			b.Add(more)
		}
		got := line(b)
		if !json.Valid([]byte(got)) || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r == 0x7f }) || len(got) > 256<<10 {
			t.Errorf("%d bytes: %.2000q", len(got), got)
		}
	})
}
