// The page of a running platform: numbers, meters, buildings, alerts and flow, from
// /api/v1 and refreshed by its server-sent events. No libraries, no build step.
'use strict';

const TEXT = {
  en: {
    rate: 'packets per second', settled: 'packets stored safely', lag: 'behind', dead: 'dead letters',
    received: 'received', readings: 'readings', copies: 'copies left out', upToDate: 'every stage is up to date',
    nothingAside: 'nothing put aside', noise: 'foreign packets ignored', meters: 'Meters', flow: 'Gas flow, last hour',
    noFlow: 'The first curve appears after three minutes of readings.', buildings: 'Buildings', floors: ['floor', 'floors'], flats: ['flat', 'flats'],
    noBuildings: 'The registry holds no meters yet: meterhub registry import fills it.', moreBuildings: 'the first are shown', unplaced: 'Not placed',
    alerts: 'Alerts', time: 'Time', place: 'Flat', meter: 'Meter', remaining: 'Left, m³', used: 'Used, m³', said: 'Status', rows: 'in all',
    noAlerts: 'No alerts. Meters with less than 5 m³ left will appear here.', live: 'live', away: 'connection lost, trying again',
    online: 'online', low: 'low balance', closed: 'valve closed', silent: 'silent', faulty: 'faulty', new: 'never heard',
    left: 'Left', usedTotal: 'Used', bought: 'Bought', version: 'Software', lastSeen: 'Last reading', signal: 'Signal',
    gateways: 'Heard by', gatewayUnit: ['gateway', 'gateways'], seq: 'Packet number', profile: 'Payload profile', tenant: 'Tenant', district: 'District',
    none: 'Nothing was heard of this meter yet.', line: (n) => `Used over the last ${n} readings, m³`, close: 'Close', nothing: 'No answer from ',
    seconds: 's', minutes: 'min', hours: 'h', stages: { connector: 'decryption', deduplication: 'deduplication', archive: 'archive' },
    bits: { 1: 'battery low', 2: 'valve closed', 4: 'valve open', 8: 'tamper', 16: 'flow sensor', 32: 'leak suspected', 64: 'overdraft' },
  },
  zh: {
    rate: '每秒数据包', settled: '已安全入库的数据包', lag: '处理延迟', dead: '死信',
    received: '个已接收', readings: '条读数', copies: '个重复包已剔除', upToDate: '各环节均无积压',
    nothingAside: '没有被搁置的数据', noise: '已忽略的外来数据包', meters: '燃气表', flow: '近一小时用气流量',
    noFlow: '收到约三分钟读数后显示曲线。', buildings: '楼宇', floors: ['层', '层'], flats: ['户', '户'],
    noBuildings: '登记库中还没有燃气表，可用 meterhub registry import 导入。', moreBuildings: '仅显示前若干栋', unplaced: '未登记位置',
    alerts: '告警', time: '时间', place: '住户', meter: '表号', remaining: '剩余 m³', used: '累计 m³', said: '状态', rows: '条',
    noAlerts: '暂无告警。余量低于 5 m³ 的表会出现在这里。', live: '实时', away: '连接中断，正在重连',
    online: '在线', low: '余量不足', closed: '阀门关闭', silent: '失联', faulty: '故障', new: '尚未上报',
    left: '剩余', usedTotal: '累计用量', bought: '累计购气', version: '表具软件', lastSeen: '最近读数', signal: '信号',
    gateways: '接收网关', gatewayUnit: ['个', '个'], seq: '包序号', profile: '数据协议', tenant: '燃气公司', district: '片区',
    none: '该表尚无读数。', line: (n) => `最近 ${n} 次读数的累计用量 m³`, close: '关闭', nothing: '接口没有响应：',
    seconds: '秒', minutes: '分', hours: '小时', stages: { connector: '解密', deduplication: '去重', archive: '归档' },
    bits: { 1: '电池电量低', 2: '阀门关闭', 4: '阀门开启', 8: '被拆动', 16: '流量传感器故障', 32: '疑似泄漏', 64: '透支' },
  },
};
const chinese = (navigator.language || 'en').toLowerCase().startsWith('zh');
const t = TEXT[chinese ? 'zh' : 'en'];
const locale = chinese ? 'zh-CN' : 'en-GB';
const STATES = ['online', 'low', 'closed', 'silent', 'faulty', 'new'];
const ALERTS_SHOWN = 100;
const BUILDINGS_SHOWN = 200;
const byId = (id) => document.getElementById(id);
const count = (n) => Number(n).toLocaleString(locale);
const rounded = (n, digits = 1) => Number(n).toLocaleString(locale, { maximumFractionDigits: digits });
const volume = (n) => (n === null || n === undefined ? '–' : Number(n).toLocaleString(locale, { minimumFractionDigits: 3, maximumFractionDigits: 3 }));
const moment = (iso) => new Date(iso).toLocaleString(locale, { dateStyle: 'short', timeStyle: 'medium' });
const clock = (iso, seconds) => new Date(iso).toLocaleTimeString(locale, { hour: '2-digit', minute: '2-digit', second: seconds ? '2-digit' : undefined });
const spaced = (number, unit) => `${number} ${unit}`;
const counted = (number, [one, many]) => spaced(count(number), number === 1 ? one : many);

