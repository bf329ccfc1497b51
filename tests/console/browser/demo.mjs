// node demo.mjs PROGRAM: the page of a whole demo, in English and in Chinese at once. A reader's
// packet arrives; the meter that the simulator silences turns grey and becomes an episode, which is acknowledged on one page
// and so on the other; what the page showed last is what `verify`, the lake and the database say; it tells when the platform
// is away and comes back with it.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { api, digits, eventually, launch, open, text } from './browser.mjs';

const program = process.argv[2];
const INTERVAL_S = 5;
const SILENCE_S = 4 * INTERVAL_S;  // what a demo's registry states: four packets
const BEHIND_S = 2;                // the page is a second behind, a busy machine another
const METERS = 300;
const SAMPLE = 'ffffffffffffff01';
const LOCALES = ['en-GB', 'zh-CN'];
const COUNTERS = { '#n-settled': (s) => s.packets.settled, '#n-dead': (s) => s.dead_letters.total };

const folder = mkdtempSync(join(tmpdir(), 'meterhub-page-'));
const data = join(folder, 'data');
const run = async (command, ...words) => (await promisify(execFile)(command, words)).stdout;
const meterhub = (...words) => run(program, ...words, '--data', data);
const lake = async (sql) => Number((await meterhub('lake', 'query', '--format', 'csv', sql)).trim().split('\n')[1]);
const database = async (sql) => Number(await run('sqlite3', '-readonly', join(data, 'database.sqlite'), sql));
const status = async () => JSON.parse(await meterhub('status', '--json'));
const found = (all, pattern) => all.match(pattern)[1];

// A demo on `data`, as soon as it has printed all it has to say.
async function startDemo() {
  const child = spawn(program, ['demo', '--data', data, '--meters', METERS, '--interval', `${INTERVAL_S}s`, '--seed', '7'],
    { stdio: ['ignore', 'pipe', 'ignore'] });
  const demo = { child, out: '' };
  demo.ended = new Promise((tell) => child.on('close', (code) => tell(code)));
  child.stdout.on('data', (piece) => { demo.out += piece; });
  await eventually('the demo starts', () => assert.match(demo.out, /--sample\n/), 30_000);
  return demo;
}
async function stopDemo(demo) {
  demo.child.kill('SIGINT');
  assert.equal(await demo.ended, 0, demo.out);
}

// Which meter the simulator silenced and when, from its own truth (docs/formats/sent.md).
function silencing() {
  const truth = readFileSync(join(data, 'sent.mhs'));
  for (let at = 8, size; at + 2 <= truth.length; at += size + 6) {
    size = truth.readUInt16LE(at);
    if (at + 6 + size > truth.length || truth[at + 2] !== 7 || truth[at + 3] !== 4) continue;
    return { meter: truth.readUInt32LE(at + 4), at_ms: Number(truth.readBigInt64LE(at + 8) / 1000n) };
  }
  throw new Error('nobody was silenced yet');
}
const flat = (eui) => `#buildings button[data-eui="${eui}"]`;
const stateOf = (page, eui) => page.getAttribute(flat(eui), 'data-state');
const isGrey = (page, eui) => page.$eval(flat(eui), (button) => {
  const [red, green, blue] = getComputedStyle(button).backgroundColor.match(/\d+/g).map(Number);
  return Math.max(red, green, blue) - Math.min(red, green, blue) < 16;
});

const browser = await launch();
let demo = await startDemo();
process.on('exit', () => {
  demo.child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});
const url = found(demo.out, /^page +(\S+)$/m);
const complaints = [];
// Without motion: a flat's colour fades for 0.4 s, which is not what the page takes to know.
const pages = await Promise.all(LOCALES.map((locale) => open(browser, url, { locale, reducedMotion: 'reduce' }, complaints)));
const onBoth = (what, check, patience) => Promise.all(pages.map((page, i) => eventually(`${what}, ${LOCALES[i]}`, () => check(page), patience)));

