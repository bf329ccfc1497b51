// The page of a running platform: numbers, meters, buildings and flow, from /api/v1 and refreshed by its server-sent
// events; episodes and areas have modules of their own. No libraries, no build step.
import { askNothing, get, soon } from '/api.js';
import { districtNames, loadAreas } from '/areas.js';
import { chart } from '/chart.js';
import { byId, hideTip, make, showTip } from '/dom.js';
import { episodesChanged, loadEpisodes, showDistricts } from '/episodes.js';
import { loadUsage } from '/usage.js';
import { chooseOtherLanguage, clock, count, counted, fullMoment, language, moment, rounded, spaced, span, statusBits, t, volume } from '/words.js';

const STATES = ['online', 'low', 'closed', 'silent', 'faulty', 'new'];
const NEED_ATTENTION = ['faulty', 'silent', 'closed', 'low'];  // the gravest first
const ATTENTION_SHOWN = 12;
const BUILDINGS_SHOWN = 200;
const FLOW_MINUTES = 60;
const RETRY_MS = 3000;
const SILENCE_MS = 6000;   // a status comes every second
const REFRESH_MS = 5000;   // of what no event tells: flow, the open flat
const USAGE_MS = 300_000;  // an hour is computed some minutes after its end
const AREAS_MS = 10_000;   // the platform's figures of areas are as old; how often an episode was seen is not told either

document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
for (const node of document.querySelectorAll('[data-t]')) node.textContent = t[node.dataset.t];
for (const node of document.querySelectorAll('[data-label]')) node.setAttribute('aria-label', t[node.dataset.label]);
byId('language').lang = t.otherLanguage;
byId('language').addEventListener('click', chooseOtherLanguage);

const mark = (state) => make('span', { class: `mark ${state}` });

// ---- numbers and meters

function lagText(lag) {
  const behind = lag.stages.filter((stage) => stage.records > 0 && stage.seconds >= 1).sort((a, b) => b.seconds - a.seconds);
  if (behind.length === 0) return t.upToDate;
  const name = (stage) => t.stages[stage.name] || t.job(stage.name.replace(/^job\./, ''));
  return behind.slice(0, 2).map((stage) => t.stage(name(stage), count(stage.records))).join(t.clauses);
}
function warn(id, bad) { byId(id).parentElement.classList.toggle('warn', bad); }
function showNumbers(status) {
  byId('n-rate').textContent = rounded(status.packets.per_second);
  byId('s-rate').textContent = t.received(count(status.packets.received), moment(status.started));
  byId('n-settled').textContent = count(status.packets.settled);
  byId('s-settled').textContent = [t.readings(count(status.readings.total)), t.copies(count(status.readings.duplicates))].join(t.clauses);
  byId('n-lag').textContent = span(status.lag.seconds);
  byId('s-lag').textContent = lagText(status.lag);
  warn('n-lag', status.lag.seconds > 60);
  byId('n-dead').textContent = count(status.dead_letters.total);
  const reasons = Object.entries(status.dead_letters.by_reason).sort((a, b) => b[1] - a[1]);
  byId('s-dead').textContent = reasons.slice(0, 3).map(([reason, n]) => `${t.reasons[reason] || reason} ${count(n)}`).join(t.clauses) || t.nothingAside;
  byId('s-dead').title = [...reasons.map(([reason, n]) => `${reason} ${count(n)}`), t.noise(count(status.noise.total))].join('\n');
  warn('n-dead', status.dead_letters.total > 0);
}
let meters = {};  // by state, of the whole fleet
function showMeters(status) {
  meters = { ...status.meters };
  meters.new = Math.max(0, meters.total - STATES.reduce((sum, state) => sum + (meters[state] || 0), 0));
  byId('meter-count').textContent = count(meters.total);
  for (const id of ['bar', 'who']) byId(id).hidden = meters.total === 0;
  const shown = STATES.filter((state) => meters[state] > 0);
  byId('bar').replaceChildren(...shown.map((state) => {
    const part = make('i', { class: state });
    part.style.flexGrow = meters[state];
    return part;
  }));
  byId('bar').setAttribute('aria-label', shown.map((state) => `${t[state]} ${count(meters[state])}`).join(t.listed));
  byId('legend').replaceChildren(...STATES.map((state) =>
    make('li', { 'data-state': state, class: meters[state] ? '' : 'none' }, mark(state), t[state], make('b', {}, count(meters[state])))));
}
let shownAt = '';  // the clock of the newest status
function showStatus(status) {
  shownAt = status.time;
  showNumbers(status);
  showMeters(status);
  showAttention();
  byId('live-text').textContent = t.live + t.dot + fullMoment(status.time);
}

