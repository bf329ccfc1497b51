// Devices that show a certificate instead of a token: azure-iot-device over AMQP with {cert, key}.
import assert from 'node:assert/strict';
import common from 'azure-iot-common';
import device from 'azure-iot-device';
import transport from 'azure-iot-device-amqp';
import { errorName, sleep, withTimeout } from '../common.mjs';
import { selfSigned, signedBy } from '../certificates.mjs';
import { withDeviceHub } from '../device-hub.mjs';
import { body, freshId, refused, registryOf } from '../registry-client.mjs';

const PATIENCE_S = 60;

async function made(platform, authentication, more = {}) {
  const registry = await registryOf(platform);
  const deviceId = more.deviceId ?? freshId('x509');
  await registry.create({ deviceId, ...more, authentication });
  return { registry, deviceId };
}

const byThumbprint = (primaryThumbprint, secondaryThumbprint) => ({ type: 'selfSigned', x509Thumbprint: { primaryThumbprint, secondaryThumbprint } });

async function open(platform, deviceId, identity, text = 'x509=true') {
  const client = device.Client.fromConnectionString(`HostName=${platform.host}:${platform.amqpsPort};DeviceId=${deviceId};${text}`, transport.Amqp);
  client.setRetryPolicy(new common.NoRetry());
  client.on('error', () => {});
  await client.setOptions({ ca: platform.ca, ...(identity ? { cert: identity.cert, key: identity.key } : {}) });
  await client.open();
  return client;
}

async function send(client, text = '{"n":1}') {
  const result = await client.sendEvent(new device.Message(text));
  assert.equal(result?.constructor.name, 'MessageEnqueued');
}

// Opens, sends and closes.
async function sends(platform, deviceId, identity, text) {
  await withTimeout((async () => {
    const client = await open(platform, deviceId, identity, text);
    await send(client);
    await client.close();
  })(), PATIENCE_S, 'sending');
}

const doesNotSend = (platform, deviceId, identity, text) => refused(sends(platform, deviceId, identity, text), 'UnauthorizedError');

// The hub ends the connection: the client hears of it without having sent anything.
async function endedAtOnce(client, act) {
  const ended = new Promise((resolve) => { client.once('disconnect', resolve); });
  await act();
  await withTimeout(ended, PATIENCE_S, 'the end of the connection');
  await client.close().catch(() => {});
}

async function stateOf(registry, deviceId, wanted) {
  for (let i = 0; i < PATIENCE_S * 10; i += 1) {
    const shown = body(await registry.get(deviceId));
    if (shown.connectionState === wanted) return shown;
    await sleep(100);
  }
  throw new Error(`${deviceId} is not ${wanted}`);
}

