// azure-iot-device over AMQP, as published: what devices send, and when they may.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { failure, sleep, token, until } from '../platform.mjs';

const newKey = () => randomBytes(32).toString('base64');
const KIB = 1024;

export const cases = [
  ['a device sends with its primary key', async (platform) => {
    const gw = await platform.addDevice();
    await platform.sendAll(gw.connection, ['hello']);
    const [event] = await platform.eventsOf(gw.id, 1);
    assert.equal(Buffer.from(event.body).toString(), 'hello');
  }],

  ['a device sends with its secondary key', async (platform) => {
    const gw = await platform.addDevice();
    const secondary = newKey();
    await platform.setKeys(gw.id, gw.key, secondary);
    await platform.known(`${platform.host}/devices/${gw.id}`, secondary);
    await platform.sendAll(platform.deviceOf(gw.id, secondary).connection, ['two']);
    assert.equal((await platform.eventsOf(gw.id, 1)).length, 1);
  }],

  ['properties, ids, content type and encoding arrive at a reader', async (platform) => {
    const gw = await platform.addDevice();
    const client = await platform.opened(gw.connection);
    const message = platform.message(JSON.stringify({ litres: 12.5 }), { site: 'A1', unit: 'm³', empty: '' });
    Object.assign(message, { messageId: 'id-1', correlationId: 'c-1', contentType: 'application/json', contentEncoding: 'utf-8' });
    await platform.send(client, message);
    await client.close();
    const [event] = await platform.eventsOf(gw.id, 1);
    assert.deepEqual(JSON.parse(event.body), { litres: 12.5 });
    assert.deepEqual({ ...event.properties }, { site: 'A1', unit: 'm³', empty: '' });
    assert.equal(event.messageId, 'id-1');
    assert.equal(event.correlationId, 'c-1');
    assert.equal(event.contentType, 'application/json');
    assert.equal(event.getRawAmqpMessage().properties.contentEncoding, 'utf-8');
    assert.equal(event.getRawAmqpMessage().properties.to, `/devices/${gw.id}/messages/events`);
  }],

  ['a message id that is a uuid stays one', async (platform) => {
    const gw = await platform.addDevice();
    const client = await platform.opened(gw.connection);
    const message = platform.message('x');
    message.messageId = '6a6f7c9a-1f4e-4c11-9f0d-6d5a3c2b1a00';
    await platform.send(client, message);
    await client.close();
    const [event] = await platform.eventsOf(gw.id, 1);
    const id = event.messageId;
    assert.equal(Buffer.isBuffer(id) ? id.toString('hex') : String(id).replaceAll('-', ''), '6a6f7c9a1f4e4c119f0d6d5a3c2b1a00');
  }],

  ['bytes arrive as they were sent', async (platform) => {
    const gw = await platform.addDevice();
    const body = randomBytes(3000);
    await platform.sendAll(gw.connection, [body]);
    const [event] = await platform.eventsOf(gw.id, 1);
    assert.deepEqual(Buffer.from(event.body), body);
  }],

  ['an event tells which device sent it, how and when', async (platform) => {
    const gw = await platform.addDevice();
    const before = Date.now();
    await platform.sendAll(gw.connection, ['x']);
    const [event] = await platform.eventsOf(gw.id, 1);
    const system = event.systemProperties;
    assert.equal(system['iothub-connection-device-id'], gw.id);
    assert.equal(system['iothub-message-source'], 'Telemetry');
    assert.match(String(system['iothub-connection-auth-generation-id']), /^[1-9]\d+$/);
    assert.deepEqual(JSON.parse(system['iothub-connection-auth-method']), { scope: 'device', type: 'sas', issuer: 'iothub', acceptingIpFilterRule: null });
    const enqueued = Number(system['iothub-enqueuedtime']);
    assert.ok(enqueued >= before - 1 && enqueued <= Date.now(), `${enqueued}`);
    assert.equal(event.enqueuedTimeUtc.getTime(), enqueued);
    assert.equal(event.partitionKey, gw.id);
    assert.equal(String(event.sequenceNumber), event.offset);
  }],

  ['events of one device keep their order and its partition', async (platform) => {
    const gw = await platform.addDevice();
    const client = await platform.opened(gw.connection);
    for (let i = 0; i < 60; i += 1) await platform.send(client, platform.message(String(i)));
    await client.close();
    const events = await platform.eventsOf(gw.id, 60);
    assert.deepEqual(events.map((event) => Number(Buffer.from(event.body))), Array.from({ length: 60 }, (_, i) => i));
    assert.equal(new Set(events.map((event) => event.partition)).size, 1);
    for (let i = 1; i < 60; i += 1) assert.ok(events[i].sequenceNumber > events[i - 1].sequenceNumber);
  }],

  ['600 in parallel are each accepted, and each is there once', async (platform) => {
    const gw = await platform.addDevice();
    await platform.sendAll(gw.connection, Array.from({ length: 600 }, (_, i) => `m${i}`));
    const events = await platform.eventsOf(gw.id, 600);
    assert.equal(new Set(events.map((event) => String(Buffer.from(event.body)))).size, 600);
    assert.equal(events.length, 600);
  }],

  ['a message of 200,000 bytes crosses several frames', async (platform) => {
    const gw = await platform.addDevice();
    const body = randomBytes(200_000);
    await platform.sendAll(gw.connection, [body]);
    assert.deepEqual(Buffer.from((await platform.eventsOf(gw.id, 1))[0].body), body);
  }],

  ['a message just below 256 KiB is taken', async (platform) => {
    const gw = await platform.addDevice();
    const body = randomBytes(256 * KIB - 300);
    await platform.sendAll(gw.connection, [body]);
    assert.deepEqual(Buffer.from((await platform.eventsOf(gw.id, 1))[0].body), body);
  }],

  ['a message over 256 KiB is refused as too large, and the next one is taken', async (platform) => {
    const gw = await platform.addDevice();
    const client = await platform.opened(gw.connection);
    const err = await failure(() => client.sendEvent(platform.message(randomBytes(256 * KIB + 1))));
    assert.equal(err.name, 'MessageTooLargeError');
    await platform.send(client, platform.message('small'));
    await client.close();
    assert.equal(String(Buffer.from((await platform.eventsOf(gw.id, 1))[0].body)), 'small');
  }],

  ['an empty body is a message too', async (platform) => {
    const gw = await platform.addDevice();
    await platform.sendAll(gw.connection, [''], { only: 'this' });
    const [event] = await platform.eventsOf(gw.id, 1);
    assert.equal(event.properties.only, 'this');
    assert.equal(Buffer.from(event.body || '').length, 0);
  }],

  ['a device id may hold all that Azure allows', async (platform) => {
    const gw = await platform.addDevice(`${platform.name('gw')}.:+_#*?!(),@$'=%20`);
    await platform.sendAll(gw.connection, ['x']);
    assert.equal((await platform.eventsOf(gw.id, 1)).length, 1);
  }],

  ['device ids differ by case', async (platform) => {
    const gw = await platform.addDevice(platform.name('Case'));
    const err = await failure(() => platform.opened(platform.deviceOf(gw.id.toLowerCase(), gw.key).connection));
    assert.equal(err.name, 'UnauthorizedError');
  }],

  ['two connections of a device both send', async (platform) => {
    const gw = await platform.addDevice();
    const [one, two] = await Promise.all([platform.opened(gw.connection), platform.opened(gw.connection)]);
    await platform.send(one, platform.message('1'));
    await platform.send(two, platform.message('2'));
    await platform.send(one, platform.message('3'));
    await Promise.all([one.close(), two.close()]);
    assert.equal((await platform.eventsOf(gw.id, 3)).length, 3);
  }],

  ['a wrong key is an UnauthorizedError', async (platform) => {
    const gw = await platform.addDevice();
    const err = await failure(() => platform.opened(platform.deviceOf(gw.id, newKey()).connection));
    assert.equal(err.name, 'UnauthorizedError');
  }],

  ['an unknown device is an UnauthorizedError', async (platform) => {
    const err = await failure(() => platform.opened(platform.deviceOf('nobody', newKey()).connection));
    assert.equal(err.name, 'UnauthorizedError');
  }],

  ['a disabled device is an UnauthorizedError, and comes in again when it is enabled', async (platform) => {
    const gw = await platform.addDevice();
    await platform.cli('registry', 'disable', 'gateway', gw.id);
    await until(async () => {
      try {
        await (await platform.opened(gw.connection)).close();
        return false;
      } catch (err) {
        assert.equal(err.name, 'UnauthorizedError');
        return true;
      }
    }, 'the device is shut out');
    await platform.cli('registry', 'enable', 'gateway', gw.id);
    await platform.known(`${platform.host}/devices/${gw.id}`, gw.key);
    await platform.sendAll(gw.connection, ['again']);
  }],

  ['disabling a device ends its connection at once', async (platform) => {
    const gw = await platform.addDevice();
    const client = await platform.opened(gw.connection);
    await platform.send(client, platform.message('x'));
    await platform.cli('registry', 'disable', 'gateway', gw.id);
    await until(() => client.disconnects > 0, 'the client is disconnected');
    assert.equal((await failure(() => client.sendEvent(platform.message('y')))).name, 'UnauthorizedError');
    await client.close();
  }],

  ['keys are rotated without a gap', async (platform) => {
    const gw = await platform.addDevice();
    const secondary = newKey();
    const primary = newKey();
    const old = await platform.opened(gw.connection);
    await platform.setKeys(gw.id, gw.key, secondary);
    await platform.known(`${platform.host}/devices/${gw.id}`, secondary);
    await platform.send(old, platform.message('with the first key'));
    assert.equal(old.disconnects, 0);
    const moved = await platform.opened(platform.deviceOf(gw.id, secondary).connection);
    await platform.setKeys(gw.id, primary, secondary);
    await until(() => old.disconnects > 0, 'the connection of the old key ends');
    await platform.send(moved, platform.message('with the second key'));
    assert.equal(moved.disconnects, 0);
    await moved.close();
    await platform.sendAll(platform.deviceOf(gw.id, primary).connection, ['with the third']);
    assert.equal((await platform.eventsOf(gw.id, 3)).length, 3);
    await old.close().catch(() => {});
  }],

  ['a ready token works as long as it lives', async (platform) => {
    const gw = await platform.addDevice();
    const client = platform.clientOfToken(token(`${platform.host}/devices/${gw.id}`, gw.key));
    await client.ready;
    await client.open();
    await platform.send(client, platform.message('x'));
    await client.close();
  }],

  ['a token that has expired is refused', async (platform) => {
    const gw = await platform.addDevice();
    const client = platform.clientOfToken(token(`${platform.host}/devices/${gw.id}`, gw.key, { seconds: -60 }));
    await client.ready;
    assert.equal((await failure(() => client.open())).name, 'UnauthorizedError');
  }],

  ['the expiry of a token ends the connection', async (platform) => {
    const gw = await platform.addDevice();
    const client = platform.clientOfToken(token(`${platform.host}/devices/${gw.id}`, gw.key, { seconds: 1 }));
    await client.ready;
    await client.open();
    await platform.send(client, platform.message('x'));
    await until(() => client.disconnects > 0, 'the client is disconnected');
  }],

  ['a client that renews its token is not disconnected', async (platform) => {
    const gw = await platform.addDevice();
    const client = await platform.opened(gw.connection, { tokenSeconds: 4 });
    const end = Date.now() + 11_000;
    let sent = 0;
    for (; Date.now() < end; sent += 1) {
      await platform.send(client, platform.message(String(sent)));
      await sleep(250);
    }
    assert.equal(client.disconnects, 0);
    await client.close();
    assert.equal((await platform.eventsOf(gw.id, sent)).length, sent);
  }],

  ['a token that is signed over sr as it stands is taken, however it is encoded', async (platform) => {
    const gw = await platform.addDevice();
    // Lower-case hex digits, as some SDKs write them.
    const upper = token(`${platform.host}/devices/${gw.id}`, gw.key);
    const sr = upper.match(/sr=([^&]+)/)[1].replace(/%[0-9A-F]{2}/g, (hex) => hex.toLowerCase());
    const { createHmac } = await import('node:crypto');
    const se = upper.match(/se=(\d+)/)[1];
    const sig = createHmac('sha256', Buffer.from(gw.key, 'base64')).update(`${sr}\n${se}`).digest('base64');
    const bare = await (await platform.amqp()).open();
    assert.equal(await bare.show(`SharedAccessSignature se=${se}&sr=${sr}&sig=${encodeURIComponent(sig)}`, sr), 200);
    bare.close();
  }],

  ['the policy `device` acts for a device', async (platform) => {
    const gw = await platform.addDevice();
    const policy = await platform.policy('device');
    await platform.sendAll(`HostName=${platform.host};DeviceId=${gw.id};SharedAccessKeyName=device;SharedAccessKey=${policy.primary}`, ['x']);
    assert.equal((await platform.eventsOf(gw.id, 1)).length, 1);
  }],

  ['the policy `iothubowner` acts for a device with its secondary key', async (platform) => {
    const gw = await platform.addDevice();
    const policy = await platform.policy('iothubowner');
    await platform.sendAll(`HostName=${platform.host};DeviceId=${gw.id};SharedAccessKeyName=iothubowner;SharedAccessKey=${policy.secondary}`, ['x']);
  }],

  ['the policy `service` does not act for a device', async (platform) => {
    const gw = await platform.addDevice();
    const policy = await platform.policy('service');
    const err = await failure(() => platform.opened(`HostName=${platform.host};DeviceId=${gw.id};SharedAccessKeyName=service;SharedAccessKey=${policy.primary}`));
    assert.equal(err.name, 'UnauthorizedError');
  }],

  ['a policy that is rotated ends the devices that it let in', async (platform) => {
    const gw = await platform.addDevice();
    const policy = await platform.policy(platform.name('dev'), '', 'device-connect');
    const client = await platform.opened(`HostName=${platform.host};DeviceId=${gw.id};SharedAccessKeyName=${policy.name};SharedAccessKey=${policy.primary}`);
    await platform.send(client, platform.message('x'));
    const rotated = await platform.cli('registry', 'policy', 'rotate', policy.name, '--key', 'secondary');
    await platform.known(platform.host, rotated.match(/secondary key\t(\S+)/)[1], policy.name);
    assert.equal(client.disconnects, 0);
    await platform.cli('registry', 'policy', 'rotate', policy.name, '--key', 'primary');
    await until(() => client.disconnects > 0, 'the client is disconnected');
    await client.close().catch(() => {});
  }],

  ['a device that listens for messages goes on sending', async (platform) => {
    const gw = await platform.addDevice();
    const client = await platform.opened(gw.connection);
    client.on('message', () => {});
    await sleep(500);
    await platform.send(client, platform.message('x'));
    await client.close();
  }],

  ['a device that was cut off sends again', async (platform) => {
    const gw = await platform.addDevice();
    const client = await platform.opened(gw.connection);
    await platform.send(client, platform.message('1'));
    await platform.cli('registry', 'disable', 'gateway', gw.id);
    await until(() => client.disconnects > 0, 'the client is disconnected');
    await platform.cli('registry', 'enable', 'gateway', gw.id);
    await until(async () => {
      try {
        await platform.send(client, platform.message('2'));
        return true;
      } catch (err) {
        return false;
      }
    }, 'the client sends again');
    await client.close();
    assert.ok((await platform.eventsOf(gw.id, 2)).length >= 2);
  }],

  ['what was settled is there after a kill', async (platform) => {
    const gw = await platform.addDevice();
    const client = await platform.opened(gw.connection);
    for (let i = 0; i < 50; i += 1) await platform.send(client, platform.message(String(i)));
    await platform.restart('SIGKILL');
    const events = await platform.eventsOf(gw.id, 50);
    assert.deepEqual(events.map((event) => Number(Buffer.from(event.body))), Array.from({ length: 50 }, (_, i) => i));
    await client.close().catch(() => {});
  }, { alone: true }],

  ['a device reconnects after the platform has been stopped and started', async (platform) => {
    const gw = await platform.addDevice();
    const client = await platform.opened(gw.connection);
    await platform.send(client, platform.message('before'));
    await platform.restart();
    assert.ok(client.disconnects > 0);
    await platform.send(client, platform.message('after'));
    await client.close();
    assert.equal((await platform.eventsOf(gw.id, 2)).length, 2);
  }, { alone: true }],
];