// ---- buildings

const flats = new Map();  // eui -> its button
function paint(button, state) {
  button.className = `mark ${state}`;
  button.dataset.state = state;
  button.setAttribute('aria-label', button.dataset.place + t.dot + t[state]);
}
function flatButton(building, flat) {
  const place = [building.building || t.unplaced, flat.unit || flat.eui].join(t.dot);
  const button = make('button', { type: 'button', tabindex: -1, 'data-eui': flat.eui, 'data-place': place });
  paint(button, flat.state);
  flats.set(flat.eui, button);
  return button;
}
function floorRow(building, floor, row) {
  const named = building.building !== '';
  const label = named ? [make('span', { 'aria-hidden': 'true' }, floor)] : [];
  return make('div', { class: named ? 'floor' : 'floor loose' }, ...label, ...row.map((flat) => flatButton(building, flat)));
}
function showBuilding(building, index) {
  const floors = new Map();
  for (const flat of building.flats) {
    if (!floors.has(flat.floor)) floors.set(flat.floor, []);
    floors.get(flat.floor).push(flat);
  }
  const rows = [...floors].reverse().map(([floor, row]) => floorRow(building, floor, row));
  rows[0].querySelector('button').tabIndex = 0;  // one stop of the Tab key a building
  const size = [...(building.building ? [counted(building.floors, t.floors)] : []), counted(building.flats.length, t.flats)];
  return make('figure', { class: 'building' },
    make('div', { class: 'floors', role: 'group', 'aria-labelledby': `building-${index}` }, ...rows),
    make('figcaption', {}, make('span', { id: `building-${index}` }, building.building || t.unplaced),
      make('small', {}, building.district), make('small', {}, size.join(t.dot))));
}
let metersShown = 0;  // the registry's total when the buildings were read
async function loadBuildings() {
  const buildings = (await get(`/buildings?limit=${BUILDINGS_SHOWN}`)).filter((building) => building.flats.length > 0);
  flats.clear();
  byId('buildings').replaceChildren(...buildings.map(showBuilding));
  byId('buildings-help').hidden = buildings.length === 0;
  byId('no-buildings').hidden = buildings.length > 0;
  byId('building-count').textContent = buildings.length >= BUILDINGS_SHOWN ? t.firstBuildings(count(BUILDINGS_SHOWN)) : '';
}

// The flats that somebody should look at, named by what they are in; the rest of them counted.
function attentionGroup(state, buttons) {
  const links = buttons.map(({ dataset }) =>
    make('button', { type: 'button', 'data-eui': dataset.eui, 'aria-label': dataset.place + t.dot + t[state] }, dataset.place));
  return make('li', { 'data-state': state }, mark(state), make('span', {}, t[state]), make('div', {}, ...links));
}
function showAttention() {
  const inState = (state) => [...flats.values()].filter((button) => button.dataset.state === state);
  const shown = NEED_ATTENTION.flatMap(inState).slice(0, ATTENTION_SHOWN);
  const total = NEED_ATTENTION.reduce((sum, state) => sum + (meters[state] || 0), 0);
  const signature = [total, ...shown.map(({ dataset }) => dataset.eui + dataset.state)].join();
  if (byId('attention').dataset.shown === signature) return;  // whoever has the focus keeps it
  byId('attention').dataset.shown = signature;
  const groups = NEED_ATTENTION.map((state) => [state, shown.filter(({ dataset }) => dataset.state === state)]);
  byId('attention').replaceChildren(...groups.filter(([, buttons]) => buttons.length > 0).map((group) => attentionGroup(...group)),
    ...(total > shown.length ? [make('li', {}, t.more(count(total - shown.length)))] : []));
  byId('all-well').hidden = total > 0;
}

