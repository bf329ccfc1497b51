// What a case knows of the running platform, and what cases share: devices, readers, bare AMQP.
import { execFile } from 'node:child_process';
import { createHmac, randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import path from 'node:path';
import { promisify } from 'node:util';
import * as eventHubs from '@azure/event-hubs';
import device from 'azure-iot-device';
import transport from 'azure-iot-device-amqp';
import common from 'azure-iot-common';
import rhea from 'rhea';

export const PATIENCE_MS = 60_000;
export const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

// Waits for a condition; fails with its reason when it never comes.
export async function until(condition, reason, patience = PATIENCE_MS) {
  const end = Date.now() + patience;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`nothing within ${patience / 1000} s: ${typeof reason === 'function' ? reason() : reason}`);
    await sleep(25);
  }
}

export async function within(promise, reason, patience = PATIENCE_MS) {
  let timer;
  const limit = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`nothing within ${patience / 1000} s: ${reason}`)), patience); });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}

// The error that `action` ends with; fails when it succeeds.
export async function failure(action) {
  let value;
  try {
    value = await within(action(), 'an error was expected');
  } catch (err) {
    return err;
  }
  throw new Error(`an error was expected, and it succeeded: ${value?.constructor?.name ?? value}`);
}

export const nameOf = (err) => (err && err.name === 'MessagingError' && err.code ? err.code : err && err.name);

const encode = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

// A shared access signature over `resource`; Event Hubs policies sign with the key's text.
export function token(resource, key, { policy, seconds = 3600 } = {}) {
  const sr = encode(resource);
  const se = Math.floor(Date.now() / 1000) + seconds;
  const bytes = resource.startsWith('sb://') ? Buffer.from(key, 'utf8') : Buffer.from(key, 'base64');
  const sig = encode(createHmac('sha256', bytes).update(`${sr}\n${se}`).digest('base64'));
  return `SharedAccessSignature sr=${sr}&sig=${sig}&se=${se}${policy ? `&skn=${encode(policy)}` : ''}`;
}

export class Platform {
  constructor(info, control) {
    Object.assign(this, info);  // program, data, port, ca, folder
    this.control = control;     // restart, kill: by whoever started it
    this.host = `localhost:${this.port}`;
    this.numbers = 0;
  }

  // A name that no other case has.
  name(prefix) { return `${prefix}-${this.area}-${(this.numbers += 1)}`; }

  async cli(...words) {
    try {
      return (await promisify(execFile)(this.program, [...words, '--data', this.data], { timeout: PATIENCE_MS })).stdout;
    } catch (err) {
      throw new Error(`meterhub ${words.join(' ')}: ${err.stderr || err.message}`);
    }
  }

  async restart(how = 'SIGTERM') { await this.control('restart', how); }

  // --- devices
  async addDevice(id = this.name('gw')) {
    const line = await this.cli('registry', 'add', 'gateway', id, '--tenant', 'Gas', '--host', this.host);
    const gw = this.deviceOf(id, line.match(/SharedAccessKey=(\S+)/)[1]);
    await this.known(`${this.host}/devices/${id}`, gw.key);
    return gw;
  }

  // The running platform knows this key: edits reach it a little later.
  async known(resource, key, policy) {
    await sleep(60);
    await until(async () => {
      const bare = await (await this.amqp()).open();
      const status = await bare.show(token(resource, key, { policy }), resource.startsWith('sb:') ? resource : encode(resource));
      bare.close();
      return status === 200;
    }, `${resource} is known`);
  }

  deviceOf(id, key) {
    return { id, key, connection: `HostName=${this.host};DeviceId=${id};SharedAccessKey=${key}` };
  }

  // Both keys at once, as a CSV file changes them.
  async setKeys(id, primary, secondary, enabled = 1) {
    const file = path.join(this.folder, `${this.name('keys')}.csv`);
    writeFileSync(file, `id,enabled,primary_key,secondary_key\n"${id}",${enabled},${primary},${secondary}\n`);
    await this.cli('registry', 'import', '--gateways', file, '--replace');
  }

