// Runs a Jenkinsfile as far as Jenkins does that with an agent in Kubernetes: the pod
// of its agent runs in the cluster, and each step sh is a shell in a container of it.
// What it does not have is Jenkins' own: CPS, the sandbox, plugins, masking.
//
//   groovy jenkins.groovy CONFIG
//
// CONFIG is a file of JSON: kubectl, kubeconfig, namespace, jnlpImage, repository (the
// directory that is checked out), jenkinsfile, library (a directory with vars/), env,
// credentials by ID, archive (a directory for artifacts), result (a file to write).
import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import org.codehaus.groovy.control.CompilerConfiguration
import org.codehaus.groovy.control.customizers.ImportCustomizer

class Failed extends RuntimeException {
  Failed(String message) { super(message) }
}

@interface NonCPS {}

@interface Library { String[] value() }

// Jenkins is the run of one pipeline.
class Jenkins {
  static final String WORKSPACE = '/home/jenkins/agent/workspace/job'

  Map config
  GroovyShell shell
  Map env = [:]              // of the pipeline
  List scopes = [[:]]        // of withEnv and withCredentials
  String pod, container
  String yaml, defaultContainer = 'jnlp'
  Throwable failure
  List archived = [], issues = []
  Map build = [description: null, result: null]

  void log(String line) { System.out.println(line) }

  // kubectl runs kubectl; standard error is the log's.
  Map kubectl(List args, byte[] stdin = new byte[0], OutputStream out = null) {
    def process = new ProcessBuilder([config.kubectl, '--kubeconfig', config.kubeconfig, '--namespace', config.namespace] + args*.toString())
      .redirectError(ProcessBuilder.Redirect.INHERIT).start()
    def sink = out ?: new ByteArrayOutputStream()
    def reader = Thread.start { sink << process.inputStream }
    try {
      process.outputStream.withStream { it.write(stdin) }
    } catch (IOException ignored) { // the command has ended without reading it
    }
    int code = process.waitFor()
    reader.join()
    return [code: code, out: out ? '' : new String(sink.toByteArray(), 'UTF-8')]
  }

  Map kubectlOK(List args, byte[] stdin = new byte[0], OutputStream out = null) {
    Map done = kubectl(args, stdin, out)
    if (done.code != 0) { throw new Failed("kubectl ${args.take(3).join(' ')}: exit code ${done.code}") }
    return done
  }

  // start starts the agent's pod, with what Jenkins' plugin adds to it: the container
  // that talks to Jenkins, and the volume of the workspace in all containers.
  void start() {
    Map manifest = new org.yaml.snakeyaml.Yaml().load(yaml) ?: [:]
    pod = 'agent-' + UUID.randomUUID()
    manifest.apiVersion = 'v1'
    manifest.kind = 'Pod'
    manifest.metadata = (manifest.metadata ?: [:]) + [name: pod]
    Map spec = manifest.spec
    spec.restartPolicy = 'Never'
    spec.terminationGracePeriodSeconds = 0
    spec.imagePullSecrets = [[name: 'pull']]
    spec.volumes = (spec.volumes ?: []) + [[name: 'workspace-volume', emptyDir: [:]]]
    if (!spec.containers.find { it.name == 'jnlp' }) {
      // The context is that of the cloud's option "Restricted PSS security context".
      spec.containers.add([name: 'jnlp', image: config.jnlpImage, command: ['sleep', 'infinity'],
        securityContext: [allowPrivilegeEscalation: false, capabilities: [drop: ['ALL']], runAsNonRoot: true, seccompProfile: [type: 'RuntimeDefault']]])
    }
    // Jenkins' own container has nobody to talk to here.
    spec.containers.findAll { it.name == 'jnlp' }.each {
      it.image = config.jnlpImage
      it.command = ['sleep', 'infinity']
      it.remove('args')
    }
    spec.containers.each { it.volumeMounts = (it.volumeMounts ?: []) + [[name: 'workspace-volume', mountPath: '/home/jenkins/agent']] }
    kubectlOK(['create', '-f', '-'], JsonOutput.toJson(manifest).getBytes('UTF-8'))
    kubectlOK(['wait', "pod/${pod}", '--for=condition=Ready', '--timeout=120s'])
    container = 'jnlp'
    kubectlOK(['exec', pod, '-c', 'jnlp', '--', 'mkdir', '-p', WORKSPACE, WORKSPACE + '@tmp'])
  }

  void stop() {
    if (pod) { kubectl(['delete', 'pod', pod, '--wait=false', '--grace-period=0', '--force']) }
    pod = null
  }

  // checkout copies the repository. On a loaded machine containerd starts some commands
  // with their standard input closed already, so what has not arrived is sent again.
  void checkout() {
    byte[] files = ['tar', '-C', config.repository, '-cf', '-', '.'].execute().inputStream.bytes
    for (int tries = 0; tries < 5; tries++) {
      Map done = kubectl(['exec', '-i', pod, '-c', 'jnlp', '--', 'sh', '-c', 'tar -C "$0" -xf - 2> /dev/null; test -e "$0/Jenkinsfile"', WORKSPACE], files)
      if (done.code == 0) { return }
    }
    throw new Failed('the repository did not arrive in the workspace')
  }

