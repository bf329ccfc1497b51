// @azure/event-hubs as published reads the built-in event hub; bare AMQP where the SDK offers no way.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { failure, nameOf, sleep, token, until } from '../platform.mjs';
import rhea from 'rhea';

const SELECTOR = 'apache.org:selector-filter:string';
const texts = (events) => events.map((event) => String(Buffer.from(event.body)));
const numbers = (from, to) => Array.from({ length: to - from }, (_, i) => String(from + i));

// A device with `count` events, and where they are.
async function filled(platform, count, bodies = (i) => String(i)) {
  const gw = await platform.addDevice();
  const client = await platform.opened(gw.connection);
  for (let i = 0; i < count; i += 1) await platform.send(client, platform.message(bodies(i)));
  await client.close();
  const events = await platform.eventsOf(gw.id, count);
  return { gw, events, partition: events[0].partition, connection: await platform.service() };
}

// What a reader of the device's partition gets from `start` on, the device's own events only.
async function from(platform, { gw, partition, connection }, start, count) {
  const own = (events) => events.filter((event) => event.partitionKey === gw.id);
  const events = await platform.read(connection, { partitions: [partition], start, enough: (all) => own(all).length >= count });
  return own(events);
}

async function bareReader(platform, eventHub = 'telemetry') {
  const policy = await platform.policy('RootManageSharedAccessKey', '*');
  const bare = await (await platform.amqp()).open();
  const resource = `sb://${platform.host}/${eventHub}`;
  assert.equal(await bare.show(token(resource, policy.primary, { policy: policy.name }), resource), 200);
  return bare;
}

// Of the platform's process.
function residentBytes(platform) {
  const words = (id) => { try { return readFileSync(`/proc/${id}/cmdline`, 'utf8').split('\0'); } catch { return []; } };
  const id = readdirSync('/proc').find((one) => /^\d+$/.test(one) && words(one)[1] === 'serve' && words(one).includes(platform.data));
  return Number(readFileSync(`/proc/${id}/status`, 'utf8').match(/VmRSS:\s+(\d+) kB/)[1]) * 1024;
}

const filterOf = (text) => ({ [SELECTOR]: rhea.types.wrap_described(text, 0x468C00000004) });

// Opens a reader without credit; `messages` fill as credit is given.
async function open(bare, partition, { text, filter = text && filterOf(text), address = `telemetry/ConsumerGroups/$Default/Partitions/${partition}`, ...options } = {}) {
  const messages = [];
  const link = await bare.receiver({ source: { address, filter }, credit_window: 0, autoaccept: true, ...options });
  link.on('message', (context) => messages.push(Object.assign(context.message, { settledBySender: context.delivery.remote_settled })));
  return { link, messages };
}

async function refusedWith(action, condition) {
  const err = await failure(action);
  assert.equal(err.condition, condition, err.message);
}

// A receiver of the SDK that goes on until it is stopped.
function follow(client, partition, options = {}) {
  const out = { events: [], errors: [], waits: 0, closed: undefined };
  out.subscription = client.subscribe(partition, {
    processEvents: async (batch) => { out.waits += batch.length === 0 ? 1 : 0; out.events.push(...batch); },
    processError: async (err) => { out.errors.push(err); },
    processClose: async (reason) => { out.closed = reason; },
  }, { startPosition: { offset: '@latest' }, maxWaitTimeInSeconds: 1, skipParsingBodyAsJson: true, ...options });
  return out;
}

