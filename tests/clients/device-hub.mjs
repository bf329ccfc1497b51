// A platform of its own for cases of the device registry: HTTPS, and an authority for devices' certificates. Started with the
// first case that asks for it, in the folder of the suite's platform.
import { execFile, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { sleep } from './common.mjs';
import { selfSigned } from './certificates.mjs';

const PATIENCE_MS = 60_000;
let started;

// {host, httpsPort, amqpsPort, ca, deviceAuthority, run(...words), policyKey(name)}
export function deviceHub(platform) {
  started ??= start(platform);
  return started;
}

// The cases of an area, each with the hub.
export const withDeviceHub = (cases) => cases.map(([name, body, options]) => [name, async (platform) => body(await deviceHub(platform)), options]);

async function start({ program, folder }) {
  const own = path.join(folder, 'device-hub');
  const data = path.join(own, 'data');
  mkdirSync(own);
  const run = async (...words) => (await promisify(execFile)(program, [...words, '--data', data], { timeout: PATIENCE_MS })).stdout;
  await run('registry', 'add', 'tenant', 'Gas');
  const deviceAuthority = selfSigned('Test Device CA');
  const authorityFile = path.join(own, 'device-ca.pem');
  writeFileSync(authorityFile, deviceAuthority.cert);
  const config = path.join(own, 'meterhub.toml');
  writeFileSync(config, [
    '[platform]', `data = "${data}"`, '[hub]', 'amqps_listen = "127.0.0.1:0"', `device_ca_file = "${authorityFile}"`,
    '[console]', 'listen = ""', 'https_listen = "127.0.0.1:0"', '[registry]', 'rest_rate = 0', '[log]', 'quota = "2GiB"', '',
  ].join('\n'));
  const child = spawn(program, ['serve', '--config', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.on('data', (piece) => { log = (log + piece).slice(-200_000); });
  process.once('exit', () => child.kill('SIGKILL'));
  const end = Date.now() + PATIENCE_MS;
  while (!log.includes('platform_started')) {
    if (Date.now() > end || child.exitCode !== null) throw new Error(`meterhub serve did not start:\n${log}`);
    await sleep(20);
  }
  const port = (event) => Number(log.match(new RegExp(`${event}.*?127\\.0\\.0\\.1:(\\d+)`))[1]);
  const keys = new Map();
  const readKey = async (name) => {
    const where = name === 'RootManageSharedAccessKey' ? ['--event-hub', '*'] : [];
    return /primary key\t(\S+)/.exec(await run('registry', 'policy', 'show', name, ...where, '--keys'))[1];
  };
  return {
    host: 'localhost',
    httpsPort: port('https_listens'),
    amqpsPort: port('hub_listens'),
    ca: readFileSync(path.join(data, 'tls', 'ca.pem'), 'utf8'),
    deviceAuthority,
    run,
    policyKey(name) {
      if (!keys.has(name)) keys.set(name, readKey(name));
      return keys.get(name);
    },
  };
}
