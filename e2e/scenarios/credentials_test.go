package scenarios

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/e2e/registrytest"
	"github.com/slipway-build/slipway/e2e/testbed/state"
)

// TestEachSourceOfCredentialsAlone pulls a private base image and pushes with
// one source of credentials after the other, and nothing else. The registry
// gives out tokens, which the agent fetches, for the builders too.
func TestEachSourceOfCredentialsAlone(t *testing.T) {
	t.Parallel()
	b := bed(t)
	r := b.TokenRegistry
	s := newStranger(t, b.Images.Agent, r, r)
	build := func(platforms, flags, tag string) string {
		return "slipway build " + platforms + "--no-cache --build-arg BASE=" + r.Base + " " + flags + " -t " + s.tag(tag) + " --push ."
	}
	s.fails(5, build(both, "", "anonymous"), "cannot pull "+strings.TrimSuffix(r.Base, ":1"), "anonymous", "hint: ", "slipway login "+r.Address)

	config, err := registrytest.DockerConfigFor(r)
	if err != nil {
		t.Fatal(err)
	}
	// What a script needs is in a file, not in its arguments.
	s.write("/tmp/config.json", config)
	s.write("/tmp/login", fmt.Sprintf("H=%s\nU=%s\nP=%s\n", r.Address, r.Username, r.Password))
	s.write("/tmp/helper/docker-credential-test", "#!/bin/sh\n. /tmp/login\nprintf '{\"ServerURL\":\"%s\",\"Username\":\"%s\",\"Secret\":\"%s\"}' $H $U $P\n")
	s.write("/tmp/helped/config.json", `{"credHelpers":{"`+r.Address+`":"test"}}`)
	// Without a tag nothing names the registry of such a credential.
	extract := "REGISTRY_USERNAME=$U REGISTRY_PASSWORD=$P slipway build --platform linux/amd64 --no-cache --build-arg BASE=" + r.Base + " -o type=local,dest=out . >&2"
	s.fails(5, ". /tmp/login && "+extract, "cannot pull ", "hint: REGISTRY_USERNAME is set but names no registry: set REGISTRY="+r.Address+" if it is for that registry")
	s.ok(". /tmp/login && REGISTRY=$H " + extract)
	for _, source := range []struct{ name, before, flags string }{
		{"flag", "export MY_USER=$U MY_PASSWORD=$P", "--registry-auth " + r.Address + "=env:MY_USER:MY_PASSWORD"},
		{"jenkins-pair", "export ACME_USR=$U ACME_PSW=$P", "--registry-auth " + r.Address + "=jenkins:ACME"},
		{"slipway", "export SLIPWAY_REGISTRY_USERNAME=$U SLIPWAY_REGISTRY_PASSWORD=$P", ""},
		{"docker-config", "mkdir -p d; cp /tmp/config.json d/; export DOCKER_CONFIG=$PWD/d", ""},
		{"docker-helper", "chmod +x /tmp/helper/*; export PATH=/tmp/helper:$PATH DOCKER_CONFIG=/tmp/helped", ""},
		{"auth-config", `export DOCKER_AUTH_CONFIG="$(cat /tmp/config.json)"`, ""},
		{"auth-config-file", "export DOCKER_AUTH_CONFIG=/tmp/config.json", ""},
		{"pull-secret", "mkdir -p /tmp/secrets/one; cp /tmp/config.json /tmp/secrets/one/.dockerconfigjson; export SLIPWAY_REGISTRY_SECRETS=/tmp/secrets", ""},
		{"containers", "export REGISTRY_AUTH_FILE=/tmp/config.json", ""},
		{"gitlab", "export GITLAB_CI=true CI_REGISTRY=$H CI_REGISTRY_USER=$U CI_REGISTRY_PASSWORD=$P", ""},
		{"jenkins", "export REGISTRY_USERNAME=$U REGISTRY_PASSWORD=$P", ""},
		{"login", "slipway login -u $U --password-stdin $H < /tmp/password", ""},
	} {
		t.Run(source.name, func(t *testing.T) {
			s.t = t
			if source.name == "login" {
				s.write("/tmp/password", r.Password+"\n")
			}
			// The agent itself uses what it finds to check, and to push an index of
			// several platforms, which the last one does.
			s.ok(". /tmp/login && " + source.before + " >&2 && slipway auth --check " + source.flags + " " + s.repo + " >&2 && " + build("--platform linux/amd64 ", source.flags, source.name))
			s.index(source.name, "linux/amd64")
		})
	}
	s.t = t
	s.ok("slipway logout " + r.Address + " >&2")
	s.fails(5, build(both, "", "anonymous"), "anonymous")

	s.pullSecret("pull", r.Address, r.Username, r.Password)
	s.ok(build(both, "", "service-account"))
	s.index("service-account", "linux/amd64", "linux/arm64")
}