document.documentElement.lang = chinese ? 'zh-CN' : 'en';
for (const node of document.querySelectorAll('[data-t]')) node.textContent = t[node.dataset.t];
for (const node of document.querySelectorAll('[data-label]')) node.setAttribute('aria-label', t[node.dataset.label]);

// Text always goes in as text: nothing that came from a meter is ever read as markup.
function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}
function draw(tag, attributes) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}
function swatch(state) { return make('span', { class: 'swatch ' + state }); }
async function get(path) {
  const answer = await fetch('/api/v1' + path, { headers: { Accept: 'application/json' } });
  if (!answer.ok) throw new Error(`${t.nothing}${path} (${answer.status})`);
  return answer.json();
}
function span(seconds) {
  if (seconds < 60) return spaced(rounded(seconds), t.seconds);
  if (seconds < 5400) return spaced(Math.round(seconds / 60), t.minutes);
  return spaced(rounded(seconds / 3600), t.hours);
}
const statusBits = (status) => Object.entries(t.bits).filter(([bit]) => status & Number(bit)).map(([, name]) => name).join(chinese ? '、' : ', ');

// ---- charts

// A round number at or above `value`, with two or four even steps below it.
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 10].map((n) => n * power).find((n) => n >= value * 0.999);
}
// A line over its area, and its scale beside it. `points`: [{time, value}], oldest first.
function chart(name, points, fromZero, label) {
  const svg = byId(`${name}-chart`);
  const box = svg.viewBox.baseVal;
  const values = points.map((point) => point.value);
  let low = fromZero ? 0 : Math.min(...values);
  let high = fromZero ? ceiling(Math.max(...values, 0.001)) : Math.max(...values);
  if (high - low < 0.002) { low -= 0.001; high += 0.001; }
  const x = (i) => (i / Math.max(1, points.length - 1)) * box.width;
  const y = (value) => box.height - ((value - low) / (high - low)) * box.height;
  const line = points.map((point, i) => `${x(i).toFixed(1)},${y(point.value).toFixed(1)}`).join(' ');
  svg.replaceChildren(
    ...[0, 0.5, 1].map((share) => draw('line', { class: 'grid', x1: 0, x2: box.width, y1: box.height * share, y2: box.height * share })),
    draw('polygon', { class: 'area', points: `0,${box.height} ${line} ${box.width},${box.height}` }),
    draw('polyline', { class: 'line', points: line }));
  svg.setAttribute('aria-label', label);
  const digits = high - low < 0.05 ? 3 : high - low < 5 ? 2 : 0;
  byId(`${name}-scale`).replaceChildren(...[high, (high + low) / 2, low].map((value) => make('li', {}, rounded(value, digits))));
  byId(`${name}-from`).textContent = clock(points[0].time);
  byId(`${name}-to`).textContent = clock(points[points.length - 1].time);
  svg.onpointermove = (event) => {
    const area = svg.getBoundingClientRect();
    const i = Math.round(((event.clientX - area.left) / area.width) * (points.length - 1));
    const point = points[Math.min(points.length - 1, Math.max(0, i))];
    showTip(event, `${clock(point.time, name === 'flat')} · ${rounded(point.value, 3)} ${name === 'flow' ? 'm³/h' : 'm³'}`);
  };
  svg.onpointerleave = () => { byId('tip').hidden = true; };
}
function showTip(event, text) {
  const tip = byId('tip');
  const inside = byId('flat').open ? byId('flat') : document.body;  // above the dialog, too
  if (tip.parentNode !== inside) inside.append(tip);
  tip.textContent = text;
  tip.hidden = false;
  tip.style.left = `${Math.min(event.clientX + 12, window.innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${event.clientY - 34}px`;
}

