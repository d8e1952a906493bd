package scenarios

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// outside is a script that tells all that a checkout must not change.
const outside = "cd / && ls -lAR root/.ssh etc/hostile && find root/.ssh etc/hostile -type f -exec sha256sum {} +"

// startVictim is an agent that has something to lose.
func startVictim(t *testing.T) *agent {
	t.Helper()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.ok("mkdir -p ~/.ssh /etc/hostile && echo mine | tee ~/.ssh/authorized_keys ~/.ssh/id /etc/hostile/passwd > /dev/null")
	return a
}

// attack is a checkout, and a build of it.
type attack struct {
	what, checkout, script string
	words                  []string // empty for a build that succeeds unharmed
}

// resist runs builds of attacks, each in a workspace of its own.
func (a *agent) resist(t *testing.T, attacks []attack, harmless func(*planted)) {
	t.Helper()
	defer func() { a.t = t }()
	before := a.ok(outside)
	for _, at := range attacks {
		t.Run(at.what, func(t *testing.T) {
			a.t = t
			f := plant(t, "checkout", at.what)
			a.ok("rm -rf /workspace/* /workspace/.[!.]*; mkdir ctx && printf '" + strings.ReplaceAll(smallDockerfile, "\n", `\n`) + "' > ctx/Dockerfile; " + at.checkout)
			r := f.run(a, at.script)
			if len(at.words) == 0 {
				f.survived(r)
			} else {
				f.explained(r, 2, append([]string{"error: "}, at.words...)...)
			}
			after := a.ok(outside)
			f.held(foreignTouched, after == before, "there was\n%s\nand there is\n%s", before, after)
			left := a.ok("cd /; find workspace tmp -name '*slipway-*'")
			f.held(leak, left == "", "there is\n%s", left)
			if harmless != nil {
				harmless(f)
			}
		})
	}
}

func TestFaultLinksAtDestinations(t *testing.T) {
	t.Parallel()
	a := startVictim(t)
	leaves := func(what, link, flags string) attack {
		return attack{what, link, "slipway build " + flags + " ctx", []string{"through a symbolic link", "hint: "}}
	}
	image := "-o type=oci,dest=ok.tar "
	attacks := []attack{
		leaves("local, a link", "ln -s ~/.ssh out", "-o out"),
		leaves("local, a relative link", "ln -s ../root/.ssh out", "-o out"),
		leaves("local, by a link to a link", "ln -s ~/.ssh a; ln -s a out", "-o ./ctx/../out"),
		leaves("local, by its absolute path", "ln -s ~/.ssh out", "-o /workspace/out"),
		leaves("local, below a link", "ln -s /etc out", "-o out/hostile/new"),
		leaves("local, a link to nothing", "ln -s ~/.ssh/new out", "-o out"),
		leaves("local, deleting", "ln -s ~/.ssh out", "--allow buildx.local.delete -o type=local,mode=delete,dest=out"),
		leaves("tar, a link", "ln -s ~/.ssh/authorized_keys files.tar", "-o type=tar,dest=files.tar"),
		leaves("tar, a link to nothing", "ln -s ~/.ssh/new files.tar", "-o type=tar,dest=files.tar"),
		leaves("tar, below a link", "ln -s /etc out", "-o type=tar,dest=out/hostile/passwd"),
		leaves("oci", "ln -s ~/.ssh/authorized_keys image.tar", "-o type=oci,dest=image.tar"),
		leaves("docker", "ln -s ~/.ssh/authorized_keys image.tar", "-o type=docker,dest=image.tar"),
		leaves("image layout", "ln -s ~/.ssh layout", "-o type=oci,tar=false,dest=layout"),
		leaves("blobs of an image layout", "mkdir layout; ln -s ~/.ssh layout/blobs", "-o type=oci,tar=false,dest=layout"),
		leaves("lock of an image layout", "mkdir layout; ln -s ~/.ssh/new layout/index.json.lock", "-o type=oci,tar=false,dest=layout"),
		leaves("index of an image layout", "mkdir layout; ln -s ~/.ssh/authorized_keys layout/index.json", "-o type=oci,tar=false,dest=layout"),
		leaves("image ID", "ln -s ~/.ssh/authorized_keys iid", image+"--iidfile iid"),
		leaves("metadata file", "ln -s ~/.ssh/authorized_keys meta.json", image+"--metadata-file meta.json"),
		leaves("metadata file below a link", "ln -s /etc out", image+"--metadata-file out/hostile/passwd"),
		leaves("cache", "ln -s ~/.ssh cache", image+"--cache-to type=local,dest=cache"),
		leaves("blobs of a cache", "mkdir cache; ln -s ~/.ssh cache/blobs", image+"--cache-to type=local,dest=cache"),
		leaves("index of a cache", "mkdir cache; ln -s ~/.ssh/authorized_keys cache/index.json", image+"--cache-to type=local,dest=cache"),
		leaves("digests of the context", "ln -s ~/.ssh sums", image+"--context-cache sums"),
	}
	// In a destination of the build's own, links give way.
	const product = "mkdir ctx/hostile; echo theirs > ctx/hostile/passwd; echo theirs > ctx/authorized_keys; printf 'FROM scratch\\nCOPY . /\\n' > ctx/Dockerfile; "
	attacks = append(attacks,
		attack{"a link to a directory in a destination", product + "mkdir out; ln -s /etc/hostile out/hostile", "slipway build -o out ctx && test ! -L out/hostile && cmp ctx/hostile/passwd out/hostile/passwd", nil},
		attack{"a link to a file in a destination", product + "mkdir out; ln -s ~/.ssh/authorized_keys out/", "slipway build -o out ctx && test ! -L out/authorized_keys && cmp ctx/authorized_keys out/authorized_keys", nil},
		attack{"a link in a destination that is emptied", product + "mkdir out; ln -s /etc/hostile out/etc", "slipway build --allow buildx.local.delete -o type=local,mode=delete,dest=out ctx && test ! -L out/etc", nil},
	)
	a.resist(t, attacks, nil)
}

