// slipwayBuild runs slipway build in the current container and returns what came of
// it: [digest: 'sha256:…', imageid: 'sha256:…', tags: […], metadata: […]].
//
//   def image = slipwayBuild(
//     tags: ['registry.example/team/app:1'], platforms: ['linux/amd64', 'linux/arm64'],
//     buildArgs: [VERSION: '1'], push: true, credentialsId: 'registry')
//
// slipwayBuild.txt describes the parameters. It needs the plugins Pipeline Utility
// Steps (readJSON) and, for credentials, Credentials Binding.
import groovy.transform.Field

// FLAGS has, for each parameter that is a flag of slipway build, the flag and how a
// value is written: once (text), as it is without a value (switch), once for each
// element (list), with commas in between (commas), or once for each NAME=VALUE of a
// map (pairs).
@Field final Map FLAGS = [
  addHosts: ['add-host', 'list'],
  allow: ['allow', 'list'],
  annotationRules: ['annotation-rule', 'pairs'],
  annotations: ['annotation', 'pairs'],
  annotationsFrom: ['annotations-from', 'text'],
  attests: ['attest', 'list'],
  buildArgs: ['build-arg', 'pairs'],
  buildContexts: ['build-context', 'pairs'],
  builder: ['builder', 'text'],
  cacheFrom: ['cache-from', 'list'],
  cacheTo: ['cache-to', 'list'],
  ci: ['ci', 'text'],
  ciResults: ['ci-results', 'text'],
  cgroupParent: ['cgroup-parent', 'text'],
  contextCache: ['context-cache', 'text'],
  contextKey: ['context-key', 'text'],
  contextMtime: ['context-mtime', 'text'],
  debugTiming: ['debug-timing', 'switch'],
  definitions: ['definitions', 'text'],
  drift: ['drift', 'text'],
  file: ['file', 'text'],
  heartbeat: ['heartbeat', 'text'],
  images: ['image', 'list'],
  labelRules: ['label-rule', 'pairs'],
  labels: ['label', 'pairs'],
  labelsFrom: ['labels-from', 'text'],
  load: ['load', 'switch'],
  logGroup: ['log-group', 'switch'],
  network: ['network', 'text'],
  noCache: ['no-cache', 'switch'],
  noCacheFilters: ['no-cache-filter', 'list'],
  onFailure: ['on-failure', 'list'],
  outputs: ['output', 'list'],
  platforms: ['platform', 'commas'],
  policy: ['policy', 'list'],
  progress: ['progress', 'text'],
  provenance: ['provenance', 'text'],
  pull: ['pull', 'switch'],
  push: ['push', 'switch'],
  rawOutput: ['raw-output', 'switch'],
  registryAllow: ['registry-allow', 'list'],
  registryAuth: ['registry-auth', 'list'],
  registrySecrets: ['registry-secrets', 'text'],
  resources: ['resource', 'pairs'],
  sbom: ['sbom', 'text'],
  secrets: ['secret', 'list'],
  shmSize: ['shm-size', 'text'],
  ssh: ['ssh', 'list'],
  strictPlatforms: ['strict-platforms', 'switch'],
  tagContext: ['tag-context', 'pairs'],
  tagFlavor: ['tag-flavor', 'list'],
  tagRules: ['tag-rule', 'list'],
  tags: ['tag', 'list'],
  tagsFrom: ['tags-from', 'text'],
  target: ['target', 'text'],
  transport: ['transport', 'text'],
  ulimits: ['ulimit', 'pairs']
]

// OWN are the parameters that are no flags.
@Field final List OWN = ['context', 'credentials', 'credentialsId', 'dockerConfigId', 'extraArgs', 'program', 'registry', 'secretCredentials']