// ---- numbers and meters

function lagText(lag) {
  const behind = lag.stages.filter((stage) => stage.records > 0 && stage.seconds >= 1).sort((a, b) => b.seconds - a.seconds);
  if (behind.length === 0) return t.upToDate;
  return behind.slice(0, 2).map((stage) => `${t.stages[stage.name] || stage.name} ${count(stage.records)}`).join(' · ');
}
function showNumbers(status) {
  byId('n-rate').textContent = rounded(status.packets.per_second);
  byId('s-rate').textContent = `${count(status.packets.received)} ${t.received}`;
  byId('n-settled').textContent = count(status.packets.settled);
  byId('s-settled').textContent = `${count(status.readings.total)} ${t.readings} · ${count(status.readings.duplicates)} ${t.copies}`;
  byId('n-lag').textContent = span(status.lag.seconds);
  byId('n-lag').parentElement.classList.toggle('warn', status.lag.seconds > 60);
  byId('s-lag').textContent = lagText(status.lag);
  byId('n-dead').textContent = count(status.dead_letters.total);
  byId('n-dead').parentElement.classList.toggle('warn', status.dead_letters.total > 0);
  const reasons = Object.entries(status.dead_letters.by_reason).sort((a, b) => b[1] - a[1]);
  byId('s-dead').textContent = reasons.slice(0, 3).map(([reason, n]) => `${reason} ${count(n)}`).join(' · ') || t.nothingAside;
  byId('s-dead').title = `${t.noise}: ${count(status.noise.total)}`;
  byId('alert-count').textContent = status.alerts.total > 0 ? `${count(status.alerts.total)} ${t.rows}` : '';
}
function showMeters(status) {
  const meters = { ...status.meters, new: 0 };
  meters.new = Math.max(0, meters.total - STATES.reduce((sum, state) => sum + (meters[state] || 0), 0));
  byId('meter-count').textContent = count(meters.total);
  const shown = STATES.filter((state) => meters[state] > 0);
  byId('bar').replaceChildren(...shown.map((state) => {
    const part = make('i', { class: state, title: `${t[state]} ${count(meters[state])}` });
    part.style.flexGrow = meters[state];
    return part;
  }));
  byId('bar').setAttribute('aria-label', shown.map((state) => `${t[state]} ${meters[state]}`).join(', '));
  byId('legend').replaceChildren(...STATES.map((state) =>
    make('li', { 'data-state': state, class: meters[state] ? '' : 'none' }, swatch(state), t[state], make('b', {}, count(meters[state])))));
}
function showStatus(status) {
  showNumbers(status);
  showMeters(status);
  byId('live-text').textContent = `${t.live} · ${moment(status.time)}`;
}

// ---- buildings

