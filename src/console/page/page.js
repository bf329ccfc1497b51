// The page of a running platform: numbers, meters, buildings, alerts and flow, from
// /api/v1 and refreshed by its server-sent events. No libraries, no build step.
'use strict';

const TEXT = {
  en: {
    rate: 'packets per second', settled: 'packets stored safely', lag: 'seconds behind', dead: 'dead letters',
    meters: 'Meters', flow: 'Gas flow, last hour', hourAgo: 'an hour ago', now: 'now', buildings: 'Buildings',
    alerts: 'Alerts', time: 'Time', meter: 'Meter', remaining: 'Left, m³', used: 'Used, m³', status: 'Status',
    noAlerts: 'No alerts.', live: 'live', away: 'connection lost, trying again', online: 'online', low: 'low balance',
    closed: 'valve closed', silent: 'silent', faulty: 'faulty', new: 'never heard', total: 'in all', floor: 'floor',
    left: 'Left', usedTotal: 'Used', bought: 'Bought', version: 'Software', lastSeen: 'Last reading', signal: 'Signal',
    gateways: 'Gateways', seq: 'Packet', profile: 'Profile', tenant: 'Tenant', none: 'Nothing was heard of this meter yet.',
    rows: 'rows', flats: 'flats', lastUse: 'Used over the last readings, m³', nothing: 'The API did not answer: ',
  },
  zh: {
    rate: '每秒数据包', settled: '已安全入库', lag: '处理延迟（秒）', dead: '死信', meters: '燃气表', flow: '近一小时用气流量',
    hourAgo: '一小时前', now: '现在', buildings: '楼宇', alerts: '告警', time: '时间', meter: '表号', remaining: '剩余 m³',
    used: '累计 m³', status: '状态字', noAlerts: '暂无告警。', live: '实时', away: '连接中断，正在重连', online: '在线', low: '余量不足',
    closed: '阀门关闭', silent: '失联', faulty: '故障', new: '尚未上报', total: '总计', floor: '层', left: '剩余', usedTotal: '累计用量',
    bought: '已购', version: '表具软件', lastSeen: '最近读数', signal: '信号', gateways: '网关数', seq: '包序号', profile: '协议', tenant: '租户',
    none: '该表尚无读数。', rows: '条', flats: '户', lastUse: '最近读数的累计用量 m³', nothing: '接口没有响应：',
  },
};
const chinese = (navigator.language || 'en').toLowerCase().startsWith('zh');
const t = TEXT[chinese ? 'zh' : 'en'];
const locale = chinese ? 'zh-CN' : 'en-GB';
const STATES = ['online', 'low', 'closed', 'silent', 'faulty', 'new'];
const byId = (id) => document.getElementById(id);
const count = (n) => Number(n).toLocaleString(locale);
const volume = (n) => Number(n).toLocaleString(locale, { minimumFractionDigits: 3, maximumFractionDigits: 3 });
const clock = (iso) => new Date(iso).toLocaleString(locale, { dateStyle: 'short', timeStyle: 'medium' });

document.documentElement.lang = chinese ? 'zh-CN' : 'en';
for (const node of document.querySelectorAll('[data-t]')) node.textContent = t[node.dataset.t];

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
async function get(path) {
  const answer = await fetch('/api/v1' + path, { headers: { Accept: 'application/json' } });
  if (!answer.ok) throw new Error(t.nothing + path + ' ' + answer.status);
  return answer.json();
}

// A line over its area; values may be flat or few.
function chart(svg, values, fromZero) {
  const box = svg.viewBox.baseVal;
  svg.replaceChildren();
  for (const share of [0.25, 0.5, 0.75]) {
    svg.append(draw('line', { class: 'grid', x1: 0, x2: box.width, y1: box.height * share, y2: box.height * share }));
  }
  if (values.length < 2) return;
  const low = fromZero ? 0 : Math.min(...values);
  const span = Math.max(...values) - low || 1;
  const x = (i) => (i / (values.length - 1)) * box.width;
  const y = (v) => box.height - 6 - ((v - low) / span) * (box.height - 12);
  const line = values.map((v, i) => `${x(i).toFixed(1)},${y(v).toFixed(1)}`).join(' ');
  svg.append(draw('polygon', { class: 'area', points: `0,${box.height} ${line} ${box.width},${box.height}` }));
  svg.append(draw('polyline', { class: 'line', points: line }));
}

function showStatus(status) {
  byId('n-rate').textContent = Number(status.packets.per_second).toLocaleString(locale, { maximumFractionDigits: 1 });
  byId('n-settled').textContent = count(status.packets.settled);
  byId('n-lag').textContent = Number(status.lag.seconds).toLocaleString(locale, { maximumFractionDigits: 1 });
  byId('n-dead').textContent = count(status.dead_letters.total);
  byId('n-dead').parentElement.classList.toggle('warn', status.dead_letters.total > 0);
  byId('alert-count').textContent = `${count(status.alerts.total)} ${t.rows}`;
  const meters = { ...status.meters };
  const known = STATES.reduce((sum, state) => sum + (meters[state] || 0), 0);
  meters.new = (meters.new || 0) + Math.max(0, meters.total - known);
  const shown = STATES.filter((state) => meters[state] > 0);
  byId('bar').replaceChildren(...shown.map((state) => make('i', { class: state, style: `flex-grow:${meters[state]}` })));
  byId('bar').setAttribute('aria-label', shown.map((state) => `${t[state]} ${meters[state]}`).join(', '));
  byId('legend').replaceChildren(
    ...STATES.filter((state) => state !== 'new' || meters.new > 0).map((state) =>
      make('li', { 'data-state': state }, make('span', { class: 'swatch ' + state }), `${t[state]} `, make('b', {}, count(meters[state] || 0)))),
    make('li', {}, `${t.total} `, make('b', {}, count(meters.total))));
  byId('live-text').textContent = `${t.live} · ${clock(status.time)}`;
}

