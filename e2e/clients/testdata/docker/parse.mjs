// Parses answers of docker with the library of docker's actions: reads a list of
// {args, env, stdout} from standard input, and writes what each is to an action.
import {readFileSync} from 'node:fs';
import {Builder} from '@docker/actions-toolkit/lib/buildx/builder.js';
import {Buildx} from '@docker/actions-toolkit/lib/buildx/buildx.js';

function parse(command, stdout) {
  if (command === 'docker buildx version') return {version: Buildx.parseVersion(stdout.trim())};
  if (command.startsWith('docker buildx inspect ') || command === 'docker buildx inspect') return {builder: Builder.parseInspect(stdout)};
  if (command.startsWith('docker context inspect --format=json')) return {context: JSON.parse(stdout.trim())[0].Name};
  return {};
}
const calls = JSON.parse(readFileSync(0, 'utf8'));
console.log(JSON.stringify(calls.map(call => (call.code === 0 ? parse(call.command, call.stdout) : {}))));