const flats = new Map();   // eui -> button
const places = new Map();  // eui -> "building · unit"
function paint(button, state) {
  button.className = state;
  button.title = `${button.dataset.place} · ${t[state]}`;
  button.setAttribute('aria-label', button.title);
}
function flatButton(building, flat) {
  const place = [building.building || t.unplaced, flat.unit || flat.eui].join(' · ');
  const button = make('button', { type: 'button', 'data-eui': flat.eui, 'data-place': place });
  paint(button, flat.state);
  flats.set(flat.eui, button);
  places.set(flat.eui, place);
  return button;
}
function showBuilding(building) {
  const floors = new Map();
  for (const flat of building.flats) floors.set(flat.floor, [...(floors.get(flat.floor) || []), flat]);
  const named = building.building !== '';
  const rows = [...floors].reverse().map(([floor, row]) =>
    make('div', { class: named ? 'floor' : 'floor loose' }, ...(named ? [make('span', { 'aria-hidden': 'true' }, floor)] : []), ...row.map((flat) => flatButton(building, flat))));
  const size = [named ? counted(building.floors, t.floors) : '', counted(building.flats.length, t.flats)].filter(Boolean).join(' · ');
  return make('figure', { class: 'building' }, make('div', { class: 'floors' }, ...rows),
    make('figcaption', {}, building.building || t.unplaced, make('small', {}, [building.district, size].filter(Boolean).join(' · '))));
}
function showBuildings(buildings) {
  flats.clear();
  places.clear();
  const filled = buildings.filter((building) => building.flats.length > 0);
  byId('buildings').replaceChildren(...filled.map(showBuilding));
  byId('no-buildings').hidden = filled.length > 0;
  byId('building-count').textContent = buildings.length >= BUILDINGS_SHOWN ? `${count(filled.length)} · ${t.moreBuildings}` : '';
}
byId('buildings').addEventListener('click', (event) => { if (event.target.dataset.eui) openFlat(event.target.dataset.eui); });

// ---- alerts

function alertRow(alert, fresh) {
  const open = make('button', { type: 'button', 'data-eui': alert.DeviceID }, places.get(alert.DeviceID) || alert.DeviceID);
  return make('tr', { 'data-id': alert.id, ...(fresh ? { class: 'fresh' } : {}) }, make('td', {}, moment(alert.DateTime)), make('td', {}, open),
    make('td', { class: 'mono' }, alert.DeviceID), make('td', { class: alert.Remaining < 0 ? 'num short' : 'num' }, volume(alert.Remaining)),
    make('td', { class: 'num' }, volume(alert.TotalUsed)), make('td', {}, statusBits(alert.MeterStatus)));
}
// Newest first. A row that is there already (read twice around a reconnect) stays once.
function addAlerts(rows, fresh) {
  const newest = Number(byId('alerts').rows[0]?.dataset.id || 0);
  byId('alerts').prepend(...rows.filter((row) => row.id > newest).map((row) => alertRow(row, fresh)));
  while (byId('alerts').rows.length > ALERTS_SHOWN) byId('alerts').deleteRow(-1);
  byId('alert-table').hidden = byId('alerts').rows.length === 0;
  byId('no-alerts').hidden = byId('alerts').rows.length > 0;
}
byId('alerts').addEventListener('click', (event) => { if (event.target.dataset.eui) openFlat(event.target.dataset.eui); });

// ---- one flat