func TestFaultHostileContext(t *testing.T) {
	t.Parallel()
	a := startVictim(t)
	all := "printf 'FROM scratch\\nCOPY . /\\n' > ctx/Dockerfile; "
	build := "slipway build --progress plain -o out ctx"
	a.resist(t, []attack{
		{"Dockerfile, a link out", "ln -sf ~/.ssh/id ctx/Dockerfile", build, []string{"symbolic link"}},
		{"Dockerfile, a link to an endless file", "ln -sf /dev/zero ctx/Dockerfile", build, []string{"not a regular file"}},
		{"Dockerfile, a pipe", "rm ctx/Dockerfile; mkfifo ctx/Dockerfile", build, []string{"not a regular file"}},
		{"Dockerfile, a device", "rm ctx/Dockerfile; mknod ctx/Dockerfile c 1 5", build, []string{"not a regular file"}},
		{"Dockerfile, 20 GiB", "truncate -s 20G ctx/Dockerfile", build, []string{"longer than"}},
		{"--file, a link out", "ln -s ~/.ssh/id ctx/Other", "slipway build -f ctx/Other -o out ctx", []string{"symbolic link"}},
		{"ignore file, a link out", "ln -s ~/.ssh/id ctx/.dockerignore", build, []string{"symbolic link", "nothing would be excluded"}},
		{"ignore file of its own, a link out", "ln -s ~/.ssh/id ctx/Dockerfile.dockerignore", build, []string{"symbolic link", "nothing would be excluded"}},
		{"ignore file, a pipe", "mkfifo ctx/.dockerignore", build, []string{"not a regular file"}},
		{"image layout, a pipe", "mkdir layout; mkfifo layout/index.json", "slipway build --build-context base=oci-layout://layout -o out ctx", []string{"not a regular file"}},
		{"cache to read, a pipe", "mkdir cache; mkfifo cache/index.json", "slipway build --cache-from type=local,src=cache -o out ctx", nil},
		// The links arrive as links.
		{"a link out in the context", all + "ln -s ~/.ssh/id ctx/id; ln -s / ctx/root", build + " && test -L out/id -a -L out/root", nil},
		{"pipes and devices in the context", all + "mkfifo ctx/pipe; mknod ctx/zero c 1 5; mknod ctx/disk b 7 0", build + "; code=$?; test $code != 0 || ls out", nil},
		{"names with control characters", all + `touch "ctx/$(printf 'a\nerror: no\rb')" "ctx/$(printf '\033[2J\033]0;x\007')" "ctx/::error::x" "ctx/##vso[task.x]y"`, build + " && diff -r ctx out", nil},
	}, nil)

	f := plant(t, "checkout", "a name that is no text, with control characters")
	a.ok("rm -rf /workspace/* && mkdir ctx && printf 'FROM scratch\\nCOPY . /\\n' > ctx/Dockerfile; " + `touch "ctx/$(printf 'a\nerror: no\033[2J\r\377')"`)
	r := f.run(a, build)
	f.explained(r, 2, "not valid UTF-8", "hint: rename the file")
	for _, not := range []string{"\x1b", "\r", "\nerror: no"} {
		f.held(foreignTouched, !strings.Contains(r.stdout+r.stderr, not), "the log has %q", not)
	}
}

