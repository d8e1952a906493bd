package solve

import (
	"strings"
	"testing"

	"github.com/slipway-build/slipway/agent/solve/contextfs"
	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/internal/source"
)

func TestMtimeAuto(t *testing.T) {
	tests := []struct {
		name, dockerfile string
		keeps            string // what the note says; empty for derived times
	}{
		{"nothing", "FROM scratch\nCOPY . /\n", ""},
		{"packages", "FROM a\nRUN --mount=type=cache,target=/root/.cache/go-build --mount=type=cache,target=/go/pkg/mod go build\n", ""},
		{"apt", "FROM a\nRUN --mount=type=cache,sharing=locked,target=/var/cache/apt \\\n  --mount=target=/var/lib/apt,type=cache apt-get update\n", ""},
		{"the registry of cargo", "FROM a\nRUN --mount=type=cache,target=/usr/local/cargo/registry/ cargo fetch\n", ""},
		{"results of cargo", "FROM a\n\nRUN --mount=type=cache,target=/app/target cargo build\n", "line 3 of the Dockerfile has a cache mount at /app/target,"},
		{"results beside packages", "FROM a\nRUN --mount=type=cache,target=/root/.npm --mount=type=cache,dst=/obj make\n", "cache mount at /obj,"},
		{"a relative target", "FROM a\nRUN --mount=type=cache,target=target cargo build\n", "cache mount at target,"},
		{"a variable", "FROM a\nRUN --mount=type=cache,target=${GOCACHE}/.cache/ go build\n", "cache mount at ${GOCACHE}/.cache/,"},
		{"a variable type", "FROM a\nRUN --mount=type=$T,target=/x true\n", "cache mount at /x,"},
		{"capitals", "from a\nrun --mount=Type=Cache,Target=/x true\n", "cache mount at /x,"},
		{"upwards", "FROM a\nRUN --mount=type=cache,target=/root/.cache/../obj make\n", "cache mount at /root/.cache/../obj,"},
		{"ONBUILD", "FROM a\nONBUILD RUN --mount=type=cache,target=/x make\n", "line 2 of the Dockerfile has a cache mount at /x,"},
		{"other mounts", "FROM a\nRUN --mount=type=bind,target=/src --mount=type=secret,id=x --mount=type=tmpfs,target=/t --network=none make\n", ""},
		{"words of a command", "FROM a\nRUN echo --mount=type=cache,target=/x\n", ""},
		{"a heredoc", "FROM a\nRUN --mount=type=cache,target=/x <<E\nmake\nE\n", "cache mount at /x,"},
		{"no Dockerfile at all", "nonsense", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, attrs("Dockerfile", tt.dockerfile))
			p, err := Prepare(t.Context(), Request{Context: dir})
			must(t, err)
			defer func() { must(t, p.Close()) }()
			note := strings.Join(p.Notes(), "\n")
			if (p.keys.mode == contextfs.MtimeKeep) != (tt.keeps != "") || !strings.Contains(note, tt.keeps) || tt.keeps == "" && note != "" {
				t.Errorf("times: %s, note %q", p.keys.mode, note)
			}
		})
	}
}

func TestMtimeModes(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, attrs("Dockerfile", "FROM a\nRUN --mount=type=cache,target=/obj make\n", "plain/Dockerfile", "FROM a\n"))
	tests := []struct {
		name    string
		request Request
		derived bool
		notes   int
	}{
		{"content", Request{Context: dir, Mtime: contextfs.MtimeContent}, true, 0},
		{"keep", Request{Context: dir + "/plain", Mtime: contextfs.MtimeKeep}, false, 0},
		{"auto with results", Request{Context: dir, Mtime: contextfs.MtimeAuto}, false, 1},
		{"auto without", Request{Context: dir + "/plain", Mtime: contextfs.MtimeAuto}, true, 0},
		{"auto with rewritten times", Request{Context: dir + "/plain", Outputs: []output.Output{{Type: "image", Attrs: attrs("rewrite-timestamp", "true")}}}, false, 1},
		{"auto without rewritten times", Request{Context: dir + "/plain", Outputs: []output.Output{{Type: "image", Attrs: attrs("rewrite-timestamp", "false")}}}, true, 0},
		{"a Dockerfile that is not here", Request{Context: dir, Dockerfile: "https://example.com/D"}, false, 1},
		{"a Dockerfile from stdin", Request{Context: dir, Dockerfile: "-", Files: source.New(t.Context(), strings.NewReader("FROM a\n"))}, true, 0},
		{"a remote context", Request{Context: "https://example.com/r.git"}, false, 0},
		{"a Dockerfile beside a remote context", Request{Context: "https://example.com/r.git", Dockerfile: dir + "/plain/Dockerfile"}, true, 0},
		{"a directory beside a remote context", Request{Context: "https://example.com/r.git", Contexts: []BuildContext{{"lib", dir}}, Mtime: contextfs.MtimeContent}, true, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Prepare(t.Context(), tt.request)
			must(t, err)
			defer func() { must(t, p.Close()) }()
			if (p.keys.mode == contextfs.MtimeContent) != tt.derived || len(p.Notes()) != tt.notes {
				t.Errorf("times: %q, notes %q", p.keys.mode, p.Notes())
			}
			for name, m := range p.mounts {
				if m.Sums == nil || m.Keep == tt.derived {
					t.Errorf("mount %s: sums %v, keeps times %v", name, m.Sums != nil, m.Keep)
				}
			}
		})
	}
}
