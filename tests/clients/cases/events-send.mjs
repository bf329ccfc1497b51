// Sending to event hubs of the settings with @azure/event-hubs, and below it.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import * as eventHubs from '@azure/event-hubs';
import rhea from 'rhea';
import { failure, nameOf, until, within } from '../platform.mjs';

const { EventHubBufferedProducerClient, EventHubProducerClient } = eventHubs;
const { message, types } = rhea;

// Four partitions each; declared in the suite's settings. A case has one to itself, since it counts what it sends.
const hubs = ['orders-a', 'orders-b', 'orders-c', 'orders-d'];
const partitions = ['0', '1', '2', '3'];
const noRetry = { retryOptions: { maxRetries: 0, timeoutInMs: 20_000 } };
const batchFormat = 0x80013700;

// ---- what the cases share; `platform.hub` is the case's own event hub

async function policyOf(platform, rights, eventHub) {
  const name = `${eventHub === '*' ? 'all' : eventHub}-${rights.join('-')}`;
  platform.policies[name] ??= platform.policy(name, eventHub, rights.join(','));
  return platform.policies[name];
}
async function access(platform, rights = ['listen', 'send'], eventHub = platform.hub) {
  return platform.endpoint(await policyOf(platform, rights, eventHub), eventHub === '*' ? platform.hub : eventHub);
}
const entity = (connection, name) => connection.replace(/EntityPath=.*/, `EntityPath=${name}`);

async function withProducer(connection, act) {
  const producer = new EventHubProducerClient(connection, noRetry);
  try {
    return await act(producer);
  } finally {
    await producer.close();
  }
}
const withOwn = async (platform, act) => withProducer(await access(platform), act);

const ends = async (platform) =>
  withOwn(platform, (producer) => Promise.all(partitions.map(async (id) => (await producer.getPartitionProperties(id)).lastEnqueuedSequenceNumber)));

// What `act` added, by partition.
async function growth(platform, act) {
  const before = await ends(platform);
  await act();
  const after = await ends(platform);
  return after.map((last, n) => last - before[n]);
}

// The events that `act` added, partition by partition.
async function added(platform, act, given = {}) {
  const settings = { skipParsingBodyAsJson: false, ...given };
  const before = await ends(platform);
  await act();
  const after = await ends(platform);
  const out = [];
  for (const id of partitions.filter((one) => after[one] > before[one])) {
    const start = before[id] < 0 ? { offset: '-1' } : { sequenceNumber: before[id] };
    const wanted = after[id] - before[id];
    out.push(...await platform.read(await access(platform), { partitions: [id], start, settings, enough: (events) => events.length >= wanted }));
  }
  return { events: out };
}

async function send(producer, events, where = {}) {
  const batch = await producer.createBatch(where);
  for (const event of events) assert.ok(batch.tryAdd(event), 'the event fits');
  await producer.sendBatch(batch);
}

async function sentBack(platform, event) {
  const { events } = await added(platform, () => withOwn(platform, (producer) => send(producer, [event])));
  assert.equal(events.length, 1);
  return events[0];
}

async function fails(name, act) {
  const error = await failure(act);
  assert.equal(nameOf(error), name, error.message);
}

// ---- below the SDK: messages as older or careless clients send them

// One data section a part, each an encoded message.
const batchOf = (parts) => message.encode({ body: message.data_sections(parts.map((part) => message.encode(part))) });

class RawSender {
  constructor(sender) {
    this.sender = sender;
    this.waiting = new Map();
    const answer = (of) => (context) => {
      this.waiting.get(context.delivery)?.(of(context));
      this.waiting.delete(context.delivery);
    };
    for (const name of ['accepted', 'released', 'modified']) sender.on(name, answer(() => name));
    sender.on('rejected', answer((context) => context.delivery.remote_state.error.condition));
  }
  // A message or its bytes. The outcome: 'accepted', or the condition of the rejection.
  send(body, format = 0) {
    const delivery = this.sender.send(Buffer.isBuffer(body) ? body : message.encode(body), undefined, format);
    return within(new Promise((resolve) => this.waiting.set(delivery, resolve)), 'an outcome');
  }
}

