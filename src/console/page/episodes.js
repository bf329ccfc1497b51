// Open episodes, the gravest first: the list with its filter, and one with its history.
import { get, soon } from '/api.js';
import { DEEDS, actOnAll, actOnOne, afterDeeds, deedButton } from '/deeds.js';
import { byId, make } from '/dom.js';
import { PAGE_ROWS, putInOrder, queryOf, showExports, showPager } from '/lists.js';
import { count, figure, fullMoment, moment, t } from '/words.js';

const FRESH_MS = 3000;

const mark = (severity) => make('span', { class: `mark ${severity}` });
const placeOf = ({ kind, building, unit, subject }) =>
  (kind === 'meter' ? [building, unit || subject].filter(Boolean).join(t.dot) : `${t.kinds[kind]} ${subject}`);
const titleOf = (episode) => t.rules[episode.rule] + t.dot + placeOf(episode);
const needsNote = ({ state }) => state === 'unacknowledged' || state === 'returned';
const stateOf = ({ state, shelved_until: until }) => (state === 'shelved' && until ? t.shelvedUntil(moment(until)) : t.states[state]);

// ---- the list

const form = byId('episode-filter');
const body = byId('episodes');
const rows = new Map();  // id -> {row, episode, said}
let offset = 0;
let wanted = 0;  // number of the newest question
let read = false;

const filter = () => Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, value.trim()]));

function newRow(id) {
  const cell = (look) => make('td', look ? { class: look } : {});
  return make('tr', { 'data-id': id }, cell(), cell(), cell(), cell(), cell(), cell('spare'), cell('num'), cell('spare figure'), cell(),
    make('td', { class: 'acts' }, deedButton('acknowledge'), make('button', { type: 'button', class: 'act', 'data-act': 'open' }, t.handle)));
}
function fillRow({ row, episode }) {
  const place = placeOf(episode);
  const values = [
    [mark(episode.severity), make('span', {}, t.severities[episode.severity])], [t.rules[episode.rule]],
    [episode.kind === 'meter' ? make('button', { type: 'button', class: 'link', 'data-eui': episode.subject }, place) : place],
    [stateOf(episode)], [moment(episode.raised)], [moment(episode.last_seen)], [count(episode.count)], [figure(episode.detail)],
    [episode.owner]];
  values.forEach((value, i) => {
    // A button that is the same stays: it may have the focus.
    if (row.cells[i].textContent !== value.map((part) => part.textContent ?? part).join('')) row.cells[i].replaceChildren(...value);
  });
  row.cells[0].firstChild.className = `mark ${episode.severity}`;
  row.dataset.severity = episode.severity;
  row.dataset.state = episode.state;
  const [acknowledge, open] = row.lastChild.children;
  acknowledge.disabled = !needsNote(episode);
  acknowledge.setAttribute('aria-label', t.deeds.acknowledge + t.dot + titleOf(episode));
  open.setAttribute('aria-label', t.handle + t.dot + titleOf(episode));
}
function rowOf(episode) {
  const said = JSON.stringify(episode);
  const known = rows.get(episode.id) || { row: newRow(episode.id), said: '' };
  if (known.said === '' && read) {
    known.row.className = 'fresh';
    setTimeout(() => { known.row.className = ''; }, FRESH_MS);
  }
  if (known.said !== said) fillRow(Object.assign(known, { episode, said }));
  rows.set(episode.id, known);
  return known.row;
}
function showEpisodes({ total, rows: list }) {
  putInOrder(body, list.map(rowOf));
  const shown = new Set(list.map(({ id }) => id));
  for (const id of rows.keys()) if (!shown.has(id)) rows.delete(id);
  read = true;
  const all = Object.values(filter()).every((value) => value === '');
  byId('episode-count').textContent = total === 0 ? '' : (all ? t.openEpisodes : t.foundEpisodes)(count(total));
  byId('episode-table').hidden = total === 0;
  byId('no-episodes').hidden = total > 0;
  byId('no-episodes').textContent = all ? t.noEpisodes : t.noneFound;
  byId('all-acts').hidden = total === 0;
  byId('all-acts-name').textContent = t.allShown(count(total));
  showPager('episode', { total, offset, shown: list.length }, goTo);
}
export async function loadEpisodes() {
  const number = ++wanted;
  showExports('episode', '/episodes', filter());
  const page = await get('/episodes' + queryOf({ ...filter(), limit: PAGE_ROWS, offset }));
  if (number !== wanted) return;  // another filter by now
  if (page.rows.length === 0 && page.total > 0 && offset > 0) return goTo(Math.floor((page.total - 1) / PAGE_ROWS) * PAGE_ROWS);
  showEpisodes(page);
}
function goTo(there) {
  offset = there;
  read = false;
  return loadEpisodes().catch((error) => { byId('deed-done').textContent = error.message; });
}

