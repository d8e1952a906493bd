package scenarios

import (
	"strings"
	"testing"
)

// failingTests runs tests, some of which fail, and leaves their report behind.
const failingTests = `FROM base
WORKDIR /src
RUN --mount=type=bind,target=/more,rw mkdir -p target/reports /more/log && uname -m > target/reports/machine.txt && \
	echo '<testsuite tests="3" failures="1"><testcase classname="app.SumTest" name="adds"/><testcase classname="app.SumTest" name="carries"><failure message="want 2, got 1"/></testcase><testcase name="skips"><skipped/></testcase></testsuite>' > target/reports/TEST-sum.xml && \
	echo from the mount > /more/log/test.log && mkdir /var/out && echo elsewhere > /var/out/a.txt && exit 3
`

// TestFilesOfAFailedStep has tests that fail on two architectures.
func TestFilesOfAFailedStep(t *testing.T) {
	t.Parallel()
	s := newSharedSpace(t)
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", failingTests)

	r := a.fails(1, "slipway build "+both+a.base()+"-o out --on-failure dest=reports,path=target/reports,path=/more/**/*.log,path=/var/out/?.txt .",
		"exit code: 3", "in reports/linux_amd64", "in reports/linux_arm64",
		"\nnote: linux/amd64: 1 of 3 tests failed, first: app.SumTest.carries: want 2, got 1\n", "\nnote: linux/arm64: 1 of 3 tests failed, first: ")
	if strings.Contains(r.stderr, "left out") || strings.Contains(r.stderr, "no files") {
		t.Errorf("something is left out:\n%s", r.stderr)
	}
	for dir, machine := range map[string]string{"linux_amd64": "x86_64\n", "linux_arm64": "aarch64\n"} {
		want(t, dir, a.ok("cd reports/"+dir+" && cat target/reports/machine.txt"), machine)
		want(t, "files of "+dir, a.ok("cd reports/"+dir+" && find . -type f | sort"), "./more/log/test.log\n./target/reports/TEST-sum.xml\n./target/reports/machine.txt\n./var/out/a.txt\n")
	}
	want(t, "the workspace", a.ok("ls -A"), "Dockerfile\nreports\n")

	// One platform has no directory of its own, and the error is that of a build without the flag.
	plain := a.fails(1, "slipway build --platform linux/amd64 "+a.base()+".", "exit code: 3")
	_, wantError, _ := strings.Cut(plain.stderr, "\nerror: ")
	r = a.fails(1, "slipway build --platform linux/amd64 "+a.base()+"--on-failure dest=one/deep,path=target .")
	if _, got, _ := strings.Cut(r.stderr, "\nerror: "); firstLine(got) != firstLine(wantError) {
		t.Errorf("error %q, want %q", firstLine(got), firstLine(wantError))
	}
	want(t, "files of one platform", a.ok("cd one/deep && find . -type f | sort"), "./target/reports/TEST-sum.xml\n./target/reports/machine.txt\n")

	// Without a pattern the working directory is shown.
	a.fails(1, "slipway build --progress plain --platform linux/amd64 "+a.base()+"--on-failure dest=none .", "files in /src", "src/target")
	a.ok("test ! -e none")

	// What has no step with files says so, and keeps its error.
	a.write("Dockerfile", "FROM base\nCOPY missing /\n")
	a.fails(1, "slipway build --platform linux/amd64 "+a.base()+"--on-failure dest=none,path=x .", "no files of the failed step: ", "missing")
	// A build that succeeds is the same with the flag.
	a.write("Dockerfile", unameDockerfile)
	a.ok("slipway build " + both + a.base() + "-o out --on-failure dest=none,path=x . && cat out/linux_arm64/machine.txt >&2 && test ! -e none")
	want(t, "the result of a build that succeeds", a.ok("cat out/linux_arm64/machine.txt"), "aarch64\n")
}

// TestTheCommandsOfTheReportsPage runs the commands of docs/reports.md, all of which fail.
func TestTheCommandsOfTheReportsPage(t *testing.T) {
	t.Parallel()
	s := newSharedSpace(t)
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", strings.Replace(failingTests, "FROM base", "FROM base AS test", 1))
	page := readFile(t, "../docs/reports.md")
	_, commands, _ := strings.Cut(page, "```sh\n")
	commands, _, _ = strings.Cut(commands, "```")
	ran := 0
	for command := range strings.Lines(commands) {
		a.fails(1, strings.Replace(command, "slipway build ", "slipway build "+a.base(), 1), "exit code: 3", "\nerror: ")
		ran++
	}
	if ran < 3 {
		t.Errorf("the page has %d commands only", ran)
	}
	want(t, "files", a.ok("find reports -name '*.xml' | sort"), "reports/linux_amd64/target/reports/TEST-sum.xml\nreports/linux_arm64/target/reports/TEST-sum.xml\nreports/target/reports/TEST-sum.xml\n")
	a.ok("test ! -e none")
}

// firstLine is the text up to its first line end.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// TestHostileFilesOfAFailedStep has a step whose files are not to get to the agent.
func TestHostileFilesOfAFailedStep(t *testing.T) {
	t.Parallel()
	s := newSharedSpace(t, "amd64")
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", `FROM base
WORKDIR /src
RUN mkdir reports many && ln -s /etc etc && ln -s ../../../../etc/passwd reports/passwd && truncate -s 5G reports/core && \
	mknod reports/null c 1 3 && mkfifo reports/pipe && echo good > reports/good.txt && \
	cd many && seq 100000 | xargs touch && exit 1
`)
	build := "slipway build --platform linux/amd64 " + a.base()
	a.fails(1, build+"--on-failure dest=reports,path=reports,path=etc/passwd,path=etc .",
		"/src/reports/core is left out: more than max=256M", "symbolic links are not followed", "/src/reports/null is left out: it is a device", "reports/pipe is left out: it is not a regular file")
	want(t, "files", a.ok("find reports -not -type d"), "reports/reports/good.txt\n")
	r := a.fails(1, build+"--on-failure dest=many,path=many .", "at most 10000 files", "10000 files (0B) of the failed step in many")
	want(t, "files of many", a.ok("find many -type f | wc -l"), "10000\n")
	t.Logf("100,000 files: %s", r.took)
	// A destination that leads out of the checkout is refused before anything is done.
	a.ok("ln -s /tmp leads-out")
	a.fails(2, build+"--on-failure dest=leads-out,path=reports .", "leads out of the working directory")
	a.ok("test -z \"$(ls -A /tmp | grep -i good)\"")
}