function showFlat(meter) {
  byId('flat-title').textContent = [meter.building, meter.unit].filter(Boolean).join(' · ') || meter.eui;
  byId('flat-state').replaceChildren(make('span', { class: 'badge' }, swatch(meter.state), t[meter.state]));
  const last = meter.last;
  const facts = last
    ? [[t.left, spaced(volume(last.left), 'm³'), 'big'], [t.usedTotal, spaced(volume(last.used), 'm³'), 'big'], [t.bought, spaced(volume(last.bought), 'm³'), 'big'],
      [t.lastSeen, moment(last.time)], [t.said, last.status === null ? '–' : `${statusBits(last.status)} (0x${last.status.toString(16).padStart(4, '0')})`],
      [t.signal, last.rssi === null ? '–' : `${last.rssi} dBm · ${last.snr} dB`],
      [t.gateways, counted(last.gateways, t.gatewayUnit)], [t.seq, count(last.seq)], [t.version, last.version]]
    : [[t.lastSeen, t.none]];
  facts.push([t.meter, meter.eui, 'mono'], [t.profile, meter.profile], [t.district, meter.district], [t.tenant, meter.tenant]);
  byId('flat-facts').replaceChildren(...facts.filter(([, value]) => value !== '').map(([name, value, look]) =>
    make('div', {}, make('dt', {}, name), make('dd', look ? { class: look } : {}, String(value)))));
  const points = [...meter.readings].reverse().filter((reading) => reading.used !== null).map((reading) => ({ time: reading.time, value: Number(reading.used) }));
  byId('flat-plot').hidden = points.length < 2;
  byId('flat-line').textContent = t.line(points.length);
  if (points.length >= 2) chart('flat', points, false, t.line(points.length));
}
let opened = '';
async function openFlat(eui) {
  opened = eui;
  try {
    const meter = await get('/meters/' + encodeURIComponent(eui));
    if (opened !== eui) return;
    showFlat(meter);
    if (!byId('flat').open) byId('flat').showModal();
  } catch (error) {
    byId('live-text').textContent = error.message;
  }
}
byId('flat').addEventListener('close', () => { opened = ''; });
byId('flat').addEventListener('click', (event) => { if (event.target === byId('flat')) byId('flat').close(); });

// ---- keeping it fresh

async function refreshFlow() {
  const flow = await get('/flow?minutes=60');
  const points = flow.points.map((point) => ({ time: point.time, value: Number(point.flow) }));
  const known = points.length >= 2;
  for (const node of [document.querySelector('#flow-chart').parentElement, byId('flow-from').parentElement]) node.hidden = !known;
  byId('no-flow').hidden = known;
  if (!known) return;
  chart('flow', points, true, t.flow);
  byId('flow-now').textContent = spaced(rounded(points[points.length - 1].value), 'm³/h');
}
// Everything anew: at the start, and after a connection that was lost, since what happened
// meanwhile was not told.
async function load() {
  const [status, buildings, alerts] = await Promise.all([get('/status'), get(`/buildings?limit=${BUILDINGS_SHOWN}`), get(`/alerts?limit=${ALERTS_SHOWN}`)]);
  showBuildings(buildings);
  addAlerts(alerts, false);
  showStatus(status);
  await refreshFlow();
  document.body.dataset.ready = 'yes';
}
function lost(message) {
  byId('dot').className = 'dot off';
  byId('live-text').textContent = message;
}
function follow() {
  const source = new EventSource('/api/v1/events');
  let begun = Promise.resolve();
  // Told first, read then: no change falls between.
  source.onopen = () => {
    byId('dot').className = 'dot on';
    begun = load().catch((error) => {
      lost(error.message);
      source.close();
      setTimeout(follow, 3000);
    });
  };
  source.onerror = () => {
    lost(t.away);
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 3000);
  };
  source.addEventListener('status', (event) => showStatus(JSON.parse(event.data)));
  source.addEventListener('alerts', (event) => begun.then(() => addAlerts(JSON.parse(event.data), true)));
  source.addEventListener('states', (event) => begun.then(() => {
    for (const { eui, state } of JSON.parse(event.data)) {
      if (flats.has(eui)) paint(flats.get(eui), state);
      if (eui === opened) openFlat(eui);
    }
  }));
}
follow();
setInterval(() => refreshFlow().catch(() => {}), 5000);
setInterval(() => { if (opened) openFlat(opened); }, 5000);