// programsOfGit are settings of a repository that name programs, each of which
// leaves a trace.
const programsOfGit = `mkdir -p ~/traces && rm -f ~/traces/* && printf '#!/bin/sh\ntouch /root/traces/ran; cat\n' > /root/trace && chmod +x /root/trace
evil() { # the directory of a repository
for key in core.fsmonitor core.sshCommand core.gitProxy core.pager core.editor core.askPass core.alternateRefsCommand diff.external diff.evil.textconv \
  filter.evil.clean filter.evil.smudge filter.long.process gpg.program uploadpack.packObjectsHook remote.origin.uploadpack credential.helper; do
  git config -f $1/config $key /root/trace; done
git config -f $1/config core.hooksPath /root/hooks; git config -f $1/config log.showSignature true; git config -f $1/config alias.status '!/root/trace'
git config -f $1/config remote.origin.url 'ext::/root/trace %S'; git config -f $1/config protocol.ext.allow always
git config -f $1/config remote.origin.promisor true; git config -f $1/config extensions.partialClone origin; git config -f $1/config core.repositoryFormatVersion 1
mkdir -p $1/info; printf '* filter=evil diff=evil\nDockerfile filter=long\n' > $1/info/attributes; }
mkdir -p /root/hooks; for hook in post-index-change reference-transaction post-checkout fsmonitor-watchman; do ln -sf /root/trace /root/hooks/$hook; done
repo() { git init -q $1 && git -C $1 add . && git -C $1 -c user.name=n -c user.email=e@example.com commit -q -m m && touch -d '2001-01-01' $1/Dockerfile; }
`

func TestFaultHostileRepository(t *testing.T) {
	t.Parallel()
	a := startVictim(t)
	build := "BUILDX_GIT_CHECK_DIRTY=1 BUILDX_GIT_LABELS=full slipway build -o type=oci,dest=image.tar ctx"
	a.resist(t, []attack{
		{"git's settings", programsOfGit + "repo ctx; evil ctx/.git", build, nil},
		{"git's settings, included", programsOfGit + "repo ctx; mkdir /tmp/more; evil /tmp/more; git config -f ctx/.git/config include.path /tmp/more/config; mkdir -p ctx/.git/info; mv /tmp/more/info/attributes ctx/.git/info/", build, nil},
		{"a repository of another user", programsOfGit + "repo ctx; evil ctx/.git; chown -R 1234:1234 ctx", build, nil},
		{".git, a file that leads elsewhere", programsOfGit + "repo ctx; evil ctx/.git; mv ctx/.git elsewhere; echo gitdir: /workspace/elsewhere > ctx/.git", build, nil},
		{".git, a link", programsOfGit + "repo ctx; evil ctx/.git; mv ctx/.git elsewhere; ln -s ../elsewhere ctx/.git", build, nil},
		{".git, a pipe", "mkfifo ctx/.git", build, nil},
		{"a work tree elsewhere", programsOfGit + "repo ctx; evil ctx/.git; git config -f ctx/.git/config core.worktree /root/.ssh", build, nil},
		{"a submodule", programsOfGit + "mkdir ctx/module; cp ctx/Dockerfile ctx/module; repo ctx/module; git -C ctx init -q; git -C ctx add module 2> /dev/null; repo ctx; evil ctx/module/.git", build, nil},
		{"a commit that is missing", programsOfGit + "repo ctx; evil ctx/.git; rm -r ctx/.git/objects/??", build, nil},
		{"a bare repository as context", programsOfGit + "repo ctx; evil ctx/.git; cp ctx/Dockerfile ctx/.git/; mv ctx other; mv other/.git ctx", build, nil},
	}, func(f *planted) {
		got := a.ok("ls ~/traces 2> /dev/null || true")
		f.held(foreignTouched, got == "", "a program of the repository has run")
	})
	// The settings do run programs where nothing keeps git from it.
	a.ok("rm -rf /workspace/*; mkdir ctx && touch ctx/Dockerfile; " + programsOfGit + "repo ctx; evil ctx/.git; git -C ctx status > /dev/null 2>&1; ls ~/traces/ran")
}