async function withRaw(platform, address, act, options = {}) {
  const policy = await policyOf(platform, ['listen', 'send'], platform.hub);
  const bare = await (await platform.amqp({ username: policy.name, password: policy.primary })).open();
  try {
    return await act(new RawSender(await bare.sender({ target: address, ...options })));
  } finally {
    bare.close();
  }
}
const data = (text) => message.data_section(Buffer.from(text));
const withKey = (key, text) => ({ message_annotations: { 'x-opt-partition-key': key }, body: data(text) });

// ---- the cases ----

const routing = [
  ['a batch is stored whole and in order', async (platform) => {
    const { events } = await added(platform, () => withOwn(platform, (p) => send(p, ['a', 'b', 'c'].map((body) => ({ body })), { partitionId: '1' })));
    assert.deepEqual(events.map((event) => [event.partition, event.body]), [['1', 'a'], ['1', 'b'], ['1', 'c']]);
  }],
  ['each partition can be sent to by its id', async (platform) => {
    const grown = await growth(platform, () => withOwn(platform, async (p) => {
      for (const id of partitions) await send(p, [{ body: id }], { partitionId: id });
    }));
    assert.deepEqual(grown, [1, 1, 1, 1]);
  }],
  ['without a key batches go to the partitions in turn', async (platform) => {
    const grown = await growth(platform, () => withOwn(platform, async (p) => {
      for (let n = 0; n < 8; n += 1) await send(p, [{ body: n }, { body: n }]);
    }));
    assert.deepEqual(grown, [4, 4, 4, 4]);
  }],
  ['a key leads to one partition, always the same', async (platform) => {
    const grown = await growth(platform, async () => {
      for (let n = 0; n < 3; n += 1) await withOwn(platform, (p) => send(p, [{ body: n }], { partitionKey: 'meter 7' }));
    });
    assert.deepEqual(grown.filter((count) => count > 0), [3]);
  }],
  ['keys lead where docs/formats/event-hub-keys.md says', async (platform) => {
    for (const [key, partition] of [['a', 0], ['b', 2], ['7', 1], ['orders', 2], ['order-17', 1], ['ffffffffffffff01', 3], ['小区-3', 3]]) {
      const grown = await growth(platform, () => withOwn(platform, (p) => send(p, [{ body: key }], { partitionKey: key })));
      assert.equal(grown.indexOf(1), partition, `key ${key}`);
    }
  }],
  ['a reader sees the partition key', async (platform) => {
    const { events } = await added(platform, () => withOwn(platform, (p) => send(p, [{ body: 1 }, { body: 2 }], { partitionKey: 'order-17' })));
    assert.deepEqual(events.map((event) => event.partitionKey), ['order-17', 'order-17']);
  }],
  ['an event without a key shows none', async (platform) => {
    assert.equal((await sentBack(platform, { body: 1 })).partitionKey ?? null, null);
  }],
  ['names of event hubs have no case', async (platform) => {
    const connection = entity(await access(platform), platform.hub.toUpperCase());
    assert.deepEqual(await growth(platform, () => withProducer(connection, (p) => send(p, [{ body: 1 }], { partitionId: '0' }))), [1, 0, 0, 0]);
  }],
  ['sequence numbers have no gap over many batches', async (platform) => {
    const { events } = await added(platform, () => withOwn(platform, async (p) => {
      for (let n = 0; n < 20; n += 1) await send(p, [{ body: n }, { body: n }, { body: n }], { partitionId: '3' });
    }));
    assert.equal(events.length, 60);
    events.forEach((event, n) => assert.equal(event.sequenceNumber, events[0].sequenceNumber + n));
  }],
  ['enqueued times are now and never fall', async (platform) => {
    const begin = Date.now();
    const { events } = await added(platform, () => withOwn(platform, async (p) => {
      for (let n = 0; n < 5; n += 1) await send(p, [{ body: n }], { partitionId: '3' });
    }));
    const times = events.map((event) => event.enqueuedTimeUtc.getTime());
    assert.deepEqual(times, times.toSorted((a, b) => a - b));
    assert.ok(times[0] >= begin - 1000 && times.at(-1) <= Date.now() + 1000, `${times}`);
  }],
];