// pullSecret gives the agent's service account a pull secret and the right to
// read it.
func (s *space) pullSecret(name, host, username, password string) {
	s.t.Helper()
	s.kubectl("", "create", "secret", "docker-registry", name, "--docker-server="+host, "--docker-username="+username, "--docker-password="+password)
	s.kubectl("", "patch", "serviceaccount", "agent", "--patch", `{"imagePullSecrets": [{"name": "`+name+`"}]}`)
	s.kubectl("", "create", "role", name, "--verb=get", "--resource=serviceaccounts,secrets", "--resource-name=agent", "--resource-name="+name)
	s.kubectl("", "create", "rolebinding", name, "--role="+name, "--serviceaccount="+s.Name+":agent")
}

// TestRefusedCredentials is told what was refused, to whom and why.
func TestRefusedCredentials(t *testing.T) {
	t.Parallel()
	b := bed(t)
	r := b.TokenRegistry
	s := newStranger(t, b.Images.Agent, r, r, b.Registry)
	reader, ok := r.User("reader")
	if !ok {
		t.Fatal("the testbed has no reader")
	}
	push := "slipway build " + both + "--build-arg BASE=" + r.Base + " -t " + s.tag("refused") + " --push ."
	for _, one := range []struct {
		name  string
		user  state.User
		words []string
	}{
		{"wrong password", state.User{Username: r.Username, Password: "not-the-password"}, []string{"cannot pull", "does not accept the credential", `user "` + r.Username + `"`, "REGISTRY_PASSWORD", "is wrong or has expired"}},
		{"no right to push", reader, []string{"cannot push " + s.repo, "has no right", `user "reader"`, "REGISTRY_PASSWORD", "give user"}},
	} {
		t.Run(one.name, func(t *testing.T) {
			s.t = t
			s.write("/tmp/login", fmt.Sprintf("export REGISTRY_USERNAME=%s REGISTRY_PASSWORD=%s\n", one.user.Username, one.user.Password))
			result := s.fails(5, ". /tmp/login && "+push, append(one.words, "error: ", "hint: ")...)
			if strings.Contains(result.stderr, one.user.Password) {
				t.Errorf("the password is in the log:\n%s", result.stderr)
			}
			want(t, "the tag", s.digest("refused"), "")
		})
	}
	s.t = t
}

// TestCredentialsByPath uses different credentials for two repositories of one
// registry, neither of which could do the other's work, and a third for
// another registry, in one build.
func TestCredentialsByPath(t *testing.T) {
	t.Parallel()
	b := bed(t)
	r := b.TokenRegistry
	s := newStranger(t, b.Images.Agent, r, r, b.Registry)
	users := map[string]state.User{}
	for path, name := range map[string]string{r.Address + "/test": "reader", r.Address + "/team": "team"} {
		user, ok := r.User(name)
		if !ok {
			t.Fatalf("the testbed has no %s", name)
		}
		users[path] = user
	}
	users[b.Registry.Address] = state.User{Username: b.Registry.Username, Password: b.Registry.Password}
	config, err := registrytest.DockerConfig(users)
	if err != nil {
		t.Fatal(err)
	}
	s.write("/tmp/auth.json", config)
	team := r.Address + "/team/" + s.Name + ":1"
	s.write("Dockerfile", "ARG BASE=scratch OTHER=scratch\nFROM ${OTHER} AS other\nRUN uname -m > /other.txt\nFROM ${BASE}\nCOPY --from=other /other.txt /\nLABEL scenario=yes\n")
	s.ok("REGISTRY_AUTH_FILE=/tmp/auth.json slipway build " + both + "--build-arg BASE=" + r.Base + " --build-arg OTHER=" + b.Registry.Base +
		" --cache-to type=registry,ref=" + b.Registry.Address + "/" + s.Name + "/cache:1 -t " + team + " --push .")
	if err := s.images.Validate(t.Context(), team); err != nil {
		t.Error(err)
	}
}

