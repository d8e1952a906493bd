package jenkins

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestJenkinsfile runs the declarative pipeline that the README shows.
func TestJenkinsfile(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	e := c.run(t, job{files: map[string]string{"Jenkinsfile": c.adapted(t, "Jenkinsfile")}}).succeeded(t)
	for _, arch := range []string{"amd64", "arm64"} {
		want(t, "the artifact of "+arch, e.artifact(t, "out/linux_"+arch+"/made-for"), arch+"\n")
	}
}

// TestLibrary runs the pipeline with the step of the shared library: the digest that
// it returns is the registry's, and the next stage finds the image by it.
func TestLibrary(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	e := c.run(t, job{
		files: map[string]string{"Jenkinsfile": c.adapted(t, "Jenkinsfile.library")},
		env:   map[string]string{"BUILD_NUMBER": "11"},
	}).succeeded(t)
	digest, err := c.Registry.Digest(t.Context(), c.AppPath()+":11")
	if err != nil {
		t.Fatal(err)
	}
	want(t, "the description of the build", e.Description, digest)
	want(t, "IMAGE_REF", e.Env["IMAGE_REF"], c.App()+"@"+digest)
	if !strings.Contains(e.log, "deploy "+c.App()+"@"+digest+"\n") {
		t.Error("the stage after the build does not have the digest")
	}
	config, err := c.Registry.Config(t.Context(), c.AppPath()+":latest", "linux/arm64")
	if err != nil {
		t.Fatal(err)
	}
	want(t, "the label", config.Config.Labels["version"], "11")
	if strings.Contains(e.log, c.Bed.Registry.Password) {
		t.Error("the log shows the password")
	}
}

func TestScripted(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	e := c.run(t, job{
		files: map[string]string{"Jenkinsfile": c.adapted(t, "Jenkinsfile.scripted")},
		env:   map[string]string{"BUILD_NUMBER": "12"},
	}).succeeded(t)
	digest, err := c.Registry.Digest(t.Context(), c.AppPath()+":12")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(e.log, "deploy "+c.App()+"@"+digest+"\n") {
		t.Error("the stage after the build does not have the digest")
	}
}

// TestInitContainer runs a pipeline for docker buildx in an image without Slipway, in
// which an init container with Slipway's own image puts it.
func TestInitContainer(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	pipeline := strings.Replace(c.adapted(t, "Jenkinsfile"), "slipway build", "docker buildx build", 1)
	e := c.run(t, job{files: map[string]string{"Jenkinsfile": pipeline, "agent.yaml": c.adapted(t, "agent-init.yaml")}}).succeeded(t)
	want(t, "the artifact", e.artifact(t, "out/linux_arm64/made-for"), "arm64\n")
}

// hostile are values that a shell, Groovy or a parser of flags would take for
// something else.
var hostile = []string{
	`'; touch /tmp/pwned; echo '`, `"$(touch /tmp/pwned)"`, "`touch /tmp/pwned`", "two\nlines\n", "--push", "a,b=c,d",
	`back\slash \n \' "`, "${HOME} $HOME $$ %s", " blanks  ", "tab\tend", "Grüße 🚢", "", "#comment", "!history", "*",
}

