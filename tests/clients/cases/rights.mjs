// Who may do what: each thing that must not be possible, by name, with the condition that docs/reference/amqp.md says.
import assert from 'node:assert/strict';
import { failure, nameOf, sleep, token, until } from '../platform.mjs';

const EVENTS = 'telemetry/ConsumerGroups/$Default/Partitions/0';
const READINGS = 'readings/ConsumerGroups/$Default/Partitions/0';

// A connection that has shown a token over `resource`.
async function shown(platform, resource, key, policy) {
  const bare = await (await platform.amqp()).open();
  assert.equal(await bare.show(token(resource, key, { policy }), resource), 200);
  return bare;
}

async function asDevice(platform) {
  const gw = await platform.addDevice();
  const bare = await shown(platform, `${platform.host}/devices/${gw.id}`, gw.key);
  return { gw, bare };
}

// A connection with a policy of its own.
async function withPolicy(platform, eventHub, rights, entity = eventHub) {
  const policy = await platform.policy(platform.name('p'), eventHub, rights);
  const bare = await shown(platform, `sb://${platform.host}/${entity}`, policy.primary, policy.name);
  return { policy, bare };
}

async function refused(link, condition) {
  const err = await failure(link);
  assert.equal(err.condition, condition, err.message);
}

const isRead = async (bare, source) => { (await bare.receiver({ source })).close(); };

