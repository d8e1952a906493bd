package scenarios

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/e2e/faults/hostileregistry"
	"github.com/slipway-build/slipway/e2e/registrytest/proxy"
)

// hostileText is what somebody may print who wants to take over a terminal or a
// CI job, or to make a line that looks like one of Slipway's.
const hostileText = "1%\r::error::taken\n::add-mask::taken\n \u3000::set-output name=a::taken\n\u200b:\x1b[1m:warning::taken\x1b[0m\n" +
	"##vso[task.setvariable variable=a]taken\n##\x1b[31m[error]taken\n##teamcity[buildStop comment='taken']\n" +
	"section_start:1:taken\r\x1b[0Ktaken\nsection_end:1:taken\r\x1b[0K\n--- taken\n+++ taken\n~~~ taken\n^^^ +++\n" +
	"\x1b[8mha:taken\x1b[0m\n\x1b]52;c;dGFrZW4=\ataken\n\x1b]1338;url=taken\ataken\n\x1b]0;taken\ataken\n\x1b[2Jtaken\x1b[3Ataken\x1b[1Gtaken\x1bctaken\n" +
	"\u009b2Jtaken\u009d52;c;taken\u009c\u202etaken\u2066taken\u0085::error::taken\u2028::error::taken\n\x07\x08\x7f\xff\xfe\xc2taken\n" +
	"error: taken\nhint: taken\r\nerror: taken\rhint: taken\n"

// hostileLine is hostileText as one line, of UTF-8: BuildKit takes no other
// instructions.
var hostileLine = strings.ToValidUTF8(strings.ReplaceAll(hostileText, "\n", "\r"), "?")

// hostileName is short enough for a file.
const hostileName = "x\r::error::taken##vso[a]taken\x1b[2Jtaken\rerror: taken"

// hostileEcho prints hostileText in a shell.
var hostileEcho = "printf '%b' '" + octal(hostileText) + "'"

// octal is a text for printf's %b, without a byte that a shell or YAML knows.
func octal(text string) string {
	var out strings.Builder
	for _, b := range []byte(text) {
		fmt.Fprintf(&out, `\0%03o`, b)
	}
	return out.String()
}

// commandsIn is what a terminal or a CI system would obey in a text. The grammars
// are those of the product's own tests, which are of another module.
func commandsIn(t *testing.T, text string, flags ...string) string {
	t.Helper()
	program, err := commandsProg()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, flags...)
	cmd.Stdin = strings.NewReader(text)
	var failed strings.Builder
	cmd.Stderr = &failed
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("look for commands: %v: %s", err, failed.String())
	}
	return string(out)
}

// forged finds lines that look like Slipway's own and are somebody's.
var forged = regexp.MustCompile(`(?m)^(error|hint): taken`)

// obeyed checks that nothing obeys what a command has printed, and that what
// there is to read is there.
func (f *planted) obeyed(r result) { f.obeyedIn("", r) }

// obeyedIn is obeyed for a log in the form for a CI system, whose commands are
// Slipway's own.
func (f *planted) obeyedIn(system string, r result) {
	f.t.Helper()
	text := r.stdout + "\n" + r.stderr
	if found := commandsIn(f.t, text, "-system="+system); found != "" {
		f.t.Errorf("%s: the log has commands:\n%s", f.what, found)
	}
	if line := forged.FindString(text); line != "" {
		f.t.Errorf("%s: the log has a line that is not Slipway's: %q:\n%s", f.what, line, text)
	}
	if !strings.Contains(text, "taken") {
		f.t.Errorf("%s: what there is to read is lost:\n%q\n%q", f.what, r.stdout, r.stderr)
	}
}

