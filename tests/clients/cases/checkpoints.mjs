// Consumers that share an event hub through @azure/eventhubs-checkpointstore-blob, on Azurite.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import * as blob from '@azure/storage-blob';
import { until } from '../platform.mjs';

const HERE = path.dirname(fileURLToPath(import.meta.url));
// Azurite's own account, the same everywhere and known to everybody.
const ACCOUNT = 'devstoreaccount1';
const ACCOUNT_KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

let service;
async function storage(platform) {
  service ??= (async () => {
    const main = createRequire(import.meta.url).resolve('azurite/dist/src/blob/main.js');
    const child = spawn(process.execPath, [main, '--blobPort', '0', '--inMemoryPersistence', '--skipApiVersionCheck'], { cwd: platform.folder, stdio: ['ignore', 'pipe', 'pipe'] });
    process.once('exit', () => child.kill('SIGKILL'));
    let out = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { out += data; });
    const port = (await until(() => out.match(/(?:listening (?:at|on)|listens on) http:\/\/127\.0\.0\.1:(\d+)/), () => `Azurite listens:\n${out}`))[1];
    return `DefaultEndpointsProtocol=http;AccountName=${ACCOUNT};AccountKey=${ACCOUNT_KEY};BlobEndpoint=http://127.0.0.1:${port}/${ACCOUNT};`;
  })();
  return service;
}

// A container of its own, consumers that use it, and what they have read.
async function group(platform, name) {
  const connection = await storage(platform);
  const container = `case-${name}`;
  await new blob.ContainerClient(connection, container).create();
  const env = { ...process.env, CONNECTION: await platform.service(), GROUP: name, STORAGE: connection, CONTAINER: container };
  const start = () => {
    const child = spawn(process.execPath, [path.join(HERE, '..', 'consumer.mjs')], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const consumer = { child, events: [], owns: new Set(), moves: 0, noted: {}, errors: [] };
    let rest = '';
    let problems = '';
    consumer.problems = () => `${problems} ${JSON.stringify(consumer.errors)}`;
    child.stderr.on('data', (data) => { problems += data; });
    child.stdout.on('data', (data) => {
      const lines = (rest + data).split('\n');
      rest = lines.pop();
      for (const line of lines.map((one) => JSON.parse(one))) {
        if (line.owns !== undefined || line.leaves !== undefined) consumer.moves += 1;
        if (line.owns !== undefined) consumer.owns.add(line.owns);
        else if (line.leaves !== undefined) consumer.owns.delete(line.leaves);
        else if (line.noted !== undefined) consumer.noted[line.partition] = line.noted;
        else if (line.error !== undefined) consumer.errors.push(line);
        else if (line.key !== undefined) consumer.events.push(line);
      }
    });
    consumer.kill = () => new Promise((resolve) => { child.once('exit', resolve); child.kill('SIGKILL'); });
    process.once('exit', () => child.kill('SIGKILL'));
    return consumer;
  };
  return start;
}

const bodies = (consumers, id) => consumers.flatMap((one) => one.events).filter((event) => event.key === id).map((event) => Number(event.body));

const movesOf = (consumers) => consumers.reduce((sum, one) => sum + one.moves, 0);

// Two partitions each, no one of them with both, and nobody has moved for some rounds of balancing.
async function balanced(consumers) {
  let [moves, since] = [-1, 0];
  await until(() => {
    const all = new Set(consumers.flatMap((one) => [...one.owns]));
    if (movesOf(consumers) !== moves || all.size !== 4 || !consumers.every((one) => one.owns.size === 2)) [moves, since] = [movesOf(consumers), Date.now()];
    return Date.now() - since > 3000;
  }, () => `two partitions each: ${consumers.map((one) => [...one.owns])} ${consumers.map((one) => one.problems())}`);
  return moves;
}

async function send(platform, gw, begin, end) {
  await platform.sendAll(gw.connection, Array.from({ length: end - begin }, (_, i) => String(begin + i)));
}

// Devices that lie in all partitions.
async function devices(platform) {
  const out = [];
  for (let i = 0; i < 12; i += 1) out.push(await platform.addDevice());
  return out;
}

export const cases = [
  ['two consumers share the partitions, and each event is read once', async (platform) => {
    const start = await group(platform, 'balance');
    const gws = await devices(platform);
    const consumers = [start(), start()];
    // A partition that changes hands before its checkpoint is written is read again: then another twenty tell.
    for (let begin = 0, moves; moves !== movesOf(consumers); begin += 20) {
      assert.ok(begin < 100, 'the consumers do not come to rest');
      moves = await balanced(consumers);
      const read = (gw) => bodies(consumers, gw.id).filter((body) => body >= begin).sort((a, b) => a - b);
      await Promise.all(gws.map((gw) => send(platform, gw, begin, begin + 20)));
      await until(() => gws.every((gw) => new Set(read(gw)).size === 20), 'all events are read');
      if (moves === movesOf(consumers)) for (const gw of gws) assert.deepEqual(read(gw), Array.from({ length: 20 }, (_, i) => begin + i));
    }
    await Promise.all(consumers.map((one) => one.kill()));
  }],
  ['a consumer that is killed is taken over, and nothing is skipped', async (platform) => {
    const start = await group(platform, 'takeover');
    const gws = await devices(platform);
    const [stays, dies] = [start(), start()];
    await balanced([stays, dies]);
    await Promise.all(gws.map((gw) => send(platform, gw, 0, 10)));
    await until(() => gws.every((gw) => bodies([stays, dies], gw.id).length >= 10), 'the first ten are read');
    await dies.kill();
    await Promise.all(gws.map((gw) => send(platform, gw, 10, 20)));
    await until(() => stays.owns.size === 4, () => `the other takes over: ${[...stays.owns]} ${stays.problems()}`);
    await until(() => gws.every((gw) => new Set(bodies([stays, dies], gw.id)).size === 20), 'the others are read');
    // What the dead one had read and not yet noted comes again: at most a batch.
    for (const gw of gws) assert.ok(bodies([stays, dies], gw.id).length <= 30);
    await stays.kill();
  }],
  ['a consumer that comes back begins behind its checkpoint', async (platform) => {
    const start = await group(platform, 'resume');
    const gw = await platform.addDevice();
    const first = start();
    await send(platform, gw, 0, 15);
    await until(() => bodies([first], gw.id).length >= 15, 'the first are read');
    const last = first.events.findLast((event) => event.key === gw.id);
    await until(() => first.noted[last.partition] >= last.sequence, 'their checkpoint is written');
    await first.kill();
    await send(platform, gw, 15, 30);
    const second = start();
    await until(() => bodies([second], gw.id).includes(29), 'the others are read');
    assert.deepEqual(bodies([second], gw.id), Array.from({ length: 15 }, (_, i) => 15 + i));
    await second.kill();
  }],
];