export const cases = [
  ['a device token cannot read events', async (platform) => {
    const { bare } = await asDevice(platform);
    await refused(() => bare.receiver({ source: EVENTS }), 'amqp:unauthorized-access');
    await refused(() => bare.receiver({ source: 'messages/events/ConsumerGroups/$Default/Partitions/0' }), 'amqp:unauthorized-access');
    await refused(() => bare.receiver({ source: READINGS }), 'amqp:unauthorized-access');
    bare.close();
  }],
  ['a device token cannot call $management', async (platform) => {
    const { bare } = await asDevice(platform);
    await refused(() => bare.sender('$management'), 'amqp:unauthorized-access');
    await refused(() => bare.receiver({ source: '$management' }), 'amqp:unauthorized-access');
    bare.close();
  }],
  ['a device token cannot use another device\'s link', async (platform) => {
    const { bare } = await asDevice(platform);
    const other = await platform.addDevice();
    await refused(() => bare.sender(`/devices/${other.id}/messages/events`), 'amqp:unauthorized-access');
    bare.close();
  }],
  ['a device token cannot receive where it sends', async (platform) => {
    const { gw, bare } = await asDevice(platform);
    await refused(() => bare.receiver({ source: `/devices/${gw.id}/messages/events` }), 'amqp:unauthorized-access');
    bare.close();
  }],
  ['a device token cannot send to an event hub', async (platform) => {
    const { bare } = await asDevice(platform);
    for (const target of ['telemetry', 'readings', 'telemetry/Partitions/0', 'messages/events'])
      await refused(() => bare.sender(target), 'amqp:unauthorized-access');
    bare.close();
  }],
  ['a device token is not taken for an event hub', async (platform) => {
    const gw = await platform.addDevice();
    const bare = await (await platform.amqp()).open();
    assert.equal(await bare.show(token(`${platform.host}/devices/${gw.id}`, gw.key), `sb://${platform.host}/telemetry`), 401);
  }],
  ['a device token for another device is refused', async (platform) => {
    const [one, two] = [await platform.addDevice(), await platform.addDevice()];
    const bare = await (await platform.amqp()).open();
    assert.equal(await bare.show(token(`${platform.host}/devices/${one.id}`, one.key), `${platform.host}/devices/${two.id}`), 401);
  }],
  ['a device\'s key does not sign as a policy', async (platform) => {
    const gw = await platform.addDevice();
    const bare = await (await platform.amqp()).open();
    assert.equal(await bare.show(token(platform.host, gw.key, { policy: 'iothubowner' }), platform.host), 401);
  }],
  ['without a claim nothing but $cbs may be attached', async (platform) => {
    const gw = await platform.addDevice();
    const bare = await (await platform.amqp()).open();
    await refused(() => bare.receiver({ source: EVENTS }), 'amqp:unauthorized-access');
    await refused(() => bare.sender('$management'), 'amqp:unauthorized-access');
    await refused(() => bare.sender('telemetry'), 'amqp:unauthorized-access');
    await refused(() => bare.sender('no-such-hub'), 'amqp:unauthorized-access');
    await refused(() => bare.sender(`/devices/${gw.id}/messages/events`), 'amqp:unauthorized-access');
    bare.close();
  }],
  ['listen reads and asks $management, and cannot send', async (platform) => {
    const { bare } = await withPolicy(platform, 'readings', 'listen');
    await isRead(bare, READINGS);
    (await bare.sender('$management')).close();
    await refused(() => bare.sender('readings'), 'amqp:unauthorized-access');
    await refused(() => bare.sender('readings/Partitions/0'), 'amqp:unauthorized-access');
    bare.close();
  }],
  ['send asks $management, and cannot read', async (platform) => {
    const { policy, bare } = await withPolicy(platform, 'readings', 'send');
    await refused(() => bare.receiver({ source: READINGS }), 'amqp:unauthorized-access');
    bare.close();
    const consumer = platform.consumer(platform.endpoint(policy, 'readings'));
    assert.equal((await consumer.getPartitionIds()).length, 4);
    await consumer.close();
  }],
  ['manage reads', async (platform) => {
    const { bare } = await withPolicy(platform, 'readings', 'manage');
    await isRead(bare, READINGS);
    bare.close();
  }],
  ['nobody sends to the platform\'s own event hubs', async (platform) => {
    const root = await platform.policy('RootManageSharedAccessKey', '*');
    for (const name of ['telemetry', 'readings']) {
      const bare = await shown(platform, `sb://${platform.host}/${name}`, root.primary, root.name);
      await refused(() => bare.sender(name), 'amqp:not-allowed');
      await refused(() => bare.sender(`${name}/Partitions/1`), 'amqp:not-allowed');
      bare.close();
    }
  }],
  ['a producer of the SDK is refused at the platform\'s own event hubs', async (platform) => {
    const eventHubs = await import('@azure/event-hubs');
    const producer = new eventHubs.EventHubProducerClient(await platform.root('telemetry'), { retryOptions: { maxRetries: 0, timeoutInMs: 20_000 } });
    const err = await failure(() => producer.sendBatch([{ body: 'x' }]));
    assert.equal(nameOf(err), 'InvalidOperationError');
    await producer.close();
  }],
  ['a policy of one event hub does not read another', async (platform) => {
    const { policy, bare } = await withPolicy(platform, 'readings', 'listen');
    await refused(() => bare.receiver({ source: EVENTS }), 'amqp:unauthorized-access');
    assert.equal(await bare.show(token(`sb://${platform.host}/telemetry`, policy.primary, { policy: policy.name }), `sb://${platform.host}/telemetry`), 401);
    bare.close();
  }],
  ['a policy of all event hubs reads each', async (platform) => {
    const policy = await platform.policy(platform.name('p'), '*', 'listen');
    for (const [name, source] of [['telemetry', EVENTS], ['readings', READINGS]]) {
      const bare = await shown(platform, `sb://${platform.host}/${name}`, policy.primary, policy.name);
      await isRead(bare, source);
      bare.close();
    }
  }],
  ['service and iothubowner read telemetry and not readings', async (platform) => {
    for (const name of ['service', 'iothubowner']) {
      const policy = await platform.policy(name);
      const bare = await shown(platform, `sb://${platform.host}/telemetry`, policy.primary, name);
      await isRead(bare, EVENTS);
      await refused(() => bare.receiver({ source: READINGS }), 'amqp:unauthorized-access');
      await refused(() => bare.sender('telemetry'), 'amqp:unauthorized-access');
      bare.close();
    }
  }],
  ['a hub token of service opens messages/events', async (platform) => {
    const policy = await platform.policy('service');
    const bare = await shown(platform, platform.host, policy.primary, 'service');
    await isRead(bare, 'messages/events/ConsumerGroups/$Default/Partitions/0');
    bare.close();
  }],
  ['device, registryRead and registryReadWrite read no events', async (platform) => {
    for (const name of ['device', 'registryRead', 'registryReadWrite']) {
      const policy = await platform.policy(name);
      const bare = await shown(platform, `sb://${platform.host}/telemetry`, policy.primary, name);
      await refused(() => bare.receiver({ source: EVENTS }), 'amqp:unauthorized-access');
      await refused(() => bare.sender('$management'), 'amqp:unauthorized-access');
      bare.close();
    }
  }],
  ['registryRead does not act for a device', async (platform) => {
    const gw = await platform.addDevice();
    const policy = await platform.policy('registryRead');
    const bare = await (await platform.amqp()).open();
    const resource = `${platform.host}/devices/${gw.id}`;
    assert.equal(await bare.show(token(resource, policy.primary, { policy: 'registryRead' }), resource), 401);
  }],
  ['a token for one partition opens that partition only', async (platform) => {
    const policy = await platform.policy('service');
    const bare = await shown(platform, `sb://${platform.host}/${EVENTS}`, policy.primary, 'service');
    await isRead(bare, EVENTS);
    await refused(() => bare.receiver({ source: 'telemetry/ConsumerGroups/$Default/Partitions/1' }), 'amqp:unauthorized-access');
    bare.close();
  }],
  ['a token of the event hub opens each partition, as a ready signature does in the SDK', async (platform) => {
    const policy = await platform.policy('service');
    const signature = token(`sb://${platform.host}/telemetry`, policy.primary, { policy: 'service' });
    const consumer = platform.consumer(`Endpoint=sb://${platform.host}/;SharedAccessSignature=${signature};EntityPath=telemetry`);
    const ids = await consumer.getPartitionIds();
    await consumer.close();
    assert.deepEqual(ids, ['0', '1', '2', '3']);
    const gw = await platform.addDevice();
    await platform.sendAll(gw.connection, ['x']);
    await platform.read(`Endpoint=sb://${platform.host}/;SharedAccessSignature=${signature};EntityPath=telemetry`, {
      enough: (events) => events.some((event) => event.partitionKey === gw.id),
    });
  }],
  ['an Event Hubs token signed with the key\'s bytes is refused', async (platform) => {
    const policy = await platform.policy('service');
    const { createHmac } = await import('node:crypto');
    const sr = encodeURIComponent(`sb://${platform.host}/telemetry`);
    const se = Math.floor(Date.now() / 1000) + 600;
    const sig = createHmac('sha256', Buffer.from(policy.primary, 'base64')).update(`${sr}\n${se}`).digest('base64');
    const bare = await (await platform.amqp()).open();
    assert.equal(await bare.show(`SharedAccessSignature sr=${sr}&sig=${encodeURIComponent(sig)}&se=${se}&skn=service`, `sb://${platform.host}/telemetry`), 401);
  }],
  ['a consumer with a wrong key is an UnauthorizedError', async (platform) => {
    const consumer = platform.consumer(platform.endpoint({ name: 'service', primary: 'd3JvbmcgYW5kIGxvbmcgZW5vdWdo' }, 'telemetry'));
    assert.equal(nameOf(await failure(() => consumer.getPartitionIds())), 'UnauthorizedError');
    await consumer.close();
  }],
  ['a consumer with an unknown policy is an UnauthorizedError', async (platform) => {
    const policy = await platform.policy('service');
    const consumer = platform.consumer(platform.endpoint({ name: 'nobody', primary: policy.primary }, 'telemetry'));
    assert.equal(nameOf(await failure(() => consumer.getPartitionIds())), 'UnauthorizedError');
    await consumer.close();
  }],
  ['an expired Event Hubs token is an UnauthorizedError', async (platform) => {
    const policy = await platform.policy('service');
    const signature = token(`sb://${platform.host}/telemetry`, policy.primary, { policy: 'service', seconds: -60 });
    const consumer = platform.consumer(`Endpoint=sb://${platform.host}/;SharedAccessSignature=${signature};EntityPath=telemetry`);
    assert.equal(nameOf(await failure(() => consumer.getPartitionIds())), 'UnauthorizedError');
    await consumer.close();
  }],
  ['the expiry of its token ends a reader', async (platform) => {
    const policy = await platform.policy('service');
    const resource = `sb://${platform.host}/telemetry`;
    const bare = await (await platform.amqp()).open();
    assert.equal(await bare.show(token(resource, policy.primary, { policy: 'service', seconds: 1 }), resource), 200);
    const receiver = await bare.receiver({ source: EVENTS });
    let condition;
    receiver.on('receiver_error', () => { condition = receiver.error.condition; });
    await until(() => condition, 'the reader is ended');
    assert.equal(condition, 'amqp:unauthorized-access');
    await bare.lost;
  }],
  ['a claim that is renewed keeps its reader', async (platform) => {
    const policy = await platform.policy('service');
    const resource = `sb://${platform.host}/telemetry`;
    const bare = await (await platform.amqp()).open();
    assert.equal(await bare.show(token(resource, policy.primary, { policy: 'service', seconds: 1 }), resource), 200);
    const receiver = await bare.receiver({ source: EVENTS });
    let ended = false;
    receiver.on('receiver_error', () => { ended = true; });
    assert.equal(await bare.show(token(resource, policy.primary, { policy: 'service' }), resource), 200);
    await sleep(8_000);
    assert.equal(ended, false);
    bare.close();
  }],
  ['a rotated key ends the readers that it let in, and the other key does not', async (platform) => {
    const { policy, bare } = await withPolicy(platform, 'readings', 'listen');
    const other = await shown(platform, `sb://${platform.host}/readings`, policy.secondary, policy.name);
    const receiver = await bare.receiver({ source: READINGS });
    await other.receiver({ source: READINGS });
    let condition;
    receiver.on('receiver_error', () => { condition = receiver.error.condition; });
    await platform.cli('registry', 'policy', 'rotate', policy.name, '--event-hub', 'readings', '--key', 'primary');
    await until(() => condition, 'the reader is ended');
    assert.equal(condition, 'amqp:unauthorized-access');
    await bare.lost;
    assert.equal(other.ended, false);
    await platform.cli('registry', 'policy', 'remove', policy.name, '--event-hub', 'readings');
    await other.lost;
  }],
  ['an SDK consumer whose policy is removed hears of it', async (platform) => {
    const policy = await platform.policy(platform.name('p'), 'readings', 'listen');
    const consumer = platform.consumer(platform.endpoint(policy, 'readings'));
    let error;
    let began = false;
    const subscription = consumer.subscribe('0', {
      processEvents: async () => { began = true; },
      processError: async (err) => { error = error || err; },
    }, { startPosition: { offset: '@latest' }, maxWaitTimeInSeconds: 1 });
    await until(() => began, 'the reader waits for events');
    await platform.cli('registry', 'policy', 'remove', policy.name, '--event-hub', 'readings');
    await until(() => error, 'the consumer is told');
    assert.ok(['UnauthorizedError', 'ServiceCommunicationError'].includes(nameOf(error)) || /unauthor|token|connection/i.test(error.message), `${nameOf(error)}: ${error.message}`);
    await subscription.close();
    await consumer.close();
  }],
  ['a connection holds claims for several devices and each is checked', async (platform) => {
    const [one, two, three] = [await platform.addDevice(), await platform.addDevice(), await platform.addDevice()];
    const bare = await shown(platform, `${platform.host}/devices/${one.id}`, one.key);
    assert.equal(await bare.show(token(`${platform.host}/devices/${two.id}`, two.key), `${platform.host}/devices/${two.id}`), 200);
    for (const gw of [one, two]) await bare.sender(`/devices/${gw.id}/messages/events`);
    await refused(() => bare.sender(`/devices/${three.id}/messages/events`), 'amqp:unauthorized-access');
    bare.close();
  }],
  ['$cbs says what it does not take', async (platform) => {
    const bare = await (await platform.amqp()).open();
    const status = async (properties, body = 'x') => (await bare.request('$cbs', properties, body)).application_properties['status-code'];
    assert.equal(await status({ operation: 'delete-token', type: 'servicebus.windows.net:sastoken', name: 'x' }), 400);
    assert.equal(await status({ operation: 'put-token', type: 'jwt', name: 'x' }), 400);
    assert.equal(await status({}), 400);
    bare.close();
  }],
];