// ciSystems are the variables of CI systems, of a repository that is hostile as
// well.
var ciSystems = []struct {
	name, variables string
	system          string // as --ci has it
	want            string // a command, or another line, of its log
}{
	{"GitHub", "GITHUB_ACTIONS=true GITHUB_SERVER_URL=https://git.example GITHUB_REPOSITORY=$R GITHUB_WORKSPACE=/workspace", "github", "\n::group::#"},
	{"Gitea", "GITHUB_ACTIONS=true GITEA_ACTIONS=true GITHUB_SERVER_URL=https://git.example GITHUB_REPOSITORY=$R GITHUB_WORKSPACE=/workspace", "gitea", "\n::endgroup::\n"},
	{"GitLab", "GITLAB_CI=true CI_SERVER_URL=https://git.example CI_PROJECT_PATH=$R CI_PROJECT_DIR=/workspace", "gitlab", "[collapsed=true]\r\x1b[0K#"},
	{"Azure", "TF_BUILD=True BUILD_REPOSITORY_URI=https://git.example/$R BUILD_SOURCESDIRECTORY=/workspace", "azure", "\n##[group]#"},
	{"Bitbucket", "BITBUCKET_BUILD_NUMBER=1 BITBUCKET_GIT_HTTP_ORIGIN=https://git.example/$R BITBUCKET_CLONE_DIR=/workspace", "bitbucket", "\n#1 "},
	{"Buildkite", "BUILDKITE=true BUILDKITE_REPO=https://git.example/$R BUILDKITE_BUILD_CHECKOUT_PATH=/workspace", "buildkite", "\n--- #"},
	{"CircleCI", "CIRCLECI=true CIRCLE_REPOSITORY_URL=https://git.example/$R CIRCLE_WORKING_DIRECTORY=/workspace", "circleci", "\n#1 "},
	{"Jenkins", "JENKINS_URL=https://ci.example BUILD_ID=7 GIT_URL=https://git.example/$R WORKSPACE=/workspace", "jenkins", "\n#1 "},
	{"TeamCity", "TEAMCITY_VERSION=1", "", "\n#1 "},
}

// TestFaultHostileOutput lets steps print what takes over CI jobs and
// terminals, in every mode of progress and under every CI system.
func TestFaultHostileOutput(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.ok("slipway up >&2")
	a.write("hostile", hostileText)
	a.write("Dockerfile", "FROM base\nCOPY hostile /\nRUN cat /hostile; cat /hostile >&2; head -c 200000 /dev/zero | tr '\\0' x\n")
	a.write("failing/hostile", hostileText)
	a.write("failing/Dockerfile", "FROM base\nCOPY hostile /\nRUN cat /hostile; : "+hostileLine+"; exit 7\n")
	build := "slipway build --no-cache " + a.base() + "-o type=cacheonly --progress "
	each := func(name, what string, test func(f *planted)) {
		t.Run(name, func(t *testing.T) {
			s.t = t
			test(plant(t, "log", what))
		})
	}
	for _, mode := range []string{"auto", "plain", "quiet"} {
		each(mode, "output of steps, progress "+mode, func(f *planted) {
			if mode != "quiet" { // which prints nothing
				r := f.run(a, build+mode+" .")
				f.survived(r)
				f.obeyed(r)
			}
			r := f.run(a, build+mode+" failing")
			f.obeyed(r)
			f.explained(r, 1, "error: ", "exit code: 7")
		})
	}
	each("rawjson", "output of steps, progress rawjson", func(f *planted) {
		r := f.run(a, build+"rawjson .")
		f.survived(r)
		for line := range strings.Lines(r.stderr) {
			if !json.Valid([]byte(line)) {
				f.t.Errorf("no JSON: %.200q", line)
			}
		}
		if strings.ContainsAny(r.stderr, "\x1b\r\a") {
			f.t.Error("there are control characters that are not escaped")
		}
	})
	each("tty", "output of steps, progress tty", func(f *planted) {
		for script, code := range map[string]int{build + "tty .": 0, build + "tty failing": 1} {
			ctx, cancel := context.WithTimeout(f.t.Context(), 2*patience)
			r, err := a.Terminal(ctx, a.pod, "cd /workspace; "+script)
			cancel()
			if err != nil || r.Code != code {
				f.t.Errorf("%s: exit %d, want %d: %v\n%s", script, r.Code, code, err, r.Stdout)
			}
			if found := commandsIn(f.t, r.Stdout, "-drawn"); found != "" {
				f.t.Errorf("the terminal obeys:\n%s", found)
			}
			if !strings.Contains(r.Stdout, "\x1b[?25l") {
				f.t.Errorf("nothing was drawn:\n%q", r.Stdout)
			}
		}
		f.ended("shown without commands")
	})
	for _, system := range ciSystems {
		each(system.name, "output of steps, in a job of "+system.name, func(f *planted) {
			r := f.run(a, "R=\"$(cat hostile)\"; export "+regexp.MustCompile(`\S*\$R`).ReplaceAllString(system.variables, `"$0"`)+"; "+build+"auto --debug .")
			f.survived(r)
			f.obeyedIn(system.system, r)
			if !strings.Contains(r.stderr, system.want) {
				f.t.Errorf("the log of %s has no %q:\n%q", system.name, system.want, r.stderr)
			}
		})
	}
	each("GitHub failing", "output of a step that fails, in a job of GitHub", func(f *planted) {
		r := f.run(a, "export GITHUB_ACTIONS=true GITHUB_WORKSPACE=/workspace; "+build+"auto failing")
		f.obeyedIn("github", r)
		f.explained(r, 1, "error: ", "exit code: 7")
		if !strings.Contains(r.stderr, "\n::error file=failing/Dockerfile,line=3,endLine=3,title=") {
			f.t.Errorf("the log has no annotation:\n%q", r.stderr)
		}
	})
	s.t = t
}