  Map variables() {
    Map all = [WORKSPACE: WORKSPACE, WORKSPACE_TMP: WORKSPACE + '@tmp', JENKINS_URL: 'https://jenkins.example/', BUILD_NUMBER: '7', BUILD_ID: '7'] + config.env + env
    scopes.each { all += it }
    return all.collectEntries { name, value -> [name.toString(), value.toString()] }
  }

  // sh runs a script as the step does: a shell that ends at the first failure and
  // traces, with the pipeline's variables.
  def sh(Map args) {
    if (!pod) { throw new Failed('sh is not within a node') }
    if (args.label) { log("[Pipeline] sh: ${args.label}") }
    // A script that names its interpreter is run by that, which neither traces nor ends.
    String shell = args.script.startsWith('#!') ?
      'cd "$WORKSPACE" && printf %s "$0" > "$WORKSPACE_TMP/script" && chmod +x "$WORKSPACE_TMP/script" && exec "$WORKSPACE_TMP/script"' :
      'cd "$WORKSPACE" && exec sh -xe -c "$0"'
    List command = ['exec', pod, '-c', container, '--', 'env'] + variables().collect { name, value -> "${name}=${value}" } +
      ['sh', '-c', shell, args.script]
    Map done = args.returnStdout ? kubectl(command) : kubectl(command, new byte[0], System.out)
    if (args.returnStatus) { return done.code }
    if (done.code != 0) { throw new Failed("script returned exit code ${done.code}") }
    return args.returnStdout ? done.out : null
  }

  String path(String name) { return name.startsWith('/') ? name : WORKSPACE + '/' + name }

  String readFile(String name) { return kubectlOK(['exec', pod, '-c', 'jnlp', '--', 'cat', path(name)]).out }

  void writeFile(String name, String text) {
    kubectlOK(['exec', pod, '-c', 'jnlp', '--', 'sh', '-c', 'mkdir -p "$(dirname "$0")" && printf %s "$1" > "$0"', path(name), text])
  }

  void archive(String pattern) {
    String dir = pattern.replaceFirst(/\/?\*.*$/, '')
    def bytes = new ByteArrayOutputStream()
    kubectlOK(['exec', pod, '-c', 'jnlp', '--', 'tar', '-C', WORKSPACE, '-cf', '-', dir], new byte[0], bytes)
    def tar = ['tar', '-C', config.archive, '-xf', '-'].execute()
    tar.outputStream.withStream { it.write(bytes.toByteArray()) }
    if (tar.waitFor() != 0) { throw new Failed("archiveArtifacts ${pattern}: ${tar.errorStream.text}") }
    archived.add(pattern)
  }

  def within(Map more, Closure body) {
    scopes.push(more)
    try { return body() } finally { scopes.pop() }
  }

  // bind returns the variables of a binding of withCredentials.
  Map bind(Map b) {
    Map credential = config.credentials[b.credentialsId]
    if (!credential) { throw new Failed("could not find credentials entry with ID '${b.credentialsId}'") }
    switch (b.kind) {
      case 'usernamePassword':
        return [(b.usernameVariable): credential.username, (b.passwordVariable): credential.password]
      case 'string':
        return [(b.variable): credential.secret]
      case 'file':
        String name = WORKSPACE + '@tmp/secretFiles/' + UUID.randomUUID()
        writeFile(name, credential.file)
        return [(b.variable): name]
    }
  }
}

// Steps are the words of a pipeline.
abstract class Steps extends Script {
  Jenkins getJ() { return binding.getVariable('jenkins') }

  // Variables of the environment are names of a pipeline, too.
  def propertyMissing(String name) {
    Map all = j.variables()
    if (!all.containsKey(name)) { throw new MissingPropertyException(name, Jenkins) }
    return all[name]
  }

  // Scripted pipelines.
  def podTemplate(Map args, Closure body) {
    j.yaml = args.yaml
    return body()
  }

  def node(Object label = null, Closure body) {
    j.start()
    try { return body() } finally { j.stop() }
  }

  def getPOD_LABEL() { return 'pod-label' }
  def getScm() { return [branches: [[name: 'main']], doGenerateSubmoduleConfigurations: false, userRemoteConfigs: [[url: 'https://git.example/acme/app.git']]] }
  def retry(int times, Closure body) {
    for (int i = 1; ; i++) {
      try { return body() } catch (Failed e) { if (i >= times) { throw e } }
    }
  }
  def checkout(Object what) { j.checkout() }

  // Declarative pipelines.
  def pipeline(Closure body) {
    try { body() } finally { j.stop() }
    if (j.failure) { throw j.failure }
  }

