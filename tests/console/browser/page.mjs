// node page.mjs URL EUI LOCALE: compares what the page shows with what the API says. In English it
// then prints "silence" and waits for the flat EUI, whose meter falls silent, to turn grey.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const [url, eui, locale] = process.argv.slice(2);
const PATIENCE_MS = 15_000;
const STATES = ['online', 'low', 'closed', 'silent', 'faulty'];
const digits = (text) => Number(text.replace(/[^0-9.-]/g, ''));

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
});
const context = await browser.newContext({ locale, viewport: { width: 1400, height: 1600 } });
const page = await context.newPage();
const complaints = [];
page.on('pageerror', (error) => complaints.push(error.message));
page.on('console', (message) => { if (message.type() === 'error') complaints.push(message.text()); });

// The page is a second behind at most: tries until both say the same.
async function agrees(what, check) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw new Error(`${what}: ${error.message}`);
      await page.waitForTimeout(200);
    }
  }
}
const api = (path) => page.evaluate(async (p) => (await fetch('/api/v1' + p)).json(), path);
const text = (selector) => page.locator(selector).textContent();

await page.goto(url);
assert.equal(new URL(page.url()).search, '', 'the key stays in the address');
await page.waitForSelector('body[data-ready]');

assert.equal(await page.locator('html').getAttribute('lang'), locale === 'zh-CN' ? 'zh-CN' : 'en');
assert.equal(await text('#h-buildings span'), locale === 'zh-CN' ? '楼宇' : 'Buildings');

await agrees('numbers', async () => {
  const status = await api('/status');
  assert.equal(digits(await text('#n-settled')), status.packets.settled);
  assert.equal(digits(await text('#n-dead')), status.dead_letters.total);
  assert.equal(digits(await text('#meter-count')), status.meters.total);
  assert.equal(digits(await text('#alert-count')), status.alerts.total);
  for (const state of STATES) assert.equal(digits(await text(`#legend [data-state=${state}] b`)), status.meters[state], state);
});
await agrees('flats', async () => {
  const said = (await api('/buildings')).flatMap((building) => building.flats).map((flat) => `${flat.eui} ${flat.state}`);
  const shown = await page.$$eval('#buildings button', (all) => all.map((flat) => `${flat.dataset.eui} ${flat.className}`));
  assert.deepEqual(shown.sort(), said.sort());
});
await agrees('alerts', async () => {
  const said = (await api('/alerts')).map((alert) => String(alert.id));
  assert.deepEqual(await page.$$eval('#alerts tr', (rows) => rows.map((row) => row.dataset.id)), said);
});

const flat = page.locator('#buildings button').first();
const opened = await flat.getAttribute('data-eui');
await flat.click();
await page.waitForSelector('#flat[open]');
await agrees('flat', async () => {
  const { last, unit } = await api(`/meters/${opened}`);
  assert.match(await text('#flat-title'), new RegExp(unit));
  const shown = await page.$$eval('#flat-facts dd.big', (all) => all.map((one) => one.textContent));
  assert.deepEqual(shown.map((one) => digits(one.replace('m³', ''))), [last.left, last.used, last.bought]);
});
await page.click('#close');

if (locale !== 'zh-CN') {
  await page.waitForSelector(`button[data-eui="${eui}"].online`);
  console.log('silence');
  const begin = Date.now();
  await page.waitForSelector(`button[data-eui="${eui}"].silent`, { timeout: PATIENCE_MS });
  console.log(`grey after ${((Date.now() - begin) / 1000).toFixed(1)} s`);
}
assert.deepEqual(complaints, []);
await browser.close();
console.log('PASS');