// The reader's own packet, by the command as it was printed.
await onBoth('nothing was heard', async (page) => assert.equal(await stateOf(page, SAMPLE), 'new'));
const sending = Date.now();
await run('sh', '-c', found(demo.out, /frame:\n +(.+)\n/));
const sent = Date.now();
await onBoth('the packet is there', async (page) => assert.equal(await stateOf(page, SAMPLE), 'online'), 2000);
console.log(`the reader's packet: ${Date.now() - sent} ms after the command ended, ${Date.now() - sending} ms after it began`);
for (const page of pages) {
  await page.click(flat(SAMPLE));
  await page.waitForSelector('#flat[open]');
  assert.match(await text(page, '#flat-facts'), /979\.171 m³.*20\.829 m³.*1,000\.000 m³/);
  await page.click('#close');
}

// While everything moves: what is shown lies between what was so before and after.
for (const page of pages) {
  const before = await status();
  await page.waitForFunction((shown) => document.querySelector('#live-text').textContent !== shown, await text(page, '#live-text'));
  const shown = {};
  for (const selector of Object.keys(COUNTERS)) shown[selector] = digits(await text(page, selector));
  const after = await status();
  for (const [selector, of] of Object.entries(COUNTERS)) {
    assert.ok(of(before) <= shown[selector] && shown[selector] <= of(after), `${selector} ${of(before)} ${shown[selector]} ${of(after)}`);
  }
}
await onBoth('states of meters', async (page) => {
  const { meters } = await status();
  assert.equal(meters.total, METERS + 1);
  assert.equal(digits(await text(page, '#meter-count')), meters.total);
  for (const state of ['online', 'low', 'closed', 'silent', 'faulty']) {
    assert.equal(digits(await text(page, `#legend [data-state=${state}] b`)), meters[state], state);
    assert.equal(await page.locator(`#buildings button.${state}`).count(), meters[state], state);
  }
}, 60_000);  // a gateway is cut off for a while: its flats turn grey and come back

// The silenced meter: as others until then, and grey within its limit.
const eui = readFileSync(join(data, 'fleet', 'meters.csv'), 'utf8').trim().split('\n').at(-1).split(',')[0];
await onBoth('well before', async (page) => assert.equal(await stateOf(page, eui), 'online'), 90_000);
const { meter, at_ms } = await eventually('the simulator silences a meter', silencing, 90_000);
assert.equal(meter, METERS - 1);
for (const page of pages) {
  assert.equal(await stateOf(page, eui), 'online');
  assert.equal(await isGrey(page, eui), false);
}
await onBoth('grey', async (page) => assert.ok(await isGrey(page, eui)), (SILENCE_S + BEHIND_S) * 1000);
const grey_ms = Date.now();
const last_ms = Date.parse((await api(pages[0], `/meters/${eui}`)).last.time);
console.log(`grey ${(grey_ms - at_ms) / 1000} s after the meter was silenced, ${(grey_ms - last_ms) / 1000} s after its last packet; limit ${SILENCE_S} s`);
assert.ok(grey_ms - last_ms >= SILENCE_S * 1000, 'not before its limit');
assert.ok(grey_ms - last_ms <= (SILENCE_S + BEHIND_S) * 1000);
await onBoth('named', async (page) => assert.equal(await page.locator(`#attention button[data-eui="${eui}"]`).count(), 1));