// TestFaultSecretsInATeedLog has a log that goes through a pipe into a file, as
// pipelines do to keep it, on every CI system.
func TestFaultSecretsInATeedLog(t *testing.T) {
	t.Parallel()
	const secret, argument = "canary-secret-51f0", "canary-argument-77aa"
	b := bed(t)
	s := newStranger(t, b.Images.Agent, b.Registry, b.Registry)
	host, user, password := b.Registry.Address, b.Registry.Username, b.Registry.Password
	basic := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	s.write("ctx/Dockerfile", `FROM base
ARG TOKEN
RUN --mount=type=secret,id=s,env=SECRET test -n "$TOKEN" && echo "it is $SECRET" && printf %s "$SECRET" | base64
`)
	s.write("ctx/Fails", `FROM base
ARG TOKEN
RUN --mount=type=secret,id=s,env=SECRET test -n "$TOKEN" && echo "it is $SECRET" >&2 && exit 3
`)
	s.write("/tmp/auth.json", fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, basic))
	for _, system := range []struct{ name, environment string }{
		{"Jenkins", fmt.Sprintf("JENKINS_URL=http://j/ WORKSPACE=/workspace REGISTRY=%s REGISTRY_USERNAME=%s REGISTRY_PASSWORD=%s", host, user, password)},
		{"GitLab", fmt.Sprintf("GITLAB_CI=true CI=true CI_REGISTRY=%s CI_REGISTRY_USER=%s CI_REGISTRY_PASSWORD=%s CI_JOB_TOKEN=%s", host, user, password, secret)},
		{"GitHub", fmt.Sprintf("GITHUB_ACTIONS=true CI=true GITHUB_SERVER_URL=https://github.com GITHUB_ACTOR=o GITHUB_TOKEN=%s DOCKER_AUTH_CONFIG='{\"auths\":{\"%s\":{\"auth\":\"%s\"}}}'", secret, host, basic)},
		{"Azure", "TF_BUILD=True BUILD_REPOSITORY_URI=https://u:" + secret + "@dev.example/r BUILD_SOURCESDIRECTORY=/workspace REGISTRY_AUTH_FILE=/tmp/auth.json"},
		{"Bitbucket", "CI=true BITBUCKET_GIT_HTTP_ORIGIN=http://u:" + secret + "@bitbucket.example/r BITBUCKET_CLONE_DIR=/workspace REGISTRY_AUTH_FILE=/tmp/auth.json"},
		{"Buildkite", "BUILDKITE=true BUILDKITE_REPO=https://u:" + secret + "@git.example/r BUILDKITE_BUILD_CHECKOUT_PATH=/workspace REGISTRY_AUTH_FILE=/tmp/auth.json"},
		{"CircleCI", "CIRCLECI=true CIRCLE_REPOSITORY_URL=https://u:" + secret + "@git.example/r CIRCLE_WORKING_DIRECTORY=/workspace REGISTRY_AUTH_FILE=/tmp/auth.json"},
		{"Tekton", "REGISTRY_AUTH_FILE=/tmp/auth.json"},
	} {
		for _, build := range []struct {
			name, flags string
			code        int
		}{
			{"succeeds", "-f ctx/Dockerfile -t " + s.tag("teed") + " --push ctx", 0},
			{"fails", "-f ctx/Fails ctx", 1},
			{"is refused", "-f ctx/Dockerfile -t 10.244.0.1:9/" + s.Name + ":x --push ctx", 5},
		} {
			t.Run(system.name+" "+build.name, func(t *testing.T) {
				// The secrets of three systems come by other ways than the rest's.
				if !slices.Contains([]string{"Jenkins", "GitLab", "GitHub"}, system.name) {
					long(t)
				}
				s.t = t
				f := plant(t, "checkout", "the log of a build that "+build.name+" goes through tee, on "+system.name)
				r := f.run(s.agent, "rm -f code log; { "+system.environment+" CANARY="+secret+" TOKEN="+argument+" slipway build --debug --no-cache --progress auto "+
					s.base()+"--secret id=s,env=CANARY --build-arg TOKEN "+build.flags+"; echo $? > code; } 2>&1 | tee log > /dev/null; cat log >&2; exit $(cat code)")
				if build.code == 0 {
					f.survived(r)
				} else {
					f.explained(r, build.code, "error: ")
				}
				for what, canary := range map[string]string{
					"secret": secret, "secret in base64": base64.StdEncoding.EncodeToString([]byte(secret))[:24], "build argument": argument,
					"password": password, "password in base64": basic,
				} {
					f.held(leak, !strings.Contains(r.stderr+r.stdout, canary), "the log has the %s:\n%s", what, r.stderr)
				}
				if build.code != 5 && !strings.Contains(r.stderr, "it is ***") {
					t.Errorf("the log has no output of the step:\n%s", r.stderr)
				}
			})
			s.t = t
		}
	}
}