def call(Map parameters = [:]) {
  String problem = problemOf(parameters)
  if (problem) {
    error("slipwayBuild: ${problem}")
  }
  List words = [text(parameters.program ?: 'slipway'), 'build'] + flagsOf(parameters)
  List bindings = []
  List variables = []
  if (parameters.credentialsId) {
    bindings.add(usernamePassword(credentialsId: parameters.credentialsId, usernameVariable: 'REGISTRY_USERNAME', passwordVariable: 'REGISTRY_PASSWORD'))
  }
  if (parameters.registry) {
    variables.add("REGISTRY=${parameters.registry}")
  }
  if (parameters.dockerConfigId) {
    bindings.add(file(credentialsId: parameters.dockerConfigId, variable: 'SLIPWAY_REGISTRY_SECRETS'))
  }
  List registries = pairsOf(parameters.credentials)
  for (int i = 0; i < registries.size(); i++) {
    String name = "SLIPWAY_LOGIN_${i}"
    bindings.add(usernamePassword(credentialsId: registries[i][1], usernameVariable: "${name}_USR", passwordVariable: "${name}_PSW"))
    words.add("--registry-auth=${registries[i][0]}=jenkins:${name}")
  }
  List secrets = pairsOf(parameters.secretCredentials)
  for (int i = 0; i < secrets.size(); i++) {
    String name = "SLIPWAY_SECRET_${i}"
    bindings.add(string(credentialsId: secrets[i][1], variable: name))
    words.add("--secret=id=${secrets[i][0]},env=${name}")
  }
  words.addAll(listOf(parameters.extraArgs))
  // The metadata is all that slipway build writes to standard output: no file stays
  // in the workspace, where it would be a part of the next build's context.
  words.add('--metadata-file=/dev/stdout')
  words.add('--')
  words.add(text(parameters.context ?: '.'))
  String script = scriptOf(words)
  String printed = ''
  Closure body = { printed = sh(script: script, label: 'slipway build', returnStdout: true) }
  if (bindings) {
    Closure inner = body
    body = { withCredentials(bindings, inner) }
  }
  if (variables) {
    Closure inner = body
    body = { withEnv(variables, inner) }
  }
  body.call()
  Map metadata = readJSON(text: printed)
  String digest = metadata['containerimage.digest']
  return [digest: digest, imageid: metadata['containerimage.config.digest'] ?: digest, tags: namesOf(metadata['image.name']), metadata: metadata]
}

// problemOf returns what is wrong with the parameters, null for nothing.
@NonCPS
String problemOf(Map parameters) {
  for (entry in parameters) {
    String name = entry.key.toString()
    if (!FLAGS.containsKey(name) && !OWN.contains(name)) {
      return "there is no parameter ${name}; there are ${(FLAGS.keySet() + OWN).sort().join(', ')}; extraArgs takes other flags"
    }
    String kind = FLAGS.containsKey(name) ? FLAGS[name][1] : ''
    if (kind == 'switch' && entry.value != null && !(entry.value instanceof Boolean) && !(entry.value.toString() in ['true', 'false'])) {
      return "${name} is neither true nor false: ${entry.value}"
    }
    if (name in ['credentials', 'secretCredentials'] && entry.value != null && !(entry.value instanceof Map)) {
      return "${name} is not a map, such as [${name == 'credentials' ? "'registry.example'" : 'npm'}: 'credentials-id']"
    }
  }
  if (text(parameters.progress) == 'quiet') {
    return 'progress: quiet prints the image ID where the metadata goes: leave it out'
  }
  for (output in listOf(parameters.outputs)) {
    if (toStdout(output)) {
      return "outputs: ${output} writes to standard output, where the metadata goes: name a file"
    }
  }
  String extra = problemOfExtra(listOf(parameters.extraArgs))
  if (extra) {
    return extra
  }
  for (word in flagsOf(parameters) + listOf(parameters.extraArgs) + [text(parameters.context ?: ''), text(parameters.program ?: '')]) {
    if (word.indexOf('\u0000') >= 0) {
      return 'a value holds a zero byte, which no argument of a program can'
    }
  }
  return null
}