// It is an episode on both pages; who takes note on one of them is seen on the other.
const trouble = `#episodes tr:has(button[data-eui="${eui}"])[data-severity=warning]`;
for (const page of pages) {
  await page.selectOption('#f-rule', 'silent_meter');
  await page.fill('#f-q', eui);
}
await onBoth('an episode', async (page) => assert.equal(await page.locator(`${trouble}[data-state=unacknowledged]`).count(), 1));
await pages[0].fill('#person', 'Li Na');
await pages[0].click(`${trouble} [data-act=acknowledge]`);
await onBoth('acknowledged', async (page) => assert.equal(await page.locator(`${trouble}[data-state=acknowledged]`).count(), 1));
assert.deepEqual(await Promise.all(pages.map((page) => text(page, `${trouble} td:nth-child(4)`))), ['acknowledged', '已确认']);
for (const page of pages) {
  await page.fill('#f-q', '');
  await page.selectOption('#f-rule', '');
}
await onBoth('open episodes', async (page) => {
  const { rows } = await api(page, '/episodes?limit=50');
  assert.deepEqual(await page.$$eval('#episodes tr', (all) => all.map(({ dataset }) => `${dataset.id} ${dataset.state}`)),
    rows.map(({ id, state }) => `${id} ${state}`));
  assert.ok(rows.some(({ rule }) => rule === 'low_balance'));
}, 30_000);
await onBoth('districts', async (page) => {
  const { rows } = await api(page, '/district-status');
  const used = await page.$$eval('#areas [data-of=used_today]', (all) => all.map((one) => Number(one.textContent.replace(/,/g, ''))));
  assert.deepEqual(used.sort(), rows.map((row) => row.used_today).sort());
  assert.ok(used.some((one) => one > 0));
}, 30_000);

// A click opens the flat: its last reading, and the line of those before.
for (const page of pages) {
  await page.click(flat(eui));
  await page.waitForSelector('#flat[open]');
  const { last, readings } = await api(page, `/meters/${eui}`);
  const shown = await page.$$eval('#flat-facts dd.big', (all) => all.map((one) => Number(one.textContent.replace(/[^0-9.-]/g, ''))));
  assert.deepEqual(shown, [last.left, last.used, last.bought]);
  const line = await page.getAttribute('#flat-chart .line', 'points');
  assert.equal(line.split(' ').length, readings.length);
  assert.match(await text(page, '#flat-line'), new RegExp(`\\b${readings.length}\\b`));
  await page.click('#close');
}
assert.deepEqual(complaints, []);

// At rest: the last that the page was told is what is stored.
await stopDemo(demo);
await onBoth('the page says that it is alone', async (page) => assert.ok(await page.isVisible('#trouble')));
assert.match(demo.out, /missing 0 duplicate 0 wrong 0/);
const verified = await meterhub('verify');
const rows = Number(found(verified, /rows in the lake (\d+)/)) + Number(found(verified, /rows of other meters (\d+)/));
const alerts = Number(found(verified, /alerts (\d+)/));
const settled = Number(found(demo.out, /(\d+) settled/)) + 1;  // and the reader's own
const letters = Number(found(demo.out, /(\d+) dead letters/));
assert.equal(await lake('SELECT count(*) FROM readings'), rows);
assert.equal(await database('SELECT count(*) FROM alerts'), alerts);
for (const page of pages) {
  const numbers = (await text(page, '#s-settled')).split(/[·，]/).map(digits);
  assert.equal(digits(await text(page, '#n-settled')), settled);
  assert.equal(numbers[0], rows, 'readings');
  assert.equal(numbers[1], Number(found(demo.out, /(\d+) duplicates/)), 'copies');
  assert.equal(digits(await text(page, '#n-dead')), letters);
}
assert.equal(await database(`SELECT count(*) FROM episodes WHERE acknowledged_by = 'console:Li Na'`), 1);
console.log(`at rest: ${settled} settled, ${rows} readings, ${alerts} alerts, ${letters} dead letters, page and verify alike`);

// The platform comes back, and the page with it; also after a while in which it only says nothing.
const onceMore = (what) => onBoth(what, async (page) => {
  assert.ok(await page.isHidden('#trouble'));
  assert.equal(await page.getAttribute('body', 'data-ready'), 'yes');
}, 30_000);
demo = await startDemo();
await onceMore('the page is there again');
demo.child.kill('SIGSTOP');
await onBoth('the page notices silence', async (page) => assert.ok(await page.isVisible('#trouble')));
demo.child.kill('SIGCONT');
await onceMore('the page is there after the silence');
await stopDemo(demo);
await browser.close();
console.log('PASS');
