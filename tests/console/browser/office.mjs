// What the office does with the page: episodes listed, filtered, and acted upon; districts and buildings.
import assert from 'node:assert/strict';
import { api, digits, eventually, text } from './browser.mjs';

const WORDS = {
  en: { emergency: 'emergency', tamper: 'tampering', acknowledged: 'acknowledged', left: 'left 3.000 m³', refused: 'must be acknowledged first' },
  zh: { emergency: '特急', tamper: '表具被拆动', acknowledged: '已确认', left: '剩余 3.000 m³', refused: '须先确认' },
};
const PERSON = '李娜';
const MARKUP = '<img src=x onerror="window.broken=1"><b>bold</b>';

const shown = (page) => page.$$eval('#episodes tr', (all) => all.map((row) => Number(row.dataset.id)));
const row = (id) => `#episodes tr[data-id="${id}"]`;
const cell = (page, id, n) => text(page, `${row(id)} td:nth-child(${n})`);
// The list is what the API says under `query`.
async function isListed(page, query, what) {
  return eventually(what, async () => {
    const { total, rows } = await api(page, `/episodes${query}`);
    assert.deepEqual(await shown(page), rows.map(({ id }) => id));
    if (total > 0) assert.equal(digits(await text(page, '#episode-count')), total);
    return rows;
  });
}
const only = (page, choices) => Promise.all(Object.entries(choices).map(([name, value]) => page.selectOption(`#f-${name}`, value)));
async function submit(page, said, person) {
  await page.waitForSelector('#deed[open]');
  if (said) await page.fill('#deed-text', said);
  if (person) await page.fill('#deed-person', person);
  await page.click('#deed-do');
  await page.waitForSelector('#deed:not([open])', { state: 'attached' });
}

export async function episodesAreListed(page, language) {
  const words = WORDS[language];
  const rows = await isListed(page, '?limit=50', 'episodes, the gravest first');
  assert.equal(rows.length, 50);
  const low = (await api(page, '/episodes?rule=low_balance&limit=50')).rows[0];
  assert.equal(await cell(page, low.id, 8), words.left);
  await page.click('#episode-after');
  await isListed(page, '?limit=50&offset=50', 'the second page');
  await only(page, { severity: 'urgent' });
  const urgent = await isListed(page, '?severity=urgent', 'urgent ones');
  const tamper = urgent.find(({ rule }) => rule === 'tamper');
  assert.equal(await cell(page, tamper.id, 2), words.tamper);
  assert.equal(await cell(page, tamper.id, 3), ['Tower B', tamper.unit].join(language === 'zh' ? '·' : ' · '));
  const csv = await page.evaluate(async () => (await (await fetch(document.querySelector('#episode-csv').href)).text()).trim().split('\r\n'));
  assert.equal(csv.length, 1 + urgent.length);
  assert.match(csv[0], language === 'zh' ? /级别/ : /Severity/);
  assert.match(await page.getAttribute('#episode-xlsx', 'href'), /severity=urgent.*format=xlsx/);
  await only(page, { severity: '', district: 'Yuzhong', rule: 'low_balance', state: 'unacknowledged' });
  await isListed(page, '?district=Yuzhong&rule=low_balance&state=unacknowledged', 'by district, rule, state');
  await only(page, { district: '', rule: '', state: '' });
  await page.fill('#f-q', 'gw-1');
  await isListed(page, '?q=gw-1', 'found by words');
  await page.fill('#f-q', '<nothing>');
  await eventually('nothing found', async () => assert.ok(await page.isVisible('#no-episodes')));
  await page.fill('#f-q', '');
  await isListed(page, '?limit=50', 'all again');
}