// TestHostileValues passes values through the library that arrive as they are.
func TestHostileValues(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	var dockerfile strings.Builder
	dockerfile.WriteString("ARG BASE\nFROM $BASE AS made\n")
	names := make([]string, len(hostile))
	for i := range hostile {
		names[i] = "V" + string(rune('A'+i))
		dockerfile.WriteString("ARG " + names[i] + "\n")
	}
	dockerfile.WriteString("RUN mkdir /values")
	for _, name := range names {
		dockerfile.WriteString(` && printf %s "$` + name + `" > /values/` + name)
	}
	dockerfile.WriteString("\nRUN --mount=type=secret,id=npm sha256sum < /run/secrets/npm | cut -c1-64 > /values/secret\nFROM scratch\nCOPY --from=made /values /\n")
	params := map[string]any{"BASE": c.Bed.Registry.Base, "REGISTRY": c.Bed.Registry.Address, "NAMES": names, "VALUES": hostile}
	e := c.run(t, job{
		files: map[string]string{"Dockerfile of $(it)": dockerfile.String(), "Jenkinsfile": `
pipeline {
  agent { kubernetes { yamlFile 'agent.yaml'; defaultContainer 'agent' } }
  stages {
    stage('build') {
      steps {
        script {
          def values = [BASE: params.BASE]
          for (int i = 0; i < params.NAMES.size(); i++) { values[params.NAMES[i]] = params.VALUES[i] }
          def made = slipwayBuild(file: 'Dockerfile of $(it)', platforms: 'linux/amd64', buildArgs: values,
            outputs: ['type=local,dest=out'], secretCredentials: [npm: 'npm-token'], target: '', labels: null,
            credentialsId: 'registry', registry: params.REGISTRY, extraArgs: ['--log-level=debug'])
          currentBuild.description = made.digest == null ? 'no image' : made.digest
          archiveArtifacts 'out/**'
          sh 'test ! -e /tmp/pwned'
        }
      }
    }
  }
}`},
		params:      params,
		credentials: map[string]map[string]string{"npm-token": {"secret": "s3cret-of-npm"}},
	}).succeeded(t)
	for i, name := range names {
		want(t, "value "+name, e.artifact(t, "out/"+name), hostile[i])
	}
	want(t, "the secret's hash", e.artifact(t, "out/secret"), "0203092f675888e8b5b6235a635d817d1e7f9b016288acc5aa15fb7b261c8d9a\n")
	want(t, "the description", e.Description, "no image")
	for _, secret := range []string{"s3cret-of-npm", c.Bed.Registry.Password} {
		if strings.Contains(e.log, secret) {
			t.Errorf("the log shows %q", secret)
		}
	}
}

// TestWrongUse has the library say what is wrong before anything is started in the
// agent, and a build that fails end the pipeline.
func TestWrongUse(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	cases := []struct{ name, call, want string }{
		{"a parameter that is not there", "slipwayBuild(tag: 'x')", "there is no parameter tag; there are addHosts, "},
		{"a switch that is none", "slipwayBuild(push: 'yes')", "push is neither true nor false: yes"},
		{"metadata and an archive on one stream", "slipwayBuild(outputs: 'type=tar,dest=-')", "writes to standard output"},
		{"a print of the ID only", "slipwayBuild(progress: 'quiet')", "progress"},
		{"an output that is standard output by another name", "slipwayBuild(outputs: ['type=tar,dest=/dev/stdout'])", "writes to standard output"},
		{"--quiet", "slipwayBuild(extraArgs: ['--quiet'])", "extraArgs: --quiet prints the image ID"},
		{"-q behind another flag", "slipwayBuild(extraArgs: ['-Dq'])", "extraArgs: -Dq prints the image ID"},
		{"quiet in two words", "slipwayBuild(extraArgs: ['--progress', 'quiet'])", "extraArgs: --progress prints the image ID"},
		{"--progress=quiet", "slipwayBuild(extraArgs: ['--progress=quiet'])", "extraArgs: --progress=quiet prints the image ID"},
		{"--output=-", "slipwayBuild(extraArgs: ['--label=a=b', '--output=-'])", "extraArgs: --output=- writes to standard output"},
		{"-o-", "slipwayBuild(extraArgs: '-o-')", "extraArgs: -o- writes to standard output"},
		{"-o and its value", "slipwayBuild(extraArgs: ['-o', 'type=tar,dest=-'])", "extraArgs: -o writes to standard output"},
		{"--iidfile=/dev/stdout", "slipwayBuild(extraArgs: ['--iidfile=/dev/stdout'])", "writes to standard output"},
		{"--metadata-file", "slipwayBuild(extraArgs: ['--metadata-file=x'])", "extraArgs: --metadata-file=x: the step returns the metadata"},
		{"--check", "slipwayBuild(extraArgs: ['--check'])", "extraArgs: --check prints something else"},
		{"--call", "slipwayBuild(extraArgs: ['--call=outline'])", "extraArgs: --call=outline prints something else"},
		{"the end of the flags", "slipwayBuild(extraArgs: ['--'])", "extraArgs: -- ends the flags"},
		{"a zero byte", `slipwayBuild(labels: [a: "\0"])`, "zero byte"},
		{"credentials that are no map", "slipwayBuild(credentials: 'registry')", "credentials is not a map"},
		{"credentials that are not there", "slipwayBuild(credentialsId: 'nobody')", "'nobody'"},
	}
	// There is no agent: a step sh would fail in another way.
	var pipeline strings.Builder
	for i, tt := range cases {
		fmt.Fprintf(&pipeline, "try { %s } catch (Exception e) { echo \"case %d: ${e.message}\" }\n", tt.call, i)
	}
	log := c.run(t, job{files: map[string]string{"Jenkinsfile": pipeline.String()}}).succeeded(t).log
	for i, tt := range cases {
		_, message, _ := strings.Cut(log, fmt.Sprintf("case %d: ", i))
		if message, _, _ = strings.Cut(message, "\n"); !strings.Contains(message, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, message, tt.want)
		}
	}
	t.Run("a build that fails", func(t *testing.T) {
		e := c.run(t, job{files: map[string]string{
			"Dockerfile":  "FROM scratch\nCOPY nothing /\n",
			"Jenkinsfile": "podTemplate(yaml: readTrusted('agent.yaml')) { node { checkout scm; container('agent') { slipwayBuild(platforms: 'linux/amd64') } } }",
		}})
		if e.Result != "FAILURE" || e.Error != "script returned exit code 1" || !strings.Contains(e.log, "nothing") {
			t.Errorf("it ended with %s: %s", e.Result, e.Error)
		}
	})
}

