package scenarios

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/e2e/registrytest/proxy"
)

// pretend is held by whoever pretends at 10.244.1.1:443.
var pretend sync.Mutex

var update = flag.Bool("update", false, "write the output of the commands into the pages of docs that show it")

// TestTheCasesOfTheTroubleshootingPage runs what the page about refusing
// registries shows, in its order, and compares what it prints.
func TestTheCasesOfTheTroubleshootingPage(t *testing.T) {
	t.Parallel()
	const page = "../../docs/credentials-troubleshooting.md"
	b := bed(t)
	pretend.Lock()
	defer pretend.Unlock()
	s, _ := newPretender(t, proxy.Disguise{Address: "10.244.1.1:443", Names: []string{"registry.example", "other.example", "ghcr.io"}})
	text := readFile(t, "../docs/credentials-troubleshooting.md")
	ran := 0
	got := regexp.MustCompile("(?s)```console\n(.*?)```").ReplaceAllStringFunc(text, func(block string) string {
		var out strings.Builder
		for line := range strings.Lines(block) {
			command, ok := strings.CutPrefix(line, "$ ")
			if !ok {
				continue
			}
			ran++
			r := s.sh("PASSWORD=" + b.Registry.Password + "; " + strings.TrimSpace(command) + " 2>&1")
			out.WriteString(line + strings.ReplaceAll(r.stdout, s.Name, "ci"))
		}
		return "```console\n" + out.String() + "```"
	})
	if ran < 15 || strings.Contains(got, b.Registry.Password) {
		t.Errorf("%d commands ran", ran)
	}
	if *update {
		if err := os.WriteFile(page, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(text, got); diff != "" {
		t.Errorf("the page (-) and what comes of its commands (+):\n%s", diff)
	}
}

// recipe is what the sections of docs/credentials.md take for granted.
type recipe struct {
	// hosts are the registries of its commands.
	hosts []string
	// before sets up what the CI system gives to the job; $P is the password.
	before string
	// secret is mounted where pull secrets are looked for.
	secret string
}

const ciConfig = `printf '{"auths": {"%s": {"auth": "%s"}}}' registry.example $(printf ci:$P | base64 | tr -d '\n')`

func recipes() map[string]recipe {
	clouds := []string{"123456789012.dkr.ecr.eu-west-1.amazonaws.com", "europe-west1-docker.pkg.dev", "acmeregistry.azurecr.io"}
	const vault = `printf '#!/bin/sh\nread host; printf "{\\"ServerURL\\":\\"$host\\",\\"Username\\":\\"ci\\",\\"Secret\\":\\"$P\\"}"\n'`
	return map[string]recipe{
		"docker config":          {before: "export HOME=/tmp/home REGISTRY_PASSWORD=$P; mkdir -p $HOME"},
		"Credential helpers":     {before: "export P; mkdir -p /tmp/bin /tmp/helped; " + vault + " > /tmp/bin/docker-credential-vault; chmod +x /tmp/bin/*; export PATH=/tmp/bin:$PATH DOCKER_CONFIG=/tmp/helped"},
		"DOCKER_AUTH_CONFIG":     {before: "PASSWORD=$P"},
		"GitLab":                 {before: "export GITLAB_CI=true CI_REGISTRY=registry.example CI_REGISTRY_IMAGE=registry.example/team/app CI_COMMIT_SHA=7b3f CI_JOB_TOKEN=$P"},
		"GitHub":                 {before: "export GITHUB_ACTIONS=true GITHUB_ACTOR=octocat GITHUB_TOKEN=$P SLIPWAY_REGISTRY_USERNAME=ci SLIPWAY_REGISTRY_PASSWORD=$P SLIPWAY_REGISTRY_HOST=registry.example"},
		"Jenkins":                {before: "export REGISTRY=registry.example REGISTRY_USERNAME=ci REGISTRY_PASSWORD=$P DEV_USR=ci DEV_PSW=$P PROD_USR=ci PROD_PSW=$P"},
		"Jenkins, a secret file": {before: ciConfig + " > /tmp/secret; export SLIPWAY_REGISTRY_SECRETS=/tmp/secret"},
		"Kubernetes: Tekton, and agents that are pods":   {secret: "registry-credentials"},
		"Kubernetes: the service account's pull secrets": {},
		"podman, buildah, skopeo":                        {before: ciConfig + " > auth.json"},
		"Clouds":                                         {before: "export P; mkdir -p /tmp/cloud; for c in ecr-login gcr acr-env; do " + vault + " > /tmp/cloud/docker-credential-$c; done; chmod +x /tmp/cloud/*; export PATH=/tmp/cloud:$PATH", hosts: clouds},
		"Any other system":                               {before: "export MY_USER=ci MY_PASSWORD=$P"},
	}
}

// TestTheRecipesOfTheCredentialsPage runs the commands of every recipe.
func TestTheRecipesOfTheCredentialsPage(t *testing.T) {
	t.Parallel()
	pretend.Lock()
	defer pretend.Unlock()
	as := proxy.Disguise{
		Address: "10.244.1.1:443",
		Names:   []string{"registry.example", "dev.example", "prod.example", "ghcr.io"},
		Users:   map[string]string{"gitlab-ci-token": "ci", "octocat": "ci"},
	}
	all := recipes()
	for _, r := range all {
		as.Names = append(as.Names, r.hosts...)
	}
	s, p := newPretender(t, as)
	password := s.Bed.Registry.Password
	s.kubectl("", "create", "secret", "docker-registry", "mounted", "--docker-server=registry.example", "--docker-username=ci", "--docker-password="+password)
	text := readFile(t, "../docs/credentials.md")
	text = text[strings.Index(text, "## Recipes"):strings.Index(text, "## How keys")]
	sections := strings.Split(text, "\n### ")[1:]
	if len(sections) != len(all) {
		t.Errorf("the page has %d recipes, %d are known here", len(sections), len(all))
	}
	for _, section := range sections {
		title, body, _ := strings.Cut(section, "\n")
		t.Run(title, func(t *testing.T) {
			r, known := all[title]
			if !known {
				t.Fatal("nothing is known of this recipe")
			}
			commands := commandsOf(body)
			if len(commands) == 0 {
				t.Fatal("it has no command")
			}
			s.t = t
			a := s.agent
			if r.secret != "" {
				a = s.startPretender("mounting", as, "mounted")
			}
			a.write("/tmp/helped/config.json", `{"credHelpers": {"registry.example": "vault"}}`)
			a.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n")
			p.Forget()
			script := "set -e; P=" + password + "; " + r.before + "\n"
			for _, command := range commands {
				if strings.HasPrefix(command, "kubectl ") {
					s.localShell(strings.NewReplacer("ci:agent", s.Name+":agent", "$PASSWORD", password).Replace(command))
					continue
				}
				script += command + "\n"
			}
			a.ok(script)
			if len(users(p)) == 0 {
				t.Error("nobody has pushed")
			}
		})
		s.t = t
	}
}

// commandsOf are the commands of a section: all lines of its blocks of shell,
// and those of Slipway in blocks of pipelines.
func commandsOf(section string) []string {
	var commands []string
	for _, block := range regexp.MustCompile("(?s)```(\\w+)\n(.*?)```").FindAllStringSubmatch(section, -1) {
		for line := range strings.Lines(strings.ReplaceAll(block[2], "\\\n", " ")) {
			if block[1] != "sh" {
				_, line, _ = strings.Cut(line, "slipway ")
				if line == "" {
					continue
				}
				line = "slipway " + strings.TrimRight(line, "'\n")
			}
			commands = append(commands, strings.TrimSpace(line))
		}
	}
	return commands
}

// localShell runs a command line with kubectl in it on this machine, in the
// space's namespace.
func (s *space) localShell(line string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", "kubectl() { command kubectl --namespace \"$NS\" \"$@\"; }; "+line)
	cmd.Env = append(os.Environ(), "PATH="+s.Bed.BinDir+":"+os.Getenv("PATH"), "KUBECONFIG="+s.Bed.Kubeconfig, "NS="+s.Name)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", strings.Fields(line)[:3], err, out)
	}
}
