// Runs docker/metadata-action on each case of cases.json and writes what it
// answers to answers.json. README.md says how to run it.
import {createServer} from 'node:http';
import {execFile} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';

const [program, version] = process.argv.slice(2);
if (!program || !version) {
  console.error('usage: node generate.mjs INDEX.CJS VERSION');
  process.exit(2);
}
const here = fileURLToPath(new URL('.', import.meta.url));
const {defaults, cases} = JSON.parse(readFileSync(join(here, 'cases.json'), 'utf8'));

// The action asks GitHub's API for the repository, and for the time of a commit
// that the event does not hold.
let repository = {};
let commitTime = '';
const server = createServer((request, response) => {
  const found = request.url.includes('/commits/') ? {commit: {committer: {date: commitTime}}} : repository;
  response.writeHead(200, {'content-type': 'application/json'});
  response.end(JSON.stringify(found));
});
await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));

const dir = mkdtempSync(join(tmpdir(), 'tagrule-'));
// The action reads the clock when it starts.
const clock = join(dir, 'clock.cjs');
writeFileSync(
  clock,
  `const Real = Date;
globalThis.Date = class extends Real {
  constructor(...args) { args.length ? super(...args) : super(process.env.CASE_NOW); }
  static now() { return new Real(process.env.CASE_NOW).getTime(); }
};`
);

// outputs reads a file of GITHUB_OUTPUT.
function outputs(text) {
  const all = {};
  const lines = text.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const head = /^([^=<]+)<<(.+)$/.exec(lines[i]);
    if (!head) continue;
    const value = [];
    for (i++; lines[i] !== head[2]; i++) value.push(lines[i]);
    all[head[1]] = value.join('\n');
  }
  return all;
}

const unescape = text => text.replaceAll('%0A', '\n').replaceAll('%0D', '\r').replaceAll('%25', '%');

function answer(one) {
  const c = {...defaults, ...one};
  repository = c.repository;
  commitTime = c.commit_time;
  const output = join(dir, 'output');
  const event = join(dir, 'event.json');
  writeFileSync(output, '');
  writeFileSync(join(dir, 'env'), '');
  writeFileSync(event, JSON.stringify(c.payload));
  const lines = list => (list ?? []).join('\n');
  const env = {
    PATH: process.env.PATH,
    TZ: 'UTC',
    CASE_NOW: c.now,
    RUNNER_TEMP: dir,
    GITHUB_ACTIONS: 'true',
    GITHUB_API_URL: `http://127.0.0.1:${server.address().port}`,
    GITHUB_REPOSITORY: 'octo/app',
    GITHUB_EVENT_NAME: c.event,
    GITHUB_EVENT_PATH: event,
    GITHUB_REF: c.ref,
    GITHUB_SHA: c.sha,
    GITHUB_OUTPUT: output,
    GITHUB_ENV: join(dir, 'env'),
    'INPUT_CONTEXT': 'workflow',
    'INPUT_IMAGES': lines(c.images),
    'INPUT_TAGS': lines(c.tags),
    'INPUT_FLAVOR': lines(c.flavor),
    'INPUT_LABELS': lines(c.labels),
    'INPUT_ANNOTATIONS': lines(c.annotations),
    'INPUT_GITHUB-TOKEN': 'none',
    ...c.env
  };
  return new Promise(resolve => {
    execFile(process.execPath, ['-r', clock, program], {env, cwd: dir}, (failed, stdout) => {
      const found = outputs(readFileSync(output, 'utf8'));
      const said = kind => [...stdout.matchAll(new RegExp(`^::${kind}::(.*)$`, 'gm'))].map(m => unescape(m[1]));
      const got = {name: c.name};
      if (failed) got.error = said('error').join('\n') || String(failed);
      else {
        const list = name => (found[name] ? found[name].split('\n') : []);
        got.version = found.version;
        got.tags = list('tags');
        got['tag-names'] = list('tag-names');
        got.labels = list('labels');
        got.annotations = list('annotations');
        got.json = JSON.parse(found.json);
      }
      const warnings = said('warning');
      if (warnings.length) got.warnings = warnings;
      resolve(got);
    });
  });
}

const answers = [];
for (const c of cases) answers.push(await answer(c));
server.close();
rmSync(dir, {recursive: true});
writeFileSync(join(here, 'answers.json'), `{"action": "docker/metadata-action ${version}", "answers": [\n${answers.map(a => JSON.stringify(a)).join(",\n")}\n]}` + '\n');
console.log(`${answers.length} answers`);