  client(connection, options = {}) {
    const client = device.Client.fromConnectionString(connection, transport.Amqp);
    return this.prepared(client, options);
  }

  clientOfToken(text) { return this.prepared(device.Client.fromSharedAccessSignature(text, transport.Amqp), {}); }

  prepared(client, { tokenSeconds }) {
    client.setRetryPolicy(new common.NoRetry());
    client.on('error', () => {});
    client.disconnects = 0;
    client.on('disconnect', () => { client.disconnects += 1; });
    const options = { ca: readFileSync(this.ca, 'utf8') };
    if (tokenSeconds) options.tokenRenewal = { tokenValidTimeInSeconds: tokenSeconds, tokenRenewalMarginInSeconds: Math.floor(tokenSeconds / 2) };
    client.ready = client.setOptions(options);
    return client;
  }

  async opened(connection, options) {
    const client = this.client(connection, options);
    await client.ready;
    await within(client.open(), 'the device connects');
    return client;
  }

  message(body, properties = {}) {
    const message = new device.Message(body);
    for (const [key, value] of Object.entries(properties)) message.properties.add(key, value);
    return message;
  }

  // Sends and waits for the settlement.
  async send(client, message) {
    const result = await within(client.sendEvent(message), 'the message is settled');
    if (!result || result.constructor.name !== 'MessageEnqueued') throw new Error('the message was not accepted');
  }

  async sendAll(connection, bodies, properties) {
    const client = await this.opened(connection);
    await Promise.all(bodies.map((body) => this.send(client, this.message(body, properties))));
    await client.close();
  }

  // --- policies and event hubs
  async policy(name, eventHub, rights) {
    const where = eventHub ? ['--event-hub', eventHub] : [];
    const out = rights ? await this.cli('registry', 'policy', 'add', name, ...where, '--rights', rights)
      : await this.cli('registry', 'policy', 'show', name, ...where, '--keys');
    const key = (which) => out.match(new RegExp(`${which} key\\t(\\S+)`))[1];
    const policy = { name, primary: key('primary'), secondary: key('secondary') };
    const entity = !eventHub || eventHub === '*' ? '' : `/${eventHub}`;
    if (rights) await this.known(eventHub ? `sb://${this.host}${entity}` : this.host, policy.primary, name);
    return policy;
  }

  endpoint(policy, eventHub, key = policy.primary) {
    return `Endpoint=sb://${this.host}/;SharedAccessKeyName=${policy.name};SharedAccessKey=${key};EntityPath=${eventHub}`;
  }

  consumer(connection, { group = '$Default', ...options } = {}) {
    return new eventHubs.EventHubConsumerClient(group, connection, { retryOptions: { maxRetries: 0, timeoutInMs: 30_000 }, ...options });
  }

  // Reads until `enough(events)`, from the earliest of all partitions when nothing else is said.
  async read(connection, { enough, partitions, start = { offset: '-1' }, settings = {}, reason = 'events come', ...options }) {
    const client = this.consumer(connection, options);
    const events = [];
    let error;
    try {
      const ids = partitions || await client.getPartitionIds();
      const handlers = {
        processEvents: async (batch, context) => {
          for (const event of batch) events.push(Object.assign(event, { partition: context.partitionId, lastEnqueued: context.lastEnqueuedEventProperties }));
        },
        processError: async (err) => { error = error || err; },
      };
      const subscriptions = ids.map((id) => client.subscribe(id, handlers, { startPosition: start, maxBatchSize: 100, maxWaitTimeInSeconds: 1, skipParsingBodyAsJson: true, ...settings }));
      await until(() => error || enough(events), () => `${reason}: ${events.length} events`);
      await Promise.all(subscriptions.map((one) => one.close()));
    } finally {
      await client.close();
    }
    if (error) throw error;
    return events;
  }

  // The events of one device in the built-in event hub, in their order.
  async eventsOf(id, count) {
    const of = (events) => events.filter((one) => one.systemProperties['iothub-connection-device-id'] === id);
    const events = await this.read(await this.service(), { enough: (all) => of(all).length >= count, reason: `${count} events of ${id}` });
    return of(events);
  }