const flats = new Map();
function paint(button, state) {
  button.className = state;
  button.title = `${button.dataset.place} · ${t[state]}`;
  button.setAttribute('aria-label', button.title);
}
function showBuilding(building) {
  const floors = [...new Set(building.flats.map((flat) => flat.floor))].sort((a, b) => b - a);
  const grid = make('div', { class: 'floors' });
  const widest = Math.max(...floors.map((floor) => building.flats.filter((flat) => flat.floor === floor).length));
  grid.style.gridTemplateColumns = `repeat(${widest}, auto)`;
  for (const floor of floors) {
    const row = building.flats.filter((flat) => flat.floor === floor).sort((a, b) => String(a.unit).localeCompare(String(b.unit)));
    row.forEach((flat, i) => {
      const button = make('button', { type: 'button', 'data-eui': flat.eui, 'data-place': `${building.building} · ${flat.unit}` });
      if (i === 0) button.style.gridColumnStart = 1;
      button.addEventListener('click', () => openFlat(flat.eui));
      paint(button, flat.state);
      flats.set(flat.eui, button);
      grid.append(button);
    });
  }
  const caption = `${building.building} · ${building.district} · ${count(building.flats.length)} ${t.flats}`;
  return make('figure', { class: 'building' }, grid, make('figcaption', {}, caption));
}

function alertRow(alert) {
  const open = make('button', { type: 'button' }, alert.DeviceID);
  open.addEventListener('click', () => openFlat(alert.DeviceID));
  return make('tr', {}, make('td', {}, clock(alert.DateTime)), make('td', {}, open), make('td', { class: 'num' }, volume(alert.Remaining)),
    make('td', { class: 'num' }, volume(alert.TotalUsed)), make('td', { class: 'num' }, String(alert.MeterStatus)));
}
function addAlerts(rows) {
  byId('alerts').prepend(...rows.map(alertRow));
  while (byId('alerts').rows.length > 100) byId('alerts').deleteRow(-1);
  byId('no-alerts').hidden = byId('alerts').rows.length > 0;
}

async function openFlat(eui) {
  const meter = await get('/meters/' + encodeURIComponent(eui));
  byId('flat-title').textContent = [meter.building, meter.unit].filter(Boolean).join(' · ') || meter.eui;
  byId('flat-state').replaceChildren(make('span', { class: 'badge' }, make('span', { class: 'swatch ' + meter.state }), t[meter.state]));
  const last = meter.last;
  const facts = last
    ? [[t.left, volume(last.left) + ' m³'], [t.usedTotal, volume(last.used) + ' m³'], [t.bought, volume(last.bought) + ' m³'],
      [t.lastSeen, clock(last.time)], [t.status, '0x' + Number(last.status).toString(16).padStart(4, '0')], [t.version, last.version],
      [t.signal, last.rssi === null ? '–' : `${last.rssi} dBm / ${last.snr} dB`], [t.gateways, last.gateways], [t.seq, count(last.seq)]]
    : [[t.lastSeen, t.none]];
  facts.push([t.meter, meter.eui], [t.profile, meter.profile], [t.tenant, meter.tenant]);
  byId('flat-facts').replaceChildren(...facts.map(([name, value]) => make('div', {}, make('dt', {}, name), make('dd', {}, String(value)))));
  const readings = [...(meter.readings || [])].reverse();
  chart(byId('flat-chart'), readings.map((reading) => Number(reading.used)), false);
  byId('flat-chart').setAttribute('aria-label', t.lastUse);
  byId('flat-from').textContent = readings.length ? clock(readings[0].time) : '';
  byId('flat-to').textContent = readings.length ? clock(readings[readings.length - 1].time) : '';
  if (!byId('flat').open) byId('flat').showModal();
}

async function refreshFlow() {
  const flow = await get('/flow?minutes=60');
  chart(byId('flow-chart'), flow.points.map((point) => Number(point.flow)), true);
  const newest = flow.points.at(-1);
  byId('flow-now').textContent = newest ? `${Number(newest.flow).toLocaleString(locale, { maximumFractionDigits: 1 })} m³/h` : '';
}

function follow() {
  const source = new EventSource('/api/v1/events');
  const dot = document.querySelector('.dot');
  source.onopen = () => dot.classList.add('on');
  source.onerror = () => { dot.classList.remove('on'); byId('live-text').textContent = t.away; };
  source.addEventListener('status', (event) => showStatus(JSON.parse(event.data)));
  source.addEventListener('alerts', (event) => addAlerts(JSON.parse(event.data)));
  source.addEventListener('states', (event) => {
    for (const { eui, state } of JSON.parse(event.data)) if (flats.has(eui)) paint(flats.get(eui), state);
  });
}

async function start() {
  const [status, buildings, alerts] = await Promise.all([get('/status'), get('/buildings'), get('/alerts?limit=100')]);
  showStatus(status);
  byId('buildings').replaceChildren(...buildings.map(showBuilding));
  addAlerts(alerts);
  await refreshFlow();
  follow();
  setInterval(() => refreshFlow().catch(() => {}), 5000);
}
start().catch((error) => { byId('live-text').textContent = error.message; });