export const cases = withDeviceHub([
  ['a device sends with the certificate of its SHA-1 thumbprint', async (platform) => {
    const identity = selfSigned('anything');
    const { deviceId } = await made(platform, byThumbprint(identity.sha1));
    await sends(platform, deviceId, identity);
  }],
  ['and of its SHA-256 thumbprint', async (platform) => {
    const identity = selfSigned('anything');
    const { deviceId } = await made(platform, byThumbprint(identity.sha256));
    await sends(platform, deviceId, identity);
  }],
  ['the secondary thumbprint is as good', async (platform) => {
    const identity = selfSigned('anything');
    const { deviceId } = await made(platform, byThumbprint('0'.repeat(40), identity.sha1));
    await sends(platform, deviceId, identity);
  }],
  ['thumbprints have no case', async (platform) => {
    const identity = selfSigned('anything');
    const { deviceId } = await made(platform, byThumbprint(identity.sha256.toLowerCase()));
    await sends(platform, deviceId, identity);
  }],
  ['certificates are exchanged without a gap, one after the other', async (platform) => {
    const [old, next] = [selfSigned('a'), selfSigned('b')];
    const { registry, deviceId } = await made(platform, byThumbprint(old.sha1));
    const client = await open(platform, deviceId, old);
    await registry.update({ deviceId, authentication: byThumbprint(old.sha1, next.sha1) });
    await send(client);
    await sends(platform, deviceId, next);
    await send(client);
    await client.close();
  }],
  ['another certificate is an UnauthorizedError', async (platform) => {
    const { deviceId } = await made(platform, byThumbprint(selfSigned('a').sha1));
    await doesNotSend(platform, deviceId, selfSigned('a'));
  }],
  ['a certificate of the authority does not stand for a thumbprint', async (platform) => {
    const { deviceId } = await made(platform, byThumbprint(selfSigned('a').sha1));
    await doesNotSend(platform, deviceId, signedBy(platform.deviceAuthority, deviceId));
  }],
  ['a disabled device does not connect', async (platform) => {
    const identity = selfSigned('a');
    const { deviceId } = await made(platform, byThumbprint(identity.sha1), { status: 'disabled' });
    await doesNotSend(platform, deviceId, identity);
  }],
  ['disabling a device ends its connection at once', async (platform) => {
    const identity = selfSigned('a');
    const { registry, deviceId } = await made(platform, byThumbprint(identity.sha1));
    const client = await open(platform, deviceId, identity);
    await send(client);
    await endedAtOnce(client, () => registry.update({ deviceId, status: 'disabled' }));
    await doesNotSend(platform, deviceId, identity);
  }],
  ['a changed thumbprint ends the connection at once, and lets the new one in', async (platform) => {
    const [old, next] = [selfSigned('a'), selfSigned('b')];
    const { registry, deviceId } = await made(platform, byThumbprint(old.sha1));
    const client = await open(platform, deviceId, old);
    await send(client);
    await endedAtOnce(client, () => registry.update({ deviceId, authentication: byThumbprint(next.sha1) }));
    await doesNotSend(platform, deviceId, old);
    await sends(platform, deviceId, next);
  }],
  ['a removed device is out at once', async (platform) => {
    const identity = selfSigned('a');
    const { registry, deviceId } = await made(platform, byThumbprint(identity.sha1));
    const client = await open(platform, deviceId, identity);
    await send(client);
    await endedAtOnce(client, () => registry.delete(deviceId));
  }],
  ['a device sends with a certificate of the authority in its name', async (platform) => {
    const { deviceId } = await made(platform, { type: 'certificateAuthority' });
    await sends(platform, deviceId, signedBy(platform.deviceAuthority, deviceId));
  }],
  ['a certificate in another name is refused', async (platform) => {
    const { deviceId } = await made(platform, { type: 'certificateAuthority' });
    await doesNotSend(platform, deviceId, signedBy(platform.deviceAuthority, `${deviceId}x`));
  }],
  ['a certificate of another authority is refused', async (platform) => {
    const { deviceId } = await made(platform, { type: 'certificateAuthority' });
    await doesNotSend(platform, deviceId, signedBy(selfSigned('Test Device CA'), deviceId));
    await doesNotSend(platform, deviceId, selfSigned(deviceId));
  }],
  ['a certificate whose time is over is refused', async (platform) => {
    const { deviceId } = await made(platform, { type: 'certificateAuthority' });
    await doesNotSend(platform, deviceId, signedBy(platform.deviceAuthority, deviceId, -1));
  }],
  ['disabling a device of the authority ends its connection at once', async (platform) => {
    const { registry, deviceId } = await made(platform, { type: 'certificateAuthority' });
    const client = await open(platform, deviceId, signedBy(platform.deviceAuthority, deviceId));
    await send(client);
    await endedAtOnce(client, () => registry.update({ deviceId, status: 'disabled' }));
  }],
  ['a device with keys is not opened by a certificate', async (platform) => {
    const { deviceId } = await made(platform, { type: 'sas' });
    await doesNotSend(platform, deviceId, signedBy(platform.deviceAuthority, deviceId));
  }],
  ['a device with keys may show a certificate beside its token', async (platform) => {
    const { registry, deviceId } = await made(platform, { type: 'sas' });
    const { primaryKey } = body(await registry.get(deviceId)).authentication.symmetricKey;
    await sends(platform, deviceId, undefined, `SharedAccessKey=${primaryKey}`);
  }],
  ['a device with a certificate shows no keys, and its old ones open nothing', async (platform) => {
    const identity = selfSigned('a');
    const symmetricKey = { primaryKey: Buffer.alloc(32, 5).toString('base64'), secondaryKey: Buffer.alloc(32, 6).toString('base64') };
    const { registry, deviceId } = await made(platform, { type: 'sas', symmetricKey });
    await sends(platform, deviceId, undefined, `SharedAccessKey=${symmetricKey.primaryKey}`);
    const shown = body(await registry.update({ deviceId, authentication: byThumbprint(identity.sha1) }));
    assert.equal(shown.authentication.symmetricKey.primaryKey, null);
    assert.equal(shown.authentication.x509Thumbprint.primaryThumbprint, identity.sha1);
    await doesNotSend(platform, deviceId, undefined, `SharedAccessKey=${symmetricKey.primaryKey}`);
    await sends(platform, deviceId, identity);
  }],
  ['a certificate opens no other device', async (platform) => {
    const identity = selfSigned('a');
    await made(platform, byThumbprint(identity.sha1));
    const { deviceId: other } = await made(platform, byThumbprint(selfSigned('b').sha1));
    await doesNotSend(platform, other, identity);
  }],
  ['an unknown device is not let in by a certificate', async (platform) => {
    await doesNotSend(platform, freshId('nobody'), selfSigned('a'));
  }],
  ['selfSigned without a thumbprint is an ArgumentError', async (platform) => {
    const registry = await registryOf(platform);
    await refused(registry.create({ deviceId: freshId(), authentication: { type: 'selfSigned' } }), 'ArgumentError');
    await refused(registry.create({ deviceId: freshId(), authentication: byThumbprint('12') }), 'ArgumentError');
  }],
  ['the connection is seen in the registry', async (platform) => {
    const identity = selfSigned('a');
    const { registry, deviceId } = await made(platform, byThumbprint(identity.sha1));
    const client = await open(platform, deviceId, identity);
    await send(client);
    const connected = await stateOf(registry, deviceId, 'Connected');
    assert.notEqual(connected.lastActivityTime, '0001-01-01T00:00:00Z');
    const rows = body(await registry.createQuery(`SELECT * FROM devices WHERE connectionState = 'Connected' AND deviceId = '${deviceId}'`).next());
    assert.deepEqual(rows.map((row) => row.deviceId), [deviceId]);
    await client.close();
    const gone = await stateOf(registry, deviceId, 'Disconnected');
    assert.ok(Date.parse(gone.connectionStateUpdatedTime) >= Date.parse(connected.connectionStateUpdatedTime));
  }],
  ['the command line makes and changes such devices', async (platform) => {
    const [first, second] = [selfSigned('a'), selfSigned('b')];
    const deviceId = freshId('cli');
    assert.match(await platform.run('registry', 'add', 'gateway', deviceId, '--thumbprint', first.sha256), /;x509=true$/m);
    await settled(() => sends(platform, deviceId, first));
    await platform.run('registry', 'authentication', 'gateway', deviceId, '--thumbprint', first.sha1, second.sha1);
    await settled(() => sends(platform, deviceId, second));
    const printed = await platform.run('registry', 'authentication', 'gateway', deviceId, '--keys');
    const [, key] = /SharedAccessKey=(.*)$/m.exec(printed);
    await settled(() => sends(platform, deviceId, undefined, `SharedAccessKey=${key}`));
    await doesNotSend(platform, deviceId, first);
  }],
]);

// An edit by another process reaches the hub within a second.
async function settled(attempt) {
  for (let i = 0; ; i += 1) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (i === 50 || errorName(error) !== 'UnauthorizedError') throw error;
      await sleep(200);
    }
  }
}
