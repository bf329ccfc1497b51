// Gas used in the last days, by hour: what the platform has computed, which is an hour behind.
import { get } from '/api.js';
import { chart } from '/chart.js';
import { byId } from '/dom.js';
import { queryOf } from '/lists.js';
import { moment, rounded, spaced, t } from '/words.js';

const HOURS = 72;
const HOUR_MS = 3600_000;
const SUMMED = 24;

// One point an hour, of all tenants together; an hour without a row is one in which no counter moved.
function pointsOf(rows) {
  const used = new Map();
  for (const row of rows) used.set(Date.parse(row.begin), (used.get(Date.parse(row.begin)) || 0) + row.used);
  const first = Math.min(...used.keys());
  const hours = used.size === 0 ? 0 : (Math.max(...used.keys()) - first) / HOUR_MS + 1;
  return Array.from({ length: hours }, (_, i) => first + i * HOUR_MS)
    .map((begin) => ({ time: new Date(begin).toISOString(), value: used.get(begin) || 0 }));
}
export async function loadUsage() {
  const from = new Date(Date.now() - HOURS * HOUR_MS).toISOString();
  const points = pointsOf((await get('/usage' + queryOf({ by: 'hour', sum: 'tenant', from }))).rows);
  const known = points.length >= 2;
  byId('usage-plot').hidden = !known;
  byId('no-usage').hidden = known;
  byId('usage-sum').textContent = '';
  if (!known) return;
  const text = (value) => spaced(rounded(value), 'm³');
  const last = points.slice(-SUMMED);
  byId('usage-sum').textContent = t.usedIn(last.length, text(last.reduce((sum, { value }) => sum + value, 0)));
  const label = t.usageLabel(points.length, text(Math.max(...points.map(({ value }) => value))));
  chart('usage', points, { fromZero: true, label, unit: 'm³', write: moment });
}