export async function peopleAct(page, language, isAccessible) {
  const words = WORDS[language];
  const [first, second] = (await api(page, '/episodes?rule=low_balance&sort=id')).rows;
  // Who it is, is asked once.
  await page.click(`${row(first.id)} [data-act=acknowledge]`);
  await page.waitForSelector('#deed[open]');
  await isAccessible(page, 'what is asked', '#deed');
  await submit(page, '', PERSON);
  await page.click(`${row(second.id)} [data-act=acknowledge]`);
  for (const { id } of [first, second]) {
    await eventually('acknowledged', async () => assert.equal(await cell(page, id, 4), words.acknowledged));
    const { acknowledged_by: by, state } = await api(page, `/episodes/${id}`);
    assert.equal(`${by} ${state}`, `console:${PERSON} acknowledged`);
    assert.ok(await page.isDisabled(`${row(id)} [data-act=acknowledge]`));
  }

  // What people write is text, wherever it is shown.
  await page.click(`${row(first.id)} [data-act=open]`);
  await page.waitForSelector('#episode[open]');
  await page.click('#episode-acts [data-act=comment]');
  await submit(page, MARKUP);
  await eventually('the comment', async () => assert.equal(await text(page, '#episode-history li:first-child q'), MARKUP));
  assert.match(await text(page, '#episode-history li:first-child'), new RegExp(PERSON));
  assert.ok((await text(page, '#episode-facts')).includes(MARKUP));
  await isAccessible(page, 'an open episode', '#episode');
  await page.click('#episode-acts [data-act=assign]');
  await submit(page, MARKUP);
  await page.keyboard.press('Escape');
  await eventually('the owner', async () => assert.equal(await cell(page, first.id, 9), MARKUP));
  assert.equal(await page.evaluate(() => window.broken), undefined);
  assert.equal(await page.locator('main img, dialog img').count(), 0);

  // All that the filter shows, and none beside.
  await only(page, { rule: 'low_balance' });
  const low = await isListed(page, '?rule=low_balance', 'low balances');
  await page.click('#all-acts [data-act=assign]');
  await submit(page, '王强');
  assert.equal((await api(page, '/episodes?owner=王强')).total, low.length);
  await page.click('#all-acts [data-act=shelve]');
  await submit(page);
  await only(page, { rule: '', state: 'shelved' });
  const shelved = await isListed(page, '?state=shelved', 'shelved ones');
  assert.equal(shelved.length, low.length);
  const until = new Date(shelved[0].shelved_until);
  assert.ok(until > Date.now() && until < Date.now() + 48 * 3600_000, `until ${until}`);
  await page.click(`${row(first.id)} [data-act=open]`);
  await page.click('#episode-acts [data-act=clear]');
  await submit(page, '已上门处理');
  await page.keyboard.press('Escape');
  await eventually('one less', async () => assert.ok(!(await shown(page)).includes(first.id)));
  await only(page, { state: '' });

  // What cannot be done is said.
  const tamper = (await api(page, '/episodes?rule=tamper')).rows[0];
  await page.click(`${row(tamper.id)} [data-act=open]`);
  await page.click('#episode-acts [data-act=clear]');
  await submit(page, 'x');
  await page.keyboard.press('Escape');
  assert.ok((await text(page, '#deed-done')).includes(words.refused));
  assert.equal((await api(page, `/episodes/${tamper.id}`)).state, 'unacknowledged');
}

// The next one comes by an event.
export async function troubleComesFirst(page, language) {
  const before = await shown(page);
  console.log('trouble');
  await eventually('the new one is first', async () => {
    const [first] = await shown(page);
    assert.ok(!before.includes(first));
    assert.equal(await cell(page, first, 1), WORDS[language].emergency);
  });
  await isListed(page, '?limit=50', 'with the new one');
}

export async function usageIsDrawn(page) {
  await eventually('usage', async () => assert.equal(digits((await text(page, '#usage-sum')).replace(/.*?([0-9.]+) m³.*/, '$1')), 13));
  const line = (await page.getAttribute('#usage-chart .line', 'points')).split(' ').map((point) => point.split(',').map(Number));
  assert.deepEqual(line, [[0, 50], [200, 75], [400, 150], [600, 0]], 'four hours, the third one of nothing');
}

export async function areasAreListed(page, isAccessible) {
  const column = (name) => page.$$eval(`#areas [data-of=${name}]`, (all) => all.map((one) => one.textContent));
  await eventually('districts', async () => {
    const { rows } = await api(page, '/district-status?sort=-open_alarms');
    assert.deepEqual((await column('silent')).map(digits), rows.map(({ silent }) => silent));
    assert.deepEqual((await column('used_today')).map(digits), rows.map((one) => one.used_today));
  });
  await page.click('#area-kind [data-kind=building]');
  await page.click('#area-heads [data-sort=flow]');
  assert.equal(await page.getAttribute('#area-heads th:has([data-sort=flow])', 'aria-sort'), 'descending');
  await eventually('buildings by flow', async () => assert.deepEqual(await column('building'), ['Tower B', 'Tower A']));
  await page.click('#area-heads [data-sort=flow]');
  await eventually('the other way', async () => assert.deepEqual(await column('building'), ['Tower A', 'Tower B']));
  assert.match(await page.getAttribute('#area-xlsx', 'href'), /building-status\?sort=flow&format=xlsx/);
  await page.fill('#area-q', 'Tower B');
  await page.keyboard.press('Enter');
  await eventually('found', async () => assert.deepEqual(await column('building'), ['Tower B']));
  await page.click('#area-kind [data-kind=completeness]');
  await eventually('completeness', async () => assert.deepEqual(await column('percent'), ['95%']));
  await isAccessible(page, 'completeness', '[aria-labelledby=h-areas]');
}