  async service() {
    this.servicePolicy ??= await this.policy('service');
    return this.endpoint(this.servicePolicy, 'telemetry');
  }

  async root(eventHub) {
    this.rootPolicy ??= await this.policy('RootManageSharedAccessKey', '*');
    return this.endpoint(this.rootPolicy, eventHub);
  }

  // The partition that holds a device's events.
  async partitionOf(id) { return (await this.eventsOf(id, 1))[0].partition; }

  // --- bare AMQP
  // A rhea connection over TLS. `login`: {username, password} for PLAIN, nothing for no SASL layer.
  async amqp(login = {}) {
    const container = rhea.create_container({ id: randomUUID() });
    const connection = container.connect({
      host: 'localhost', hostname: 'localhost', port: this.port, transport: 'tls', ca: readFileSync(this.ca), reconnect: false, idle_time_out: 30_000, ...login,
    });
    connection.on('error', () => {});
    return new Bare(connection);
  }
}

// One connection, its events as promises.
export class Bare {
  constructor(connection) {
    this.connection = connection;
    this.ended = false;
    this.lost = new Promise((resolve) => {
      for (const name of ['disconnected', 'connection_close']) connection.once(name, () => { this.ended = true; resolve(); });
    });
  }

  open() {
    return within(new Promise((resolve, reject) => {
      this.connection.once('connection_open', () => resolve(this));
      this.connection.once('connection_error', (context) => reject(context.error || context.connection.error || new Error('connection_error')));
      this.connection.once('disconnected', (context) => reject(context.error || new Error('disconnected')));
    }), 'the connection opens');
  }

  // The link once it stands; an error when it is refused.
  link(link, opened, closed, refusal) {
    return within(new Promise((resolve, reject) => {
      // The refusal follows the answered attach.
      link.once(opened, () => setTimeout(() => resolve(link), 100));
      link.once(refusal, () => reject(Object.assign(new Error(link.error?.description), { condition: link.error?.condition })));
      link.once(closed, () => reject(Object.assign(new Error(link.error?.description || closed), { condition: link.error?.condition })));
      this.lost.then(() => reject(new Error('the connection was lost')));
    }), 'the link is answered');
  }

  sender(options) { return this.link(this.connection.open_sender(options), 'sender_open', 'sender_close', 'sender_error'); }

  receiver(options) { return this.link(this.connection.open_receiver(options), 'receiver_open', 'receiver_close', 'receiver_error'); }

  // One request and its answer.
  async request(node, application_properties, body) {
    const sender = await this.sender(node);
    const receiver = await this.receiver({ source: node, credit_window: 10 });
    const answer = new Promise((resolve) => { receiver.once('message', (context) => resolve(context.message)); });
    sender.send({ message_id: randomUUID(), reply_to: 'here', application_properties, body });
    const message = await within(answer, `an answer of ${node}`);
    sender.close();
    receiver.close();
    return message;
  }

  async show(text, audience) {
    const answer = await this.request('$cbs', { operation: 'put-token', type: 'servicebus.windows.net:sastoken', name: audience }, text);
    return answer.application_properties['status-code'];
  }

  close() { this.connection.close(); }
}

// Raw bytes over TLS and what comes back until the end, or until `enough`.
export async function raw(platform, bytes, enough = () => false) {
  const socket = tls.connect({ host: 'localhost', port: platform.port, ca: readFileSync(platform.ca) });
  const got = [];
  try {
    await within(new Promise((resolve) => { socket.once('secureConnect', resolve); }), 'TLS');
    const end = new Promise((resolve) => {
      socket.on('data', (data) => { got.push(data); if (enough(Buffer.concat(got))) resolve(); });
      socket.on('close', resolve);
      socket.on('error', resolve);
    });
    socket.write(bytes);
    await within(end, 'the server answers or ends');
  } finally {
    socket.destroy();
  }
  return Buffer.concat(got);
}

export const isOpen = (port) => new Promise((resolve) => {
  const socket = net.connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true); });
  socket.on('error', () => resolve(false));
});
