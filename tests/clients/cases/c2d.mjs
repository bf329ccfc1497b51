// Cloud-to-device messages: azure-iothub sends and hears feedback, azure-iot-device receives, both as published.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import iothub from 'azure-iothub';
import common from 'azure-iot-common';
import { failure, nameOf, sleep, token, until, within } from '../platform.mjs';

const FEEDBACK = '/messages/serviceBound/feedback';
const addressOf = (id) => `/devices/${id}/messages/devicebound`;

async function service(platform, policy = 'service') {
  const { name, primary } = await platform.policy(policy);
  const client = iothub.Client.fromConnectionString(`HostName=${platform.host};SharedAccessKeyName=${name};SharedAccessKey=${primary}`);
  client.setRetryPolicy?.(new common.NoRetry());
  return client;
}

// Opens a service client for a case and closes it after.
async function withService(platform, body, policy) {
  const client = await service(platform, policy);
  try {
    await within(client.open(), 'the service client connects');
    return await body(client);
  } finally {
    await client.close().catch(() => {});
  }
}

function command(body, { properties = {}, ...fields } = {}) {
  const message = new common.Message(body);
  Object.assign(message, fields);
  for (const [key, value] of Object.entries(properties)) message.properties.add(key, value);
  return message;
}

const send = (client, id, message) => within(client.send(id, message), 'the message is settled');

// Its promise wraps the receiver; its callback does not.
const feedbackReceiver = (client) => within(new Promise((resolve, reject) => {
  client.getFeedbackReceiver((err, receiver) => (err ? reject(err) : resolve(receiver)));
}), 'the feedback link opens');

// A device that the hub knows of.
async function addDevice(platform, id) {
  const gw = await platform.addDevice(id);
  await until(async () => {
    try {
      await (await platform.opened(gw.connection)).close();
      return true;
    } catch (err) {
      return false;
    }
  }, 'the hub knows the device');
  return gw;
}

// A device that listens: `inbox` grows as messages come.
async function listen(platform, gw) {
  const client = await platform.opened(gw.connection);
  const inbox = [];
  client.on('message', (message) => inbox.push(message));
  return { client, inbox, next: (count) => until(() => inbox.length >= count && inbox[count - 1], `${count} messages, not ${inbox.length}`) };
}

// Feedback records of one device. The receiver is one for all cases: it hears those of others too, and takes all.
const heard = [];
let hearing;
async function feedbackOf(platform, id, enough = 1) {
  hearing ??= (async () => {
    const client = await service(platform);
    const receiver = await feedbackReceiver(client);
    receiver.on('message', (message) => {
      const records = JSON.parse(message.getData().toString());
      heard.push(...records.map((record) => ({ ...record, contentType: message.contentType })));
      receiver.complete(message).catch(() => {});
    });
    return client;
  })();
  await hearing;
  const of = () => heard.filter((one) => one.deviceId === id);
  await until(() => of().length >= enough, () => `${enough} feedback records of ${id}: ${JSON.stringify(of())}`);
  return of();
}

// Whoever wants a batch for itself, or ends the platform.
async function stopHearing() {
  const client = await hearing;
  hearing = undefined;
  await client?.close().catch(() => {});
}

const annotations = (message) => message.transportObj.message_annotations;