const contents = [
  ['application properties keep their types', async (platform) => {
    const when = new Date(1_700_000_000_000);
    const event = await sentBack(platform, { body: 1, properties: { text: 'x', whole: 7, real: 1.5, yes: true, when, nothing: null } });
    assert.deepEqual({ ...event.properties, when: new Date(event.properties.when) }, { text: 'x', whole: 7, real: 1.5, yes: true, when, nothing: null });
  }],
  ['message id, correlation id and content type arrive', async (platform) => {
    const event = await sentBack(platform, { body: 1, messageId: 'm-1', correlationId: 'c-1', contentType: 'application/json' });
    assert.deepEqual([event.messageId, event.correlationId, event.contentType], ['m-1', 'c-1', 'application/json']);
  }],
  ['bytes arrive as they were', async (platform) => {
    const body = randomBytes(1000);
    const { events } = await added(platform, () => withOwn(platform, (p) => send(p, [{ body }])), { skipParsingBodyAsJson: true });
    assert.ok(Buffer.from(events[0].body).equals(body));
  }],
  ['an empty body arrives empty', async (platform) => {
    const { events } = await added(platform, () => withOwn(platform, (p) => send(p, [{ body: Buffer.alloc(0) }])), { skipParsingBodyAsJson: true });
    assert.equal(events[0].body.length, 0);
  }],
  ['objects, lists, numbers and text arrive as JSON', async (platform) => {
    for (const body of [{ a: { b: [1, '二'] } }, [1, 2], 4.5, 'text']) assert.deepEqual((await sentBack(platform, { body })).body, body);
  }],
  ['an amqp-value body keeps its type', async (platform) => {
    const event = await sentBack(platform, { body: 'plain', bodyType: 'value' });
    assert.equal(event.body, 'plain');
    assert.equal(event.getRawAmqpMessage().bodyType, 'value');
  }],
  ['an amqp-sequence body keeps its type', async (platform) => {
    const event = await sentBack(platform, { body: [[1, 2, 3]], bodyType: 'sequence' });
    assert.equal(event.getRawAmqpMessage().bodyType, 'sequence');
    assert.deepEqual(event.body.flat(), [1, 2, 3]);
  }],
  ['annotations of the sender arrive', async (platform) => {
    const event = await sentBack(platform, { body: 1, bodyType: 'data', messageAnnotations: { 'my-note': 'n', 'my-number': 5 } });
    assert.deepEqual([event.systemProperties['my-note'], event.systemProperties['my-number']], ['n', 5]);
  }],
  ['annotations that only the hub may set are not the sender\'s', async (platform) => {
    const forged = { 'x-opt-sequence-number': 1_000_000, 'x-opt-offset': '1000000', 'x-opt-enqueued-time': new Date(0), 'iothub-connection-device-id': 'gw' };
    const event = await sentBack(platform, { body: 1, bodyType: 'data', messageAnnotations: forged });
    assert.ok(event.sequenceNumber < 1_000_000 && event.offset !== '1000000' && event.enqueuedTimeUtc.getTime() > 1_500_000_000_000);
    assert.equal(event.systemProperties?.['iothub-connection-device-id'], undefined);
  }],
  ['events of one batch keep properties of their own', async (platform) => {
    const { events } = await added(platform, () => withOwn(platform, (p) =>
      send(p, [{ body: 1, properties: { n: 1 } }, { body: 2 }, { body: 3, properties: { n: 3 } }], { partitionId: '0' })));
    assert.deepEqual(events.map((event) => event.properties?.n), [1, undefined, 3]);
  }],
];