// TestBrokenSourcesOfCredentials are warned of, and the next one serves.
func TestBrokenSourcesOfCredentials(t *testing.T) {
	t.Parallel()
	b := bed(t)
	r := b.Registry
	s := newStranger(t, b.Images.Agent, r, r)
	s.write("/root/.docker/config.json", `{"credsStore":"nowhere", "auths": {}}`)
	s.write("/tmp/auth.json", "{\n  \"auths\": {,}\n}")
	s.write("/tmp/login", fmt.Sprintf("export REGISTRY_USERNAME=%s REGISTRY_PASSWORD=%s REGISTRY_AUTH_FILE=/tmp/auth.json\n", r.Username, r.Password))
	build := "slipway build " + both + s.from() + "-t " + s.tag("1") + " --push ."
	result := s.sh(". /tmp/login && " + build)
	if result.code != 0 {
		t.Fatalf("exit %d:\n%s", result.code, result.stderr)
	}
	for _, warning := range []string{"docker-credential-nowhere", "/tmp/auth.json:2:13"} {
		if n := strings.Count(result.stderr, warning); n != 1 {
			t.Errorf("%q is in the log %d times, want once:\n%s", warning, n, result.stderr)
		}
	}
	s.index("1", "linux/amd64", "linux/arm64")
	// Without any that serves, the refusal tells of the broken ones.
	s.fails(5, "REGISTRY_AUTH_FILE=/tmp/auth.json "+build, "anonymous", "/tmp/auth.json:2:13")
}

// TestNoSecretLeaks looks for a password wherever it has no business: in what
// is printed at the most talkative level, in the arguments of processes, in the
// workspace, in the builder's state, in the metadata.
func TestNoSecretLeaks(t *testing.T) {
	t.Parallel()
	b := bed(t)
	r := b.Registry // by password: what the builder gets is the secret itself
	s := newStranger(t, b.Images.Agent, r, r)
	s.write("/tmp/login", fmt.Sprintf("export REGISTRY_USERNAME=%s REGISTRY_PASSWORD=%s\n", r.Username, r.Password))
	s.write("Dockerfile", machineDockerfile+"RUN sleep 3\n")
	script := `. /tmp/login
slipway build --log-level trace --progress plain ` + both + s.from() + `--provenance mode=max -t ` + s.tag("1") + ` --push --metadata-file meta.json --iidfile iid . > out.log 2> err.log & pid=$!
: > seen
while cat /proc/[0-9]*/cmdline /proc/$pid/environ.none >> seen 2>/dev/null; [ -d /proc/$pid ] && ! grep -q '^State:.Z' /proc/$pid/status; do sleep 0.2; done
wait $pid && slipway auth --all ` + s.repo + ` >> out.log 2>&1
unset REGISTRY_USERNAME
for word in "$REGISTRY_PASSWORD" "$(printf %s "ci:$REGISTRY_PASSWORD" | base64 | tr -d '\n')"; do
	grep -rlF -e "$word" . && exit 9
done; exit 0`
	if result := s.sh(script); result.code != 0 {
		t.Fatalf("exit %d: the secret is in: %s\n%s", result.code, result.stdout, result.stderr)
	}
	if size := strings.TrimSpace(s.ok("cat err.log seen | wc -c")); size == "0" {
		t.Fatal("nothing was looked at")
	}
	for _, pod := range strings.Fields(s.kubectl("", "get", "pods", "--selector=app.kubernetes.io/managed-by=slipway", "-o", "jsonpath={.items[*].metadata.name}")) {
		got, err := s.Shell(t.Context(), pod, "grep -rlF -e '"+r.Password+"' /var/lib/buildkit /run/buildkit /tmp 2>/dev/null; true")
		if err != nil || strings.TrimSpace(got.Stdout) != "" {
			t.Errorf("builder %s has the secret in %s: %v", pod, got.Stdout, err)
		}
		histories := s.kubectl("", "exec", pod, "--", "buildctl", "debug", "histories", "--format", "{{json .}}")
		ref := regexp.MustCompile(`"Ref":"([^"]+)"`).FindStringSubmatch(histories)
		if ref == nil {
			t.Fatalf("builder %s has no history: %s", pod, histories)
		}
		record := histories + s.kubectl("", "exec", pod, "--", "buildctl", "debug", "logs", ref[1])
		if strings.Contains(record, r.Password) || !strings.Contains(record, "sleep 3") {
			t.Errorf("builder %s has the secret in its history, or no history:\n%s", pod, record)
		}
	}
}
