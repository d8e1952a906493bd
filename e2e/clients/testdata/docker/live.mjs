// Lets the library of docker's actions run docker itself: what it learns before and after a
// build. The argument is the file with the build's metadata.
import {readFileSync} from 'node:fs';
import {Build} from '@docker/actions-toolkit/lib/buildx/build.js';
import {Builder} from '@docker/actions-toolkit/lib/buildx/builder.js';
import {Buildx} from '@docker/actions-toolkit/lib/buildx/buildx.js';
import {History} from '@docker/actions-toolkit/lib/buildx/history.js';
import {Docker} from '@docker/actions-toolkit/lib/docker/docker.js';

const buildx = new Buildx();
const builder = new Builder({buildx});
const build = new Build({buildx});
const metadata = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const ref = build.resolveRef(metadata);
const warnings = build.resolveWarnings(metadata) ?? [];
let history = '';
try {
  await new History({buildx}).inspect({ref: ref.split('/')[2], builder: ref.split('/')[0]});
} catch (e) {
  history = e.message;
}
const answer = {
  daemon: await Docker.isDaemonRunning(),
  available: await buildx.isAvailable(),
  version: await buildx.version(),
  current: await buildx.versionSatisfies('>=0.23.0'),
  context: await Docker.context(),
  contextName: (await Docker.contextInspect('default')).Name,
  exists: await builder.exists('kube'),
  missing: await builder.exists('no-such-builder'),
  builder: await builder.inspect('kube'),
  ref,
  digest: build.resolveDigest(metadata),
  warnings: warnings.length,
  annotations: await Buildx.convertWarningsToGitHubAnnotations(warnings, [ref]),
  state: Buildx.localState(ref),
  history,
};
console.log('answer ' + JSON.stringify(answer));