const amounts = [
  ['a batch may have a mebibyte', async (platform) => {
    await withOwn(platform, async (p) => assert.equal((await p.createBatch()).maxSizeInBytes, 1_048_576));
  }],
  ['a batch filled to the limit is taken', async (platform) => {
    const { events } = await added(platform, () => withOwn(platform, async (p) => {
      const batch = await p.createBatch({ partitionId: '2' });
      while (batch.tryAdd({ body: randomBytes(60_000) }));
      assert.ok(batch.sizeInBytes > 900_000);
      await p.sendBatch(batch);
      return batch.count;
    }), { skipParsingBodyAsJson: true });
    assert.ok(events.length > 10);
  }],
  ['thousands of small events are one batch', async (platform) => {
    const grown = await growth(platform, () => withOwn(platform, (p) =>
      send(p, Array.from({ length: 5000 }, (_, n) => ({ body: n })), { partitionId: '0' })));
    assert.deepEqual(grown, [5000, 0, 0, 0]);
  }],
  ['what is over the limit is refused as too large, and the link goes on', async (platform) => {
    const grown = await growth(platform, () => withOwn(platform, async (p) => {
      await fails('MessageTooLargeError', () => p.sendBatch([{ body: randomBytes(1_500_000) }], { partitionId: '0' }));
      await send(p, [{ body: 1 }], { partitionId: '0' });
    }));
    assert.deepEqual(grown, [1, 0, 0, 0]);
  }],
  ['events without a batch are sent', async (platform) => {
    assert.deepEqual(await growth(platform, () => withOwn(platform, (p) => p.sendBatch([{ body: 1 }, { body: 2 }], { partitionId: '1' }))), [0, 2, 0, 0]);
  }],
  ['an empty batch sends nothing', async (platform) => {
    assert.deepEqual(await growth(platform, () => withOwn(platform, async (p) => p.sendBatch(await p.createBatch()))), [0, 0, 0, 0]);
  }],
  ['two hundred batches at once are each accepted', async (platform) => {
    const grown = await growth(platform, () => withOwn(platform, (p) =>
      Promise.all(Array.from({ length: 200 }, (_, n) => p.sendBatch([{ body: n }])))));
    assert.equal(grown.reduce((a, b) => a + b), 200);
  }],
  ['four producers at once lose nothing', async (platform) => {
    const grown = await growth(platform, () => Promise.all([0, 1, 2, 3].map(() => withOwn(platform, async (p) => {
      for (let n = 0; n < 25; n += 1) await send(p, [{ body: n }]);
    }))));
    assert.equal(grown.reduce((a, b) => a + b), 100);
  }],
  ['a buffered producer sends all that it was given', async (platform) => {
    const connection = await access(platform);
    const grown = await growth(platform, async () => {
      const failed = [];
      const producer = new EventHubBufferedProducerClient(connection, { ...noRetry, onSendEventsErrorHandler: async (context) => failed.push(context.error) });
      for (let n = 0; n < 100; n += 1) await producer.enqueueEvent({ body: n }, n % 2 ? { partitionKey: `k${n}` } : {});
      await producer.close({ flush: true });
      assert.deepEqual(failed, []);
    });
    assert.equal(grown.reduce((a, b) => a + b), 100);
  }],
];

const refusals = [
  ['a partition that is not there is out of range', async (platform) => {
    await withOwn(platform, (p) => fails('ArgumentOutOfRangeError', () => send(p, [{ body: 1 }], { partitionId: '4' })));
  }],
  ['an event hub that is not there is not found', async (platform) => {
    const connection = entity(await access(platform, ['send'], '*'), 'nowhere');
    await withProducer(connection, (p) => fails('MessagingEntityNotFoundError', () => send(p, [{ body: 1 }])));
  }],
  ['a policy that may only listen cannot send', async (platform) => {
    const grown = await growth(platform, async () => {
      await withProducer(await access(platform, ['listen']), (p) => fails('UnauthorizedError', () => send(p, [{ body: 1 }])));
    });
    assert.deepEqual(grown, [0, 0, 0, 0]);
  }],
  ['a policy that may send sends, and may not read', async (platform) => {
    const connection = await access(platform, ['send']);
    await withProducer(connection, (p) => send(p, [{ body: 1 }]));
    await fails('UnauthorizedError', () => platform.read(connection, { partitions: ['0'], enough: () => false }));
  }],
  ['a policy that may manage sends', async (platform) => {
    await withProducer(await access(platform, ['manage']), (p) => send(p, [{ body: 1 }]));
  }],
  ['a policy of all event hubs sends to this one', async (platform) => {
    await withProducer(await access(platform, ['send'], '*'), (p) => send(p, [{ body: 1 }]));
  }],
  ['a policy of another event hub does not', async (platform) => {
    const connection = entity(await access(platform, ['send'], 'readings'), platform.hub);
    await withProducer(connection, (p) => fails('UnauthorizedError', () => send(p, [{ body: 1 }])));
  }],
  ['nobody sends to the built-in endpoint', async (platform) => {
    const connection = entity(await access(platform, ['send'], '*'), 'telemetry');
    await withProducer(connection, (p) => fails('InvalidOperationError', () => send(p, [{ body: 1 }])));
  }],
  ['nobody sends to readings unless the settings say so', async (platform) => {
    await withProducer(await access(platform, ['send'], 'readings'), (p) => fails('InvalidOperationError', () => send(p, [{ body: 1 }])));
  }],
  ['a wrong key is unauthorized', async (platform) => {
    const connection = (await access(platform)).replace(/SharedAccessKey=[^;]+/, `SharedAccessKey=${randomBytes(32).toString('base64')}`);
    await withProducer(connection, (p) => fails('UnauthorizedError', () => send(p, [{ body: 1 }])));
  }],
  ['an idempotent producer is told that there is none such', async (platform) => {
    const producer = new EventHubProducerClient(await access(platform), noRetry);
    producer._enableIdempotentRetries = true; // of the buffered producer's options
    await fails('NotImplementedError', () => producer.sendBatch([{ body: 1 }], { partitionId: '0' }));
    await producer.close();
  }],
];

