// $management: what event hubs and partitions there are, with the types that SDKs rely on.
import assert from 'node:assert/strict';
import { failure, nameOf, token } from '../platform.mjs';

async function asked(platform, properties, { eventHub = 'telemetry', policy } = {}) {
  const with_ = policy || await platform.policy('RootManageSharedAccessKey', '*');
  const bare = await (await platform.amqp()).open();
  const resource = `sb://${platform.host}/${eventHub}`;
  assert.equal(await bare.show(token(resource, with_.primary, { policy: with_.name }), resource), 200);
  const answer = await bare.request('$management', { operation: 'READ', ...properties }, 'x');
  bare.close();
  return answer;
}

const status = (answer) => answer.application_properties['status-code'];
const condition = (answer) => answer.application_properties['error-condition'];

export const cases = [
  ['an event hub\'s information in the SDK', async (platform) => {
    const client = platform.consumer(await platform.service());
    const hub = await client.getEventHubProperties();
    await client.close();
    assert.equal(hub.name, 'telemetry');
    assert.deepEqual(hub.partitionIds, ['0', '1', '2', '3']);
    assert.ok(hub.createdOn > new Date('2020-01-01') && hub.createdOn <= new Date(), String(hub.createdOn));
  }],
  ['it was created when the registry was, and stays so', async (platform) => {
    const created = async () => {
      const client = platform.consumer(await platform.service());
      const hub = await client.getEventHubProperties();
      await client.close();
      return hub.createdOn.getTime();
    };
    const before = await created();
    await platform.restart();
    assert.equal(await created(), before);
  }, { alone: true }],
  ['a partition\'s information in the SDK, empty and not', async (platform) => {
    const gw = await platform.addDevice();
    await platform.sendAll(gw.connection, ['x']);
    const [event] = await platform.eventsOf(gw.id, 1);
    const client = platform.consumer(await platform.service());
    const partition = await client.getPartitionProperties(event.partition);
    await client.close();
    assert.equal(partition.eventHubName, 'telemetry');
    assert.equal(partition.partitionId, event.partition);
    assert.equal(partition.beginningSequenceNumber, 0);
    assert.ok(partition.lastEnqueuedSequenceNumber >= event.sequenceNumber);
    assert.equal(partition.lastEnqueuedOffset, String(partition.lastEnqueuedSequenceNumber));
    assert.equal(partition.isEmpty, false);
    assert.ok(Math.abs(partition.lastEnqueuedOnUtc - Date.now()) < 120_000);
  }],
  ['an event hub\'s information has each key', async (platform) => {
    const answer = await asked(platform, { type: 'com.microsoft:eventhub', name: 'telemetry' });
    assert.equal(status(answer), 200);
    assert.equal(answer.application_properties['status-description'], 'OK');
    assert.deepEqual(Object.keys(answer.body).sort(), ['created_at', 'georeplication_factor', 'name', 'partition_count', 'partition_ids', 'type']);
    assert.equal(answer.body.type, 'com.microsoft:eventhub');
    assert.equal(answer.body.partition_count, 4);
    assert.equal(answer.body.georeplication_factor, 1);
  }],
  ['a partition\'s information has each key, and an empty one says so', async (platform) => {
    const answer = await asked(platform, { type: 'com.microsoft:partition', name: 'readings', partition: '3' }, { eventHub: 'readings' });
    assert.equal(status(answer), 200);
    assert.deepEqual(Object.keys(answer.body).sort(), ['begin_sequence_number', 'is_partition_empty', 'last_enqueued_offset', 'last_enqueued_sequence_number', 'last_enqueued_time_utc', 'name', 'partition', 'type']);
    if (!answer.body.is_partition_empty) return;
    assert.equal(answer.body.last_enqueued_sequence_number, -1);
    assert.equal(answer.body.last_enqueued_offset, '-1');
    assert.equal(answer.body.begin_sequence_number, 0);
  }],
  ['the name is told as it was asked for, messages/events too', async (platform) => {
    for (const name of ['telemetry', 'Telemetry', 'messages/events'])
      assert.equal((await asked(platform, { type: 'com.microsoft:eventhub', name }, { eventHub: '' })).body.name, name);
  }],
  ['an unknown event hub is 404', async (platform) => {
    const answer = await asked(platform, { type: 'com.microsoft:eventhub', name: 'nothing' }, { eventHub: '' });
    assert.equal(status(answer), 404);
    assert.equal(condition(answer), 'amqp:not-found');
    assert.match(answer.application_properties['status-description'], /status-code: 404/);
  }],
  ['an unknown partition is out of range', async (platform) => {
    const answer = await asked(platform, { type: 'com.microsoft:partition', name: 'telemetry', partition: '4' });
    assert.equal(status(answer), 400);
    assert.equal(condition(answer), 'com.microsoft:argument-out-of-range');
    const client = platform.consumer(await platform.service());
    assert.equal(nameOf(await failure(() => client.getPartitionProperties('17'))), 'ArgumentOutOfRangeError');
    await client.close();
  }],
  ['an event hub that the policy does not reach is 401', async (platform) => {
    const answer = await asked(platform, { type: 'com.microsoft:eventhub', name: 'readings' }, { policy: await platform.policy('service') });
    assert.equal(status(answer), 401);
    assert.equal(condition(answer), 'amqp:unauthorized-access');
  }],
  ['other operations and types are not implemented', async (platform) => {
    for (const properties of [{ operation: 'DELETE', type: 'com.microsoft:eventhub', name: 'telemetry' }, { type: 'com.microsoft:consumergroup', name: 'telemetry' }, {}]) {
      const answer = await asked(platform, properties);
      assert.equal(status(answer), 400);
      assert.equal(condition(answer), 'amqp:not-implemented');
    }
  }],
];