  def agent(Closure body) {
    body()
    j.start()
    j.checkout()
    j.container = j.defaultContainer
  }

  def kubernetes(Closure body) { body() }
  def yamlFile(String name) { j.yaml = new File(j.config.repository, name).text }
  def yaml(String text) { j.yaml = text }
  def defaultContainer(String name) { j.defaultContainer = name }
  def options(Closure body) { body() }
  def timeout(Map args) {}
  def disableConcurrentBuilds() {}

  def environment(Closure body) {
    body.resolveStrategy = Closure.DELEGATE_FIRST
    body.delegate = new Environment(j)
    body()
  }

  def stages(Closure body) { try { body() } catch (Throwable e) { j.failure = e } }

  def stage(String name, Closure body) {
    j.log("[Pipeline] stage ${name}")
    return body()
  }

  def steps(Closure body) { body() }
  def script(Closure body) { return body() }
  def post(Closure body) { body() }
  def always(Closure body) { body() }
  def success(Closure body) { if (!j.failure) { body() } }
  def failure(Closure body) { if (j.failure) { body() } }

  // Steps.
  def sh(String script) { j.sh(script: script) }
  def sh(Map args) { j.sh(args) }
  def echo(String text) { j.log(text) }
  def error(String text) { throw new Failed(text) }
  def container(String name, Closure body) {
    String before = j.container
    j.container = name
    try { return body() } finally { j.container = before }
  }

  def dir(String name, Closure body) { throw new Failed('dir is not there') }
  def pwd(Map args = [:]) { return Jenkins.WORKSPACE + (args.tmp ? '@tmp' : '') }
  def readFile(String name) { return j.readFile(name) }
  def readTrusted(String name) { return new File(j.config.repository, name).text }
  def writeFile(Map args) { j.writeFile(args.file, args.text) }
  def readJSON(Map args) { return new JsonSlurper().parseText(args.text != null ? args.text : j.readFile(args.file)) }
  def readProperties(Map args) {
    def read = new Properties()
    read.load(new StringReader(args.text != null ? args.text : j.readFile(args.file)))
    return read as Map
  }

  def archiveArtifacts(String pattern) { j.archive(pattern) }
  def archiveArtifacts(Map args) { j.archive(args.artifacts) }
  def issues(Map args) { return args.pattern }
  def recordIssues(Map args) {
    j.readFile(args.tool).readLines().each { j.issues.add(new JsonSlurper().parseText(it)) }
  }

  def usernamePassword(Map args) { return args + [kind: 'usernamePassword'] }
  def string(Map args) { return args + [kind: 'string'] }
  def file(Map args) { return args + [kind: 'file'] }
  def withCredentials(List bindings, Closure body) {
    Map more = [:]
    bindings.each { more += j.bind(it) }
    return j.within(more, body)
  }

  def withEnv(List assignments, Closure body) {
    return j.within(assignments.collectEntries { String one -> one.toString().split('=', 2) as List }, body)
  }

  def getEnv() { return new Environment(j) }
  def getCurrentBuild() { return j.build }
  def getParams() { return j.config.params ?: [:] }
}

// Environment is env, and the block environment of a declarative pipeline.
class Environment {
  Jenkins jenkins
  Environment(Jenkins j) { jenkins = j }
  def propertyMissing(String name) { return jenkins.variables()[name] }
  def propertyMissing(String name, value) {
    if (value instanceof Map && value.kind == 'credentials') {
      Map c = jenkins.config.credentials[value.id]
      jenkins.env += [(name): c.username + ':' + c.password, (name + '_USR'): c.username, (name + '_PSW'): c.password]
    } else {
      jenkins.env[name] = value
    }
  }
  def credentials(String id) { return [kind: 'credentials', id: id] }
}

def config = new JsonSlurper().parse(new File(args[0]))
def imports = new ImportCustomizer()
imports.addImports('NonCPS', 'Library')
def compiler = new CompilerConfiguration(scriptBaseClass: Steps.name)
compiler.addCompilationCustomizers(imports)
def jenkins = new Jenkins(config: config)
def binding = new Binding([jenkins: jenkins])
def shell = new GroovyShell(this.class.classLoader, binding, compiler)
if (config.library) {
  new File(config.library, 'vars').eachFileMatch(~/.*\.groovy/) { file ->
    Script step = shell.parse(file)
    binding.setVariable(file.name - '.groovy', step.&call)
  }
}
Map result = [result: 'SUCCESS']
try {
  shell.evaluate(new File(config.jenkinsfile))
} catch (Throwable e) {
  result = [result: 'FAILURE', error: e.message ?: e.toString()]
  if (!(e instanceof Failed)) { e.printStackTrace(System.out) }
} finally {
  jenkins.stop()
}
result += [description: jenkins.build.description, env: jenkins.env, archived: jenkins.archived, issues: jenkins.issues]
new File(config.result).text = JsonOutput.toJson(result)