const below = [
  ['a plain message, as clients of 2016 send it, is one event', async (platform) => {
    const { events } = await added(platform, () => withRaw(platform, `${platform.hub}/Partitions/2`, async (s) => assert.equal(await s.send({ body: data('"plain"') }), 'accepted')));
    assert.deepEqual(events.map((event) => [event.partition, event.body]), [['2', 'plain']]);
  }],
  ['a plain message with a key goes to its partition', async (platform) => {
    assert.deepEqual(await growth(platform, () => withRaw(platform, platform.hub, (s) => s.send(withKey('order-17', '1')))), [0, 1, 0, 0]);
  }],
  ['an address may have a slash before it', async (platform) => {
    assert.deepEqual(await growth(platform, () => withRaw(platform, `/${platform.hub}/Partitions/0`, (s) => s.send({ body: data('1') }))), [1, 0, 0, 0]);
  }],
  ['a batch of events with two keys is refused whole', async (platform) => {
    const grown = await growth(platform, () => withRaw(platform, platform.hub, async (s) =>
      assert.equal(await s.send(batchOf([withKey('a', '1'), withKey('b', '2')]), batchFormat), 'amqp:not-allowed')));
    assert.deepEqual(grown, [0, 0, 0, 0]);
  }],
  ['a key beside a partition is refused', async (platform) => {
    await withRaw(platform, `${platform.hub}/Partitions/0`, async (s) => assert.equal(await s.send(withKey('a', '1')), 'amqp:not-allowed'));
  }],
  ['a batch with garbage in it is refused whole, and the link goes on', async (platform) => {
    const grown = await growth(platform, () => withRaw(platform, `${platform.hub}/Partitions/1`, async (s) => {
      const garbage = message.encode({ body: message.data_sections([message.encode({ body: data('1') }), Buffer.from('garbage')]) });
      assert.equal(await s.send(garbage, batchFormat), 'amqp:not-allowed');
      assert.equal(await s.send(batchOf([{ body: data('2') }]), batchFormat), 'accepted');
    }));
    assert.deepEqual(grown, [0, 1, 0, 0]);
  }],
  ['a key that is no text is refused', async (platform) => {
    await withRaw(platform, platform.hub, async (s) => assert.equal(await s.send(withKey(types.wrap_int(7), '1')), 'amqp:not-allowed'));
  }],
  ['an endless key is refused', async (platform) => {
    await withRaw(platform, platform.hub, async (s) => {
      assert.equal(await s.send(withKey('x'.repeat(513), '1')), 'amqp:not-allowed');
      assert.equal(await s.send(withKey('x'.repeat(512), '1')), 'accepted');
    });
  }],
  ['what is sent settled is stored too', async (platform) => {
    const before = await ends(platform);
    await withRaw(platform, `${platform.hub}/Partitions/3`, async (s) => {
      s.sender.send({ body: data('1') });
      await until(async () => (await ends(platform))[3] > before[3], 'the event');
    }, { snd_settle_mode: 1 });
    assert.equal((await ends(platform))[3], before[3] + 1);
  }],
];

// ---- each with an event hub of its own

const free = [...hubs];
const policies = {};

const alone = (body) => async (platform) => {
  await until(() => free.length > 0, 'an event hub that no other case uses');
  const hub = free.pop();
  try {
    await body(Object.assign(Object.create(platform), { hub, policies }));
  } finally {
    free.push(hub);
  }
};

export const cases = [...routing, ...contents, ...amounts, ...refusals, ...below].map(([name, body]) => [name, alone(body)]);