// The flat that an arrow key leads to, inside its building.
function neighbour(button, key) {
  const row = [...button.parentElement.querySelectorAll('button')];
  const column = row.indexOf(button);
  const above = { ArrowUp: 'previousElementSibling', ArrowDown: 'nextElementSibling' }[key];
  if (above) {
    const other = [...(button.parentElement[above]?.querySelectorAll('button') || [])];
    return other[Math.min(column, other.length - 1)];
  }
  return { ArrowLeft: row[column - 1], ArrowRight: row[column + 1], Home: row[0], End: row[row.length - 1] }[key];
}
byId('buildings').addEventListener('keydown', (event) => {
  const next = event.target.dataset.eui && neighbour(event.target, event.key);
  if (!next) return;
  event.preventDefault();
  event.target.closest('.floors').querySelector('button[tabindex="0"]').tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
});
byId('buildings').addEventListener('focusin', ({ target }) => {
  const { left, top } = target.getBoundingClientRect();
  if (target.matches('[data-eui]:focus-visible')) showTip(left, top, target.getAttribute('aria-label'));
});
byId('buildings').addEventListener('pointerover', (event) => {
  if (event.target.dataset.eui) showTip(event.clientX, event.clientY, event.target.getAttribute('aria-label'));
  else hideTip();
});
for (const leaving of ['pointerleave', 'focusout']) byId('buildings').addEventListener(leaving, hideTip);

// ---- one flat

function factsOf(meter) {
  const last = meter.last;
  const facts = last ? [
    [t.left, spaced(volume(last.left), 'm³'), 'big'],
    [t.usedTotal, spaced(volume(last.used), 'm³'), 'big'],
    [t.bought, spaced(volume(last.bought), 'm³'), 'big'],
    [t.lastSeen, fullMoment(last.time)],
    [t.said, last.status === null ? '–' : `${statusBits(last.status)} (0x${last.status.toString(16).padStart(4, '0')})`],
    [t.signal, last.rssi === null ? '–' : `${last.rssi} dBm / ${last.snr} dB`],
    [t.gateways, counted(last.gateways, t.gatewayUnit)],
    [t.seq, count(last.seq)],
    [t.version, last.version],
  ] : [[t.lastSeen, t.none]];
  return [...facts, [t.meter, meter.eui, 'mono'], [t.profile, meter.profile]];
}
function showFacts(facts) {
  byId('flat-facts').replaceChildren(...facts.filter(([, value]) => value !== '').map(([name, value, look]) =>
    make('div', {}, make('dt', {}, name), make('dd', look ? { class: look } : {}, String(value)))));
}
function showReadings(readings) {
  const points = [...readings].reverse().filter((reading) => reading.used !== null)
    .map((reading) => ({ time: reading.time, value: Number(reading.used) }));
  byId('flat-plot').hidden = points.length < 2;
  if (points.length < 2) return;
  byId('flat-line').textContent = t.line(points.length);
  const label = t.lineLabel(points.length, volume(points[0].value), volume(points[points.length - 1].value));
  chart('flat', points, { fromZero: false, label, unit: 'm³', timeStyle: 'medium' });
}
function showFlat(meter) {
  byId('flat-title').textContent = [meter.building, meter.unit].filter(Boolean).join(t.dot) || meter.eui;
  const whose = [meter.district, meter.tenant].filter(Boolean).join(t.dot);
  byId('flat-state').replaceChildren(mark(meter.state), t[meter.state], make('small', {}, whose));
  showFacts(factsOf(meter));
  showReadings(meter.readings);
}
let opened = '';
async function refreshFlat() {
  const eui = opened;
  if (eui === '') return;
  const meter = await get('/meters/' + encodeURIComponent(eui));
  if (opened === eui) showFlat(meter);
}
async function openFlat(eui) {
  opened = eui;
  hideTip();
  try {
    await refreshFlat();
  } catch (error) {
    byId('flat-title').textContent = eui;
    byId('flat-state').textContent = error.message;
    showFacts([]);
    showReadings([]);
  }
  if (opened === eui && !byId('flat').open) byId('flat').showModal();
}
byId('flat').addEventListener('close', () => { opened = ''; });
byId('flat').addEventListener('click', (event) => { if (event.target === byId('flat')) byId('flat').close(); });
for (const list of ['buildings', 'attention', 'episodes']) {
  byId(list).addEventListener('click', (event) => {
    const button = event.target.closest('button[data-eui]');
    if (button) openFlat(button.dataset.eui);
  });
}

