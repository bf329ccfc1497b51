// Districts and buildings: how their meters are, what flows there, what was used, which readings are missing.
import { get } from '/api.js';
import { byId, make } from '/dom.js';
import { PAGE_ROWS, queryOf, showExports, showPager } from '/lists.js';
import { clock, count, rounded, t } from '/words.js';

const STATES = ['online', 'low', 'closed', 'silent', 'faulty', 'unheard'];
const FIGURES = ['meters', ...STATES, 'open_alarms', 'flow', 'used_today', 'used_yesterday', 'used_week_ago'];
const TEXTS = ['district', 'building'];
const KINDS = {
  district: { path: '/district-status', columns: ['district', 'buildings', ...FIGURES], sort: '-open_alarms', only: {} },
  building: { path: '/building-status', columns: ['district', 'building', ...FIGURES], sort: '-open_alarms', only: {} },
  completeness: {
    path: '/completeness', only: { kind: 'district', day: 'yesterday' }, sort: 'percent',
    columns: ['district', 'percent', 'expected', 'received', 'late', 'silent', 'gateway_down', 'decrypt_failed', 'rejected', 'lost'],
  },
};

let kind = 'district';
let { sort } = KINDS[kind];
let offset = 0;
let wanted = 0;
const values = () => ({ ...KINDS[kind].only, sort, q: kind === 'building' ? byId('area-q').value.trim() : '' });

function showHeads() {
  byId('area-heads').replaceChildren(...KINDS[kind].columns.map((name) => {
    const order = { [name]: 'ascending', [`-${name}`]: 'descending' }[sort];
    const text = TEXTS.includes(name);
    return make('th', { ...(order ? { 'aria-sort': order } : {}), ...(text ? {} : { class: 'num' }) },
      make('button', { type: 'button', class: 'sort', 'data-sort': name }, t.areas[name]));
  }));
}
function shownValue(name, value) {
  if (TEXTS.includes(name)) return value || t.unplaced;
  if (value === null) return '–';
  if (name === 'percent') return `${rounded(value, 2)}%`;
  return name === 'flow' || name.startsWith('used') ? rounded(value, 3) : count(value);
}
function areaRow(area) {
  return make('tr', {}, ...KINDS[kind].columns.map((name) => {
    const trouble = name === 'open_alarms' && area[name] > 0;
    const nothing = !TEXTS.includes(name) && area[name] === 0;
    const look = [TEXTS.includes(name) ? '' : 'num', trouble ? 'short' : '', nothing ? 'none' : ''].join(' ').trim();
    return make('td', { ...(look ? { class: look } : {}), 'data-of': name }, shownValue(name, area[name]));
  }));
}
export async function loadAreas() {
  const number = ++wanted;
  const { path } = KINDS[kind];
  showExports('area', path, values());
  const { total, rows } = await get(path + queryOf({ ...values(), limit: PAGE_ROWS, offset }));
  if (number !== wanted) return;
  if (rows.length === 0 && total > 0) return goTo(0);
  byId('areas').replaceChildren(...rows.map(areaRow));
  byId('area-as-of').textContent = rows.length > 0 ? t.asOf(clock(rows[0].as_of, 'medium')) : '';
  byId('area-table').hidden = rows.length === 0;
  byId('no-areas').hidden = rows.length > 0;
  showPager('area', { total, offset, shown: rows.length }, goTo);
}
// The names that the episodes' filter offers.
export async function districtNames() {
  const { rows } = await get('/district-status?sort=district&limit=1000');
  return [...new Set(rows.map(({ district }) => district).filter(Boolean))];
}
function goTo(there) {
  offset = there;
  return loadAreas().catch(() => {});
}
function choose(other) {
  kind = other;
  sort = KINDS[kind].sort;
  for (const button of byId('area-kind').children) button.setAttribute('aria-pressed', button.dataset.kind === kind);
  byId('area-search').hidden = kind !== 'building';
  showHeads();
  goTo(0);
}
byId('area-kind').addEventListener('click', ({ target }) => { if (target.dataset.kind) choose(target.dataset.kind); });
byId('area-q').addEventListener('change', () => goTo(0));
byId('area-heads').addEventListener('click', ({ target }) => {
  const name = target.dataset.sort;
  if (!name) return;
  // First what one looks for: names from A, figures from the greatest, completeness from the worst.
  const first = TEXTS.includes(name) || name === 'percent' ? name : `-${name}`;
  sort = sort !== first ? first : first === name ? `-${name}` : name;
  showHeads();
  byId('area-heads').querySelector(`[data-sort=${name}]`).focus();
  goTo(0);
});
showHeads();
