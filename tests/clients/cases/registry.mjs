// The device registry over HTTPS, by azure-iothub's Registry and by raw requests where the SDK has no word for it.
import assert from 'node:assert/strict';
import service from 'azure-iothub';
import { withDeviceHub } from '../device-hub.mjs';
import { body, freshId, owner, raw, reachable, refused, registryOf, token } from '../registry-client.mjs';

const key = (fill) => Buffer.alloc(32, fill).toString('base64');
const codeOf = (answer) => answer.body?.Message?.split(';')[0];

async function created(platform, more = {}) {
  const registry = await registryOf(platform);
  const deviceId = freshId();
  return { registry, deviceId, device: body(await registry.create({ deviceId, ...more })) };
}

async function pagesOf(query) {
  const pages = [];
  while (query.hasMoreResults) pages.push(body(await query.next(query.continuationToken)).map((row) => row.deviceId));
  return pages;
}

export const cases = withDeviceHub([
  ['a created device has keys, ETag and generation', async (platform) => {
    const { device, deviceId } = await created(platform);
    assert.equal(device.deviceId, deviceId);
    assert.equal(device.status, 'enabled');
    assert.match(device.generationId, /^\d+$/);
    assert.ok(device.etag);
    for (const name of ['primaryKey', 'secondaryKey']) assert.equal(Buffer.from(device.authentication.symmetricKey[name], 'base64').length, 32);
    assert.notEqual(device.authentication.symmetricKey.primaryKey, device.authentication.symmetricKey.secondaryKey);
  }],
  ['a new device was never seen', async (platform) => {
    const { device } = await created(platform);
    assert.equal(device.connectionState, 'Disconnected');
    assert.equal(device.lastActivityTime, '0001-01-01T00:00:00Z');
    assert.equal(device.connectionStateUpdatedTime, '0001-01-01T00:00:00Z');
  }],
  ['given keys are kept as they are', async (platform) => {
    const symmetricKey = { primaryKey: key(1), secondaryKey: key(2) };
    const { device } = await created(platform, { authentication: { symmetricKey } });
    assert.deepEqual(device.authentication.symmetricKey, symmetricKey);
  }],
  ['a device is created once', async (platform) => {
    const { registry, deviceId } = await created(platform);
    await refused(registry.create({ deviceId }), 'DeviceAlreadyExistsError');
  }],
  ['get shows what create gave', async (platform) => {
    const { registry, deviceId, device } = await created(platform);
    assert.deepEqual(body(await registry.get(deviceId)), device);
  }],
  ['an unknown device is not found', async (platform) => {
    const registry = await registryOf(platform);
    await refused(registry.get(freshId('nobody')), 'DeviceNotFoundError');
  }],
  ['an update changes status, reason and ETag', async (platform) => {
    const { registry, deviceId, device } = await created(platform);
    const updated = body(await registry.update({ deviceId, status: 'disabled', statusReason: 'lost' }));
    assert.equal(updated.status, 'disabled');
    assert.equal(updated.statusReason, 'lost');
    assert.notEqual(updated.etag, device.etag);
    assert.equal(updated.generationId, device.generationId);
    assert.ok(Date.parse(updated.statusUpdatedTime) >= Date.parse(device.statusUpdatedTime));
  }],
  ['an update without keys keeps them', async (platform) => {
    const { registry, deviceId, device } = await created(platform);
    const updated = body(await registry.update({ deviceId, status: 'enabled', authentication: {} }));
    assert.deepEqual(updated.authentication.symmetricKey, device.authentication.symmetricKey);
  }],
  ['an update takes new keys', async (platform) => {
    const { registry, deviceId } = await created(platform);
    const symmetricKey = { primaryKey: key(7), secondaryKey: key(8) };
    const updated = body(await registry.update({ deviceId, status: 'enabled', authentication: { symmetricKey } }));
    assert.deepEqual(updated.authentication.symmetricKey, symmetricKey);
  }],
  ['what was shown can be sent back', async (platform) => {
    const { registry, device } = await created(platform);
    const updated = body(await registry.update({ ...device, statusReason: 'moved' }));
    assert.equal(updated.statusReason, 'moved');
    assert.deepEqual(updated.authentication, device.authentication);
  }],
  ['an update of nobody is not found', async (platform) => {
    const registry = await registryOf(platform);
    await refused(registry.update({ deviceId: freshId('nobody'), status: 'enabled' }), 'DeviceNotFoundError');
  }],
  ['an update with a stale ETag is refused', async (platform) => {
    const { deviceId, device, registry } = await created(platform);
    await registry.update({ deviceId, statusReason: 'x' });
    const answer = await owner(platform, 'PUT', `/devices/${deviceId}?api-version=2021-04-12`, { body: { deviceId }, headers: { 'If-Match': `"${device.etag}"` } });
    assert.equal(answer.status, 412);
    assert.equal(codeOf(answer), 'ErrorCode:PreconditionFailed');
  }],
  ['an update with the right ETag is taken', async (platform) => {
    const { deviceId, device } = await created(platform);
    const answer = await owner(platform, 'PUT', `/devices/${deviceId}`, { body: { deviceId, statusReason: 'y' }, headers: { 'If-Match': `"${device.etag}"` } });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.etag, `"${answer.body.etag}"`);
  }],
  ['a deleted device is gone and deleted once', async (platform) => {
    const { registry, deviceId } = await created(platform);
    await registry.delete(deviceId);
    await refused(registry.get(deviceId), 'DeviceNotFoundError');
    await refused(registry.delete(deviceId), 'DeviceNotFoundError');
  }],
  ['a device made again is another generation', async (platform) => {
    const { registry, deviceId, device } = await created(platform);
    await registry.delete(deviceId);
    const again = body(await registry.create({ deviceId }));
    assert.notEqual(again.generationId, device.generationId);
    assert.notEqual(again.authentication.symmetricKey.primaryKey, device.authentication.symmetricKey.primaryKey);
  }],
  ['ids with every allowed sign go through', async (platform) => {
    const registry = await registryOf(platform);
    const deviceId = `${freshId()}-:.+%_#*?!(),=@;$'`;
    assert.equal(body(await registry.create({ deviceId })).deviceId, deviceId);
    assert.equal(body(await registry.get(deviceId)).deviceId, deviceId);
    await registry.delete(deviceId);
  }],
  ['ids differ by case', async (platform) => {
    const registry = await registryOf(platform);
    const deviceId = freshId('Case');
    await registry.create({ deviceId });
    await refused(registry.get(deviceId.toLowerCase()), 'DeviceNotFoundError');
  }],
  ['an id that is none is an ArgumentError', async (platform) => {
    const registry = await registryOf(platform);
    await refused(registry.create({ deviceId: 'a b' }), 'ArgumentError');
    await refused(registry.create({ deviceId: 'x'.repeat(129) }), 'ArgumentError');
    await refused(registry.create({ deviceId: 'm/1' }), 'ArgumentError');
  }],
  ['a key that is too short is an ArgumentError', async (platform) => {
    const registry = await registryOf(platform);
    const short = Buffer.alloc(15).toString('base64');
    const error = await refused(registry.create({ deviceId: freshId(), authentication: { symmetricKey: { primaryKey: short, secondaryKey: short } } }), 'ArgumentError');
    assert.match(error.message, /primaryKey/);
  }],
  ['an edge device is refused by name', async (platform) => {
    const registry = await registryOf(platform);
    const error = await refused(registry.create({ deviceId: freshId(), capabilities: { iotEdge: true } }), 'ArgumentError');
    assert.match(error.message, /iotEdge/);
  }],
  ['list holds what was created', async (platform) => {
    const { registry, deviceId } = await created(platform);
    assert.ok(body(await registry.list()).some((device) => device.deviceId === deviceId));
  }],
  ['list takes top, with and without a slash', async (platform) => {
    await created(platform);
    await created(platform);
    for (const path of ['/devices?top=1', '/devices/?top=1&api-version=x']) {
      const answer = await owner(platform, 'GET', path);
      assert.equal(answer.status, 200);
      assert.equal(answer.body.length, 1);
    }
    assert.equal((await owner(platform, 'GET', '/devices?top=1001')).status, 400);
  }],
  ['a hundred devices are made and removed in one request', async (platform) => {
    const registry = await registryOf(platform);
    const ids = Array.from({ length: 100 }, () => freshId('bulk'));
    assert.equal(body(await registry.addDevices(ids.map((deviceId) => ({ deviceId })))).isSuccessful, true);
    assert.equal(body(await registry.get(ids[99])).deviceId, ids[99]);
    assert.equal(body(await registry.removeDevices(ids.map((deviceId) => ({ deviceId })), true)).isSuccessful, true);
    await refused(registry.get(ids[0]), 'DeviceNotFoundError');
  }],
  ['updateDevices changes many', async (platform) => {
    const { registry, deviceId } = await created(platform);
    await registry.updateDevices([{ deviceId, status: 'disabled' }], true);
    assert.equal(body(await registry.get(deviceId)).status, 'disabled');
  }],
  ['updateDevices by ETag takes the right one only', async (platform) => {
    const { registry, deviceId, device } = await created(platform);
    await refused(registry.updateDevices([{ deviceId, status: 'disabled', etag: 'AAAA' }], false), 'ArgumentError');
    assert.equal(body(await registry.get(deviceId)).status, 'enabled');
    await registry.updateDevices([{ deviceId, status: 'disabled', etag: device.etag }], false);
    assert.equal(body(await registry.get(deviceId)).status, 'disabled');
  }],
  ['removeDevices by a stale ETag removes nothing', async (platform) => {
    const { registry, deviceId, device } = await created(platform);
    await registry.update({ deviceId, statusReason: 'x' });
    await refused(registry.removeDevices([{ deviceId, etag: device.etag }], false), 'ArgumentError');
    assert.equal(body(await registry.get(deviceId)).deviceId, deviceId);
  }],
  ['of a bulk request the good items are done', async (platform) => {
    const { registry, deviceId } = await created(platform);
    const fresh = freshId();
    const answer = await owner(platform, 'POST', '/devices', { body: [{ id: deviceId, importMode: 'create' }, { id: fresh, importMode: 'CREATE' }] });
    assert.equal(answer.status, 400);
    assert.deepEqual(answer.body.errors.map((error) => [error.deviceId, error.errorCode]), [[deviceId, 'DeviceAlreadyExists']]);
    assert.equal(body(await registry.get(fresh)).deviceId, fresh);
  }],
  ['more than a hundred items are refused as a whole', async (platform) => {
    const items = Array.from({ length: 101 }, () => ({ id: freshId(), importMode: 'create' }));
    const answer = await owner(platform, 'POST', '/devices', { body: items });
    assert.equal(answer.status, 400);
    assert.equal((await owner(platform, 'GET', `/devices/${items[0].id}`)).status, 404);
  }],
  ['statistics count devices by status', async (platform) => {
    const registry = await registryOf(platform);
    const before = body(await registry.getRegistryStatistics());
    await registry.create({ deviceId: freshId(), status: 'disabled' });
    const after = body(await registry.getRegistryStatistics());
    assert.equal(after.totalDeviceCount, before.totalDeviceCount + 1);
    assert.equal(after.disabledDeviceCount, before.disabledDeviceCount + 1);
    assert.equal(after.enabledDeviceCount, before.enabledDeviceCount);
  }, { alone: true }],
  ['a query finds a device by its id', async (platform) => {
    const { registry, deviceId } = await created(platform);
    const query = registry.createQuery(`SELECT * FROM devices WHERE deviceId = '${deviceId}'`);
    const twins = body(await query.nextAsTwin());
    assert.deepEqual(twins.map((twin) => twin.deviceId), [deviceId]);
    assert.equal(twins[0].authenticationType, 'sas');
    assert.equal(query.hasMoreResults, false);
  }],
  ['a query knows AND, OR, NOT, IN and STARTSWITH', async (platform) => {
    const registry = await registryOf(platform);
    const word = freshId('query');
    const ids = ['a', 'b', 'c'].map((letter) => `${word}-${letter}`);
    await registry.addDevices(ids.map((deviceId, i) => ({ deviceId, status: i === 1 ? 'disabled' : 'enabled' })));
    const found = async (condition) => (await pagesOf(registry.createQuery(`SELECT * FROM devices WHERE STARTSWITH(deviceId, '${word}-') AND ${condition}`))).flat();
    assert.deepEqual(await found("status = 'disabled'"), [ids[1]]);
    assert.deepEqual(await found("NOT status = 'disabled'"), [ids[0], ids[2]]);
    assert.deepEqual(await found(`(deviceId IN ['${ids[0]}'] OR status <> 'enabled')`), [ids[0], ids[1]]);
    assert.deepEqual(await found(`deviceId > '${ids[1]}'`), [ids[2]]);
    assert.deepEqual(await found("tags.floor = '3'"), []);
    assert.deepEqual(await found("connectionState = 'Connected'"), []);
  }],
  ['a query pages through all devices once', async (platform) => {
    const registry = await registryOf(platform);
    const word = freshId('page');
    const ids = Array.from({ length: 7 }, (_, i) => `${word}-${i}`);
    await registry.addDevices(ids.map((deviceId) => ({ deviceId })));
    const pages = await pagesOf(registry.createQuery(`SELECT * FROM devices WHERE STARTSWITH(deviceId, '${word}-')`, 3));
    assert.ok(pages.every((page) => page.length <= 3));
    assert.deepEqual(pages.flat(), ids);
  }],
  ['a query that is not offered says what', async (platform) => {
    const registry = await registryOf(platform);
    for (const [text, what] of [['SELECT deviceId FROM devices', /SELECT \*/], ['SELECT * FROM devices.jobs', /FROM devices/],
      ['SELECT * FROM devices GROUP BY status', /GROUP/], ["SELECT * FROM devices WHERE lastSeen = 'x'", /lastSeen/], ['SELECT * FROM', /end/]]) {
      const error = await refused(registry.createQuery(text).next(), 'ArgumentError');
      assert.match(error.message, what);
    }
  }],
  ['a continuation of somebody else is refused', async (platform) => {
    const answer = await owner(platform, 'POST', '/devices/query', { body: { query: 'SELECT * FROM devices' }, headers: { 'x-ms-continuation': 'bm9wZQ==' } });
    assert.equal(answer.status, 400);
  }],
  ['a wrong key is an UnauthorizedError', async (platform) => {
    await refused((await registryOf(platform, 'iothubowner', key(9))).list(), 'UnauthorizedError');
  }],
  ['an unknown policy is an UnauthorizedError', async (platform) => {
    await refused((await registryOf(platform, 'nobody', key(9))).list(), 'UnauthorizedError');
  }],
  ['an expired token is refused', async (platform) => {
    const authorization = token(platform.host, await platform.policyKey('iothubowner'), { policy: 'iothubowner', seconds: -60 });
    const answer = await raw(platform, 'GET', '/devices', { authorization });
    assert.equal(answer.status, 401);
    assert.equal(codeOf(answer), 'ErrorCode:IotHubUnauthorizedAccess');
  }],
  ['without a token nothing is shown', async (platform) => {
    for (const path of ['/devices', '/devices/x', '/statistics/devices', '/twins/x']) assert.equal((await raw(platform, 'GET', path)).status, 401, path);
  }],
  ["a device's own token does not open the registry", async (platform) => {
    const { device, deviceId } = await created(platform);
    const authorization = token(`${platform.host}/devices/${deviceId}`, device.authentication.symmetricKey.primaryKey);
    for (const path of ['/devices', `/devices/${deviceId}`]) assert.equal((await raw(platform, 'GET', path, { authorization })).status, 401, path);
  }],
  ['a token over one device opens that device only', async (platform) => {
    const { deviceId } = await created(platform);
    const authorization = token(`${platform.host}/devices/${deviceId}`, await platform.policyKey('registryRead'), { policy: 'registryRead' });
    assert.equal((await raw(platform, 'GET', `/devices/${deviceId}`, { authorization })).status, 200);
    assert.equal((await raw(platform, 'GET', '/devices', { authorization })).status, 401);
  }],
  ['registryRead reads and does not write', async (platform) => {
    const { deviceId } = await created(platform);
    const registry = await registryOf(platform, 'registryRead');
    assert.equal(body(await registry.get(deviceId)).deviceId, deviceId);
    await refused(registry.create({ deviceId: freshId() }), 'UnauthorizedError');
    await refused(registry.update({ deviceId, status: 'disabled' }), 'UnauthorizedError');
    await refused(registry.delete(deviceId), 'UnauthorizedError');
    await refused(registry.addDevices([{ deviceId: freshId() }]), 'UnauthorizedError');
  }],
  ['registryReadWrite does both', async (platform) => {
    const registry = await registryOf(platform, 'registryReadWrite');
    const deviceId = freshId();
    await registry.create({ deviceId });
    assert.equal(body(await registry.get(deviceId)).deviceId, deviceId);
  }],
  ['service and device do not read the registry', async (platform) => {
    for (const policy of ['service', 'device']) {
      const registry = await registryOf(platform, policy);
      await refused(registry.list(), 'UnauthorizedError');
      await refused(registry.getRegistryStatistics(), 'UnauthorizedError');
      await refused(registry.createQuery('SELECT * FROM devices').next(), 'UnauthorizedError');
    }
  }],
  ['a policy of event hubs does not read the registry', async (platform) => {
    await refused((await registryOf(platform, 'RootManageSharedAccessKey')).list(), 'UnauthorizedError');
  }],
  ['a ready token opens the registry as a connection string does', async (platform) => {
    const text = token(platform.host, await platform.policyKey('registryRead'), { policy: 'registryRead' });
    const registry = reachable(platform, service.Registry.fromSharedAccessSignature(text));
    assert.ok(Array.isArray(body(await registry.list())));
  }],
  ['what the command line makes the SDK sees', async (platform) => {
    const deviceId = freshId('cli');
    await platform.run('registry', 'add', 'gateway', deviceId);
    const registry = await registryOf(platform);
    assert.equal(body(await registry.get(deviceId)).deviceId, deviceId);
    await platform.run('registry', 'disable', 'gateway', deviceId, '--reason', 'lost');
    const device = body(await registry.get(deviceId));
    assert.equal(device.status, 'disabled');
    assert.equal(device.statusReason, 'lost');
  }],
  ['what the SDK makes the command line sees', async (platform) => {
    const { deviceId, device } = await created(platform);
    assert.match(await platform.run('registry', 'list', 'gateways'), new RegExp(`^${deviceId}\t`, 'm'));
    assert.ok((await platform.run('registry', 'keys', 'gateway', deviceId)).includes(device.authentication.symmetricKey.primaryKey));
  }],
  ['twins, methods, modules, jobs and configurations are not there', async (platform) => {
    const { registry, deviceId } = await created(platform);
    const calls = [() => registry.getTwin(deviceId), () => registry.updateTwin(deviceId, { tags: { a: 1 } }, '*'),
      () => registry.getModulesOnDevice(deviceId), () => registry.addModule({ deviceId, moduleId: 'm' }), () => registry.listJobs(),
      () => registry.importDevicesFromBlob('https://a.test/in', 'https://a.test/out'), () => registry.exportDevicesToBlob('https://a.test/out', false),
      () => registry.getConfigurations()];
    for (const call of calls) {
      const error = await call().then(() => undefined, (caught) => caught);
      assert.equal(error?.response?.statusCode, 501, `${call}: ${error}`);
      assert.match(error.message, /this hub has no/);
    }
  }],
  ['a body that is no JSON is an ArgumentInvalid', async (platform) => {
    for (const text of ['{', '[]', '"x"', '['.repeat(5000)]) {
      const answer = await owner(platform, 'PUT', `/devices/${freshId()}`, { body: text });
      assert.equal(answer.status, 400);
      assert.equal(codeOf(answer), 'ErrorCode:ArgumentInvalid');
    }
  }],
  ['a body over a mebibyte is refused before it is read', async (platform) => {
    const answer = await owner(platform, 'PUT', `/devices/${freshId()}`, { body: ' '.repeat(1100000) });
    assert.equal(answer.status, 413);
  }],
  ['over TLS any Host is taken, and the API asks for its own key', async (platform) => {
    const headers = { Host: 'hub.example.test' };
    assert.equal((await owner(platform, 'GET', '/statistics/devices', { headers })).status, 200);
    assert.equal((await raw(platform, 'GET', '/api/v1/status', { headers })).status, 401);
    const authorization = token(platform.host, await platform.policyKey('iothubowner'), { policy: 'iothubowner' });
    for (const path of ['/api/v1/status', '/metrics', '/page.js']) assert.equal((await raw(platform, 'GET', path, { authorization })).status, 401, path);
  }],
  ['any api-version is taken', async (platform) => {
    for (const version of ['2016-11-14', '2021-04-12', 'tomorrow']) {
      assert.equal((await owner(platform, 'GET', `/statistics/devices?api-version=${version}`)).status, 200);
    }
  }],
]);