// TestFaultHostileDockerfile lets Dockerfiles, names and files have text that
// takes over CI jobs, which errors and warnings quote.
func TestFaultHostileDockerfile(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.ok("slipway up >&2")
	a.write("hostile", hostileText)
	a.write("hostile-line", hostileLine)
	for _, row := range []struct {
		name, what, dockerfile, command string
		code                            int
	}{
		{"instruction", "an instruction that is none", "FROM scratch\nRUM " + hostileLine + "\n", "slipway build .", 1},
		{"flag", "a flag of RUN", "FROM base\nRUN --" + hostileLine + " true\n", "slipway build " + a.base() + ".", 1},
		{"image", "the name of an image", "FROM " + strings.ReplaceAll(hostileLine, " ", "_") + "\n", "slipway build .", 1},
		{"stage", "the name of a stage", "FROM scratch AS x" + strings.ReplaceAll(hostileLine, " ", "_") + "\n", "slipway build .", 1},
		{"target", "the target", "FROM scratch\n", `slipway build --target "$(cat hostile-line)" .`, 2},
		{"platform", "a platform", "FROM scratch\n", `slipway build --platform "$(cat hostile)" .`, 2},
		{"syntax", "the frontend", "# syntax=127.0.0.1:9/" + strings.ReplaceAll(hostileLine, " ", "_") + "\nFROM scratch\n", "slipway build .", 1},
		{"missing", "the name of a file that is missing", "FROM scratch\nCOPY [" + quoted(hostileLine) + ", \"/\"]\n", "slipway build .", 1},
		{"warnings", "warnings of the linter", "FROM base as Taken\nWORKDIR taken" + hostileName + "\nENV taken " + hostileLine + "\nENV \"PASSWORD_" + "::error::taken\"=1\nLABEL x=${taken_1}\n",
			"slipway build --no-cache --progress plain " + a.base() + ".", 0},
		{"check", "findings of --check", "FROM base as Taken\nWORKDIR taken" + hostileName + "\nENV taken " + hostileLine + "\n",
			"slipway build --check " + a.base() + ".", 1},
		{"targets", "descriptions of targets", "# " + hostileLine + "\nFROM base AS taken\n# taken " + hostileLine + "\nFROM taken AS other\n",
			"slipway build --call targets " + a.base() + ".", 0},
		{"outline", "descriptions of arguments", "FROM base\n# taken " + hostileLine + "\nARG taken=" + quoted(hostileLine) + "\nRUN echo $taken\n",
			"slipway build --call outline " + a.base() + ".", 0},
		{"no-text", "a build argument that is no text", "FROM scratch\n", `slipway build --build-arg "taken=$(cat hostile)" .`, 2},
		{"context", "the name of a context that is missing", "FROM scratch\n", `slipway build "$(cat hostile-line)"`, 2},
		{"output", "the name of an output that cannot be written", "FROM scratch\nCOPY Dockerfile /\n", `N="$(printf 'x\r::error::taken\n##vso[a]taken\033[2Jtaken\nerror: taken\nhint: taken')"; echo > "$N"; slipway build -o "$N/out" .`, 2},
		{"argument", "an argument of the command line", "FROM scratch\n", `slipway build "--$(cat hostile-line)" .`, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			s.t = t
			f := plant(t, "log", row.what)
			a.write("Dockerfile", row.dockerfile)
			r := f.run(a, row.command)
			f.obeyed(r)
			if row.code == 0 {
				f.survived(r)
				return
			}
			f.explained(r, row.code, "error: ")
		})
	}
	s.t = t
}