export const cases = [
  ['from the earliest, in order, and nothing twice', async (platform) => {
    const place = await filled(platform, 20);
    assert.deepEqual(texts(await from(platform, place, { offset: '-1' }, 20)), numbers(0, 20));
  }],
  ['from an offset, exclusive', async (platform) => {
    const place = await filled(platform, 6);
    assert.deepEqual(texts(await from(platform, place, { offset: place.events[2].offset }, 3)), numbers(3, 6));
  }],
  ['from an offset, inclusive', async (platform) => {
    const place = await filled(platform, 6);
    assert.deepEqual(texts(await from(platform, place, { offset: place.events[2].offset, isInclusive: true }, 4)), numbers(2, 6));
  }],
  ['from a sequence number, exclusive', async (platform) => {
    const place = await filled(platform, 6);
    assert.deepEqual(texts(await from(platform, place, { sequenceNumber: place.events[2].sequenceNumber }, 3)), numbers(3, 6));
  }],
  ['from a sequence number, inclusive', async (platform) => {
    const place = await filled(platform, 6);
    assert.deepEqual(texts(await from(platform, place, { sequenceNumber: place.events[2].sequenceNumber, isInclusive: true }, 4)), numbers(2, 6));
  }],
  ['from an enqueued time, exactly what came after it', async (platform) => {
    const place = await filled(platform, 12, (i) => String(i));
    for (const pivot of [0, 5, 10]) {
      const time = place.events[pivot].enqueuedTimeUtc.getTime();
      const expected = place.events.filter((event) => event.enqueuedTimeUtc.getTime() > time);
      assert.deepEqual(texts(await from(platform, place, { enqueuedOn: time }, expected.length)), texts(expected));
    }
  }],
  ['an enqueued time that many events share splits them nowhere', async (platform) => {
    const gw = await platform.addDevice();
    await platform.sendAll(gw.connection, numbers(0, 200));
    const events = await platform.eventsOf(gw.id, 200);
    const place = { gw, partition: events[0].partition, connection: await platform.service() };
    const times = events.map((event) => event.enqueuedTimeUtc.getTime());
    const shared = times.find((time) => times.filter((one) => one === time).length > 1);
    assert.ok(shared, 'events that were sent together share a time');
    const after = events.filter((event) => event.enqueuedTimeUtc.getTime() > shared);
    const since = events.filter((event) => event.enqueuedTimeUtc.getTime() >= shared);
    if (after.length > 0) assert.deepEqual(texts(await from(platform, place, { enqueuedOn: shared }, after.length)), texts(after));
    assert.deepEqual(texts(await from(platform, place, { enqueuedOn: shared - 1 }, since.length)), texts(since));
    const bare = await bareReader(platform);
    const { link, messages } = await open(bare, place.partition, { text: `amqp.annotation.x-opt-enqueued-time >= '${shared}'` });
    link.add_credit(1000);
    const own = () => messages.filter((one) => one.message_annotations['x-opt-partition-key'] === gw.id);
    await until(() => own().length >= since.length, 'the events come');
    assert.equal(own().length, since.length);
    bare.close();
  }],
  ['from a time in the future nothing comes until then', async (platform) => {
    const place = await filled(platform, 2);
    const client = platform.consumer(place.connection);
    const reader = follow(client, place.partition, { startPosition: { enqueuedOn: Date.now() + 3_600_000 } });
    await until(() => reader.waits > 0, 'the reader waits');
    assert.equal(reader.events.length, 0);
    await reader.subscription.close();
    await client.close();
  }],
  ['latest brings what comes after the attach, and nothing before', async (platform) => {
    const place = await filled(platform, 3);
    const client = platform.consumer(place.connection);
    const reader = follow(client, place.partition);
    await until(() => reader.waits > 0, 'the reader waits');
    await platform.sendAll(place.gw.connection, ['new']);
    await until(() => reader.events.some((event) => event.partitionKey === place.gw.id), 'the new event comes');
    assert.deepEqual(texts(reader.events.filter((event) => event.partitionKey === place.gw.id)), ['new']);
    await reader.subscription.close();
    await client.close();
  }],
  ['what is appended right after the attach reply is not missed', async (platform) => {
    const gw = await platform.addDevice();
    await platform.sendAll(gw.connection, ['first']);
    const partition = await platform.partitionOf(gw.id);
    const bare = await bareReader(platform);
    const device = await platform.opened(gw.connection);
    for (let i = 0; i < 5; i += 1) {
      const { link, messages } = await open(bare, partition, { text: "amqp.annotation.x-opt-offset > '@latest'" });
      await platform.send(device, platform.message(`n${i}`));
      link.add_credit(100);
      await until(() => messages.some((one) => one.message_annotations['x-opt-partition-key'] === gw.id), `event ${i} comes`);
      link.close();
    }
    await device.close();
    bare.close();
  }],
  ['the time filter of older clients, quoted and not', async (platform) => {
    const place = await filled(platform, 4);
    const time = place.events[1].enqueuedTimeUtc.getTime();
    const expected = place.events.filter((event) => event.enqueuedTimeUtc.getTime() > time).length;
    for (const text of [`amqp.annotation.x-opt-enqueuedtimeutc > ${time}`, `amqp.annotation.x-opt-enqueuedtimeutc>'${time}'`, `  amqp.annotation.x-opt-enqueued-time   >   ${time} `]) {
      const bare = await bareReader(platform);
      const { link, messages } = await open(bare, place.partition, { text });
      link.add_credit(1000);
      const own = () => messages.filter((one) => one.message_annotations['x-opt-partition-key'] === place.gw.id);
      await until(() => own().length >= expected, text);
      assert.equal(own().length, expected, text);
      bare.close();
    }
  }],
  ['the filter\'s registered symbol means the same as its code', async (platform) => {
    const place = await filled(platform, 3);
    const bare = await bareReader(platform);
    const filter = { [SELECTOR]: rhea.types.wrap_described(`amqp.annotation.x-opt-offset > '${place.events[1].offset}'`, SELECTOR) };
    const { link, messages } = await open(bare, place.partition, { filter });
    link.add_credit(1);
    await until(() => messages.length === 1, 'the event comes');
    assert.ok(Number(messages[0].message_annotations['x-opt-sequence-number']) > place.events[1].sequenceNumber);
    bare.close();
  }],
  ['without a filter a reader begins at the earliest', async (platform) => {
    const place = await filled(platform, 2);
    const bare = await bareReader(platform);
    const { link, messages } = await open(bare, place.partition);
    link.add_credit(1);
    await until(() => messages.length === 1, 'an event comes');
    assert.equal(Number(messages[0].message_annotations['x-opt-sequence-number']), 0);
    bare.close();
  }],
  ['a filter that is not known is not implemented', async (platform) => {
    const bare = await bareReader(platform);
    for (const text of ["amqp.annotation.x-opt-color > '1'", 'color = 1', "amqp.annotation.x-opt-offset < '1'", "amqp.annotation.x-opt-offset = '1'", ''])
      await refusedWith(() => open(bare, 0, { filter: filterOf(text) }), 'amqp:not-implemented');
    await refusedWith(() => open(bare, 0, { filter: { other: rhea.types.wrap_described('x', 'other:filter') } }), 'amqp:not-implemented');
    bare.close();
  }],
  ['a filter of a wrong type is not allowed', async (platform) => {
    const bare = await bareReader(platform);
    await refusedWith(() => open(bare, 0, { filter: { [SELECTOR]: "amqp.annotation.x-opt-offset > '1'" } }), 'amqp:not-allowed');
    await refusedWith(() => open(bare, 0, { filter: { [SELECTOR]: rhea.types.wrap_described(rhea.types.wrap_int(7), SELECTOR) } }), 'amqp:not-allowed');
    bare.close();
  }],
  ['a position that is no number, or beyond the end, is an argument error', async (platform) => {
    const bare = await bareReader(platform);
    for (const text of ["amqp.annotation.x-opt-offset > 'x'", "amqp.annotation.x-opt-offset > '99999999'", "amqp.annotation.x-opt-sequence-number > '-7'", "amqp.annotation.x-opt-offset > '99999999999999999999999'"])
      await refusedWith(() => open(bare, 0, { text }), 'com.microsoft:argument-error');
    bare.close();
  }],
  ['a declared consumer group reads, in any case of its name', async (platform) => {
    const place = await filled(platform, 3);
    for (const group of ['case-a', 'CASE-B', '$default'])
      await platform.read(place.connection, { group, enough: (events) => events.filter((event) => event.partitionKey === place.gw.id).length === 3 });
  }],
  ['a consumer group that is not declared is not found', async (platform) => {
    const client = platform.consumer(await platform.service(), { group: 'nobody' });
    const reader = follow(client, '0');
    await until(() => reader.errors.length > 0, 'the reader is refused');
    assert.equal(nameOf(reader.errors[0]), 'MessagingEntityNotFoundError');
    await reader.subscription.close();
    await client.close();
  }],
  ['a consumer group of one event hub is unknown to another', async (platform) => {
    const bare = await bareReader(platform, '');
    await refusedWith(() => open(bare, 0, { address: 'telemetry/ConsumerGroups/only-readings/Partitions/0' }), 'amqp:not-found');
    await open(bare, 0, { address: 'readings/ConsumerGroups/only-readings/Partitions/0' });
    bare.close();
  }],
  ['an event hub that does not exist is not found', async (platform) => {
    const client = platform.consumer(await platform.root('no-such-hub'));
    assert.equal(nameOf(await failure(() => client.getEventHubProperties())), 'MessagingEntityNotFoundError');
    const reader = follow(client, '0');
    await until(() => reader.errors.length > 0, 'the reader is refused');
    assert.equal(nameOf(reader.errors[0]), 'MessagingEntityNotFoundError');
    await reader.subscription.close();
    await client.close();
  }],
  ['a partition that does not exist is out of range', async (platform) => {
    const bare = await bareReader(platform);
    for (const partition of ['4', '-1', '00', 'x', '99999999999']) await refusedWith(() => open(bare, partition), 'com.microsoft:argument-out-of-range');
    bare.close();
  }],
  ['the address may be messages/events, a whole URL, or begin with a slash', async (platform) => {
    const place = await filled(platform, 2);
    const bare = await bareReader(platform, '');
    const tail = `ConsumerGroups/$Default/Partitions/${place.partition}`;
    for (const address of [`messages/events/${tail}`, `/messages/events/${tail}`, `amqps://localhost:5671/messages/events/${tail}`, `/telemetry/${tail}`, `TELEMETRY/consumergroups/$DEFAULT/partitions/${place.partition}`]) {
      const { link, messages } = await open(bare, place.partition, { address });
      link.add_credit(1);
      await until(() => messages.length === 1, address);
      link.close();
    }
    bare.close();
  }],
  ['a higher owner level takes the partition over', async (platform) => {
    const connection = await platform.service();
    const [client, other] = [0, 1].map(() => platform.consumer(connection, { group: 'owners' }));
    const first = follow(client, '0', { ownerLevel: 1 });
    await until(() => first.waits > 0, 'the first reads');
    const second = follow(other, '0', { ownerLevel: 2 });
    await until(() => first.closed, 'the first gives way');
    assert.equal(nameOf(first.errors[0]), 'ReceiverDisconnectedError');
    assert.equal(first.closed, 'OwnershipLost');
    await until(() => second.waits > 0, 'the second reads');
    assert.equal(second.errors.length, 0);
    await second.subscription.close();
    await Promise.all([client.close(), other.close()]);
  }],
  ['the same owner level takes over, a lower one and none are refused', async (platform) => {
    const bare = await bareReader(platform);
    const attach = (level) => bare.receiver({
      source: 'telemetry/ConsumerGroups/owners/Partitions/1', credit_window: 0,
      properties: level === undefined ? {} : { 'com.microsoft:epoch': rhea.types.wrap_long(level) },
    });
    const first = await attach(5);
    let stolen;
    first.on('receiver_error', () => { stolen = first.error.condition; });
    const second = await attach(5);
    await until(() => stolen, 'the first gives way');
    assert.equal(stolen, 'amqp:link:stolen');
    await refusedWith(() => attach(4), 'amqp:link:stolen');
    await refusedWith(() => attach(undefined), 'amqp:link:stolen');
    assert.ok(second.is_open());
    second.close();
    await until(() => attach(0).catch(() => false), 'the place is free');
    bare.close();
  }],
  ['a reader with an owner level ends all that have none', async (platform) => {
    const bare = await bareReader(platform);
    const source = 'telemetry/ConsumerGroups/owners/Partitions/2';
    const stolen = [];
    for (let i = 0; i < 3; i += 1) {
      const link = await bare.receiver({ source, credit_window: 0 });
      link.on('receiver_error', () => stolen.push(link.error.condition));
    }
    await bare.receiver({ source, credit_window: 0, properties: { 'com.microsoft:epoch': rhea.types.wrap_long(0) } });
    await until(() => stolen.length === 3, 'all three give way');
    assert.deepEqual([...new Set(stolen)], ['amqp:link:stolen']);
    bare.close();
  }],
  ['five readers share a partition in a group, and a sixth is refused', async (platform) => {
    const bare = await bareReader(platform);
    const source = 'telemetry/ConsumerGroups/owners/Partitions/3';
    const links = [];
    for (let i = 0; i < 5; i += 1) links.push(await bare.receiver({ source, credit_window: 0 }));
    await refusedWith(() => bare.receiver({ source, credit_window: 0 }), 'amqp:resource-limit-exceeded');
    const client = platform.consumer(await platform.service(), { group: 'owners' });
    const sixth = follow(client, '3');
    await until(() => sixth.errors.length > 0, 'the sixth is refused');
    assert.equal(nameOf(sixth.errors[0]), 'QuotaExceededError');
    await sixth.subscription.close();
    await client.close();
    links[0].close();
    await until(() => bare.receiver({ source, credit_window: 0 }).catch(() => false), 'the place is free');
    bare.close();
  }],
  ['readers of two groups each get everything', async (platform) => {
    const place = await filled(platform, 10);
    const read = (group) => platform.read(place.connection, { group, enough: (events) => events.filter((event) => event.partitionKey === place.gw.id).length === 10 });
    await Promise.all([read('case-a'), read('$Default')]);
  }],
  ['each event tells of the last one when that is asked for', async (platform) => {
    const place = await filled(platform, 5);
    const events = await platform.read(place.connection, {
      partitions: [place.partition], settings: { trackLastEnqueuedEventProperties: true, maxBatchSize: 1 },
      enough: (all) => all.some((event) => event.partitionKey === place.gw.id && event.offset === place.events[4].offset),
    });
    for (const { lastEnqueued } of events) {
      assert.ok(lastEnqueued.sequenceNumber >= place.events[4].sequenceNumber);
      assert.equal(lastEnqueued.offset, String(lastEnqueued.sequenceNumber));
      assert.ok(new Date(lastEnqueued.enqueuedOn) <= new Date(lastEnqueued.retrievedOn));
    }
  }],
  ['nobody is given more than the credit asked for', async (platform) => {
    const place = await filled(platform, 8);
    const bare = await bareReader(platform);
    const { link, messages } = await open(bare, place.partition);
    await sleep(500);
    assert.equal(messages.length, 0);
    link.add_credit(3);
    await until(() => messages.length === 3, 'three events');
    await sleep(500);
    assert.equal(messages.length, 3);
    link.add_credit(2);
    await until(() => messages.length === 5, 'two more');
    bare.close();
  }],
  ['a drain gives back the credit that nothing is there for', async (platform) => {
    const place = await filled(platform, 3);
    const bare = await bareReader(platform);
    const { link, messages } = await open(bare, place.partition, { text: `amqp.annotation.x-opt-offset >= '${place.events[2].offset}'` });
    let drained = false;
    link.on('receiver_drained', () => { drained = true; });
    link.drain = true;
    link.add_credit(1000);
    await until(() => drained, 'the credit comes back');
    assert.ok(messages.length >= 1);
    bare.close();
  }],
  ['a reader that wants settled events gets them settled', async (platform) => {
    const place = await filled(platform, 2);
    const bare = await bareReader(platform);
    for (const [snd_settle_mode, settled] of [[1, true], [0, false]]) {
      const { link, messages } = await open(bare, place.partition, { snd_settle_mode });
      link.add_credit(1);
      await until(() => messages.length === 1, 'an event comes');
      assert.equal(Boolean(messages[0].settledBySender), settled);
      link.close();
    }
    bare.close();
  }],
  ['events of 200,000 bytes are read', async (platform) => {
    const place = await filled(platform, 4, (i) => String(i).repeat(200_000));
    const events = await from(platform, place, { offset: '-1' }, 4);
    assert.deepEqual(events.map((event) => event.body.length), [200_000, 200_000, 200_000, 200_000]);
  }],
  ['a thousand small events are read in order', async (platform) => {
    const gw = await platform.addDevice();
    await platform.sendAll(gw.connection, numbers(0, 1000));
    const events = await platform.eventsOf(gw.id, 1000);
    assert.equal(new Set(events.map((event) => event.sequenceNumber)).size, 1000);
    for (let i = 1; i < events.length; i += 1) assert.ok(events[i].sequenceNumber > events[i - 1].sequenceNumber);
  }],
  ['a body that is a value, types of properties and own annotations stay as they were sent', async (platform) => {
    const gw = await platform.addDevice();
    const bare = await (await platform.amqp()).open();
    const resource = `${platform.host}/devices/${gw.id}`;
    assert.equal(await bare.show(token(resource, gw.key), resource), 200);
    const sender = await bare.sender({ target: `/devices/${gw.id}/messages/events` });
    const settled = new Promise((resolve) => { sender.once('accepted', resolve); });
    sender.send({
      body: 'a text value',
      subject: 'a subject',
      application_properties: { int: rhea.types.wrap_int(-7), long: rhea.types.wrap_ulong(7), yes: true, half: rhea.types.wrap_double(0.5), at: rhea.types.wrap_timestamp(1_700_000_000_000) },
      message_annotations: {
        'dt-subject': 'mine', 'x-opt-sequence-number': rhea.types.wrap_long(4711), 'x-opt-offset': 'false', 'iothub-connection-device-id': 'somebody', 'x-opt-partition-key': 'nobody',
      },
    });
    await settled;
    bare.close();
    const reader = await bareReader(platform);
    const partition = await platform.partitionOf(gw.id);
    const { link, messages } = await open(reader, partition);
    link.add_credit(2000);
    const own = () => messages.find((one) => one.message_annotations['x-opt-partition-key'] === gw.id);
    await until(own, 'the event comes');
    const message = own();
    assert.equal(message.body, 'a text value');
    assert.equal(message.subject, 'a subject');
    assert.deepEqual({ ...message.application_properties, at: Number(message.application_properties.at) }, { int: -7, long: 7, yes: true, half: 0.5, at: 1_700_000_000_000 });
    assert.equal(message.message_annotations['dt-subject'], 'mine');
    assert.equal(message.message_annotations['iothub-connection-device-id'], gw.id);
    assert.notEqual(Number(message.message_annotations['x-opt-sequence-number']), 4711);
    assert.equal(message.message_annotations['x-opt-offset'], String(message.message_annotations['x-opt-sequence-number']));
    reader.close();
  }],
  ['a batch that a device sends is an event for each', async (platform) => {
    const gw = await platform.addDevice();
    const bare = await (await platform.amqp()).open();
    const resource = `${platform.host}/devices/${gw.id}`;
    assert.equal(await bare.show(token(resource, gw.key), resource), 200);
    const sender = await bare.sender({ target: `/devices/${gw.id}/messages/events` });
    const settled = new Promise((resolve) => { sender.once('accepted', resolve); });
    const parts = ['one', 'two', 'three'].map((text) => rhea.message.encode({ body: rhea.message.data_section(Buffer.from(text)), application_properties: { n: text } }));
    sender.send(rhea.message.encode({ body: rhea.message.data_sections(parts) }), undefined, 0x80013700);
    await settled;
    bare.close();
    const events = await platform.eventsOf(gw.id, 3);
    assert.deepEqual(texts(events), ['one', 'two', 'three']);
    assert.deepEqual(events.map((event) => event.properties.n), ['one', 'two', 'three']);
  }],
  ['readings are read with their meter as partition key', async (platform) => {
    const fleet = `${platform.folder}/fleet`;
    const { execFile } = await import('node:child_process');
    const simulate = (...words) => new Promise((resolve, reject) => {
      execFile(platform.program, ['simulate', '--fleet', fleet, '--ca', platform.ca, '--hub', `amqps://${platform.host}`, ...words], (err, out, text) => (err ? reject(new Error(text)) : resolve(out)));
    });
    await simulate('--meters', '20', '--seed', '7', '--interval', '1s', '--for', '1s').catch(() => {});  // makes the fleet's files
    await platform.cli('registry', 'import', '--tenants', `${fleet}/tenants.csv`, '--gateways', `${fleet}/gateways.csv`, '--meters', `${fleet}/meters.csv`);
    await sleep(1000);
    await simulate('--interval', '1s', '--for', '6s');
    const events = await platform.read(await platform.root('readings'), { enough: (all) => all.length >= 20, reason: 'readings come' });
    for (const event of events) {
      assert.match(event.partitionKey, /^[0-9a-f]{16}$/);
      const body = JSON.parse(event.body);
      assert.ok(JSON.stringify(body.originData).toLowerCase().includes(event.partitionKey), JSON.stringify(body));
      assert.equal(typeof body.userData, 'object');
      assert.equal(event.systemProperties['iothub-connection-device-id'], undefined);
    }
  }],
  ['a reader that stops reading holds little of the hub\'s memory', async (platform) => {
    const place = await filled(platform, 200, (i) => String(i % 10).repeat(200_000));  // 40 MB
    await sleep(2000);  // what the filling took is given back
    const before = residentBytes(platform);
    const bare = await bareReader(platform);
    const { link, messages } = await open(bare, place.partition, { text: `amqp.annotation.x-opt-offset >= '${place.events[0].offset}'` });
    link.add_credit(100_000);
    await until(() => messages.length > 0, 'the first event');
    bare.connection.socket.pause();
    const read = messages.length;
    let most = 0;
    for (const end = Date.now() + 4000; Date.now() < end; await sleep(100)) most = Math.max(most, residentBytes(platform));
    const grown = (most - before) / 1024 ** 2;
    console.log(`note  a reader that stopped in 40 MB of events: the hub grew by ${grown.toFixed(1)} MiB`);
    assert.ok(grown < 20, `${grown} MiB`);
    assert.equal(messages.length, read);
    bare.connection.socket.resume();
    await until(() => messages.filter((one) => one.message_annotations['x-opt-partition-key'] === place.gw.id).length === 200, 'it goes on where it stopped');
    bare.close();
  }, { alone: true }],
  ['a reader of the SDK goes on after a restart, nothing lost and nothing twice', async (platform) => {
    const place = await filled(platform, 5);
    const client = platform.consumer(place.connection, { retryOptions: { maxRetries: 10, retryDelayInMs: 200, timeoutInMs: 20_000 } });
    const reader = follow(client, place.partition, { startPosition: { offset: place.events[0].offset, isInclusive: true }, maxBatchSize: 10 });
    const own = () => reader.events.filter((event) => event.partitionKey === place.gw.id);
    await until(() => own().length === 5, 'the first five');
    await platform.restart();
    await platform.sendAll(place.gw.connection, ['5', '6', '7']);
    await until(() => own().length >= 8, 'those after the restart');
    await sleep(1500);
    assert.deepEqual(texts(own()), numbers(0, 8));
    await reader.subscription.close();
    await client.close();
  }, { alone: true }],
];
