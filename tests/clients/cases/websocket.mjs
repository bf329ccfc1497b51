// AMQP in WebSockets, for those whose firewall passes 443 only: devices at /$iothub/websocket, Event Hubs clients at
// /$servicebus/websocket.
import assert from 'node:assert/strict';
import { EventHubConsumerClient } from '@azure/event-hubs';
import common from 'azure-iot-common';
import device from 'azure-iot-device';
import transport from 'azure-iot-device-amqp';
import WebSocket from 'ws';
import { errorName, withTimeout } from '../common.mjs';
import { withDeviceHub } from '../device-hub.mjs';
import { body, freshId, registryOf } from '../registry-client.mjs';

const PATIENCE_S = 60;

// The SDK has port 443 written into it; nothing else is changed.
const transportTo = (port) => class extends transport.AmqpWs {
  _getConnectionUri(credentials) {
    return super._getConnectionUri(credentials).replace(':443/', `:${port}/`);
  }
};

async function made(hub) {
  const registry = await registryOf(hub);
  const deviceId = freshId('ws');
  const shown = body(await registry.create({ deviceId }));
  return { deviceId, registry, key: shown.authentication.symmetricKey.primaryKey };
}

async function open(hub, deviceId, key) {
  const text = `HostName=${hub.host};DeviceId=${deviceId};SharedAccessKey=${key}`;
  const client = device.Client.fromConnectionString(text, transportTo(hub.httpsPort));
  client.setRetryPolicy(new common.NoRetry());
  client.on('error', () => {});
  await client.setOptions({ ca: hub.ca });
  await withTimeout(client.open(), PATIENCE_S, 'connecting');
  return client;
}

async function send(client, bytes) {
  const result = await withTimeout(client.sendEvent(new device.Message(bytes)), PATIENCE_S, 'sending');
  assert.equal(result?.constructor.name, 'MessageEnqueued');
}

async function consumer(hub, policy = 'service') {
  const key = await hub.policyKey(policy);
  const text = `Endpoint=sb://${hub.host}:${hub.httpsPort}/;SharedAccessKeyName=${policy};SharedAccessKey=${key};EntityPath=telemetry`;
  return new EventHubConsumerClient('$Default', text, {
    retryOptions: { maxRetries: 0, timeoutInMs: 30_000 },
    webSocketOptions: { webSocket: WebSocket, webSocketConstructorOptions: { ca: hub.ca } },
  });
}

// What came from a device, in its order.
async function eventsOf(client, deviceId, count) {
  const events = [];
  let subscription;
  await withTimeout(new Promise((resolve, reject) => {
    subscription = client.subscribe({
      processEvents: async (batch) => {
        events.push(...batch.filter((one) => one.systemProperties['iothub-connection-device-id'] === deviceId));
        if (events.length >= count) resolve();
      },
      processError: async (error) => reject(error),
    }, { startPosition: { offset: '-1' }, maxWaitTimeInSeconds: 1, skipParsingBodyAsJson: true });
  }), PATIENCE_S, `${count} events`);
  await subscription.close();
  return events;
}

// The HTTP status of a refused handshake, or the subprotocol of one that went well.
function handshake(hub, path, protocols) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`wss://${hub.host}:${hub.httpsPort}${path}`, protocols, { ca: hub.ca });
    socket.once('open', () => { resolve(socket.protocol); socket.terminate(); });
    socket.once('unexpected-response', (_, answer) => { resolve(answer.statusCode); socket.terminate(); });
    socket.once('error', reject);
  });
}

export const cases = withDeviceHub([
  ['a device sends, and a reader over WebSocket reads it', async (hub) => {
    const { deviceId, key } = await made(hub);
    const client = await open(hub, deviceId, key);
    for (const text of ['one', 'two', 'three']) await send(client, text);
    await client.close();
    const reader = await consumer(hub);
    const events = await eventsOf(reader, deviceId, 3);
    assert.deepEqual(events.map((one) => one.body.toString()), ['one', 'two', 'three']);
    assert.equal((await reader.getEventHubProperties()).name, 'telemetry');
    await reader.close();
  }],
  ['large messages and many at once', async (hub) => {
    const { deviceId, key } = await made(hub);
    const client = await open(hub, deviceId, key);
    const large = Buffer.alloc(200_000, 'x');
    await Promise.all([...Array.from({ length: 300 }, (_, n) => send(client, `${n}`)), send(client, large)]);
    await client.close();
    const reader = await consumer(hub);
    const events = await eventsOf(reader, deviceId, 301);
    assert.equal(events.filter((one) => one.body.length === large.length).length, 1);
    assert.equal(new Set(events.map((one) => one.body.toString())).size, 301);
    await reader.close();
  }],
  ['a wrong key is refused as on 5671', async (hub) => {
    const { deviceId } = await made(hub);
    const wrong = Buffer.alloc(32, 7).toString('base64');
    await assert.rejects(open(hub, deviceId, wrong), (error) => errorName(error) === 'UnauthorizedError');
  }],
  ['disabling the device ends the connection', async (hub) => {
    const { deviceId, key, registry } = await made(hub);
    const client = await open(hub, deviceId, key);
    await send(client, 'before');
    const ended = new Promise((resolve) => { client.once('disconnect', resolve); });
    const shown = body(await registry.get(deviceId));
    await registry.update({ ...shown, status: 'disabled' });
    await withTimeout(ended, PATIENCE_S, 'the end of the connection');
    await client.close().catch(() => {});
  }],
  ['another subprotocol is refused, and a plain request', async (hub) => {
    assert.equal(await handshake(hub, '/$iothub/websocket', ['AMQPWSB10']), 'AMQPWSB10');
    assert.equal(await handshake(hub, '/$servicebus/websocket', ['amqp', 'AMQPWSB10']), 'AMQPWSB10');
    assert.equal(await handshake(hub, '/$iothub/websocket', ['mqtt']), 400);
    assert.equal(await handshake(hub, '/$other/websocket', ['AMQPWSB10']), 401);
  }],
  ['a connection that says nothing, and one that talks nonsense, end', async (hub) => {
    const socket = new WebSocket(`wss://${hub.host}:${hub.httpsPort}/$iothub/websocket`, ['AMQPWSB10'], { ca: hub.ca });
    const ended = new Promise((resolve) => { socket.once('close', resolve); });
    await new Promise((resolve, reject) => { socket.once('open', resolve); socket.once('error', reject); });
    socket.send(Buffer.from('this is no AMQP header at all, and it never will be'));
    await withTimeout(ended, PATIENCE_S, 'the end of a connection without AMQP');
  }],
]);
