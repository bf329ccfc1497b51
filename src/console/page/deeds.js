// What people do to episodes: a dialog that asks for what is needed, and who it was, remembered in this browser.
import { get, post } from '/api.js';
import { byId, make } from '/dom.js';
import { queryOf } from '/lists.js';
import { count, fullMoment, t } from '/words.js';

export const DEEDS = ['acknowledge', 'assign', 'comment', 'shelve', 'clear'];
const SAYS = { assign: 'owner', comment: 'text', clear: 'text' };  // the member that holds what was typed
const NAMED_MAX = 1000;  // what one page of the API holds: so many are named one by one
const OFFICE_OPENS = 8;  // hours

const person = byId('person');
person.value = localStorage.getItem('person') || '';
function remember(name) {
  person.value = name;
  localStorage.setItem('person', name);
}
person.addEventListener('change', () => remember(person.value.trim()));

function tomorrow() {
  const at = new Date();
  at.setDate(at.getDate() + 1);
  at.setHours(OFFICE_OPENS, 0, 0, 0);
  return at.toISOString();
}

function tell({ done, refused, refusals }) {
  const why = [...new Set(refusals.map((refusal) => t.refusals[refusal.why] || refusal.why))].join(t.listed);
  byId('deed-done').textContent = refused > 0 ? t.partlyDone(count(done), count(refused), why) : t.done(count(done));
}
let changed = () => {};
// `then` is called when something was done.
export function afterDeeds(then) { changed = then; }

// `which`: {ids} or {query}.
async function perform(action, which, said) {
  const body = { ...said, by: person.value.trim() };
  if (which.ids) body.ids = which.ids;
  else if (!which.query) body.all = true;
  if (action === 'shelve') body.until = tomorrow();
  tell(await post(`/episodes/${action}${which.ids ? '' : which.query}`, body));
  changed();
}

let asked = null;  // what the open dialog is about
function askFor(action, which, what) {
  asked = { action, which };
  byId('deed-title').textContent = t.deeds[action];
  byId('deed-what').textContent = action === 'shelve' ? what + t.dot + t.shelvedUntil(fullMoment(tomorrow())) : what;
  byId('deed-says').hidden = !SAYS[action];
  byId('deed-text').required = Boolean(SAYS[action]) && action !== 'assign';
  byId('deed-text').value = action === 'assign' ? person.value : '';
  byId('deed-says-name').textContent = t.says[action] || '';
  byId('deed-person').value = person.value;
  byId('deed-error').textContent = '';
  byId('deed-do').textContent = t.deeds[action];
  byId('deed').showModal();
  (SAYS[action] ? byId('deed-text') : byId('deed-person')).focus();
}
byId('deed-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const { action, which } = asked;
  remember(byId('deed-person').value.trim());
  byId('deed-do').disabled = true;
  try {
    await perform(action, which, SAYS[action] ? { [SAYS[action]]: byId('deed-text').value.trim() } : {});
    byId('deed').close();
  } catch (error) {
    byId('deed-error').textContent = error.message;
  }
  byId('deed-do').disabled = false;
});
byId('deed-cancel').addEventListener('click', () => byId('deed').close());

// Of one: without a dialog where nothing is to be said and the person is known.
export async function actOnOne(action, episode, what) {
  if (SAYS[action] || !person.value.trim()) return askFor(action, { ids: [episode.id] }, what);
  try {
    await perform(action, { ids: [episode.id] }, {});
  } catch (error) {
    byId('deed-done').textContent = error.message;
  }
}
// Of all that a filter admits now: what comes while somebody types is not what he saw. Only where they are too many to be
// named, the filter stands for them.
export async function actOnAll(action, filter) {
  try {
    const { total, rows } = await get('/episodes' + queryOf({ ...filter, limit: NAMED_MAX }));
    if (total === 0) return;
    const which = total > rows.length ? { query: queryOf(filter) } : { ids: rows.map(({ id }) => id) };
    askFor(action, which, which.ids ? t.allOf(count(total)) : t.allOfMany(count(total)));
  } catch (error) {
    byId('deed-done').textContent = error.message;
  }
}
export const deedButton = (action) => make('button', { type: 'button', class: 'act', 'data-act': action }, t.deeds[action]);