// quoted is a text as JSON.
func quoted(text string) string {
	raw, err := json.Marshal(text)
	if err != nil {
		panic(err) // of a string
	}
	return string(raw)
}

// TestFaultHostileKubernetes lets pods, events and images have text that takes
// over CI jobs.
func TestFaultHostileKubernetes(t *testing.T) {
	t.Parallel()
	crashing := func(t *testing.T, command string) *agent {
		s := newSpace(t, "slipway-build", "slipway-manage")
		n := s.builderNode("amd64", ownTimeout())
		n.Slipway = map[string]any{"podTemplate": map[string]any{"spec": map[string]any{"containers": []any{
			map[string]any{"name": "buildkitd", "command": []string{"sh", "-c", command}, "args": []string{}},
		}}}}
		s.define(n)
		a := s.startAgent("agent", s.Bed.Images.Agent)
		a.write("Dockerfile", smallDockerfile)
		return a
	}
	t.Run("crash", func(t *testing.T) {
		f := plant(t, "log", "the last words of a builder that crashes")
		a := crashing(t, hostileEcho+" >&2; "+hostileEcho+" > /dev/termination-log; exit 1")
		r := f.run(a, "slipway build --progress plain .")
		f.obeyed(r)
		f.explained(r, 3, "error: ", "hint: ")
		r = f.run(a, "slipway logs; slipway inspect; slipway doctor")
		f.obeyed(r)
	})
	t.Run("image", func(t *testing.T) {
		f := plant(t, "log", "the name of an image that cannot be pulled")
		s := newSpace(t, "slipway-build", "slipway-manage")
		s.define(s.builderNode("amd64", "image=taken"+strings.Trim(hostileLine, "\r\n"), ownTimeout()))
		a := s.startAgent("agent", s.Bed.Images.Agent)
		a.write("Dockerfile", smallDockerfile)
		r := f.run(a, "slipway build --progress plain .")
		f.obeyed(r)
		f.explained(r, r.code, "error: ")
		if r.code != 2 && r.code != 3 {
			t.Errorf("exit %d", r.code)
		}
	})
	t.Run("event", func(t *testing.T) {
		f := plant(t, "log", "the words of an autoscaler about a pod")
		s := newSpace(t, "slipway-build", "slipway-manage")
		n := s.builderNode("s390x", ownTimeout())
		n.Slipway = map[string]any{"unschedulableGrace": "5s"}
		s.define(n)
		a := s.startAgent("agent", s.Bed.Images.Agent)
		a.write("Dockerfile", smallDockerfile)
		a.fails(3, "slipway up", "error: ")
		pod := strings.Fields(s.kubectl("", "get", "pods", "--selector=app=builder-s390x", "-o", "jsonpath={.items[0].metadata.name} {.items[0].metadata.uid}"))
		event, err := json.Marshal(map[string]any{
			"apiVersion": "v1", "kind": "Event", "metadata": map[string]any{"name": "hostile"}, "type": "Normal",
			"involvedObject": map[string]any{"apiVersion": "v1", "kind": "Pod", "namespace": s.Name, "name": pod[0], "uid": pod[1]},
			"reason":         "NotTriggerScaleUp", "message": strings.ToValidUTF8(hostileText, "?"), "source": map[string]any{"component": "cluster-autoscaler"},
			"lastTimestamp": "2099-01-01T00:00:00Z", "count": 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		s.kubectl(string(event), "create", "-f", "-")
		r := f.run(a, "slipway build --progress plain --platform linux/s390x .")
		f.obeyed(r)
		f.explained(r, 3, "error: ", "autoscaler: ")
	})
}

// TestFaultHostileAnswers lets registries answer with text that takes over CI
// jobs.
func TestFaultHostileAnswers(t *testing.T) {
	t.Parallel()
	w := newWary(t)
	host := w.hostile.Registry().Address
	w.write("Dockerfile", "FROM "+host+"/app:1\nCOPY Dockerfile /\n")
	w.write("other/Dockerfile", "FROM "+host+"/other:1\nCOPY Dockerfile /\n") // builders keep tokens
	const build = "slipway build --no-cache --progress plain --platform linux/amd64 "
	denied := `{"errors":[{"code":` + quoted("DENIED "+hostileText) + `,"message":` + quoted(hostileText) + `}]}`
	refusing := hostileregistry.Text(http.StatusForbidden, "application/json", denied)
	index, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
		"manifests": []any{map[string]any{
			"mediaType": "application/vnd.oci.image.manifest.v1+json" + hostileText, "size": 7,
			"digest": "sha256:" + strings.Repeat("0", 64), "urls": []string{hostileText},
			"platform":    map[string]any{"os": hostileText, "architecture": hostileText, "os.version": hostileText, "os.features": []string{hostileText}},
			"annotations": map[string]any{hostileText: hostileText},
		}},
		"annotations": map[string]any{hostileText: hostileText},
	})
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{"Www-Authenticate": {`Bearer realm="https://` + host + `/token",service="` + strings.Map(printable, hostileText) + `"`}}
	for _, row := range []struct {
		what     string
		registry *hostileregistry.Registry
		command  string
		code     int
	}{
		{"a refusal, to inspect", &hostileregistry.Registry{Manifest: refusing}, "slipway index inspect " + host + "/app:1", 5},
		{"a refusal, to auth", &hostileregistry.Registry{Manifest: refusing}, "slipway auth --check " + host + "/app:1", 5},
		{"a refusal, to a build", &hostileregistry.Registry{Manifest: refusing}, build + ".", 5},
		{"a refusal of a token, to inspect", &hostileregistry.Registry{Token: refusing}, "slipway index inspect " + host + "/app:1", 5},
		{"a refusal of a token, to a build", &hostileregistry.Registry{Token: refusing}, build + "other", 5},
		{"the service of a challenge", &hostileregistry.Registry{Challenge: hostileregistry.Status(401, header), Token: refusing}, "slipway index inspect " + host + "/app:1", 5},
		{"annotations of an index", &hostileregistry.Registry{Manifest: hostileregistry.Manifest("application/vnd.oci.image.index.v1+json", index)}, "slipway index inspect " + host + "/app:1", 0},
		{"a place to go on at", &hostileregistry.Registry{Manifest: hostileregistry.Status(307, http.Header{"Location": {"https://[taken##vso[a]section_start:1:taken"}})}, "slipway index inspect " + host + "/app:1", 5},
	} {
		t.Run(strings.ReplaceAll(row.what, " ", "-"), func(t *testing.T) {
			w.t = t
			f := plant(t, "log", row.what)
			w.hostile.Clear()
			w.hostile.Add(proxy.Rule{Fault: proxy.Answer(row.what, row.registry)})
			r := f.run(w.agent, row.command)
			f.obeyed(r)
			if row.code == 0 {
				f.survived(r)
				return
			}
			f.explained(r, row.code)
		})
	}
	t.Run("log", func(t *testing.T) {
		w.t = t
		f := plant(t, "log", "the log of buildkitd")
		w.kubectl("", "exec", "deployment/builder-amd64", "--", "sh", "-c", hostileEcho+" > /proc/1/fd/2")
		r := f.run(w.agent, "slipway logs --node builder-amd64")
		f.obeyed(r)
		f.survived(r)
	})
	w.t = t
}

// printable keeps what may stand in a header.
func printable(r rune) rune {
	if r < ' ' || r > '~' || r == '"' || r == '\\' {
		return -1
	}
	return r
}