// TestResults reads the files of --ci-results as the steps of Jenkins' plugins do.
func TestResults(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	e := c.run(t, job{params: map[string]any{"TAG": c.App() + ":results"}, files: map[string]string{"Jenkinsfile": `
podTemplate(yaml: readTrusted('agent.yaml')) {
  node(POD_LABEL) {
    checkout scm
    container('agent') {
      def results = "${pwd(tmp: true)}/results"
      slipwayBuild(tags: params.TAG, platforms: 'linux/amd64', push: true, credentialsId: 'registry', ciResults: results)
      currentBuild.description = readProperties(file: "${results}/slipway.properties").SLIPWAY_IMAGE
      writeFile(file: 'Dockerfile', text: 'FROM scratch\nCOPY nothing /\n')
      try {
        slipwayBuild(platforms: 'linux/amd64', ciResults: results)
      } catch (Exception e) {
        echo "the build ended: ${e.message}"
      } finally {
        recordIssues tool: issues(pattern: "${results}/warnings-ng.log")
      }
    }
  }
}`}}).succeeded(t)
	digest, err := c.Registry.Digest(t.Context(), c.AppPath()+":results")
	if err != nil {
		t.Fatal(err)
	}
	want(t, "SLIPWAY_IMAGE", e.Description, c.App()+"@"+digest)
	if !strings.Contains(e.log, "the build ended: script returned exit code 1") {
		t.Error("the second build has not failed")
	}
	if len(e.Issues) != 1 || e.Issues[0].FileName != "Dockerfile" || e.Issues[0].LineStart != 2 || e.Issues[0].Severity != "ERROR" {
		t.Errorf("the issues are %+v", e.Issues)
	}
}

// TestTagsOfTheStep has the tags made by what the pipeline runs for: the step returns
// them, and the registry has them.
func TestTagsOfTheStep(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	e := c.run(t, job{params: map[string]any{"APP": c.App()}, files: map[string]string{"Jenkinsfile": `
podTemplate(yaml: readTrusted('agent.yaml')) {
  node(POD_LABEL) {
    checkout scm
    container('agent') {
      def image = slipwayBuild(tagsFrom: 'ci', labelsFrom: 'ci', images: params.APP, tagContext: [tag: 'v4.5.6'], labelRules: ['of.tag': '{{tag}}'],
        tagRules: ['type=semver,pattern={{version}}', 'type=semver,pattern={{major}}.{{minor}}'], tagFlavor: 'latest=false',
        tags: "${params.APP}:extra", platforms: 'linux/amd64', push: true, credentialsId: 'registry', extraArgs: ['--output', 'type=tar,dest=out.tar'])
      currentBuild.description = image.tags.sort().join(' ')
      echo "without an image: ${slipwayBuild(platforms: 'linux/amd64', outputs: 'out', tags: params.APP + ':none').tags}"
    }
  }
}`}}).succeeded(t)
	want(t, "the tags", e.Description, strings.Join([]string{c.App() + ":4.5", c.App() + ":4.5.6", c.App() + ":extra"}, " "))
	if !strings.Contains(e.log, "without an image: []") {
		t.Error("a build without an image has tags")
	}
	config, err := c.Registry.Config(t.Context(), c.AppPath()+":4.5", "linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	want(t, "the label", config.Config.Labels["of.tag"], "v4.5.6")
}

// TestReadmeShowsTheJenkinsfile compares the README's example with the file.
func TestReadmeShowsTheJenkinsfile(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join(pipelines, "Jenkinsfile"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "```groovy\n"+string(file)+"```\n") {
		t.Error("the README does not show pipelines/jenkins/Jenkinsfile as it is")
	}
}
