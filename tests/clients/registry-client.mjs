// Microsoft's service SDK (azure-iothub) against the platform under test, and raw HTTPS beside it.
//
// `platform` is that of device-hub.mjs.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { Agent, request } from 'node:https';
import service from 'azure-iothub';
import { errorName } from './common.mjs';

// The SDK always connects to port 443 of HostName. An agent's own options win over those of the request, so this is the
// one place where a port and a private authority fit.
export async function registryOf(platform, policy = 'iothubowner', key) {
  const secret = key ?? await platform.policyKey(policy);
  const registry = service.Registry.fromConnectionString(
    `HostName=${platform.host};SharedAccessKeyName=${policy};SharedAccessKey=${secret}`);
  return reachable(platform, registry);
}

export function reachable(platform, registry) {
  const agent = new Agent({ keepAlive: false, port: platform.httpsPort, ca: platform.ca });
  registry._restApiClient.setOptions({ http: { agent } });
  return registry;
}

export function token(resource, key, { policy, seconds = 3600 } = {}) {
  const expiry = Math.floor(Date.now() / 1000) + seconds;
  const signed = `${encodeURIComponent(resource)}\n${expiry}`;
  const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(signed).digest('base64');
  return `SharedAccessSignature sr=${encodeURIComponent(resource)}&sig=${encodeURIComponent(signature)}&se=${expiry}`
    + (policy ? `&skn=${encodeURIComponent(policy)}` : '');
}

// {status, headers, body} with body parsed when it is JSON.
export function raw(platform, method, path, { headers = {}, body, authorization } = {}) {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
    const all = { ...headers };
    if (authorization) all.Authorization = authorization;
    if (text !== undefined) all['Content-Length'] = Buffer.byteLength(text);
    const call = request({ host: platform.host, servername: platform.host, port: platform.httpsPort, ca: platform.ca, method, path, headers: all, agent: false }, (answer) => {
      let read = '';
      answer.on('data', (piece) => { read += piece; });
      answer.on('end', () => {
        let parsed = read;
        try { parsed = JSON.parse(read); } catch { /* it is text */ }
        resolve({ status: answer.statusCode, headers: answer.headers, body: parsed });
      });
    });
    call.on('error', reject);
    call.end(text);
  });
}

export async function owner(platform, method, path, options = {}) {
  const authorization = token(platform.host, await platform.policyKey('iothubowner'), { policy: 'iothubowner' });
  return raw(platform, method, path, { authorization, ...options });
}

export async function refused(promise, name) {
  let error;
  try {
    await promise;
  } catch (caught) {
    error = caught;
  }
  assert.equal(errorName(error), name, error?.message);
  return error;
}

let count = 0;
// A device id that no other case has.
export function freshId(word = 'dev') {
  count += 1;
  return `${word}-${process.pid}-${count}`;
}

// What an SDK's call brought: a device, or a page of a query.
export const body = (result) => result.responseBody ?? result.result ?? result;
