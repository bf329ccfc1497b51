// node page.mjs URL EUI LOCALE: compares what the page shows with what the API says. It prints "trouble" and waits
// for an episode; in English then "silence", and waits for the flat EUI, whose meter falls silent, to turn grey.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { api, digits, eventually, launch, open, text } from './browser.mjs';
import { areasAreListed, episodesAreListed, peopleAct, troubleComesFirst, usageIsDrawn } from './office.mjs';

const [url, eui, locale] = process.argv.slice(2);
const STATES = ['online', 'low', 'closed', 'silent', 'faulty'];
const axe = readFileSync(new URL('./node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');

const browser = await launch();
const complaints = [];
// Without its timers of ten seconds and more: what changes on it, events and people have changed.
const withoutTimers = () => {
  const { setInterval: set } = window;
  window.setInterval = (call, ms) => (ms < 10_000 ? set(call, ms) : 0);
};
const page = await open(browser, url, { locale }, complaints, withoutTimers);
assert.equal(new URL(page.url()).search, '', 'the key stays in the address');

// Nothing that axe finds wrong in `part`, in light and in dark.
async function isAccessible(of, what, part = 'html') {
  await of.evaluate(axe);
  for (const colorScheme of ['dark', 'light']) {
    await of.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    const { violations } = await of.evaluate((selector) => axe.run(selector), part);
    const found = violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`));
    assert.deepEqual(found, [], `${what}, ${colorScheme}`);
  }
}

assert.equal(await page.locator('html').getAttribute('lang'), locale === 'zh-CN' ? 'zh-CN' : 'en');
assert.equal(await text(page, '#h-buildings span'), locale === 'zh-CN' ? '楼栋' : 'Buildings');

await eventually('numbers', async () => {
  const status = await api(page, '/status');
  assert.equal(digits(await text(page, '#n-settled')), status.packets.settled);
  assert.equal(digits(await text(page, '#n-dead')), status.dead_letters.total);
  assert.equal(digits(await text(page, '#meter-count')), status.meters.total);
  for (const state of STATES) assert.equal(digits(await text(page, `#legend [data-state=${state}] b`)), status.meters[state], state);
});
await eventually('flats', async () => {
  const said = (await api(page, '/buildings')).flatMap((building) => building.flats).map((flat) => `${flat.eui} ${flat.state}`);
  const shown = await page.$$eval('#buildings button', (all) => all.map((flat) => `${flat.dataset.eui} ${flat.dataset.state}`));
  assert.deepEqual(shown.sort(), said.sort());
});
// A flat that needs somebody is named, the gravest first; the sum is that of the numbers.
await eventually('attention', async () => {
  const { meters } = await api(page, '/status');
  const groups = await page.$$eval('#attention li', (all) => all.map((one) => [one.dataset.state, one.querySelectorAll('button').length]));
  const said = ['faulty', 'silent', 'closed', 'low'].map((state) => [state, meters[state]]).filter(([, n]) => n > 0);
  assert.deepEqual(groups, said);
});
const language = locale === 'zh-CN' ? 'zh' : 'en';
await episodesAreListed(page, language);
await areasAreListed(page, isAccessible);
await usageIsDrawn(page);

// A curve's scale has round numbers, in its middle too.
const scales = await page.evaluate(async (values) => {
  const { ceiling } = await import('/chart.js');
  return values.map(ceiling);
}, [0.3, 1, 2.1, 4.1, 5.8, 47, 700]);
assert.deepEqual(scales, [0.4, 1, 4, 6, 6, 60, 800]);

// What the page asks by itself: the same once, and one a second.
const asked = await page.evaluate(async () => {
  const { soon } = await import('/api.js');
  const all = [];
  await new Promise((done) => {
    for (const what of ['a', 'b', 'a', 'c']) soon(what, async () => { if (all.push([what, performance.now()]) === 3) done(); });
  });
  return all;
});
assert.deepEqual(asked.map(([what]) => what), ['a', 'b', 'c']);
for (const i of [1, 2]) assert.ok(asked[i][1] - asked[i - 1][1] > 990, asked.join());

await isAccessible(page, 'the page');
await peopleAct(page, language, isAccessible);
await troubleComesFirst(page, language);

// With the keyboard alone: one stop a building, arrows inside it.
const first = page.locator('#buildings button').first();
const stops = await page.locator('#buildings button[tabindex="0"]').count();
assert.equal(stops, await page.locator('.building').count());
await first.focus();
await page.keyboard.press('ArrowDown');
await page.keyboard.press('ArrowRight');
const opened = await page.evaluate(() => document.activeElement.dataset.eui);
assert.notEqual(opened, await first.getAttribute('data-eui'));
await page.keyboard.press('Enter');
await page.waitForSelector('#flat[open]');
await eventually('flat', async () => {
  const { last, unit } = await api(page, `/meters/${opened}`);
  assert.match(await text(page, '#flat-title'), new RegExp(unit));
  const shown = await page.$$eval('#flat-facts dd.big', (all) => all.map((one) => Number(one.textContent.replace(/[^0-9.-]/g, ''))));
  assert.deepEqual(shown, [last.left, last.used, last.bought]);
});
await isAccessible(page, 'an open flat', '#flat');
await page.keyboard.press('Escape');
assert.equal(await page.evaluate(() => document.activeElement.dataset.eui), opened, 'the focus goes back to the flat');

// The other language, and back; who acts is remembered.
await page.click('#language');
await eventually('the other language', async () =>
  assert.equal(await page.locator('html').getAttribute('lang'), locale === 'zh-CN' ? 'en' : 'zh-CN'));
await page.click('#language');
await eventually('the person', async () => assert.equal(await page.inputValue('#person'), '李娜'));

// Who comes without the key is told what to do, not shown anything.
const stranger = await (await browser.newContext({ locale })).newPage();
assert.equal((await stranger.goto(new URL('/', url).href)).status(), 401);
assert.match(await stranger.textContent('main'), /key=/);
await isAccessible(stranger, 'the locked page');

if (locale !== 'zh-CN') {
  await page.waitForSelector(`#buildings button[data-eui="${eui}"].online`);
  console.log('silence');
  const begin = Date.now();
  await page.waitForSelector(`#buildings button[data-eui="${eui}"].silent`, { timeout: 15_000 });
  console.log(`grey after ${((Date.now() - begin) / 1000).toFixed(1)} s`);
}
assert.deepEqual(complaints, []);
await browser.close();
console.log('PASS');