export const cases = [
  ['a message arrives with its properties, ids, content type and bytes', async (platform) => {
    const gw = await addDevice(platform);
    const { client, next } = await listen(platform, gw);
    const body = randomBytes(2000);
    await withService(platform, (svc) => send(svc, gw.id, command(body, {
      messageId: 'm-1', correlationId: 'c-1', contentType: 'application/json', contentEncoding: 'utf-8', properties: { valve: 'open', unit: 'm³' },
    })));
    const message = await next(1);
    assert.deepEqual(Buffer.from(message.getData()), body);
    assert.equal(message.messageId, 'm-1');
    assert.equal(message.correlationId, 'c-1');
    assert.equal(message.contentType, 'application/json');
    assert.equal(message.contentEncoding, 'utf-8');
    assert.equal(message.to, addressOf(gw.id));
    assert.equal(message.properties.getValue('valve'), 'open');
    assert.equal(message.properties.getValue('unit'), 'm³');
    await client.complete(message);
    await client.close();
  }],

  ['a message tells its number, time, deliveries and lock', async (platform) => {
    const gw = await addDevice(platform);
    const before = Date.now();
    const { client, next } = await listen(platform, gw);
    await withService(platform, async (svc) => { for (const body of ['a', 'b']) await send(svc, gw.id, command(body)); });
    await next(2);
    const [first, second] = [await next(1), await next(2)].map(annotations);
    assert.ok(Number(second['x-opt-sequence-number']) > Number(first['x-opt-sequence-number']));
    assert.ok(Math.abs(Number(first['x-opt-enqueued-time']) - before) < 60_000);
    assert.equal(Number(first['x-opt-delivery-count']), 0);
    assert.equal(first['x-opt-lock-token'].length, 16);
    assert.notDeepEqual(first['x-opt-lock-token'], second['x-opt-lock-token']);
    await client.close();
  }],

  ['a message waits for a device that comes later', async (platform) => {
    const gw = await addDevice(platform);
    await withService(platform, (svc) => send(svc, gw.id, command('early')));
    const { client, next } = await listen(platform, gw);
    assert.equal((await next(1)).getData().toString(), 'early');
    await client.close();
  }],

  ['thirty messages keep their order', async (platform) => {
    const gw = await addDevice(platform);
    await withService(platform, async (svc) => {
      await Promise.all(Array.from({ length: 30 }, (_, i) => send(svc, gw.id, command(String(i)))));
    });
    const { client, inbox, next } = await listen(platform, gw);
    await next(30);
    assert.deepEqual(inbox.map((one) => Number(one.getData())), Array.from({ length: 30 }, (_, i) => i));
    await client.close();
  }],

  ['a completed message does not come again', async (platform) => {
    const gw = await addDevice(platform);
    const first = await listen(platform, gw);
    await withService(platform, async (svc) => {
      await send(svc, gw.id, command('done', { ack: 'full' }));
      await first.client.complete(await first.next(1));
      await feedbackOf(platform, gw.id);
      await first.client.close();
      const second = await listen(platform, gw);
      await send(svc, gw.id, command('next'));
      assert.equal((await second.next(1)).getData().toString(), 'next');
      await second.client.close();
    });
  }],

  ['a rejected message is dead', async (platform) => {
    const gw = await addDevice(platform);
    const { client, inbox, next } = await listen(platform, gw);
    await withService(platform, (svc) => send(svc, gw.id, command('bad', { messageId: 'bad-1', ack: 'negative' })));
    await client.reject(await next(1));
    const [record] = await feedbackOf(platform, gw.id);
    assert.equal(record.statusCode, 'Rejected');
    assert.equal(record.originalMessageId, 'bad-1');
    assert.equal(inbox.length, 1);
    await client.close();
  }],

  ['an abandoned message comes again, counted', async (platform) => {
    const gw = await addDevice(platform);
    const { client, next } = await listen(platform, gw);
    await withService(platform, (svc) => send(svc, gw.id, command('again')));
    await client.abandon(await next(1));
    const second = await next(2);
    assert.equal(second.getData().toString(), 'again');
    assert.equal(Number(annotations(second)['x-opt-delivery-count']), 1);
    assert.equal(second.transportObj.delivery_count, 1);
    await client.complete(second);
    await client.close();
  }],

  ['a message abandoned ten times is dead', async (platform) => {
    const gw = await addDevice(platform);
    const { client, inbox, next } = await listen(platform, gw);
    await withService(platform, (svc) => send(svc, gw.id, command('poison', { ack: 'full' })));
    for (let i = 1; i <= 10; i += 1) await client.abandon(await next(i));
    const [record] = await feedbackOf(platform, gw.id);
    assert.equal(record.statusCode, 'DeliveryCountExceeded');
    assert.equal(inbox.length, 10);
    await client.close();
  }],

  ['a message whose device went without an answer comes again', async (platform) => {
    const gw = await addDevice(platform);
    const first = await listen(platform, gw);
    await withService(platform, (svc) => send(svc, gw.id, command('held')));
    await first.next(1);
    await first.client.close();
    const second = await listen(platform, gw);
    assert.equal((await second.next(1)).getData().toString(), 'held');
    await second.client.close();
  }],

  ['an unknown device is DeviceNotFoundError, and the next send goes on', async (platform) => {
    const gw = await addDevice(platform);
    await withService(platform, async (svc) => {
      const err = await failure(() => svc.send('nobody-here', command('x')));
      assert.equal(nameOf(err), 'DeviceNotFoundError');
      await send(svc, gw.id, command('x'));
    });
  }],

  ['the fifty-first message is DeviceMaximumQueueDepthExceededError', async (platform) => {
    const gw = await addDevice(platform);
    await withService(platform, async (svc) => {
      for (let i = 0; i < 50; i += 1) await send(svc, gw.id, command(String(i)));
      assert.equal(nameOf(await failure(() => svc.send(gw.id, command('51')))), 'DeviceMaximumQueueDepthExceededError');
      const { client, next } = await listen(platform, gw);
      await client.complete(await next(1));
      await until(async () => {
        try {
          await send(svc, gw.id, command('51'));
          return true;
        } catch (err) {
          return false;
        }
      }, 'there is room again');
      await client.close();
    });
  }],

  ['a message of 60 000 bytes arrives whole', async (platform) => {
    const gw = await addDevice(platform);
    const { client, next } = await listen(platform, gw);
    const body = randomBytes(60_000);
    await withService(platform, (svc) => send(svc, gw.id, command(body)));
    assert.deepEqual(Buffer.from((await next(1)).getData()), body);
    await client.close();
  }],

  ['a message over 64 KiB is MessageTooLargeError', async (platform) => {
    const gw = await addDevice(platform);
    await withService(platform, async (svc) => {
      assert.equal(nameOf(await failure(() => svc.send(gw.id, command(randomBytes(66_000))))), 'MessageTooLargeError');
      await send(svc, gw.id, command('small'));
    });
  }],

  ['an expired message is not delivered, and its end is told', async (platform) => {
    const gw = await addDevice(platform);
    await withService(platform, (svc) => send(svc, gw.id, command('late', { messageId: 'late-1', ack: 'negative', expiryTimeUtc: Date.now() + 500 })));
    const [record] = await feedbackOf(platform, gw.id);
    assert.equal(record.statusCode, 'Expired');
    const { client, inbox } = await listen(platform, gw);
    await withService(platform, (svc) => send(svc, gw.id, command('fresh')));
    await until(() => inbox.length === 1, 'the fresh message');
    assert.equal(inbox[0].getData().toString(), 'fresh');
    await client.close();
  }],

  ['feedback names message, device, time and success', async (platform) => {
    const gw = await addDevice(platform);
    const { client, next } = await listen(platform, gw);
    const before = Date.now();
    await withService(platform, (svc) => send(svc, gw.id, command('ok', { messageId: 'ok-1', ack: 'positive' })));
    await client.complete(await next(1));
    const [record] = await feedbackOf(platform, gw.id);
    assert.equal(record.contentType, 'application/vnd.microsoft.iothub.feedback.json');
    assert.equal(record.originalMessageId, 'ok-1');
    assert.equal(record.statusCode, 'Success');
    assert.equal(record.description, 'Success');
    const at = Date.parse(record.enqueuedTimeUtc);
    assert.ok(at >= before - 1 && at <= Date.now(), record.enqueuedTimeUtc);
    await client.close();
  }],

  ['feedback comes only for what asked for it', async (platform) => {
    const gw = await addDevice(platform);
    const { client, inbox, next } = await listen(platform, gw);
    await withService(platform, async (svc) => {
      await send(svc, gw.id, command('1', { messageId: 'none' }));
      await send(svc, gw.id, command('2', { messageId: 'negative', ack: 'negative' }));
      await send(svc, gw.id, command('3', { messageId: 'full', ack: 'full' }));
    });
    await next(3);
    for (const message of inbox) await client.complete(message);
    const records = await feedbackOf(platform, gw.id);
    assert.deepEqual(records.map((one) => one.originalMessageId), ['full']);
    await client.close();
  }],

  ['a device cannot send to devices, nor hear feedback', async (platform) => {
    const gw = await addDevice(platform);
    const resource = `${platform.host}/devices/${gw.id}`;
    const bare = await (await platform.amqp()).open();
    assert.equal(await bare.show(token(resource, gw.key), resource), 200);
    assert.equal((await failure(() => bare.sender('/messages/devicebound'))).condition, 'amqp:unauthorized-access');
    assert.equal((await failure(() => bare.receiver(FEEDBACK))).condition, 'amqp:unauthorized-access');
    bare.close();
  }],

  ['a device cannot receive what is for another', async (platform) => {
    const [gw, other] = [await addDevice(platform), await addDevice(platform)];
    const resource = `${platform.host}/devices/${gw.id}`;
    const bare = await (await platform.amqp()).open();
    assert.equal(await bare.show(token(resource, gw.key), resource), 200);
    assert.equal((await failure(() => bare.receiver(addressOf(other.id)))).condition, 'amqp:unauthorized-access');
    bare.close();
  }],

  ['a policy without service-connect is UnauthorizedError', async (platform) => {
    const gw = await addDevice(platform);
    for (const policy of ['registryReadWrite', 'device']) {
      await withService(platform, async (svc) => {
        assert.equal(nameOf(await failure(() => svc.send(gw.id, command('x')))), 'UnauthorizedError', policy);
      }, policy);
    }
  }],

  ['iothubowner sends too', async (platform) => {
    const gw = await addDevice(platform);
    const { client, next } = await listen(platform, gw);
    await withService(platform, (svc) => send(svc, gw.id, command('owner')), 'iothubowner');
    assert.equal((await next(1)).getData().toString(), 'owner');
    await client.close();
  }],

  ['a device id with signs in it is found', async (platform) => {
    const gw = await addDevice(platform, `${platform.name('gw')}:a=b@c`);
    const { client, next } = await listen(platform, gw);
    await withService(platform, (svc) => send(svc, gw.id, command('signs')));
    assert.equal((await next(1)).getData().toString(), 'signs');
    await client.close();
  }],

  ['twins are NotImplementedError, and telemetry goes on at once', async (platform) => {
    const gw = await addDevice(platform);
    const client = await platform.opened(gw.connection);
    assert.equal(nameOf(await failure(() => client.getTwin())), 'NotImplementedError');
    const began = Date.now();
    await until(() => platform.send(client, platform.message('on')).then(() => true, () => false), 'telemetry goes on');
    assert.ok(Date.now() - began < 40_000, 'the SDK stalls for 45 s when both links are refused at once');
    await client.close();
  }],

  ['direct methods are not there, and telemetry goes on at once', async (platform) => {
    const gw = await addDevice(platform);
    const client = await platform.opened(gw.connection);
    client.onDeviceMethod('open', () => {});
    await until(() => client.disconnects > 0, 'the link is refused');
    const began = Date.now();
    await until(() => platform.send(client, platform.message('on')).then(() => true, () => false), 'telemetry goes on');
    assert.ok(Date.now() - began < 40_000, 'the SDK stalls for 45 s when both links are refused at once');
    await client.close();
  }],

  ['telemetry and messages go over one connection', async (platform) => {
    const gw = await addDevice(platform);
    const { client, next } = await listen(platform, gw);
    await withService(platform, async (svc) => {
      for (let i = 0; i < 10; i += 1) {
        await Promise.all([platform.send(client, platform.message(`up ${i}`)), send(svc, gw.id, command(`down ${i}`))]);
        await client.complete(await next(i + 1));
      }
    });
    await client.close();
  }],

  ['feedback that is abandoned is given again', async (platform) => {
    const gw = await addDevice(platform);
    const { client, next } = await listen(platform, gw);
    await stopHearing();
    await withService(platform, async (svc) => {
      const receiver = await feedbackReceiver(svc);
      const times = [];
      receiver.on('message', (message) => {
        const mine = JSON.parse(message.getData().toString()).some((record) => record.originalMessageId === 'twice');
        if (mine) times.push(message);
        (mine && times.length === 1 ? receiver.abandon(message) : receiver.complete(message)).catch(() => {});
      });
      await send(svc, gw.id, command('x', { messageId: 'twice', ack: 'full' }));
      await client.complete(await next(1));
      await until(() => times.length >= 2, 'the batch comes again');
    });
    await client.close();
  }, { alone: true }],

  ['after SIGKILL what waited comes, and what was completed does not', async (platform) => {
    const gw = await addDevice(platform);
    await withService(platform, async (svc) => {
      for (const body of ['done', 'waits-1', 'waits-2']) await send(svc, gw.id, command(body, { messageId: body, ack: 'full' }));
      const first = await listen(platform, gw);
      await first.client.complete(await first.next(1));
      await sleep(1000);  // its end becomes durable
    });
    await stopHearing();
    await platform.restart('SIGKILL');
    const { client, inbox, next } = await listen(platform, gw);
    await next(2);
    assert.deepEqual(inbox.map((one) => one.getData().toString()), ['waits-1', 'waits-2']);
    for (const message of inbox) await client.complete(message);
    const ends = await feedbackOf(platform, gw.id, 3);
    assert.deepEqual([...new Set(ends.map((one) => one.originalMessageId))].sort(), ['done', 'waits-1', 'waits-2']);
    await client.close();
  }, { alone: true }],
];