// problemOfExtra returns which of extraArgs would put something else than the metadata
// on standard output, or have the metadata go elsewhere, null for none.
@NonCPS
String problemOfExtra(List words) {
  for (int i = 0; i < words.size(); i++) {
    String word = words[i]
    if (word == '--') {
      return 'extraArgs: -- ends the flags, and the step has more of them: name the context by the parameter context'
    }
    String flag = word
    String value = i + 1 < words.size() ? words[i + 1] : ''
    if (word.startsWith('--')) {
      if (word.contains('=')) {
        flag = word.substring(0, word.indexOf('='))
        value = word.substring(word.indexOf('=') + 1)
      }
    } else if (word.startsWith('-') && word.length() > 1) {
      // Several short flags may be one word, and the last one may have its value in it.
      int at = 1
      while (at < word.length() - 1 && word.charAt(at) == 'D') { at++ }
      flag = '-' + word.substring(at, at + 1)
      if (at + 1 < word.length()) {
        value = word.substring(at + 1)
        if (value.startsWith('=')) { value = value.substring(1) }
      }
    }
    if (flag == '--metadata-file') {
      return "extraArgs: ${word}: the step returns the metadata: write what it returns to a file"
    }
    if (flag in ['-q', '--quiet'] || (flag == '--progress' && value == 'quiet')) {
      return "extraArgs: ${word} prints the image ID where the metadata goes: leave it out"
    }
    if (flag in ['-h', '--help', '--check', '--dry-run'] || (flag == '--call' && value != 'build')) {
      return "extraArgs: ${word} prints something else than the metadata: use sh"
    }
    if (flag in ['-o', '--output', '--iidfile'] && toStdout(value)) {
      return "extraArgs: ${word} writes to standard output, where the metadata goes: name a file"
    }
  }
  return null
}

// toStdout says whether an output, or a file, is standard output.
@NonCPS
boolean toStdout(String output) {
  for (part in output.split(',')) {
    String file = part.trim()
    if (file.startsWith('"')) { file = file.substring(1) }
    if (file.endsWith('"')) { file = file.substring(0, file.length() - 1) }
    if (file.startsWith('dest=')) { file = file.substring('dest='.length()) }
    if (file in ['-', '/dev/stdout', '/dev/fd/1', '/proc/self/fd/1']) { return true }
  }
  return false
}

// namesOf returns the names of the image, which the metadata has with commas in between.
@NonCPS
List namesOf(value) {
  List names = []
  for (name in text(value).split(',')) {
    if (name != '') { names.add(name) }
  }
  return names
}

// flagsOf returns the arguments of the parameters that are flags. Values that are
// null, and texts and elements of lists that are empty, count as not given:
// pipelines pass parameters that may be empty. The value of a pair may be empty.
@NonCPS
List flagsOf(Map parameters) {
  List words = []
  for (entry in FLAGS) {
    def value = parameters[entry.key]
    String flag = "--${entry.value[0]}"
    switch (entry.value[1]) {
      case 'text':
        if (text(value) != '') { words.add("${flag}=${text(value)}".toString()) }
        break
      case 'switch':
        if (text(value) == 'true') { words.add(flag) }
        break
      case 'list':
        for (one in listOf(value)) { words.add("${flag}=${one}".toString()) }
        break
      case 'commas':
        if (listOf(value)) { words.add("${flag}=${listOf(value).join(',')}".toString()) }
        break
      case 'pairs':
        if (value instanceof Map) {
          for (pair in pairsOf(value)) { words.add("${flag}=${pair[0]}=${pair[1]}".toString()) }
        } else {
          for (one in listOf(value)) { words.add("${flag}=${one}".toString()) }
        }
        break
    }
  }
  return words
}

@NonCPS
String text(value) { return value == null ? '' : value.toString() }

// listOf returns the texts of a list, or of one value.
@NonCPS
List listOf(value) {
  List all = []
  for (one in (value instanceof Collection ? value : [value])) {
    if (text(one) != '') { all.add(text(one)) }
  }
  return all
}

// pairsOf returns the names and values of a map; those that are null are left out.
@NonCPS
List pairsOf(value) {
  List all = []
  for (entry in (value ?: [:])) {
    if (entry.value != null) { all.add([text(entry.key), text(entry.value)]) }
  }
  return all
}

// scriptOf returns the shell script that runs a command. Every argument is in single
// quotes, in which a shell takes everything as it is. Its trace, which Jenkins turns
// on, would show values that Jenkins cannot mask, such as encoded ones.
@NonCPS
String scriptOf(List words) {
  List quoted = []
  for (word in words) { quoted.add("'" + text(word).replace("'", "'\\''") + "'") }
  return '{ set +x; } 2>/dev/null\n' + quoted.join(' ') + '\n'
}
