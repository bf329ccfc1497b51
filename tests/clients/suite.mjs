// Microsoft's SDKs, unmodified, against the release binary: TLS with a private authority, free ports.
//
//   node suite.mjs --program build/release/meterhub [--area events-read,rights] [--case TEXT] [--result FILE] [--keep]
//
// cases/AREA.mjs exports `cases`: [[name, async (platform) => {…}, {alone: true}?], …]. A case fails by throwing; one that
// throws a Skip is skipped. Cases of an area run four at a time, those that are `alone` after the others. Prints a line for
// each and the time; exits 1 when one failed.
import { fork, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const PATIENCE_MS = 60_000;
const AT_ONCE = 4;

function argument(name, fallback) {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv[at + 1];
}

// ---- the parent: starts the platform and the process that runs the cases, which must know the authority from its start

class Server {
  constructor(program, folder) {
    this.program = program;
    this.folder = folder;
    this.data = path.join(folder, 'data');
    this.port = 0;
    this.config = path.join(folder, 'meterhub.toml');
    writeFileSync(this.config, [
      '[hub]', 'host_names = []', 'consumer_groups = ["case-a", "case-b", "owners", "balance", "takeover", "resume", "readings/only-readings"]', 'accept_rate = 0',
      '[console]', 'listen = "127.0.0.1:0"', '[log]', 'partitions = 4', 'quota = "2GiB"',
      ...['a', 'b', 'c', 'd'].flatMap((name) => [`[event_hubs.orders-${name}]`, 'partitions = 4']), '',
    ].join('\n'));
  }

  async start() {
    const env = { ...process.env, MH_HUB_AMQPS_LISTEN: `127.0.0.1:${this.port}`, MH_REGISTRY_FOLLOW_INTERVAL: '50ms' };
    this.process = spawn(this.program, ['serve', '--config', this.config, '--data', this.data], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    let log = '';
    this.process.stderr.on('data', (data) => { log = (log + data).slice(-200_000); });
    this.ended = new Promise((resolve) => { this.process.once('exit', (code, signal) => resolve(code ?? signal)); });
    const end = Date.now() + PATIENCE_MS;
    const ended = this.ended.then((code) => { throw new Error(`meterhub serve ended with ${code}:\n${log}`); });
    ended.catch(() => {});
    while (!log.includes('platform_started')) {
      if (Date.now() > end) throw new Error(`meterhub serve did not start:\n${log}`);
      await Promise.race([ended, new Promise((resolve) => { setTimeout(resolve, 20); })]);
    }
    this.port = Number(log.match(/hub_listens.*?127\.0\.0\.1:(\d+)/)[1]);
    this.log = () => log;
  }

  async stop(signal = 'SIGTERM') {
    this.process.kill(signal);
    const timer = setTimeout(() => this.process.kill('SIGKILL'), PATIENCE_MS);
    const code = await this.ended;
    clearTimeout(timer);
    return code;
  }
}

function run(program, words) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { stdio: ['ignore', 'ignore', 'inherit'] });
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${words.join(' ')}: ${code}`))));
  });
}

async function parent() {
  const program = path.resolve(argument('program', 'build/release/meterhub'));
  const folder = mkdtempSync(path.join(os.tmpdir(), 'meterhub-clients-'));
  const server = new Server(program, folder);
  let code = 1;
  try {
    await run(program, ['registry', 'add', 'tenant', 'Gas', '--data', server.data]);
    await server.start();
    const ca = path.join(server.data, 'tls', 'ca.pem');
    const info = { program, data: server.data, port: server.port, ca, folder };
    const child = fork(fileURLToPath(import.meta.url), process.argv.slice(2), {
      env: { ...process.env, NODE_EXTRA_CA_CERTS: ca, METERHUB_CASES: JSON.stringify(info), NODE_NO_WARNINGS: '1' },
    });
    child.on('message', async ({ id, how }) => {
      try {
        await server.stop(how);
        await server.start();
        child.send({ id });
      } catch (err) {
        child.send({ id, error: err.message });
      }
    });
    code = await new Promise((resolve) => { child.once('exit', (value) => resolve(value ?? 1)); });
    const end = await server.stop();
    if (end !== 0) {
      console.log(`FAIL the platform ended with ${end}`);
      code = 1;
    }
    if (code !== 0) console.log(server.log().split('\n').slice(-30).join('\n'));
  } finally {
    server.process?.kill('SIGKILL');
    if (process.argv.includes('--keep')) console.log(`kept: ${folder}`);
    else rmSync(folder, { recursive: true, force: true });
  }
  process.exit(code);
}

// ---- the child: runs the cases

const results = { passed: [], failed: [], skipped: [], seconds: 0 };

async function runCase(platform, area, [name, body]) {
  const began = Date.now();
  const shown = `${area}: ${name}`;
  let timer;
  try {
    const limit = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error('not done within 100 s')), 100_000); });
    await Promise.race([body(platform), limit]);
    results.passed.push(shown);
    console.log(`ok    ${shown} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
  } catch (err) {
    const skipped = err && err.name === 'Skip';
    results[skipped ? 'skipped' : 'failed'].push(shown);
    console.log(`${skipped ? 'skip ' : 'FAIL '} ${shown}: ${skipped ? err.message : err && (err.stack || err)}`);
  } finally {
    clearTimeout(timer);
  }
}

async function runArea(platform, area, cases) {
  const together = cases.filter((one) => !one[2]?.alone);
  const worker = async () => {
    while (together.length > 0) await runCase(platform, area, together.shift());
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  for (const one of cases.filter((each) => each[2]?.alone)) await runCase(platform, area, one);
}

function controlOf() {
  const waiting = new Map();
  process.on('message', ({ id, error }) => {
    const [resolve, reject] = waiting.get(id);
    waiting.delete(id);
    if (error) reject(new Error(error));
    else resolve();
  });
  return (what, how) => new Promise((resolve, reject) => {
    const id = `${what}-${waiting.size}-${Date.now()}`;
    waiting.set(id, [resolve, reject]);
    process.send({ id, what, how });
  });
}

async function child() {
  const { Platform } = await import('./platform.mjs');
  const info = JSON.parse(process.env.METERHUB_CASES);
  const control = controlOf();
  // What a library leaves behind when its peer goes is no case's failure.
  process.on('unhandledRejection', (err) => console.log(`note  unhandled: ${err && err.message}`));
  process.on('uncaughtException', (err) => console.log(`note  uncaught: ${err && err.stack}`));
  const wanted = argument('area')?.split(',');
  const text = argument('case', '');
  const began = Date.now();
  for (const file of readdirSync(path.join(HERE, 'cases')).sort()) {
    const area = file.replace(/\.mjs$/, '');
    if (!file.endsWith('.mjs') || (wanted && !wanted.includes(area))) continue;
    const { cases } = await import(`./cases/${file}`);
    await runArea(new Platform({ ...info, area }, control), area, cases.filter(([name]) => name.includes(text)));
  }
  results.seconds = (Date.now() - began) / 1000;
  const file = argument('result');
  if (file) writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
  console.log(`${results.passed.length} passed, ${results.failed.length} failed, ${results.skipped.length} skipped in ${results.seconds.toFixed(1)} s`);
  process.exit(results.failed.length === 0 && results.passed.length > 0 ? 0 : 1);
}

if (process.env.METERHUB_CASES) {
  // Also a file of cases that does not load: what libraries leave behind is caught for good, this is not theirs.
  await child().catch((err) => {
    console.log(`FAIL ${err.stack}`);
    process.exit(1);
  });
} else {
  await parent();
}