function fillChoices(select, choices) {
  const chosen = select.value;
  select.replaceChildren(make('option', { value: '' }, t.all), ...choices.map(([value, name]) => make('option', { value }, name)));
  select.value = choices.some(([value]) => value === chosen) ? chosen : '';
}
fillChoices(byId('f-severity'), Object.entries(t.severities));
fillChoices(byId('f-rule'), Object.entries(t.rules));
fillChoices(byId('f-state'), Object.entries(t.states).filter(([state]) => state !== 'cleared'));
export function showDistricts(names) { fillChoices(byId('f-district'), names.map((name) => [name, name])); }

form.addEventListener('submit', (event) => event.preventDefault());
form.addEventListener('change', () => goTo(0));
byId('f-q').addEventListener('input', () => soon('search', () => goTo(0)));  // while somebody types
byId('all-acts').append(...DEEDS.map(deedButton));
byId('all-acts').addEventListener('click', ({ target }) => { if (target.dataset.act) actOnAll(target.dataset.act, filter()); });
body.addEventListener('click', ({ target }) => {
  if (!target.dataset.act) return;
  const { episode } = rows.get(Number(target.closest('tr').dataset.id));
  if (target.dataset.act === 'open') openEpisode(episode.id);
  else actOnOne(target.dataset.act, episode, titleOf(episode));
});

// ---- one episode

let opened = null;

function showHistory(history) {
  byId('episode-history').replaceChildren(...[...history].reverse().map(({ time, who, what, text }) => {
    const until = what === 'shelved' && text;
    const said = { raised: figure(text), reopened: figure(text), shelved: until ? t.shelvedUntil(fullMoment(text)) : '' }[what] ?? text;
    return make('li', {}, make('time', { datetime: time }, fullMoment(time)), make('b', {}, t.events[what] || what),
      make('span', {}, who === '' ? t.platform : who.replace(/^console:?/, '') || t.thisPage), make('q', said ? {} : { hidden: '' }, said));
  }));
}
function showEpisode(episode) {
  opened = episode;
  byId('episode-title').textContent = titleOf(episode);
  byId('episode-state').replaceChildren(mark(episode.severity), t.severities[episode.severity] + t.dot + stateOf(episode),
    make('small', {}, [episode.district, episode.tenant].filter(Boolean).join(t.dot)));
  const facts = [[t.since, fullMoment(episode.raised)], [t.latest, fullMoment(episode.last_seen)], [t.times, count(episode.count)],
    [t.figureName, figure(episode.detail)], [t.owner, episode.owner], [t.comment, episode.comment],
    [t.acknowledgedBy, episode.acknowledged_by.replace(/^console:?/, '')], [t.number, String(episode.id)]];
  byId('episode-facts').replaceChildren(...facts.filter(([, value]) => value !== '').map(([name, value]) =>
    make('div', {}, make('dt', {}, name), make('dd', {}, value))));
  for (const button of byId('episode-acts').children) {
    const { act } = button.dataset;
    button.hidden = episode.state === 'cleared' || (act === 'acknowledge' && !needsNote(episode)) ||
      (episode.state === 'shelved' ? act === 'shelve' : act === 'unshelve');
  }
  showHistory(episode.history);
}
async function refreshEpisode() {
  const { id } = opened;
  const episode = await get(`/episodes/${id}`);
  if (opened?.id === id) showEpisode(episode);
}
async function openEpisode(id) {
  opened = { id };
  try {
    await refreshEpisode();
    if (!byId('episode').open) byId('episode').showModal();
  } catch (error) {
    byId('deed-done').textContent = error.message;
  }
}
byId('episode-acts').append(...DEEDS.flatMap((deed) => (deed === 'shelve' ? [deed, 'unshelve'] : [deed])).map(deedButton));
byId('episode-acts').addEventListener('click', ({ target }) => {
  if (target.dataset.act) actOnOne(target.dataset.act, opened, titleOf(opened));
});
byId('episode').addEventListener('close', () => { opened = null; });
byId('episode').addEventListener('click', (event) => { if (event.target === byId('episode')) byId('episode').close(); });

// ---- keeping it fresh

// What is shown changes at once; who comes and goes, where the list is asked for again.
export function episodesChanged(changes) {
  for (const episode of changes) if (rows.has(episode.id) && episode.state !== 'cleared') rowOf(episode);
  soon('episodes', loadEpisodes);
  if (opened && changes.some(({ id }) => id === opened.id)) soon('episode', () => (opened ? refreshEpisode() : Promise.resolve()));
}
afterDeeds(() => {
  loadEpisodes().catch(() => {});
  if (opened) refreshEpisode().catch(() => {});
});
