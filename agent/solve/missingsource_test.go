package solve

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"google.golang.org/grpc/codes"

	"github.com/slipway-build/slipway/internal/fault"
)

func TestExplainSource(t *testing.T) {
	const relative = "paths are relative to the context, wherever the Dockerfile lies"
	dir, named := t.TempDir(), t.TempDir()
	write(t, dir, attrs(
		".dockerignore", "# small\nsecret*\nconf/*.yaml\n!conf/kept.yaml\n", "secret.txt", "x", "conf/app.yaml", "x", "conf/kept.yaml", "x",
		"target/app-1.2.jar", "x", "README.md", "x", "node_modules/p/index.js", "x", "web/index.js", "x",
	))
	write(t, named, attrs("app.yaml", "x"))
	inputs := inputs{
		Attrs:  attrs(attrFilename, "Dockerfile", "context:n", "local:n", "context:far", "docker-image://far"),
		Mounts: attrs(mountContext, dir, mountDockerfile, dir, "n", named),
	}
	for _, tt := range []struct {
		line, missing string // the instruction, and what BuildKit does not find
		want          string
		hints         []string
	}{
		{"COPY secret.txt /", "/secret.txt", "COPY secret.txt: not in the build context ./app", []string{".dockerignore line 2 excludes it: secret*; if the build needs it, add a line !secret.txt below"}},
		{"copy ./conf/app.yaml /", "/conf/app.yaml", "COPY conf/app.yaml: not in the build context ./app", []string{".dockerignore line 3 excludes it: conf/*.yaml; if the build needs it, add a line !conf/app.yaml below"}},
		{"COPY conf/kept.yaml /", "/conf/kept.yaml", "COPY conf/kept.yaml: not in the build context ./app", nil}, // it came after the builder had looked
		{"ADD README.md RAEDME.md /", "/RAEDME.md", "ADD RAEDME.md: not in the build context ./app", []string{"did you mean README.md?", relative}},
		{"COPY cnof/kept.yaml /", "/cnof/kept.yaml", "COPY cnof/kept.yaml: not in the build context ./app", []string{"did you mean conf/kept.yaml?", relative}},
		{"COPY app-1.2.jar /", "/app-1.2.jar", "COPY app-1.2.jar: not in the build context ./app", []string{"did you mean target/app-1.2.jar?", relative}},
		{"COPY index.js /", "/index.js", "COPY index.js: not in the build context ./app", []string{"did you mean web/index.js?", relative}},
		{"COPY ../up /", "/up", "COPY up: not in the build context ./app", []string{"files outside of the context cannot be reached by ../: give their directory a name, --build-context NAME=DIR, and take them by --from=NAME, or build with the directory above as the context and name the Dockerfile with --file"}},
		{`ADD ["../up", "/"]`, "/up", "ADD up: not in the build context ./app", []string{"files outside of the context cannot be reached by ../: give their directory a name, --build-context NAME=DIR, and take them by --from=NAME, or build with the directory above as the context and name the Dockerfile with --file"}},
		// A destination or a command may lie outside.
		{"COPY index.js ../conf/", "/index.js", "COPY index.js: not in the build context ./app", []string{"did you mean web/index.js?", relative}},
		{"add secret.txt ..", "/secret.txt", "ADD secret.txt: not in the build context ./app", []string{".dockerignore line 2 excludes it: secret*; if the build needs it, add a line !secret.txt below"}},
		{"RUN --mount=type=bind,source=nope,target=/x ../build.sh", "/nope", "RUN nope: not in the build context ./app", []string{relative}},
		{`RUN --mount=type=bind,source=nope,target=/x ["../build.sh", "all"]`, "/nope", "RUN nope: not in the build context ./app", []string{relative}},
		{"COPY --chown=1 --from=n app.yml /", "/app.yml", "COPY app.yml: not in --build-context n", []string{"did you mean app.yaml?", relative}},
		{"COPY --from=build app /", "/app", "COPY /app: not in the files of build", []string{"paths are those of the stage or image from its root, whatever its WORKDIR is"}},
		{"COPY --from=far app /", "/app", "COPY /app: not in the files of far", []string{"paths are those of the stage or image from its root, whatever its WORKDIR is"}},
		{"RUN --mount=type=cache,target=/c --mount=type=bind,source=nope,target=/x make", "/nope", "RUN nope: not in the build context ./app", []string{relative}},
		{"RUN --mount=type=bind,from=n,src=/nope,target=/x make", "/nope", "RUN nope: not in --build-context n", []string{relative}},
		// A hostile builder learns nothing of what lies outside.
		{"COPY x /", "/../../etc/passwd", "COPY etc/passwd: not in the build context ./app", []string{relative}},
	} {
		t.Run(tt.line, func(t *testing.T) {
			failed := errdefs.WithSource(answer(codes.Unknown, fmt.Sprintf("failed to compute cache key: failed to calculate checksum of ref a::b: %q: not found", tt.missing)), &errdefs.Source{
				Info:   &pb.SourceInfo{Filename: "Dockerfile", Data: []byte("FROM scratch AS build\n\n# comment\n" + tt.line + "\nRUN true\n")},
				Ranges: []*pb.Range{{Start: &pb.Position{Line: 4}, End: &pb.Position{Line: 4}}},
			})
			err := explainSource(failed, Request{Context: "./app"}, inputs)
			if err.Error() != tt.want || Classify(err) != KindBuild || !strings.Contains(Excerpt(err), tt.line) {
				t.Errorf("error %q of kind %s, want %q, with the excerpt:\n%s", err, Classify(err), tt.want, Excerpt(err))
			}
			if diff := cmp.Diff(tt.hints, fault.Hints(err)); diff != "" {
				t.Errorf("hints (-want +got):\n%s", diff)
			}
		})
	}
}

// The Dockerfile's own ignore file takes the place of the context's, and a context
// that is not on the agent has none.
func TestExplainSourceElsewhere(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, attrs("ctx/.dockerignore", "a\n", "ctx/a", "x", "docker/App.dockerignore", "\n\n*\n", "docker/App", "FROM scratch\n"))
	failed := sourced(answer(codes.Unknown, `failed to calculate checksum of ref a: "/a": not found`))
	for name, tt := range map[string]struct {
		inputs inputs
		hint   string
	}{
		"a Dockerfile elsewhere": {inputs{Attrs: attrs(attrFilename, "App"), Mounts: attrs(mountContext, filepath.Join(dir, "ctx"), mountDockerfile, filepath.Join(dir, "docker"))}, "App.dockerignore line 3 excludes it: *; if the build needs it, add a line !a below"},
		"a URL":                  {inputs{}, ""},
		"a directory that went":  {inputs{Mounts: attrs(mountContext, filepath.Join(dir, "none"))}, ""},
	} {
		err := explainSource(failed, Request{Context: "ctx"}, tt.inputs)
		if got := strings.Join(fault.Hints(err), "\n"); got != tt.hint || err.Error() != "RUN a: not in the build context ctx" {
			t.Errorf("%s: %v, hint %q", name, err, got)
		}
	}
	for _, other := range []error{
		answer(codes.Unknown, `failed to calculate checksum of ref a: "/a": not found`), // of no line
		sourced(answer(codes.Unknown, `process "/bin/sh -c x" did not complete successfully: exit code: 1`)),
	} {
		if got := explainSource(other, Request{}, inputs{}); !errors.Is(got, other) || errors.As(got, new(*MissingSourceError)) {
			t.Errorf("%v became %v", other, got)
		}
	}
}