// ---- keeping it fresh

async function refreshFlow() {
  const flow = await get(`/flow?minutes=${FLOW_MINUTES}`);
  // What began less than an hour ago began within its first minute, which is not whole.
  const whole = flow.points.slice(flow.points.length < FLOW_MINUTES ? 1 : 0);
  const points = whole.map((point) => ({ time: point.time, value: Number(point.flow) }));
  const known = points.length >= 2;
  byId('flow-plot').hidden = !known;
  byId('no-flow').hidden = known;
  if (!known) return;
  const text = (value) => spaced(rounded(value), 'm³/h');
  const now = points[points.length - 1].value;
  const label = t.flowLabel(text(now), text(Math.max(...points.map((point) => point.value))));
  chart('flow', points, { fromZero: true, label, unit: 'm³/h', timeStyle: 'short' });
  byId('flow-now').textContent = text(now);
}
// Everything anew: at the start, and after a connection that was lost, since what happened
// meanwhile was not told.
async function load() {
  await loadBuildings();
  await loadEpisodes();
  await loadAreas();
  showDistricts(await districtNames());
  const status = await get('/status');
  metersShown = status.meters.total;
  showStatus(status);
  await refreshFlow();
  soon('usage', loadUsage);
  document.body.dataset.ready = 'yes';
}
function showStates(states) {
  for (const { eui, state } of states) {
    if (flats.has(eui)) paint(flats.get(eui), state);
    if (eui === opened) soon('flat', refreshFlat);
  }
  showAttention();
}
function showStatusAndBuildings(status) {
  showStatus(status);
  if (status.meters.total === metersShown) return;
  metersShown = status.meters.total;  // meters came or went
  soon('buildings', loadBuildings);
}
function connected() {
  byId('dot').className = 'dot on';
  byId('trouble').hidden = true;
}
function lost() {
  askNothing();
  delete document.body.dataset.ready;
  byId('dot').className = 'dot off';
  byId('live-text').textContent = t.offline;
  byId('trouble').textContent = shownAt ? t.lost(clock(shownAt, 'medium')) : t.never;
  byId('trouble').hidden = false;
}
// Asks before it follows: get() tells a key that is no longer right from a platform that is away.
function comeBack() { get('/status').then(follow, () => setTimeout(comeBack, RETRY_MS)); }
function follow() {
  const source = new EventSource('/api/v1/events');
  let begun = Promise.resolve();
  let over = false;
  let silence = 0;
  const giveUp = () => {
    clearTimeout(silence);
    if (over) return;
    over = true;
    source.close();
    lost();
    setTimeout(comeBack, RETRY_MS);
  };
  // A cable that was pulled tells nothing: its silence does.
  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(giveUp, SILENCE_MS);
  };
  // Followed first, read then: no change falls between.
  source.onopen = () => {
    connected();
    heard();
    begun = load();
    begun.catch(giveUp);
  };
  source.onerror = giveUp;
  const listen = (name, use) => source.addEventListener(name, (event) => {
    heard();
    begun.then(() => use(JSON.parse(event.data))).catch(() => {});
  });
  listen('status', showStatusAndBuildings);
  listen('episodes', episodesChanged);
  listen('states', showStates);
}
follow();
setInterval(() => {
  if (!byId('trouble').hidden) return;
  soon('flow', refreshFlow);
  if (opened) soon('flat', refreshFlat);
}, REFRESH_MS);
setInterval(() => {
  if (!byId('trouble').hidden) return;
  soon('areas', loadAreas);
  soon('episodes', loadEpisodes);
}, AREAS_MS);
setInterval(() => { if (byId('trouble').hidden) soon('usage', loadUsage); }, USAGE_MS);
