package scenarios

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestSecretsAndSSH(t *testing.T) {
	t.Parallel()
	const canary = "canary-8f3a61d2"
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	list, err := sshListProg()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	a.write("context/sshlist", string(raw))
	key, fingerprint := newSSHKey(t)
	a.write("keys/id", key)
	a.write("secret.txt", canary+"-file")
	a.write("context/Dockerfile", `FROM base AS build
COPY --chmod=755 sshlist /bin/
RUN --mount=type=secret,id=fromfile --mount=type=secret,id=fromenv,env=TOKEN \
    wc -c < /run/secrets/fromfile > /sizes && printf %s "$TOKEN" | wc -c >> /sizes
RUN --mount=type=ssh sshlist > /keys
FROM scratch
COPY --from=build /sizes /keys /
`)
	r := a.sh("chmod 600 keys/id; TOKEN=" + canary + "-env slipway build -D --progress plain " + a.base() +
		"--secret id=fromfile,src=secret.txt --secret id=fromenv,env=TOKEN --ssh default=keys/id -o out context")
	if r.code != 0 {
		t.Fatalf("exit %d:\n%s", r.code, r.stderr)
	}
	want(t, "sizes of the secrets", strings.Join(strings.Fields(a.ok("cat out/sizes")), " "),
		fmt.Sprint(len(canary+"-file"), " ", len(canary+"-env")))
	want(t, "keys in the build", a.ok("cat out/keys"), fingerprint+"\n")
	if strings.Contains(r.stderr+r.stdout, canary) {
		t.Error("the secret stands in the log")
	}
	if found := a.ok("grep -rl " + canary + " . | grep -v ^./secret.txt || true"); found != "" {
		t.Errorf("the secret stands in the workspace: %s", found)
	}
	if found := s.kubectl("", "exec", "deployment/builder-amd64", "--", "sh", "-c", "grep -rl "+canary+" /var/lib/buildkit /tmp || true"); found != "" {
		t.Errorf("the secret stands in the builder's state: %s", found)
	}
	if history := s.kubectl("", "exec", "deployment/builder-amd64", "--", "buildctl", "debug", "histories", "--format", "{{json .}}"); strings.Contains(history, canary) || history == "" {
		t.Errorf("the builder's history (%d bytes) is empty or has the secret", len(history))
	}
}

func TestContextFromGit(t *testing.T) {
	t.Parallel()
	s := newSharedSpace(t, "amd64")
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.ok(`git config --global user.email dev@example.com && git config --global user.name dev
git init -q -b main repo && cd repo && mkdir sub && printf 'FROM scratch\nCOPY file /\n' > sub/Dockerfile && echo from git > sub/file
git add . && git commit -q -m first && git checkout -q -b other && echo other branch > sub/file && git commit -q -a -m second
cd .. && git clone -q --bare repo served/repo.git && touch served/repo.git/git-daemon-export-ok`)
	a.ok("git daemon --reuseaddr --base-path=$PWD/served --detach")
	ip := s.kubectl("", "get", "pod", a.pod, "-o", "jsonpath={.status.podIP}")
	a.ok("slipway build -o out git://" + urlHost(ip) + "/repo.git#main:sub")
	want(t, "file of main", a.ok("cat out/file"), "from git\n")
	a.ok("slipway build -o out --build-context extra=git://" + urlHost(ip) + "/repo.git#main:sub git://" + urlHost(ip) + "/repo.git#other:sub")
	want(t, "file of other", a.ok("cat out/file"), "other branch\n")
	a.fails(1, "slipway build -o out git://"+urlHost(ip)+"/repo.git#nowhere", "nowhere")

	// A finding is an annotation of the job's own repository, and of no other one.
	a.ok(`cd repo && printf 'FROM scratch as last\nCOPY nothing /\n' > sub/bad.Dockerfile && git add . && git commit -q -m third && git push -q ../served/repo.git other`)
	for repository, wanted := range map[string][]string{
		"repo":  {"::warning file=sub/bad.Dockerfile,line=1,", "::error file=sub/bad.Dockerfile,line=2,"},
		"other": {"::sub/bad.Dockerfile:1 in " + urlHost(ip) + "/repo: ", "::sub/bad.Dockerfile:2 in " + urlHost(ip) + "/repo: "},
	} {
		job := "GITHUB_ACTIONS=true GITHUB_SERVER_URL=http://" + urlHost(ip) + " GITHUB_REPOSITORY=" + repository + " GITHUB_WORKSPACE=$PWD "
		a.fails(1, job+"slipway build -o out -f bad.Dockerfile git://"+urlHost(ip)+"/repo.git#other:sub", wanted...)
	}
}

func TestFlagsReachTheBuild(t *testing.T) {
	t.Parallel()
	s := newSharedSpace(t)
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("context/.dockerignore", "ignored\n")
	a.write("context/ignored", "x")
	a.write("context/kept", "x")
	a.write("extra/file", "from a named context")
	a.write("elsewhere/My.Dockerfile", `FROM base AS build
ARG ONE TWO THREE
ARG TARGETARCH
COPY . /context
COPY --from=extra file /extra
RUN { echo "$ONE,$TWO,$THREE,$TARGETARCH"; ls /context; cat /extra; echo; grep example.test /etc/hosts; ulimit -n; df /dev/shm | tail -1; cat /sys/fs/cgroup/memory/memory.limit_in_bytes || cat /sys/fs/cgroup/memory.max; } > /out
FROM scratch AS unused
FROM scratch AS wanted
COPY --from=build /out /
`)
	a.ok("TWO=two slipway build " + both + a.base() + "-f elsewhere/My.Dockerfile --target wanted --build-arg ONE=1 --build-arg TWO --build-arg THREE " +
		"--build-context extra=extra --add-host example.test:10.1.2.3 --ulimit nofile=1234:2345 --shm-size 8m -m 100m --rm -o out context")
	for _, arch := range []string{"amd64", "arm64"} {
		got := a.ok("cat out/linux_" + arch + "/out")
		for _, line := range []string{"1,two,," + arch + "\n", "kept\n", "from a named context\n", "10.1.2.3", "1234\n", "8192", "104857600\n"} {
			if !strings.Contains(got, line) {
				t.Errorf("%s lacks %q:\n%s", arch, line, got)
			}
		}
		if strings.Contains(got, "ignored") {
			t.Errorf("%s: an ignored file was sent:\n%s", arch, got)
		}
	}
	// The context from standard input, for two nodes, read once.
	a.write("stdin/Dockerfile", smallDockerfile)
	a.ok("tar c -C stdin . | slipway build " + both + "-o fromtar - && cmp stdin/Dockerfile fromtar/linux_arm64/Dockerfile && cmp stdin/Dockerfile fromtar/linux_amd64/Dockerfile")
	a.ok("printf 'FROM scratch\nCOPY kept /\n' | slipway build -o fromstdin -f - context && cmp context/kept fromstdin/kept")
}
