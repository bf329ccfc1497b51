// SASL PLAIN, MSSBCBS, ANONYMOUS, and none: with which a connection may begin, and what each proves.
import assert from 'node:assert/strict';
import { failure, raw, token } from '../platform.mjs';

const EVENTS = 'telemetry/ConsumerGroups/$Default/Partitions/0';

const isRefused = async (platform, username, password) => {
  const err = await failure(async () => (await platform.amqp({ username, password })).open());
  assert.equal(err.condition, 'amqp:unauthorized-access', err.message);
};

async function refused(link, condition) {
  const err = await failure(link);
  assert.equal(err.condition, condition, err.message);
}

// A SASL init frame of a mechanism, and the outcome's code.
async function outcomeOf(platform, mechanism, response) {
  const symbol = Buffer.concat([Buffer.from([0xa3, mechanism.length]), Buffer.from(mechanism)]);
  const initial = response === undefined ? Buffer.from([0x40]) : Buffer.concat([Buffer.from([0xa0, response.length]), Buffer.from(response)]);
  const fields = Buffer.concat([symbol, initial]);
  const list = Buffer.concat([Buffer.from([0xc0, fields.length + 1, 2]), fields]);
  const body = Buffer.concat([Buffer.from([0x00, 0x53, 0x41]), list]);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(8 + body.length, 0);
  head[4] = 2;
  head[5] = 1;
  const sent = Buffer.concat([Buffer.from('AMQP\x03\x01\x00\x00', 'latin1'), head, body]);
  const mark = Buffer.from([0x00, 0x53, 0x44]);
  const at = (got) => got.indexOf(mark);
  const got = await raw(platform, sent, (all) => at(all) >= 0 && all.length >= at(all) + 8);
  assert.ok(at(got) >= 0, `an outcome comes: ${got.toString('hex')}`);
  return got[at(got) + 7];
}

export const cases = [
  ['a device signs in with its token', async (platform) => {
    const gw = await platform.addDevice();
    const bare = await (await platform.amqp({ username: `${gw.id}@sas.localhost`, password: token(`${platform.host}/devices/${gw.id}`, gw.key) })).open();
    const sender = await bare.sender({ target: `/devices/${gw.id}/messages/events` });
    const settled = new Promise((resolve) => { sender.once('accepted', resolve); });
    sender.send({ body: 'plain' });
    await settled;
    await refused(() => bare.receiver({ source: EVENTS }), 'amqp:unauthorized-access');
    bare.close();
    assert.equal((await platform.eventsOf(gw.id, 1)).length, 1);
  }],
  ['a device with a wrong token, another\'s, or none is not let in', async (platform) => {
    const [gw, other] = [await platform.addDevice(), await platform.addDevice()];
    const good = token(`${platform.host}/devices/${gw.id}`, gw.key);
    await isRefused(platform, `${gw.id}@sas.localhost`, token(`${platform.host}/devices/${gw.id}`, other.key));
    await isRefused(platform, `${other.id}@sas.localhost`, good);
    await isRefused(platform, gw.id, good);
    await isRefused(platform, `${gw.id}@sas.localhost`, gw.key);
    await isRefused(platform, `${gw.id}@sas.localhost`, token(`${platform.host}/devices/${gw.id}`, gw.key, { seconds: -60 }));
  }],
  ['a service signs in with a token of its policy', async (platform) => {
    const policy = await platform.policy('service');
    const signature = token(platform.host, policy.primary, { policy: 'service' });
    const bare = await (await platform.amqp({ username: 'service@sas.root.localhost', password: signature })).open();
    await bare.receiver({ source: 'messages/events/ConsumerGroups/$Default/Partitions/0' });
    bare.close();
    await isRefused(platform, 'iothubowner@sas.root.localhost', signature);
    await isRefused(platform, 'service@sas.localhost', signature);
  }],
  ['an Event Hubs client signs in with a policy\'s name and key', async (platform) => {
    const policy = await platform.policy(platform.name('p'), 'readings', 'listen');
    for (const password of [policy.primary, policy.secondary]) {
      const bare = await (await platform.amqp({ username: policy.name, password })).open();
      await bare.receiver({ source: 'readings/ConsumerGroups/$Default/Partitions/0' });
      await refused(() => bare.receiver({ source: EVENTS }), 'amqp:unauthorized-access');
      await refused(() => bare.sender('readings'), 'amqp:unauthorized-access');
      bare.close();
    }
    await isRefused(platform, policy.name, 'd3JvbmcgYW5kIGxvbmcgZW5vdWdo');
    await isRefused(platform, 'nobody', policy.primary);
    await isRefused(platform, policy.name, ' ');
  }],
  ['a key that is rotated ends what PLAIN let in', async (platform) => {
    const policy = await platform.policy(platform.name('p'), 'readings', 'listen');
    const bare = await (await platform.amqp({ username: policy.name, password: policy.primary })).open();
    await bare.receiver({ source: 'readings/ConsumerGroups/$Default/Partitions/0' });
    await platform.cli('registry', 'policy', 'rotate', policy.name, '--event-hub', 'readings', '--key', 'primary');
    await bare.lost;
    await isRefused(platform, policy.name, policy.primary);
  }],
  ['ANONYMOUS and MSSBCBS let in, with a response and without, and prove nothing', async (platform) => {
    for (const mechanism of ['ANONYMOUS', 'MSSBCBS']) {
      assert.equal(await outcomeOf(platform, mechanism), 0);
      assert.equal(await outcomeOf(platform, mechanism, '\0service'), 0);
    }
    const bare = await (await platform.amqp({ username: 'service' })).open();
    await refused(() => bare.receiver({ source: EVENTS }), 'amqp:unauthorized-access');
    bare.close();
  }],
  ['a mechanism that does not exist, and PLAIN without a response, do not', async (platform) => {
    assert.equal(await outcomeOf(platform, 'SCRAM-SHA-256', 'x'), 1);
    assert.equal(await outcomeOf(platform, 'PLAIN'), 1);
    assert.equal(await outcomeOf(platform, 'PLAIN', 'no separators'), 1);
    assert.equal(await outcomeOf(platform, 'PLAIN', '\0\0'), 1);
  }],
  ['without a SASL layer a connection opens', async (platform) => {
    const bare = await (await platform.amqp()).open();
    bare.close();
    await bare.lost;
  }],
];
